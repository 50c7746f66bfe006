//! Name and value: `password=...`, `"token": "..."`, `--client-secret ...`, `?sig=...`.
//!
//! Written by hand because where a value ends depends on how it began.

use crate::names::secret_kind;
use crate::redact::{Find, MARKER, is_marker, marker_len};

mod value;

use value::{Sign, value};

/// Finds the values of pairs whose name promises a secret.
pub(crate) fn pairs(text: &str) -> Vec<Find> {
    let bytes = text.as_bytes();
    let mut finds: Vec<Find> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (sign, after) = match bytes[at] {
            b'=' => (Sign::Equals, at + 1),
            b':' => (Sign::Colon, at + 1),
            b'%' if starts_with_any(&bytes[at..], &[b"%3D", b"%3d"]) => (Sign::Equals, at + 3),
            b'%' if starts_with_any(&bytes[at..], &[b"%3A", b"%3a"]) => (Sign::Colon, at + 3),
            b' ' => (Sign::Flag, at + 1),
            _ => {
                at += 1;
                continue;
            }
        };
        let found = name_before(text, at, sign).and_then(|kind| value(text, after, sign, kind));
        match found {
            Some(find) => {
                at = find.end.max(after);
                finds.push(find);
            }
            None => at = after,
        }
    }
    finds
}

fn starts_with_any(bytes: &[u8], starts: &[&[u8]]) -> bool {
    starts.iter().any(|start| bytes.starts_with(start))
}

/// The kind of secret that the name in front of `at` promises.
fn name_before(text: &str, at: usize, sign: Sign) -> Option<&'static str> {
    let (start, end) = name_span(text, at, sign == Sign::Flag)?;
    let name = &text[start..end];
    if text[..start].ends_with(&MARKER[..MARKER.len() - "redacted:".len()]) && name == "redacted" {
        return None;
    }
    if sign == Sign::Flag {
        return name.starts_with('-').then(|| secret_kind(name)).flatten();
    }
    // `api key: x`, `unexpected token: x`: one word alone does not tell.
    if name.eq_ignore_ascii_case("key")
        || name.eq_ignore_ascii_case("token")
        || name.eq_ignore_ascii_case("string")
    {
        let before = text[..start].strip_suffix(' ').unwrap_or("");
        let (from, _) = name_span(text, before.len(), true).unwrap_or((start, start));
        if from < start && before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            return secret_kind(&text[from..end]).filter(|_| !text[from..end].contains('='));
        }
    }
    if sign == Sign::Colon && name.eq_ignore_ascii_case("pass") {
        return None; // A test report: `pass: 12 fail: 3`.
    }
    // A connection string is named, but what is secret in it has names of its own.
    secret_kind(name).filter(|kind| *kind != "connection_string")
}

/// Where the name ends that stands before `at`, quotes, brackets and spaces skipped.
fn name_span(text: &str, at: usize, tight: bool) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut end = at;
    if !tight {
        // `==`, `:=`
        while end > 0 && matches!(bytes[end - 1], b'=' | b':') && at - end < 2 {
            end -= 1;
        }
        let spaces = end;
        while end > 0 && bytes[end - 1] == b' ' && spaces - end < 8 {
            end -= 1;
        }
        while end > 0 && matches!(bytes[end - 1], b'"' | b'\'' | b'`' | b'\\' | b']' | b')') {
            end -= 1;
        }
    }
    let mut start = end;
    while start > 0
        && (bytes[start - 1].is_ascii_alphanumeric() || matches!(bytes[start - 1], b'_' | b'-' | b'.'))
    {
        start -= 1;
    }
    (start < end).then_some((start, end))
}

/// Whether the text is a marker, or a marker and then something that ends a value.
fn starts_with_whole_marker(text: &str) -> bool {
    let length = marker_len(text);
    length > 0
        && (is_marker(text)
            || text[length..].starts_with(|c: char| {
                c.is_whitespace()
                    || matches!(
                        c,
                        '"' | '\''
                            | '`'
                            | '\\'
                            | ','
                            | ';'
                            | '&'
                            | ')'
                            | ']'
                            | '}'
                            | '<'
                            | '>'
                            | '@'
                            | '.'
                            | ':'
                            | '…'
                            | '#'
                            | '|'
                            | '?'
                            | '!'
                            | '/'
                            | '['
                    )
            }))
}
