//! The value of a pair.

use super::extent::{
    bare_length, block, block_header, cookies_length, in_connection_string, line_length, quoted,
};
use super::judge::{
    is_call, is_count, is_doubtful, is_identifier, is_next_name, is_object, is_password_like, is_path,
    is_permission, is_placeholder, is_placeholder_start, is_prose, is_reference, is_secret_of, phrase_length,
};
use super::named::{Named, Sign};
use super::words::SCHEMES;
use crate::find::{Find, Rank};
use crate::marker::{is_marker, starts_with_whole_marker};
use crate::view::{VALUE, View};

/// The secret that starts at or after `from`.
pub(super) fn value(view: &View<'_>, from: usize, named: Named<'_>) -> Option<Find> {
    let window = view.ahead(from, VALUE);
    let Named { kind, sign, .. } = named;
    let after = window.trim_start_matches('='); // `=>`, `==>`
    let after = after.strip_prefix('>').unwrap_or(after);
    let rest = after.trim_start_matches(|c: char| c == '=' || c.is_whitespace());
    let spaced = rest.len() < after.len() || sign == Sign::Flag;
    let start = from + window.len() - rest.len();
    let first = rest.chars().next()?;
    let find = |start: usize, end: usize, kind| Some(Find { start, end, kind, rank: Rank::Name });
    if sign == Sign::Colon
        && spaced
        && let Some(header) = block_header(rest)
    {
        let (start, end) = block(view, named, start + header)?;
        return find(start, end, kind);
    }
    let doubtful = sign == Sign::Colon && is_doubtful(named.name, named.before);
    if let Some((open, close)) = quoted(rest) {
        let inner = &rest[open..close];
        if kind == "authorization" {
            return authorization(start + open, inner);
        }
        let end = if is_closed(rest, close) { start + close } else { beyond(view, rest, start, close) };
        let secret = !inner.trim().is_empty()
            && !is_marker(inner)
            && !is_placeholder(inner)
            && is_secret_of(kind, inner)
            && !is_reference(inner)
            && (!doubtful || is_password_like(inner));
        // In quotes after a colon it may still be the offending piece of a remark.
        return if secret { find(start + open, end, marker_kind(kind)) } else { None };
    }
    if starts_with_whole_marker(rest) {
        return None;
    }
    if first == '{' && is_object(rest)
        || first == '[' && rest[1..].trim_start().starts_with(['"', '\\', '\'', '{', ']'])
    {
        return None;
    }
    if kind == "authorization" {
        return authorization(start, rest);
    }
    let length = match kind {
        _ if first == '{' => rest.find('}').map_or(rest.len(), |at| at + 1),
        "cookie" => cookies_length(rest).unwrap_or_else(|| bare_length(rest)),
        _ => in_connection_string(named, rest)
            .or_else(|| line_length(view, from, named, rest))
            .or_else(|| phrase_length(named.name, rest))
            .unwrap_or_else(|| bare_length(rest)),
    };
    if start + length < view.len() && length == rest.len() {
        // Longer than any prose.
        return find(start, view.run_end(start + length, |b| b.is_ascii_whitespace()), kind);
    }
    let bare = &rest[..length];
    let is_next_flag = sign == Sign::Flag && bare.starts_with('-');
    let secret = length > 0
        && !is_placeholder(bare)
        && !is_placeholder_start(rest)
        && !is_call(rest)
        && !is_next_flag
        && !is_path(kind, named.name, bare)
        && !is_reference(bare)
        && (!doubtful || is_password_like(bare))
        && is_secret_of(kind, bare)
        && !is_count(kind, named.name, bare, &rest[length..])
        && !is_next_name(bare, &rest[length..])
        && !is_permission(named.name, bare)
        && !(sign == Sign::Equals && window.starts_with('=') && is_identifier(bare))
        && !(spaced && sign != Sign::Equals && is_prose(kind, bare, &rest[length..]));
    if secret { find(start, start + length, marker_kind(kind)) } else { None }
}

/// Whether a quoted value ends before the window does.
fn is_closed(rest: &str, close: usize) -> bool {
    close < rest.len() && !rest[close..].starts_with('…')
}

/// The end of a quoted value that goes on after the window.
fn beyond(view: &View<'_>, rest: &str, start: usize, close: usize) -> usize {
    if start + rest.len() == view.len() {
        return start + close;
    }
    let quote = rest.trim_start_matches('\\').get(..1).unwrap_or("\"");
    view.find(start + rest.len(), quote).unwrap_or(view.len())
}

/// What the marker says, where the name alone does not.
fn marker_kind(kind: &'static str) -> &'static str {
    match kind {
        "auth" => "basic",
        "mnemonic" => "secret",
        "key" => "api_key",
        kind => kind,
    }
}

/// `Authorization: Scheme credentials`: the scheme stays readable.
fn authorization(start: usize, rest: &str) -> Option<Find> {
    let word = rest.split([' ', '%', '+']).next().unwrap_or_default();
    let scheme = word.to_ascii_lowercase();
    let (mut value, mut kind) = (rest, "authorization");
    let schemed = SCHEMES.contains(&scheme.as_str());
    if schemed {
        value = rest[word.len()..].trim_start_matches([' ', '+']);
        value = value.strip_prefix("%20").unwrap_or(value);
        kind = match scheme.as_str() {
            "bearer" => "bearer",
            "basic" => "basic",
            _ => "authorization",
        };
    }
    let start = start + rest.len() - value.len();
    // A challenge asks for credentials: `Basic realm="x"`.
    let challenge = ["realm=", "error=", "charset=", "scope="].iter().any(|name| value.starts_with(name));
    if value.is_empty() || starts_with_whole_marker(value) || schemed && challenge && scheme != "digest" {
        return None;
    }
    // Schemes with parameters go on after commas: `Credential=..., Signature=...`.
    let mut length = bare_length(value);
    while value[length..].starts_with(", ")
        && value[length + 2..].split(' ').next().is_some_and(|w| w.contains('='))
    {
        length += 2 + bare_length(&value[length + 2..]);
    }
    let bare = &value[..length];
    // Without a scheme a lone word is a state: `authorization: pending`.
    let state = !schemed && length <= 20 && bare.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    let secret = length > 0 && !state && !is_placeholder(bare) && !is_prose(kind, bare, &value[length..]);
    secret.then_some(Find { start, end: start + length, kind, rank: Rank::Name })
}
