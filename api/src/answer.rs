//! The form of every answer: JSON, or a table, with the position it reflects, the ledger's epoch and the lag in its headers.

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use eventlog::Position;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reads::Form;
use serde::Serialize;

use crate::csv::{self, Tabular};
use crate::etag;
use crate::preconditions::mark;
use crate::problem::Problem;
use crate::request::Address;
use crate::state::ApiState;

/// What is percent-encoded in a query: all but the unreserved characters (RFC 3986, section 2.3).
pub const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Answers with `body`, which reflects `position`. Its tag is that of its content: what is the same at a later
/// position has the same.
///
/// # Errors
/// 500 when it can't be written, which nothing of ours causes.
pub fn answer(state: &ApiState, position: Position, body: impl Serialize) -> Result<Response, Problem> {
    let json = serde_json::to_vec(&body).map_err(|error| Problem::internal(&error))?;
    let tag = etag::of_content(without_position(&json, position))?;
    Ok(answered(state, position, json, tag))
}

/// As [`answer_page`], of a list that has two forms: a page, or a table of its rows.
///
/// # Errors
/// As there.
pub fn answer_list<P: Serialize + Tabular>(
    state: &ApiState,
    address: &Address,
    position: Position,
    (form, page): (Form, P),
    next_cursor: Option<&str>,
) -> Result<Response, Problem> {
    let mut response = match form {
        Form::Json => answer(state, position, page)?,
        Form::Csv => {
            let table = csv::table(&page).map_err(|error| Problem::internal(&error))?;
            let tag = etag::of_content(&table)?;
            let mut response = answered(state, position, table, tag);
            let headers = response.headers_mut();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(csv::MEDIA_TYPE));
            headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(P::DISPOSITION));
            response
        }
    };
    response.headers_mut().append(header::VARY, HeaderValue::from_static("accept"));
    if let Some(cursor) = next_cursor {
        link_next(response.headers_mut(), address, cursor)?;
    }
    Ok(response)
}

/// As [`answer`], of a page: with the link to the next one, if there is one.
///
/// # Errors
/// As there.
pub fn answer_page(
    state: &ApiState,
    address: &Address,
    position: Position,
    page: impl Serialize,
    next_cursor: Option<&str>,
) -> Result<Response, Problem> {
    let mut response = answer(state, position, page)?;
    if let Some(cursor) = next_cursor {
        link_next(response.headers_mut(), address, cursor)?;
    }
    Ok(response)
}

/// As [`answer`], with a tag of the body's own.
///
/// # Errors
/// As there.
pub fn answer_tagged(
    state: &ApiState,
    position: Position,
    body: impl Serialize,
    tag: HeaderValue,
) -> Result<Response, Problem> {
    let json = serde_json::to_vec(&body).map_err(|error| Problem::internal(&error))?;
    Ok(answered(state, position, json, tag))
}

/// A body without the position that it reflects, which is the last member of each that has one.
fn without_position(json: &[u8], position: Position) -> &[u8] {
    json.strip_suffix(format!(",\"position\":{}}}", position.0).as_bytes()).unwrap_or(json)
}

fn answered(state: &ApiState, position: Position, body: Vec<u8>, tag: HeaderValue) -> Response {
    let mut response = body.into_response();
    let lag = state.freshness.lag_of(position);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ETAG, tag);
    mark(state.freshness.ledger(), headers, position);
    headers.insert("runledger-lag-events", HeaderValue::from(lag.events));
    if let Ok(seconds) = HeaderValue::try_from(format!("{:.3}", lag.seconds)) {
        headers.insert("runledger-lag-seconds", seconds);
    }
    // It is for this caller, and the next moment's answer may be another.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
    response
}

/// Adds the link to the next page (RFC 8288), which keeps all parameters.
fn link_next(headers: &mut HeaderMap, address: &Address, cursor: &str) -> Result<(), Problem> {
    let mut link = format!("<{}?", address.path);
    for (name, value) in address.pairs.iter().filter(|(name, _)| name != "cursor") {
        link.extend(utf8_percent_encode(name, RESERVED).chain(["="]));
        link.extend(utf8_percent_encode(value, RESERVED).chain(["&"]));
    }
    link.push_str("cursor=");
    link.extend(utf8_percent_encode(cursor, RESERVED));
    link.push_str(">; rel=\"next\"");
    headers.insert(header::LINK, HeaderValue::try_from(link).map_err(|error| Problem::internal(&error))?);
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn the_next_link_keeps_every_parameter_and_replaces_the_cursor() {
        let pairs = [("label", "a:b c&d"), ("cursor", "old"), ("label", "é"), ("limit", "5")];
        let pairs = pairs.map(|(n, v)| (n.to_owned(), v.to_owned())).to_vec();
        let mut headers = HeaderMap::new();
        link_next(&mut headers, &Address { path: "/v1/x".into(), pairs }, "new-_").unwrap();
        assert_eq!(
            headers[header::LINK],
            "</v1/x?label=a%3Ab%20c%26d&label=%C3%A9&limit=5&cursor=new-_>; rel=\"next\""
        );
    }

    #[test]
    fn a_content_is_the_same_at_any_position() {
        let json = |position: u64| format!("{{\"runs\":[{{\"position\":7}}],\"position\":{position}}}");
        let content = |position: u64| {
            String::from_utf8(without_position(json(position).as_bytes(), Position(position)).to_vec())
                .unwrap()
        };
        assert_eq!(content(7), content(1_000));
        assert_eq!(without_position(json(7).as_bytes(), Position(8)), json(7).as_bytes());
    }
}
