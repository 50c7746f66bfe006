//! Times as they are written in requests (RFC 3339).

use std::fmt::Display;

use chrono::NaiveDateTime;

/// How much of what is no time is repeated to the caller.
const SHOWN: usize = 40;

/// What is wrong with a text that is no time. `error` is what its parser says.
#[must_use]
pub fn explain(text: &str, error: impl Display) -> String {
    let shown: String = text.chars().take(SHOWN).collect();
    if has_no_offset(text) {
        return format!(
            "{shown:?} has no offset, and two readers would take it for two moments: write {shown}Z where it \
             is UTC, or {shown}+02:00 and the like"
        );
    }
    format!("{shown:?} is not a time of RFC 3339, such as 2026-01-31T08:15:00Z ({error})")
}

/// Whether a time is there, but not where on earth.
fn has_no_offset(text: &str) -> bool {
    let spelled = text.replacen([' ', 't'], "T", 1);
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .any(|form| NaiveDateTime::parse_from_str(&spelled, form).is_ok())
}
