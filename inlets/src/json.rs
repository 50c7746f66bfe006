//! Looking into others' JSON.

use chrono::{DateTime, NaiveDateTime, Utc};
use domain::json::Strict;
use serde_json::{Map, Value};

use crate::fault::Malformed;

/// How long a name may be by which an emitter knows something, in characters.
const LONGEST_NAME: usize = 300;

/// Reads JSON to the letter.
///
/// # Errors
/// When it is none.
pub(crate) fn read(bytes: &[u8]) -> Result<Value, Malformed> {
    let Strict(value) = serde_json::from_slice(bytes)
        .map_err(|error| Malformed::unreadable(format!("The body is not one JSON value: {error}.")))?;
    Ok(value)
}

/// The object at the place, or what else is there.
pub(crate) fn object<'v>(value: &'v Value, at: &str) -> Result<&'v Map<String, Value>, Malformed> {
    value.as_object().ok_or_else(|| Malformed::new(at, "it must be a JSON object"))
}

/// A text by its JSON Pointer; none where there is none.
pub(crate) fn text<'v>(value: &'v Value, pointer: &str) -> Option<&'v str> {
    value.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

/// A text by its JSON Pointer, as much of it as is worth keeping.
pub(crate) fn word(value: &Value, pointer: &str) -> Option<String> {
    let text = text(value, pointer)?;
    Some(text.char_indices().nth(LONGEST_NAME).map_or(text, |(end, _)| &text[..end]).to_owned())
}

/// A text by its JSON Pointer by which something is known.
///
/// # Errors
/// Where it is missing, too long, or has characters that nobody sees.
pub(crate) fn name<'v>(value: &'v Value, pointer: &str) -> Result<&'v str, Malformed> {
    let found = text(value, pointer).ok_or_else(|| Malformed::new(pointer, "it is missing, or no text"))?;
    check_name(found, pointer)?;
    Ok(found)
}

/// Whether something can be known by that name.
///
/// # Errors
/// As [`name`].
pub(crate) fn check_name(name: &str, at: &str) -> Result<(), Malformed> {
    if name.trim().is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        let detail = format!("it must have 1 to {LONGEST_NAME} printable characters");
        return Err(Malformed::new(at, detail));
    }
    Ok(())
}

/// A time as emitters write it: RFC 3339, or without a zone, which then is UTC.
pub(crate) fn time(text: &str) -> Option<DateTime<Utc>> {
    let with_zone = text.parse::<DateTime<Utc>>().ok();
    with_zone.or_else(|| text.parse::<NaiveDateTime>().ok().map(|at| at.and_utc()))
}
