//! Secrets out of a JSON value, by name and by shape.

use std::borrow::Cow;

use serde_json::Value;

use crate::names::secret_kind;
use crate::recognized_secret;
use crate::redact::{MARKER, is_marker, redact};
use crate::strip::strip;

/// Redacts the secrets in every string of a JSON value, and every string or number whose
/// member name says that it is secret. Strings are not cut, names stay as they are.
pub fn redact_json(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => {
            if let Some(redacted) = redacted(text) {
                *text = redacted;
            }
        }
        Value::Array(elements) => elements.iter_mut().for_each(redact_json),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match secret_kind(name) {
                    Some(kind) => hide(member, kind),
                    None => redact_json(member),
                }
            }
        }
    }
}

/// The kind of secret that the name of a member looks like, at any depth (see
/// [`crate::recognized_secret`]). Names are kept as they are, so such a value can't be kept at all.
#[must_use]
pub fn secret_name(value: &Value) -> Option<&'static str> {
    match value {
        Value::Array(elements) => elements.iter().find_map(secret_name),
        Value::Object(members) => {
            members.iter().find_map(|(name, member)| recognized_secret(name).or_else(|| secret_name(member)))
        }
        _ => None,
    }
}

/// A text whose secret hides behind invisible characters is stripped of them first.
fn redacted(text: &str) -> Option<String> {
    let first = match redact(text) {
        Cow::Owned(changed) => Some(changed),
        Cow::Borrowed(_) => None,
    };
    let seen = first.as_deref().unwrap_or(text);
    let stripped = match strip(seen) {
        Cow::Owned(stripped) => match redact(&stripped) {
            Cow::Owned(changed) => Some(changed),
            Cow::Borrowed(_) => None,
        },
        Cow::Borrowed(_) => None,
    };
    stripped.or(first)
}

/// Members that hold the secret itself, in an object that is called one.
const HOLDERS: &[&str] = &[
    "value",
    "values",
    "data",
    "stringdata",
    "content",
    "contents",
    "text",
    "plain",
    "plaintext",
    "raw",
    "bytes",
    "payload",
    "current",
    "previous",
    "old",
    "new",
];

fn hide(value: &mut Value, kind: &str) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::String(text) if text.is_empty() || is_marker(text) => {}
        Value::String(_) | Value::Number(_) => *value = Value::String(format!("{MARKER}{kind}]")),
        Value::Array(elements) => elements.iter_mut().for_each(|element| hide(element, kind)),
        // An object under such a name has names of its own, some of which say "here it is".
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match secret_kind(name) {
                    Some(kind) => hide(member, kind),
                    None if HOLDERS.contains(&name.to_ascii_lowercase().as_str()) => hide_all(member, kind),
                    None => redact_json(member),
                }
            }
        }
    }
}

/// Every leaf of what holds a secret.
fn hide_all(value: &mut Value, kind: &str) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| hide_all(element, kind)),
        Value::Object(members) => members.values_mut().for_each(|member| hide_all(member, kind)),
        leaf => hide(leaf, kind),
    }
}
