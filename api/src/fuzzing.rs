//! Doors for fuzz targets into what strangers can reach and other crates can't. Each gives the status of the
//! refusal.

use axum::http::Uri;
use eventlog::fact::Unfaithful;

use crate::commands;
use crate::problem::Problem;
use crate::reads;

/// The body of `POST .../runs`.
///
/// # Errors
/// The status.
pub fn start_body(body: &[u8]) -> Result<(), u16> {
    commands::read_start(body).map_err(status)
}

/// The body of `POST .../events`; gives how many events it holds.
///
/// # Errors
/// The status.
pub fn events_body(body: &[u8]) -> Result<usize, u16> {
    commands::read_events(body).map_err(status)
}

/// What the door lets in of both bodies, as the log would be given it: with times of its own.
///
/// # Errors
/// The first event that would not be read back as it was decided.
pub fn read_back(body: &[u8]) -> Result<usize, Unfaithful> {
    commands::read_back(body)
}

/// The query of `GET .../runs`, without the question mark.
///
/// # Errors
/// The status; 400 as well where it is no query at all.
pub fn run_list(query: &str) -> Result<(), u16> {
    let uri: Uri = format!("/runs?{query}").parse().map_err(|_| 400u16)?;
    reads::read_run_list(&uri).map_err(status)
}

/// A bearer token by its form.
#[must_use]
pub fn token(text: &str) -> bool {
    access::check(text).is_ok()
}

#[expect(clippy::needless_pass_by_value, reason = "it is what map_err gives")]
fn status(problem: Problem) -> u16 {
    problem.status
}
