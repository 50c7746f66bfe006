//! Passwords in URLs and in data source names.

use std::sync::LazyLock;

use regex::Regex;

use super::fixed;
use crate::find::{Find, Rank};
use crate::marker::is_marker;
use crate::pairs::is_placeholder;
use crate::proof::is_token_like;
use crate::view::{VALUE, View};

/// The password in the user part of a URL.
pub(super) fn url_password(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    let scheme = view.behind(start, 32);
    let scheme = scheme.bytes().rev().take_while(|b| b.is_ascii_alphanumeric() || b"+.-".contains(b));
    if !scheme.into_iter().any(|b| b.is_ascii_alphabetic()) {
        return None;
    }
    // Encoded in a query, all its signs are.
    let encoded = view.at(start) == Some(b'%');
    let (colon, at, ends) = if encoded { ("%3a", "%40", "&\"'<> ") } else { (":", "@", "\"'<>` \t\r\n") };
    let window = view.ahead(end, VALUE);
    let window = &window[..window.find(|c: char| ends.contains(c)).unwrap_or(window.len())];
    let lower = window.to_ascii_lowercase();
    // `https://TOKEN@host`, `https://TOKEN:x-oauth-basic@host`: such a user is one.
    if let Some(to) = lower.find(at).filter(|to| !window[..*to].contains('/')) {
        let user = lower[..to].find(colon).unwrap_or(to);
        if is_token_like(&window[..user]) {
            return Some(Find { start: end, end: end + to, kind: "token", rank: Rank::Phrase });
        }
    }
    let user = lower.find(colon)?;
    if window[..user].contains(['/', '@', '?', '#', '[', ']', '\\', '<', '>']) {
        return None;
    }
    let rest = user + colon.len();
    let length = if encoded { lower[rest..].find(at)? } else { password_length(&window[rest..])? };
    let value = &window[rest..rest + length];
    (!value.is_empty() && !is_marker(value) && !is_placeholder(value)).then_some(Find {
        start: end + rest,
        end: end + rest + length,
        kind: "password",
        rank: Rank::Phrase,
    })
}

/// `rest` follows `scheme://user:`. It is a password when an `@` ends it before the path, or
/// later when it cannot be a port.
fn password_length(rest: &str) -> Option<usize> {
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if let Some(at) = rest[..authority].rfind('@') {
        // Several hosts or URLs in one run: the first `@` that a host can follow ends it.
        let first = rest.find('@').unwrap_or(at);
        let end = if rest[first..at].contains(',') { first } else { at };
        return Some(end);
    }
    let port = rest.bytes().take_while(u8::is_ascii_digit).count();
    let ends = port == authority && port <= 5;
    if ends { None } else { rest.find('@') }
}

/// Go's form for MySQL: `user:password@tcp(host)`.
pub(super) fn dsn_password(view: &View<'_>, start: usize, _: usize) -> Option<Find> {
    let before = view.behind(start, 256);
    let before = &before[before.rfind(char::is_whitespace).map_or(0, |at| at + 1)..];
    let colon = before.find(':')?;
    let user = before[..colon].bytes().rev().take_while(|b| b.is_ascii_alphanumeric() || b"_.%-".contains(b));
    let value = &before[colon + 1..];
    (user.count() > 0 && !value.is_empty() && !is_marker(value) && !is_placeholder(value)).then_some(Find {
        start: start - value.len(),
        end: start,
        kind: "password",
        rank: Rank::Phrase,
    })
}

/// `jdbc:oracle:thin:user/password@host`.
pub(super) fn oracle_password(view: &View<'_>, _: usize, end: usize) -> Option<Find> {
    static LOGIN: LazyLock<Regex> = LazyLock::new(|| fixed(r"^\w+:[^\s/:@]+/([^\s@]+)@"));
    let value = LOGIN.captures(view.ahead(end, 256))?.get(1)?;
    (!is_marker(value.as_str()) && !is_placeholder(value.as_str())).then_some(Find {
        start: end + value.start(),
        end: end + value.end(),
        kind: "password",
        rank: Rank::Phrase,
    })
}

/// Oracle's easy connect: `user/password@//host`.
pub(super) fn oracle_login(view: &View<'_>, start: usize, _: usize) -> Option<Find> {
    static LOGIN: LazyLock<Regex> =
        LazyLock::new(|| fixed(r#"(?:^|[\s"'=(])[A-Za-z][\w$#]{0,63}/([^\s/@]+)$"#));
    let before = view.behind(start, 128);
    let value = LOGIN.captures(before)?.get(1)?;
    (!is_marker(value.as_str()) && !is_placeholder(value.as_str())).then_some(Find {
        start: start - value.as_str().len(),
        end: start,
        kind: "password",
        rank: Rank::Phrase,
    })
}
