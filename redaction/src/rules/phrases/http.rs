//! JSON web tokens, and the credentials of HTTP's schemes.

use std::sync::LazyLock;

use regex::Regex;

use super::{fixed, is_inside_word};
use crate::find::{Find, Rank};
use crate::proof::is_basic;
use crate::shape::W;
use crate::view::{VALUE, View};

/// JSON web tokens, signed or encrypted, whole or cut off, also broken over lines, which may be spaces by now.
pub(super) fn jwt(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    if view.taken(start, end) != "eyJ" {
        return None;
    }
    let part = |from: usize| view.token_end(from, W);
    let head = part(end);
    if head - end < 8 {
        return None;
    }
    let find = |end| Some(Find { start, end, kind: "jwt", rank: Rank::Shape });
    if view.at(head) == Some(b'.') && part(head + 1) - (head + 1) >= 2 {
        let mut to = part(head + 1);
        for _ in 0..3 {
            if view.at(to) != Some(b'.') {
                break;
            }
            to = part(to + 1);
        }
        // The full stop of a sentence is none of an unsigned token that goes on.
        return find(to);
    }
    if view.ahead(head, 4).starts_with(".…") {
        return find(head + ".…".len());
    }
    let (dot, _) = joint(view, head)?;
    let second = view.ahead(dot, 3) == "eyJ";
    let mut to = second.then(|| part(dot + 3)).filter(|to| to - dot >= 7)?;
    if let Some((from, spaced)) = joint(view, to) {
        let last = part(from);
        if last - from >= 16 || !spaced && last - from >= 2 {
            to = last;
        }
    }
    find(to)
}

/// After a dot with white space around it, and whether there is any.
fn joint(view: &View<'_>, at: usize) -> Option<(usize, bool)> {
    let window = view.ahead(at, 8);
    let after = window.trim_start().strip_prefix('.')?.trim_start();
    let length = window.len() - after.len();
    Some((at + length, length > 1))
}

/// Bearer and basic credentials, with or without the header's name before them. In their header even a word
/// is a token.
pub(super) fn credentials(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    static VALUE_OF: LazyLock<Regex> =
        LazyLock::new(|| fixed(r"^(?:\s{1,8}|%20|\+)([0-9A-Za-z._~+/-]{6,}=*)"));
    if is_inside_word(view, start) {
        return None;
    }
    let window = view.ahead(end, VALUE);
    let value = VALUE_OF.captures(window)?.get(1)?;
    let basic = end - start == "basic".len();
    let known = if basic {
        is_basic(value.as_str())
    } else {
        is_bearer(value.as_str()) || is_in_header(view, start) && !is_about_headers(value.as_str())
    };
    if !known {
        return None;
    }
    let mut to = end + value.end();
    if value.end() == window.len() {
        to = view.run_end(to, |b| !(b.is_ascii_alphanumeric() || b"._~+/=-".contains(&b)));
    }
    let dots = value.as_str().bytes().rev().take_while(|b| *b == b'.').count();
    // The full stop is the sentence's, where a word stands before it.
    let to = if basic || is_bearer(value.as_str()) { to } else { to - dots };
    let kind = if basic { "basic" } else { "bearer" };
    Some(Find { start: end + value.start(), end: to, kind, rank: Rank::Phrase })
}

fn is_in_header(view: &View<'_>, start: usize) -> bool {
    let before = view.behind(start, 32).trim_end_matches([' ', '"', '\'', '\\']);
    let Some(name) = before.strip_suffix([':', '=']) else { return false };
    let name = name.trim_end_matches([' ', '"', '\'', '\\']);
    name.len() >= 13
        && name.is_char_boundary(name.len() - 13)
        && name[name.len() - 13..].eq_ignore_ascii_case("authorization")
}

/// What stands after `Authorization: Bearer` in a sentence about it.
fn is_about_headers(value: &str) -> bool {
    const WORDS: &[&str] = &[
        "token",
        "tokens",
        "authentication",
        "authorization",
        "header",
        "headers",
        "credentials",
        "scheme",
        "missing",
        "required",
        "invalid",
        "expired",
        "rejected",
        "redacted",
        "expected",
        "failed",
        "denied",
    ];
    WORDS.contains(&value.trim_end_matches(['.', '/', '-']).to_ascii_lowercase().as_str())
}

/// A token, not a word: digits or capitals inside, or long and unbroken.
fn is_bearer(value: &str) -> bool {
    let inside = value.as_bytes().get(1..).unwrap_or_default();
    let digit = value.bytes().any(|b| b.is_ascii_digit());
    let lower = value.bytes().any(|b| b.is_ascii_lowercase());
    let capital = inside.iter().any(u8::is_ascii_uppercase);
    let unbroken = value.bytes().all(|b| b.is_ascii_alphanumeric());
    let letter = value.bytes().any(|b| b.is_ascii_alphabetic());
    value.len() >= 6 && digit && letter
        || value.len() >= 8 && (digit || capital && lower)
        || value.len() >= 20 && unbroken
}

/// Digest credentials, to the end of the text: their parts come in any order.
pub(super) fn digest(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    static PARTS: LazyLock<Regex> = LazyLock::new(|| {
        fixed(
            r"(?i)^\s{1,8}(?:username|realm|nonce|uri|response|qop|nc|cnonce|opaque|algorithm|userhash)\*?=.",
        )
    });
    let window = view.ahead(end, 32);
    (!is_inside_word(view, start) && PARTS.is_match(window)).then(|| Find {
        start: end + window.len() - window.trim_start().len(),
        end: view.len(),
        kind: "digest",
        rank: Rank::Phrase,
    })
}
