//! Lines of configuration and of protocols with a secret in a place of its own.

use std::sync::LazyLock;

use regex::Regex;

use super::{fixed, is_inside_word};
use crate::find::{Find, Rank};
use crate::marker::is_marker;
use crate::pairs::{is_password_like, is_placeholder, is_remark};
use crate::view::{VALUE, View};

/// `requirepass x`, `tacacs-server key 7 x`, `snmp-server community x RO`.
pub(super) fn setting(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    static VALUE_OF: LazyLock<Regex> =
        LazyLock::new(|| fixed(r#"^\s{0,4}(?:[0-9]\s{1,4})?["']?([^\s"']{3,})"#));
    if is_inside_word(view, start) {
        return None;
    }
    let window = view.ahead(end, VALUE);
    let value = VALUE_OF.captures(window)?.get(1)?;
    // A plain word, and another: that is a sentence.
    let lower = |text: &str| text.starts_with(|c: char| c.is_ascii_lowercase());
    let plain = value.as_str().bytes().all(|b| b.is_ascii_lowercase());
    let goes_on = window[value.end()..].strip_prefix(' ').is_some_and(lower);
    let remark = is_remark(value.as_str()) || plain && goes_on;
    (!remark).then(|| found(end, value.start(), value.as_str(), "password"))?
}

/// `credentials bob:x`, `Zugangsdaten: bob / x`.
pub(super) fn login(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    static VALUE_OF: LazyLock<Regex> =
        LazyLock::new(|| fixed(r#"^:?\s{1,4}["'(]?[A-Za-z][\w.@-]{0,63}\s?[:/]\s?([^\s"')]{6,})"#));
    if is_inside_word(view, start) {
        return None;
    }
    let value = VALUE_OF.captures(view.ahead(end, VALUE))?.get(1)?;
    is_password_like(value.as_str()).then(|| found(end, value.start(), value.as_str(), "password"))?
}

/// `expect "Password:" send "x\r"`.
pub(super) fn expected(view: &View<'_>, _: usize, end: usize) -> Option<Find> {
    static VALUE_OF: LazyLock<Regex> =
        LazyLock::new(|| fixed(r#"^[\s;{]{0,4}(?:exp_)?send(?:line|_user)?\s{1,4}(?:--\s{1,4})?"([^"\\]+)"#));
    let value = VALUE_OF.captures(view.ahead(end, VALUE))?.get(1)?;
    found(end, value.start(), value.as_str(), "password")
}

/// `AUTH x` and `AUTH user x` of Redis, `AUTH PLAIN x` of SMTP: in capitals, and what no word looks like.
pub(super) fn auth(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    static VALUE_OF: LazyLock<Regex> =
        LazyLock::new(|| fixed(r#"^(?:(?:PLAIN|LOGIN|[a-z][\w.-]*)\s{1,4})?["']?([^\s"']{6,})"#));
    if is_inside_word(view, start) || view.taken(start, end) != "AUTH " {
        return None;
    }
    let value = VALUE_OF.captures(view.ahead(end, VALUE))?.get(1)?;
    let has = |class: fn(&u8) -> bool| value.as_str().as_bytes().iter().any(class);
    let secret =
        has(u8::is_ascii_digit) && has(u8::is_ascii_lowercase) && !value.as_str().contains([':', '/']);
    secret.then(|| found(end, value.start(), value.as_str(), "password"))?
}

/// `NTLM hash: x`, with or without the LM hash before it.
pub(super) fn windows_hash(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    static VALUE_OF: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"^\s{0,2}(?:hash)?(?:es)?(?:\s(?:of|for|is)(?:\s[^\s:]{1,64})?)?\s{0,2}[:=]?\s{0,2}((?:[0-9A-Fa-f]{32}:)?[0-9A-Fa-f]{32})\b",
        )
    });
    if is_inside_word(view, start) {
        return None;
    }
    let value = VALUE_OF.captures(view.ahead(end, 96))?.get(1)?;
    found(end, value.start(), value.as_str(), "password_hash")
}

fn found(end: usize, at: usize, value: &str, kind: &'static str) -> Option<Find> {
    let value = value.trim_end_matches([',', '.', ';', ')']);
    (!is_marker(value) && !is_placeholder(value)).then_some(Find {
        start: end + at,
        end: end + at + value.len(),
        kind,
        rank: Rank::Phrase,
    })
}
