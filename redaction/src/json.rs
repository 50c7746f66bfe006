//! Secrets out of a JSON value, by name and by shape.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::fold::fold;
use crate::marker::{is_marker, marker};
use crate::names;
use crate::pairs::{is_password_like, is_secret_of, is_value, names_another};
use crate::proof::is_token_like;
use crate::scan::redact;
use crate::strip::strip;

mod visible;

use visible::is_visible;

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
                    None if name.eq_ignore_ascii_case("tokens") => hide_tokens(member),
                    None if member.as_str().is_some_and(|text| is_login(name, text)) => {
                        *member = Value::String(marker("credentials"))
                    }
                    None => redact_json(member),
                }
            }
        }
    }
}

/// As [`names::secret_kind`], of a name as people read it: without what can't be seen, in ASCII.
fn secret_kind(name: &str) -> Option<&'static str> {
    if name.is_ascii() && !name.contains(|c: char| c.is_control()) {
        return names::secret_kind(name);
    }
    let seen = strip(name);
    names::secret_kind(fold(&seen).as_deref().unwrap_or(&seen))
}

/// In `tokens`, which may as well be the words of a text, what looks like a token is one.
fn hide_tokens(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(hide_tokens),
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member {
                    Value::String(_) if !is_value(name) => redact_json(member),
                    member => hide_tokens(member),
                }
            }
        }
        Value::String(text) if is_token_like(text) => *text = marker("token"),
        other => redact_json(other),
    }
}

/// `{"login": "user:secret"}`.
fn is_login(name: &str, text: &str) -> bool {
    const NAMES: [&str; 5] = ["login", "logon", "auth", "userpwd", "user_pass"];
    let Some((user, secret)) = text.split_once(':') else { return false };
    NAMES.contains(&name.to_ascii_lowercase().as_str())
        && user.starts_with(|c: char| c.is_ascii_alphabetic())
        && user.bytes().all(|b| b.is_ascii_alphanumeric() || b"._@-".contains(&b))
        && is_password_like(secret)
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
    if let [Value::String(flag), Value::String(given)] = &mut *elements
        && flag == "-p"
        && is_password_like(given)
        && !given.contains('-')
    {
        *given = marker("password");
        return;
    }
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
    // A type is a name only where no other thing has it: tokens have types, too.
    const TYPES: [&str; 5] = ["password", "passwd", "secret", "securestring", "apikey"];
    let is_type = |name: &str, given: &str| {
        matches!(name, "type" | "kind") && TYPES.contains(&given.to_ascii_lowercase().as_str())
    };
    let given = members.iter().filter_map(|(name, given)| Some((name, given.as_str()?)));
    let mut naming = given.filter(|(name, given)| names_another(name) || is_type(name, given));
    naming.find_map(|(_, given)| secret_kind(given))
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

/// What the marker says, where the name alone does not.
fn marker_kind(kind: &'static str) -> &'static str {
    match kind {
        "auth" => "basic",
        "mnemonic" => "secret",
        kind => kind,
    }
}

fn hide(value: &mut Value, kind: &'static str) {
    match value {
        Value::Null | Value::Bool(_) => {}
        Value::String(text) if text.is_empty() || is_marker(text) => {}
        // Names that only some values make secrets.
        Value::String(text) if matches!(kind, "auth" | "otp" | "session" | "mnemonic") => {
            if is_secret_of(kind, text) || kind == "auth" && is_login(kind, text) {
                *value = Value::String(marker(marker_kind(kind)));
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
