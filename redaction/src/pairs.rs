//! Name and value: `password=...`, `"token": "..."`, `--client-secret ...`, `?sig=...`, and
//! `name=password value=...`.
//!
//! Written by hand because where a value ends depends on how it began.

use crate::find::{Find, Rank};
use crate::marker::{MARKER, is_marker};
use crate::names::secret_kind;
use crate::view::{NAME, View};

mod extent;
mod judge;
mod named;
mod value;
mod words;

pub(crate) use extent::{bare_length, quoted};
pub(crate) use judge::{is_password_like, is_placeholder, is_remark, is_secret_of};
use named::{Named, Sign};
use value::value;

/// What the walk over the signs of a text remembers.
#[derive(Default)]
pub(crate) struct Pairs {
    /// Where the last value ended: signs before it belong to it.
    done: usize,
    /// The kind that a value has whose name was itself a value, and where that stood.
    named: Option<(&'static str, usize)>,
    /// Where the last value begins that waits for such a name.
    unnamed: Option<usize>,
}

/// How far apart `name=` and `value=` may be, in bytes.
const APART: usize = 160;

impl Pairs {
    /// Takes in the byte at `at`, and adds the secret that it is the sign of.
    pub(crate) fn take(&mut self, view: &View<'_>, at: usize, byte: u8, found: &mut Vec<Find>) {
        if at < self.done {
            return;
        }
        let (sign, after) = match byte {
            // The second of `==` says nothing new.
            b'=' if view.before(at) == Some(b'=') => return,
            b'=' => (Sign::Equals, at + 1),
            // `expect "Password:"`: the colon is the prompt's.
            b':' if closes_prompt(view, at) => return,
            // A path of a program: `token::Comma`.
            b':' if view.at(at + 1) == Some(b':') || view.before(at) == Some(b':') => return,
            b':' => (Sign::Colon, at + 1),
            b'%' => match encoded_sign(view.ahead(at, 16)) {
                Some((sign, length)) => (sign, at + length),
                None => return,
            },
            b' ' | b'\t' => (Sign::Flag, at + 1),
            _ => return,
        };
        let before = view.behind(at, NAME);
        let (before, after) = if byte == b'%' || before.ends_with("%20") {
            encoded_blanks(view, before, after)
        } else {
            (before, after)
        };
        let Some((start, end)) = name_span(before, sign == Sign::Flag) else { return };
        if sign != Sign::Flag {
            self.by_name(view, &before[start..end], after, sign, found);
        }
        let kind = name_before(before, start, end, sign);
        let named = |kind| Named { kind, sign, before: &before[..start], name: &before[start..end] };
        if let Some(find) = kind.and_then(|kind| value(view, after, named(kind))) {
            self.done = find.end.max(after);
            found.push(find);
        }
    }

    /// `{"name": "DB_PASSWORD", "value": "..."}`, in either order and any notation.
    fn by_name(&mut self, view: &View<'_>, name: &str, after: usize, sign: Sign, found: &mut Vec<Find>) {
        if names_another(name) {
            self.named = given_name(view.ahead(after, NAME)).and_then(secret_kind).map(|kind| (kind, after));
            if let (Some((kind, at)), Some(from)) = (self.named, self.unnamed.take())
                && at - from < APART
                && let Some((start, end)) = plain_value(view.ahead(from, at - from))
            {
                found.push(Find { start: from + start, end: from + end, kind, rank: Rank::Name });
            }
        } else if is_value(name) {
            let kind = self.named.take().filter(|(_, at)| after - at < APART).map(|(kind, _)| kind);
            let Some(kind) = kind else {
                self.unnamed = Some(after);
                return;
            };
            if let Some(find) = value(view, after, Named { kind, sign, before: ",", name }) {
                self.done = find.end.max(after);
                found.push(find);
            }
        }
    }
}

/// Where the value stands that a short text begins with.
fn plain_value(text: &str) -> Option<(usize, usize)> {
    let rest = text.trim_start();
    let start = text.len() - rest.len();
    let (open, close) = quoted(rest).unwrap_or_else(|| (0, bare_length(rest)));
    let value = &rest[open..close];
    let secret = !value.is_empty() && !is_marker(value) && !is_placeholder(value);
    secret.then_some((start + open, start + close))
}

/// Whether the value of this name is itself the name of a value.
pub(crate) fn names_another(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "name",
        "key",
        "k",
        "id",
        "field",
        "header",
        "param",
        "parameter",
        "parameterkey",
        "parametername",
        "variable",
        "var",
        "env",
        "property",
        "setting",
        "option",
        "attribute",
        "keyname",
        "label",
    ];
    NAMES.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a value of another's name goes by this one.
pub(crate) fn is_value(name: &str) -> bool {
    const VALUES: &[&str] = &[
        "value",
        "values",
        "newvalue",
        "oldvalue",
        "new_value",
        "old_value",
        "v",
        "val",
        "data",
        "content",
        "contents",
        "text",
        "parametervalue",
        "default",
        "defaultvalue",
        "default_value",
        "current",
        "stringvalue",
        "plaintext",
        "plain",
        "raw",
        "secretvalue",
    ];
    VALUES.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a quote that opens before a name closes after its colon, and none closes before: `"Password:"`.
fn closes_prompt(view: &View<'_>, at: usize) -> bool {
    let Some(quote) = view.at(at + 1).filter(|b| matches!(b, b'"' | b'\'')) else { return false };
    let before = view.behind(at, 32);
    let name = before.bytes().rev().take_while(u8::is_ascii_alphanumeric).count();
    let opens = before.len().checked_sub(name + 1).and_then(|at| before.as_bytes().get(at));
    name > 0 && opens == Some(&quote)
}

/// The plain word that is given as a name.
fn given_name(window: &str) -> Option<&str> {
    let word = window.trim_start_matches([' ', '"', '\'', '\\', '>']);
    let length = word
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')))
        .unwrap_or(word.len());
    (length > 0).then(|| &word[..length])
}

/// `%3D` and `%3A`, percent-encoded any number of times.
fn encoded_sign(window: &str) -> Option<(Sign, usize)> {
    let mut rest = window.strip_prefix('%')?;
    while let Some(inner) = rest.strip_prefix("25") {
        rest = inner;
    }
    let sign = match rest.get(..2)? {
        "3D" | "3d" => Sign::Equals,
        "3A" | "3a" => Sign::Colon,
        _ => return None,
    };
    Some((sign, window.len() - rest.len() + 2))
}

/// What stands before and after an encoded sign, without the encoded blanks around it: `%20%3D%20`.
fn encoded_blanks<'t>(view: &View<'_>, before: &'t str, after: usize) -> (&'t str, usize) {
    let blank = ["%20", "%2520", "+"];
    let before = blank.iter().find_map(|blank| before.strip_suffix(blank)).unwrap_or(before);
    let window = view.ahead(after, 8);
    let length = blank.iter().find(|blank| window.starts_with(**blank)).map_or(0, |blank| blank.len());
    (before, after + length)
}

/// The kind of secret that the name at `start..end` of what stands before the sign promises.
fn name_before(before: &str, start: usize, end: usize, sign: Sign) -> Option<&'static str> {
    let name = &before[start..end];
    if before[..start].ends_with(&MARKER[..MARKER.len() - "redacted:".len()]) && name == "redacted" {
        return None;
    }
    if sign == Sign::Flag {
        return name.starts_with('-').then(|| secret_kind(name)).flatten();
    }
    // The name of a resource: `arn:aws:secretsmanager:eu-west-1:1:secret:prod/db`.
    let word = before[..start].rsplit(|c: char| c.is_whitespace() || "\"'(<,=".contains(c)).next()?;
    // And the user in a URL: what follows is looked at as a URL is.
    let user = word.split_once("://").is_some_and(|(_, rest)| !rest.contains(['/', '?', '@']));
    if sign == Sign::Colon && (user || word.contains("arn:") || word.starts_with("urn:")) {
        return None;
    }
    // `api key: x`, `unexpected token: x`: one word alone does not tell.
    if name.eq_ignore_ascii_case("key")
        || name.eq_ignore_ascii_case("token")
        || name.eq_ignore_ascii_case("string")
    {
        let words = before[..start].strip_suffix(' ').unwrap_or("");
        let (from, _) = name_span(words, true).unwrap_or((start, start));
        if from < start && words.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            return secret_kind(&before[from..end]).filter(|_| !before[from..end].contains('='));
        }
    }
    if sign == Sign::Colon && judge::is_doubtful(name, &before[..start]) {
        // A test report: `PASS: TestLogin2`. What else is judged by its value.
        return (name != "PASS").then_some("password");
    }
    // Names of several words.
    let behind = |words: &str| {
        let at = start.saturating_sub(words.len());
        before.get(at..start).is_some_and(|before| before.eq_ignore_ascii_case(words))
    };
    if name.eq_ignore_ascii_case("phrase") && (behind("seed ") || behind("recovery ")) {
        return Some("secret");
    }
    if sign == Sign::Equals && (behind("?") || behind("&")) && ["key", "code"].contains(&name) {
        return Some("key");
    }
    if name.eq_ignore_ascii_case("passe") && behind("mot de ")
        || name.eq_ignore_ascii_case("word") && behind("pass ")
    {
        return Some("password");
    }
    // A connection string is named, but what is secret in it has names of its own.
    secret_kind(name).filter(|kind| *kind != "connection_string")
}

/// Where the name stands at the end of the text, quotes, brackets and spaces after it skipped.
fn name_span(before: &str, tight: bool) -> Option<(usize, usize)> {
    const ENTITIES: [&str; 8] = ["&quot;", "&#34;", "&#x22;", "&apos;", "&#39;", "%22", "%2522", "\\u0022"];
    let bytes = before.as_bytes();
    let mut end = bytes.len();
    let at = end;
    if !tight {
        // `==`, `:=`
        while end > 0 && matches!(bytes[end - 1], b'=' | b':') && at - end < 2 {
            end -= 1;
        }
        let spaces = end;
        while end > 0 && matches!(bytes[end - 1], b' ' | b'\t') && spaces - end < 8 {
            end -= 1;
        }
        if let Some(entity) = ENTITIES.iter().find(|entity| before[..end].ends_with(**entity)) {
            end -= entity.len();
        }
        while end > 0 && matches!(bytes[end - 1], b'"' | b'\'' | b'`' | b'\\' | b']' | b')') {
            end -= 1;
        }
    }
    let of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    let mut start = before[..end].trim_end_matches(of_name).len();
    // The quote before the name may be encoded too: `&quot;password`, `%22password`.
    if before[..start].ends_with('%')
        && let Some(rest) = before[start..end].strip_prefix("2522").or(before[start..end].strip_prefix("22"))
        && !rest.is_empty()
    {
        start = end - rest.len();
    }
    (start < end).then_some((start, end))
}
