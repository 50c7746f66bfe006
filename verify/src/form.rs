//! JSON that has one spelling, so that no two readers can see different things in it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Reads what stands on one line.
///
/// # Errors
/// What is wrong.
pub fn line<T: DeserializeOwned + Serialize>(line: &[u8]) -> Result<T, String> {
    let value = serde_json::from_slice(line).map_err(|error| format!("it can't be read: {error}"))?;
    if serde_json::to_vec(&value).ok().as_deref() == Some(line) { Ok(value) } else { Err(SPELLING.into()) }
}

/// Reads a file that may be indented.
///
/// # Errors
/// What is wrong.
pub fn document<T: DeserializeOwned + Serialize>(text: &[u8]) -> Result<T, String> {
    let text = text.strip_suffix(b"\n").ok_or("its last line does not end")?;
    let value = serde_json::from_slice(text).map_err(|error| format!("it can't be read: {error}"))?;
    let compact = serde_json::to_vec(&value).ok();
    let indented = serde_json::to_vec_pretty(&value).ok();
    if [compact, indented].iter().any(|form| form.as_deref() == Some(text)) {
        Ok(value)
    } else {
        Err(SPELLING.into())
    }
}

const SPELLING: &str =
    "it is not written in the one way that the format has (members and their order, spaces, escapes)";
