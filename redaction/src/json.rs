//! Secrets out of a JSON value, by name and by shape.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::marker::{is_marker, marker};
use crate::names::secret_kind;
use crate::pairs::{is_secret_of, is_value, names_another};
use crate::scan::redact;
use crate::strip::strip;

/// Redacts the secrets in every string of a JSON value, every string or number whose member name says that it
/// is secret, and what follows such a name in a list of arguments or stands beside it as its value. Strings are
/// not cut, names stay as they are.
pub fn redact_json(value: &mut Value) {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
        Value::String(text) => {
            if let Some(redacted) = redacted(text) {
                *text = redacted;
            }
        }
        Value::Array(elements) => redact_list(elements),
        Value::Object(members) => {
            let named = named_by_value(members);
            for (name, member) in members.iter_mut() {
                match secret_kind(name) {
                    Some(kind) => hide(member, kind),
                    None if named.is_some() && is_value(name) => hide_all(member, named.unwrap_or("secret")),
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
        Value::Object(members) => members
            .iter()
            .find_map(|(name, member)| crate::recognized_secret(name).or_else(|| secret_name(member))),
        _ => None,
    }
}

/// A list of arguments is also read as the command line that it makes.
fn redact_list(elements: &mut [Value]) {
    let pair = elements.len() == 2;
    let mut next: Option<&'static str> = None;
    for element in elements.iter_mut() {
        if let (Some(kind), Value::String(_) | Value::Number(_)) = (next.take(), &*element)
            && !element.as_str().is_some_and(|text| text.starts_with('-') && secret_kind(text).is_some())
        {
            hide_all(element, kind);
            continue;
        }
        if let Value::String(text) = element
            && !text.contains(['=', ':', ' '])
            && (text.starts_with('-') || pair && is_header(text))
        {
            // `["--password", "x"]`, and `["X-Api-Key", "x"]` as headers are given.
            next = secret_kind(text).filter(|kind| *kind != "connection_string");
        }
        redact_json(element);
    }
    redact_arguments(elements);
}

/// Two words that a list holds are seldom name and value, but where the first is called like a header.
fn is_header(name: &str) -> bool {
    name.contains('-') || ["authorization", "cookie"].contains(&name.to_ascii_lowercase().as_str())
}

/// Flags whose meaning only the program tells, as in `["mongo", "-p", "x"]`: what the command line loses, the
/// argument loses.
fn redact_arguments(elements: &mut [Value]) {
    const MOST: usize = 256;
    let plain = |element: &Value| {
        element.as_str().is_some_and(|text| {
            !text.is_empty()
                && !text.contains(char::is_whitespace)
                && !text.contains(['"', '\'', '`', '\\', ',', '['])
        })
    };
    if !(2..=MOST).contains(&elements.len()) {
        return;
    }
    let words: Vec<Option<String>> =
        elements.iter().map(|e| plain(e).then(|| e.as_str().unwrap_or_default().to_owned())).collect();
    let line: Vec<&str> = words.iter().map(|word| word.as_deref().unwrap_or("\n")).collect();
    let line = line.join(" ");
    if let Cow::Owned(redacted) = redact(&line) {
        let after: Vec<&str> = redacted.split(' ').collect();
        if after.len() == elements.len() {
            for ((element, word), after) in elements.iter_mut().zip(&words).zip(after) {
                if word.as_deref().is_some_and(|word| word != after) {
                    *element = Value::String(after.to_owned());
                }
            }
        }
    }
}

/// The kind of the secret that a member says the object's value is: `{"name": "DB_PASSWORD", "value": "x"}`.
fn named_by_value(members: &Map<String, Value>) -> Option<&'static str> {
    let named = members.iter().filter(|(name, _)| names_another(name));
    named.filter_map(|(_, given)| given.as_str()).find_map(secret_kind)
}

/// A text whose secret hides behind invisible characters is stripped of them first.
fn redacted(text: &str) -> Option<String> {
    let first = match redact(text) {
        Cow::Owned(changed) => Some(changed),
        Cow::Borrowed(_) => None,
    };
    let seen = first.as_deref().unwrap_or(text);
    let stripped = match strip(seen) {
        // Lines and blanks alone hide nothing that was not seen before.
        Cow::Owned(stripped) if hides(seen) => match redact(&stripped) {
            Cow::Owned(changed) => Some(changed),
            Cow::Borrowed(_) => None,
        },
        _ => None,
    };
    stripped.or(first)
}

/// Whether there is more than white space that stripping takes away.
fn hides(text: &str) -> bool {
    text.chars().any(|c| c.is_control() && !c.is_whitespace() || !c.is_ascii())
}

/// Members that are about the secret in an object that is called one.
const VISIBLE: &[&str] = &[
    "name",
    "user",
    "username",
    "user_name",
    "id",
    "type",
    "kind",
    "version",
    "namespace",
    "created_at",
    "updated_at",
    "expires_at",
    "expires",
    "expires_in",
    "created",
    "updated",
    "url",
    "uri",
    "host",
    "hostname",
    "port",
    "enabled",
    "region",
    "scope",
    "scopes",
    "role",
    "roles",
    "arn",
    "path",
    "file",
    "database",
    "db",
    "dbname",
    "engine",
    "status",
    "state",
    "provider",
    "source",
    "ref",
    "description",
    "label",
    "labels",
    "tags",
    "owner",
    "algorithm",
    "alg",
    "length",
    "count",
    "email",
    "account",
    "tenant",
    "domain",
    "method",
    "mode",
    "format",
    "optional",
    "required",
    "secretname",
    "secret_name",
    "secretref",
    "keyid",
    "key_id",
    "rotated_at",
    "rotation",
    "title",
    "client_id",
    "clientid",
    "project",
    "project_id",
    "key",
    "service",
    "schema",
    "login",
    "realm",
    "issuer",
    "audience",
];

fn is_visible(name: &str) -> bool {
    VISIBLE.contains(&name.to_ascii_lowercase().as_str())
}

fn hide(value: &mut Value, kind: &'static str) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::String(text) if text.is_empty() || is_marker(text) => {}
        // Names that only some values make secrets.
        Value::String(text) if matches!(kind, "auth" | "otp" | "session") => {
            if is_secret_of(kind, text) {
                *value = Value::String(marker(if kind == "auth" { "basic" } else { kind }));
            } else {
                redact_json(value);
            }
        }
        Value::Number(number) if kind == "session" && number.to_string().len() <= 6 || kind == "auth" => {}
        Value::String(_) | Value::Number(_) => *value = Value::String(marker(kind)),
        Value::Array(elements) => elements.iter_mut().for_each(|element| hide(element, kind)),
        Value::Object(members) => hide_in(members, kind),
    }
}

/// In an object that is called a secret, what does not say that it is about it is one.
fn hide_in(members: &mut Map<String, Value>, kind: &'static str) {
    if matches!(kind, "auth" | "session" | "signature" | "cookie") {
        let mut object = Value::Object(std::mem::take(members));
        redact_json(&mut object);
        if let Value::Object(redacted) = object {
            *members = redacted;
        }
        return;
    }
    for (name, member) in members.iter_mut() {
        match secret_kind(name) {
            Some(kind) => hide(member, kind),
            None if is_visible(name) => redact_json(member),
            None => match member {
                Value::Object(inner) if !is_value(name) => hide_in(inner, kind),
                member => hide_all(member, kind),
            },
        }
    }
}

/// Every leaf of what holds a secret.
fn hide_all(value: &mut Value, kind: &'static str) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(|element| hide_all(element, kind)),
        Value::Object(members) => members.values_mut().for_each(|member| hide_all(member, kind)),
        Value::Null | Value::Bool(_) => {}
        Value::String(text) if text.is_empty() || is_marker(text) => {}
        leaf => *leaf = Value::String(marker(kind)),
    }
}
