//! Where the value of a pair ends, and whether it is a secret or just prose.

use super::starts_with_whole_marker;
use crate::redact::{Find, is_marker};

/// What stands between name and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// `=`, `:=`, `==`.
    Equals,
    /// `:`.
    Colon,
    /// A space after `--name`.
    Flag,
}

/// Values that hold nothing worth hiding.
const PLACEHOLDERS: &[&str] = &[
    "null",
    "none",
    "nil",
    "undefined",
    "true",
    "false",
    "yes",
    "no",
    "redacted",
    "hidden",
    "masked",
    "filtered",
    "empty",
    "omitted",
    "unset",
    "not_set",
    "n/a",
];

/// Words that open a remark about a secret instead of the secret.
const PROSE: &[&str] = &[
    "a",
    "an",
    "already",
    "and",
    "are",
    "argument",
    "authentication",
    "authorization",
    "bad",
    "cannot",
    "can't",
    "could",
    "credentials",
    "decode",
    "denied",
    "does",
    "doesn't",
    "eof",
    "error",
    "expected",
    "expired",
    "expires",
    "failed",
    "field",
    "for",
    "found",
    "from",
    "has",
    "header",
    "illegal",
    "in",
    "incorrect",
    "insufficient",
    "invalid",
    "is",
    "it",
    "lifetime",
    "malformed",
    "mismatch",
    "missing",
    "must",
    "no",
    "not",
    "of",
    "on",
    "one",
    "only",
    "option",
    "or",
    "parse",
    "rejected",
    "required",
    "requires",
    "revoked",
    "rotated",
    "rotation",
    "should",
    "signature",
    "that",
    "the",
    "this",
    "to",
    "token",
    "too",
    "unable",
    "unauthorized",
    "unexpected",
    "unknown",
    "unsupported",
    "update",
    "updated",
    "use",
    "validation",
    "value",
    "verification",
    "was",
    "when",
    "which",
    "will",
    "with",
    "wrong",
    "you",
    "your",
    "access",
    "basic",
    "bearer",
    "flag",
    "length",
    "reset",
    "changed",
    "refresh",
    "refreshed",
    "ok",
    "valid",
];

/// Schemes that stand before the credentials in an authorization header.
const SCHEMES: &[&str] = &[
    "bearer",
    "basic",
    "token",
    "digest",
    "negotiate",
    "apikey",
    "aws4-hmac-sha256",
    "sharedkey",
    "sharedkeylite",
    "hmac",
    "oauth",
    "sharedaccesssignature",
    "splunk",
    "key",
    "dpop",
];

/// The secret that starts at or after `from`.
pub(super) fn value(text: &str, from: usize, sign: Sign, kind: &'static str) -> Option<Find> {
    let mut start = from;
    if text[start..].starts_with('>') {
        start += 1; // `=>`
    }
    let rest = text[start..].trim_start_matches(|c: char| c == '=' || c.is_whitespace());
    let spaced = rest.len() < text.len() - start || sign == Sign::Flag;
    start = text.len() - rest.len();
    if rest.is_empty() {
        return None;
    }
    if let Some((open, close)) = quoted(rest) {
        if kind == "authorization" {
            let inner = text.get(..start + close)?;
            return authorization(inner, start + open, &rest[open..close]);
        }
        let inner = &rest[open..close];
        let secret = !inner.trim().is_empty() && !is_marker(inner) && !is_placeholder(inner);
        // In quotes after a colon it may still be the offending piece of a remark.
        return secret.then_some(Find { start: start + open, end: start + close, kind });
    }
    if starts_with_whole_marker(rest) {
        return None;
    }
    let first = rest.chars().next()?;
    if first == '{' && is_object(rest)
        || first == '[' && rest[1..].trim_start().starts_with(['"', '\\', '\'', '{', ']'])
    {
        return None;
    }
    if kind == "authorization" {
        return authorization(text, start, rest);
    }
    let length =
        if first == '{' { rest.find('}').map_or(rest.len(), |at| at + 1) } else { bare_length(rest) };
    let bare = &rest[..length];
    let is_next_flag = sign == Sign::Flag && bare.starts_with('-');
    let is_key_file = kind == "private_key" && bare.starts_with(['/', '~', '.']);
    let secret = length > 0
        && !is_placeholder(bare)
        && !is_next_flag
        && !is_key_file
        && !is_working_folder(text, from, bare)
        && !(spaced && sign != Sign::Equals && is_prose(bare, &rest[length..]));
    secret.then_some(Find { start, end: start + length, kind })
}

/// `Authorization: Scheme credentials`: the scheme stays readable.
fn authorization(text: &str, start: usize, rest: &str) -> Option<Find> {
    let word = rest.split([' ', '%', '+']).next().unwrap_or_default();
    let mut start = start;
    let mut value = rest;
    let mut kind = "authorization";
    if SCHEMES.contains(&word.to_ascii_lowercase().as_str()) {
        value = rest[word.len()..].trim_start_matches([' ', '+']);
        value = value.strip_prefix("%20").unwrap_or(value);
        start = text.len() - value.len();
        kind = match word.to_ascii_lowercase().as_str() {
            "bearer" => "bearer",
            "basic" => "basic",
            _ => "authorization",
        };
    }
    if value.is_empty() || starts_with_whole_marker(value) {
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
    let secret = length > 0 && !is_placeholder(bare) && !is_prose(bare, &value[length..]);
    secret.then_some(Find { start, end: start + length, kind })
}

/// Start and end of what stands in quotes at the start of the text. The quotes may be escaped,
/// once or more often; without a closing quote everything up to the end counts.
fn quoted(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let slashes = bytes.iter().take_while(|b| **b == b'\\').count();
    let quote = *bytes.get(slashes).filter(|b| matches!(b, b'"' | b'\'' | b'`'))?;
    let open = slashes + 1;
    // Each level of escaping doubles the backslashes and adds one.
    let level = 2 * (slashes + 1);
    let mut at = open;
    let mut run = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => run += 1,
            b if b == quote && (run % level == slashes || run < slashes) => {
                let doubled = slashes == 0 && bytes.get(at + 1) == Some(&quote) && at > open;
                if !doubled {
                    return Some((open, at - run.min(slashes)));
                }
                at += 1;
                run = 0;
            }
            _ => run = 0,
        }
        at += 1;
    }
    // Cut off. The sign of a cut stays outside.
    let end = text.strip_suffix('…').map_or(text.len(), str::len);
    Some((open, end))
}

/// The length of a value without quotes.
fn bare_length(text: &str) -> usize {
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        let after = &text[at + c.len_utf8()..];
        let ends = match c {
            c if c.is_whitespace() => true,
            '&' | ';' | ',' | '|' => {
                after.is_empty() || after.starts_with(char::is_whitespace) || starts_pair(after)
            }
            '"' | '\'' | '`' => !after.starts_with(|c: char| c.is_alphanumeric()),
            '<' => after.starts_with('/'),
            '…' => after.is_empty(),
            _ => false,
        };
        if ends {
            end = at;
            break;
        }
    }
    text[..end].len() - closing_len(&text[..end])
}

/// The length of the closing signs at the end that belong to the sentence around: brackets
/// that the value did not open itself, and punctuation.
fn closing_len(value: &str) -> usize {
    const PAIRS: [(char, char); 4] = [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>')];
    let mut surplus = PAIRS.map(|(open, close)| {
        let opened = value.matches(open).count();
        value.matches(close).count().saturating_sub(opened)
    });
    let mut length = 0;
    for last in value.chars().rev() {
        if let Some(pair) = PAIRS.iter().position(|(_, close)| *close == last) {
            if surplus[pair] == 0 {
                break;
            }
            surplus[pair] -= 1;
        } else if !matches!(last, '.' | ',' | ';' | ':' | '\\' | '…') {
            break;
        }
        length += last.len_utf8();
    }
    length
}

/// Whether the next pair begins: `name=` or `"name":`.
fn starts_pair(text: &str) -> bool {
    let text = text.trim_start_matches(['"', '\'', '\\', '$']);
    let name = text
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ')))
        .unwrap_or(text.len());
    name > 0 && text[name..].trim_start_matches(['"', '\'', '\\']).starts_with(['=', ':'])
}

fn is_object(text: &str) -> bool {
    let inner = text[1..].trim_start();
    inner.starts_with(['"', '\'', '\\', '}', '{']) || starts_pair(inner)
}

fn is_placeholder(value: &str) -> bool {
    let bare = value.trim_matches(['<', '>', '[', ']', '(', ')', '*']);
    let lower = bare.to_ascii_lowercase();
    bare.is_empty()
        || PLACEHOLDERS.contains(&lower.as_str())
        || lower.bytes().all(|b| b == b'x')
        || value.starts_with("${") && value.ends_with('}')
        || value.starts_with("{{") && value.ends_with("}")
        || value.starts_with('<') && value.ends_with('>') && !value.contains(|c: char| c.is_ascii_digit())
        || value
            .strip_prefix('$')
            .is_some_and(|name| !name.is_empty() && name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_'))
        || matches!(value, "%s" | "?" | "{}")
}

/// `PWD=/home/me`: the working folder of a shell.
fn is_working_folder(text: &str, from: usize, value: &str) -> bool {
    let before = text[..from].trim_end_matches(['=', ':', ' ']);
    value.starts_with(['/', '~']) && before.to_ascii_lowercase().ends_with("pwd")
}

/// Words about a secret, not the secret: a known opening word, or plain words in a row.
fn is_prose(value: &str, after: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    if PROSE.contains(&lower.as_str()) {
        return true;
    }
    let is_word = |word: &str| {
        !word.is_empty()
            && word
                .bytes()
                .enumerate()
                .all(|(at, b)| b.is_ascii_lowercase() || at == 0 && b.is_ascii_uppercase())
    };
    let next =
        after.strip_prefix(' ').map(|rest| rest.split([' ', ',', '.', ';', ':', ')']).next().unwrap_or(""));
    is_word(value)
        && next.is_some_and(|word| {
            is_word(word)
                && !matches!(
                    word,
                    "for" | "on" | "at" | "by" | "from" | "and" | "user" | "in" | "with" | "to"
                )
        })
}
