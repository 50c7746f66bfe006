//! Secrets in sentences, with no sign between name and value: `the password is ...`, `token ... was refused`.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::fixed;
use crate::find::{Find, Rank};
use crate::marker::is_marker;
use crate::pairs::{is_password_like, is_placeholder};
use crate::proof::is_token_like;
use crate::view::{VALUE, View};

/// A value, in quotes or brackets or bare.
macro_rules! value {
    () => {
        r#"(?:"(?P<a>[^"]+)"|'(?P<b>[^']+)'|`(?P<c>[^`]+)`|\((?P<round>[^()\s]+)\)|(?P<bare>[^\s"'`]+))"#
    };
}

/// Whose it is, a verb or a colon, and a value: `for user bob is ...`.
static OWNED: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"^s?\s{1,4}(?:for|of|für|von|pour|para)\s{1,4}(?:[^\s:]{1,48}\s){0,3}?[^\s:]{1,48}",
        r"(?P<told>:|\s{1,4}(?:is|was|ist|lautet|war|est|es)\s?[:=]?)\s{1,4}",
        value!(),
    ))
});

/// A verb or a sign, and a value.
static AFTER: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"^s?\]?(?P<whose>\s{1,4}(?:for|of|für|von|pour|para)\s{1,4}[^\s:]{1,64})?\s{1,8}",
        r"(?:(?P<told>(?:(?:is|was)\s(?:(?:re)?set|changed)\sto|(?:set|changed)\sto|provided|given|is|was|ist|lautet|war|est|es)",
        r"\s?[:=]?\s{1,8})|(?P<to>to\s{1,8})|(?P<dash>(?:[-–—→]|[-=]{1,2}>)\s{1,8})|(?P<type>[0-9]\s{1,4}))?",
        value!(),
    ))
});

/// What machines hold: it is often named beside its name, as in `secret "db-creds"` and `token "next"`, so only
/// what looks like one counts.
#[rustfmt::skip]
const HELD: [&str; 11] = [
    "secret", "token", "api key", "api-key", "api_key", "apikey", "access key", "access_key", "secret_key",
    "session id", "session_id",
];

pub(super) fn spoken(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    let before = view.before(start);
    if before.is_some_and(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let window = view.ahead(end, VALUE);
    let word = view.taken(start, end).to_ascii_lowercase();
    let spoken = Spoken {
        held: HELD.contains(&word.as_str()),
        plain: before != Some(b'-'),
        capitals: view.taken(start, end) != word,
        // `set password to x`
        set: view
            .behind(start, 24)
            .split(' ')
            .any(|word| ["set", "change", "changed", "changing"].contains(&word)),
    };
    let value = [&OWNED, &AFTER].iter().find_map(|form| spoken.value(&word, &form.captures(window)?));
    let value = value?;
    let (from, value) = value;
    let trimmed = value.trim_end_matches([',', '.', ';', ':', ')']);
    if is_marker(value) || is_placeholder(trimmed) {
        return None;
    }
    let mut to = end + from + trimmed.len();
    if from + value.len() == window.len() && end + window.len() < view.len() {
        to = view.run_end(to, |b| b.is_ascii_whitespace());
    }
    Some(Find { start: end + from, end: to, kind: kind(&word), rank: Rank::Phrase })
}

fn kind(word: &str) -> &'static str {
    match word {
        "secret" => "secret",
        "token" => "token",
        "session id" | "session_id" => "session",
        "access key" | "access_key" | "secret_key" => "access_key",
        "recovery code" | "backup code" => "otp",
        held if HELD.contains(&held) => "api_key",
        _ => "password",
    }
}

/// A word in its sentence.
struct Spoken {
    held: bool,
    /// Whether it is no part of a name.
    plain: bool,
    capitals: bool,
    set: bool,
}

impl Spoken {
    fn value<'t>(&self, word: &str, found: &Captures<'t>) -> Option<Value<'t>> {
        match word {
            _ if self.held => held(found),
            _ if !self.plain => None,
            "identified by" => identified(found, self.capitals),
            "pass" | "pwd" => told(found, self.set).filter(|(_, value)| is_password_like(value)),
            _ => told(found, self.set),
        }
    }
}

type Value<'t> = (usize, &'t str);

fn group<'t>(found: &Captures<'t>, names: &[&str]) -> Option<Value<'t>> {
    names.iter().find_map(|name| found.name(name)).map(|value| (value.start(), value.as_str()))
}

/// Any value that looks like a token.
fn held<'t>(found: &Captures<'t>) -> Option<Value<'t>> {
    let value = group(found, &["a", "b", "c", "round", "bare"])?;
    if found.name("type").is_some() && is_mixed(value.1) && value.1.len() >= 8 {
        return Some(value);
    }
    let quoted = found.name("told").is_some() && found.name("bare").is_some() && is_mixed(value.1);
    (quoted || is_token_like(value.1.trim_end_matches([',', '.', ';', ':', ')']))).then_some(value)
}

/// What a person knows: in quotes, or what no word looks like.
fn told<'t>(found: &Captures<'t>, set: bool) -> Option<Value<'t>> {
    let has = |name| found.name(name).is_some();
    let whose = has("whose");
    if let Some(quoted) = group(found, &["a", "b", "c"]) {
        return (!whose || has("told")).then_some(quoted);
    }
    let value = group(found, &["round", "bare"])?;
    let joined = has("told") || (set || !has("to")) && !whose;
    let typed = has("type") && value.1.len() >= 6 && value.1.bytes().all(|b| b.is_ascii_hexdigit());
    (joined && is_mixed(value.1) || typed).then_some(value)
}

/// SQL: `IDENTIFIED BY x`. In small letters the words are also those of a sentence.
fn identified<'t>(found: &Captures<'t>, capitals: bool) -> Option<Value<'t>> {
    group(found, &["a", "b", "c"])
        .or_else(|| group(found, &["bare"]).filter(|(_, value)| capitals || is_mixed(value)))
}

/// Digits mixed with something else.
fn is_mixed(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | ':' | '-' | ')' | '(' | '/' | '%');
    value.len() >= 5
        && value.contains(|c: char| c.is_ascii_digit())
        && value.contains(|c: char| !plain(c))
        && (value.starts_with("$1$") || !value.contains(['/', ':', '=']))
        && !value.starts_with(['[', '#', '('])
}
