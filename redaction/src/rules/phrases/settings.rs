//! Lines of configuration and of protocols with a secret in a place of its own.

use std::sync::LazyLock;

use regex::Regex;

use super::{fixed, is_inside_word};
use crate::marker::is_marker;
use crate::pairs::{is_placeholder, is_remark};
use crate::scan::{Find, Rank};
use crate::view::{VALUE, View};

/// `requirepass x`, `tacacs-server key 7 x`, `snmp-server community x RO`.
pub(super) fn setting(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    static VALUE_OF: LazyLock<Regex> =
        LazyLock::new(|| fixed(r#"^\s{0,4}(?:[0-9]\s{1,4})?["']?([^\s"']{3,})"#));
    if is_inside_word(view, start) {
        return None;
    }
    let value = VALUE_OF.captures(view.ahead(end, VALUE))?.get(1)?;
    found(end, value.start(), value.as_str(), "password").filter(|_| !is_remark(value.as_str()))
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
        fixed(r"^\s{0,2}(?:hash)?(?:es)?\s{0,2}[:=]?\s{0,2}((?:[0-9A-Fa-f]{32}:)?[0-9A-Fa-f]{32})\b")
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
