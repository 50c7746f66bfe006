//! Where the value of a pair ends: that depends on how it began.

use super::named::{Named, Sign};
use super::words::PROSE;
use crate::marker::starts_with_whole_marker;
use crate::view::{VALUE, View};

/// Quotes as HTML, URLs and JSON write them inside themselves.
const ENTITIES: [&str; 10] =
    ["&amp;quot;", "&quot;", "&#34;", "&#x22;", "&apos;", "&#39;", "&#x27;", "%2522", "%22", "\\u0022"];

/// Start and end of what stands in quotes at the start of the text. The quotes may be escaped,
/// once or more often; without a closing quote everything up to the end counts.
pub(crate) fn quoted(text: &str) -> Option<(usize, usize)> {
    let cut_off = text.strip_suffix('…').map_or(text.len(), str::len);
    if let Some(entity) = ENTITIES.iter().find(|entity| text.starts_with(**entity)) {
        let open = entity.len();
        return Some((open, text[open..].find(entity).map_or(cut_off.max(open), |at| open + at)));
    }
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
    Some((open, cut_off.max(open)))
}

/// The length of a value without quotes.
pub(crate) fn bare_length(text: &str) -> usize {
    let mut end = text.len();
    for (at, c) in text.char_indices() {
        let after = &text[at + c.len_utf8()..];
        let ends = match c {
            c if c.is_whitespace() => true,
            '&' if ENTITIES.iter().any(|entity| text[at..].starts_with(entity))
                || after.starts_with("lt;") =>
            {
                true
            }
            '&' | ';' | ',' | '|' => {
                after.is_empty() || after.starts_with(char::is_whitespace) || starts_pair(after)
            }
            '"' | '\'' | '`' => !after.starts_with(|c: char| c.is_alphanumeric()),
            '%' => after.starts_with("26") || after.starts_with("2526"),
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
pub(super) fn starts_pair(text: &str) -> bool {
    const LONGEST_NAME: usize = 64;
    let text = text.trim_start_matches(['"', '\'', '\\', '$']);
    let name = text
        .char_indices()
        .take(LONGEST_NAME)
        .find(|(_, c)| !(c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ')))
        .map_or(0, |(at, _)| at);
    name > 0 && text[name..].trim_start_matches(['"', '\'', '\\']).starts_with(['=', ':'])
}

/// The length of a list of cookies (RFC 6265).
pub(super) fn cookies_length(text: &str) -> Option<usize> {
    const FLAGS: [&str; 3] = ["httponly", "secure", "partitioned"];
    let mut end = 0;
    loop {
        let rest = &text[end..];
        let next = if end == 0 { rest } else { rest.strip_prefix(';')?.trim_start() };
        let name = next.find(|c: char| c.is_whitespace() || "=;,:\"'".contains(c)).unwrap_or(next.len());
        let length = if name > 0 && next[name..].starts_with('=') {
            let value = &next[name + 1..];
            name + 1 + value.find(|c: char| c.is_whitespace() || ";\"'".contains(c)).unwrap_or(value.len())
        } else if end > 0 && FLAGS.contains(&next[..name].to_ascii_lowercase().as_str()) {
            name
        } else {
            return (end > 0).then_some(end);
        };
        end = text.len() - next.len() + length;
        if !text[end..].starts_with(';') {
            return Some(end);
        }
    }
}

/// The length of a value with blanks in `A=1;Password=my secret;B=2`, where only `;` ends one.
pub(super) fn in_connection_string(named: Named<'_>, rest: &str) -> Option<usize> {
    let before = named.before.trim_end();
    if named.sign != Sign::Equals || !(before.is_empty() || before.ends_with([';', '"', '\''])) {
        return None;
    }
    let end = rest.find(['"', '\'', '\n', '\r']).unwrap_or(rest.len());
    let length =
        rest[..end].find(';').or_else(|| (before.ends_with(';') && end < rest.len()).then_some(end))?;
    let next = rest[length..].trim_start_matches(';').trim_start();
    let whole = before.ends_with(';') || starts_pair(next);
    (whole && !rest[..length].contains('='))
        .then(|| rest[..length].trim_end().len())
        .filter(|length| *length > 0)
}

/// The length of a value that fills its line, where there are lines, as in YAML and `.properties`.
pub(super) fn line_length(view: &View<'_>, from: usize, named: Named<'_>, rest: &str) -> Option<usize> {
    let line = named.before.rsplit('\n').next().unwrap_or_default();
    let first = named.before.len() > line.len();
    let own = line.chars().all(|c| c.is_whitespace() || c == '-' || c == '"' || c == '\'');
    let end = rest.find(['\n', '\r']);
    let lined = own && (first || named.before.is_empty()) && (first || end.is_some());
    if !lined || named.sign == Sign::Flag || view.ahead(from, 1).starts_with(['\n', '\r']) {
        return None;
    }
    let value = rest[..end.unwrap_or(rest.len())].trim_end();
    let value = value.split(" #").next().unwrap_or_default().trim_end();
    let word = value.split(' ').next().unwrap_or_default().to_ascii_lowercase();
    let prose = PROSE.contains(&word.trim_end_matches([',', '.', ':']));
    (value.contains(' ') && !prose && !value.contains([':', '=', '{', '[', '"', '\''])).then_some(value.len())
}

/// The length of the header of a block in YAML: `|`, `>-`, `|2+` and white space.
pub(super) fn block_header(rest: &str) -> Option<usize> {
    let marks = rest.strip_prefix(['|', '>'])?;
    let length = marks.bytes().take(2).take_while(|b| b"+-0123456789".contains(b)).count();
    marks[length..].starts_with(char::is_whitespace).then_some(1 + length)
}

/// A block in YAML after its header at `from`: the lines that are further in than the name; where there are no
/// lines any more, what stands before the next pair.
pub(super) fn block(view: &View<'_>, named: Named<'_>, from: usize) -> Option<(usize, usize)> {
    let window = view.ahead(from, VALUE);
    let gap = window.len() - window.trim_start().len();
    let start = from + gap;
    if start == view.len() || starts_with_whole_marker(&window[gap..]) {
        return None;
    }
    if !window[..gap].contains(['\n', '\r']) {
        let words = &window[gap..];
        let begins = |at: usize| {
            let word = words[at + 1..].split(' ').next().unwrap_or_default();
            word.ends_with(':') || word.contains('=')
        };
        let pair = words.match_indices(' ').map(|(at, _)| at).find(|at| begins(*at));
        return Some((start, pair.map_or_else(|| view.len(), |at| start + at)));
    }
    let line = named.before.rsplit('\n').next().unwrap_or_default();
    let indent = line.len() - line.trim_start_matches([' ', '-']).len();
    let mut end = start;
    loop {
        end = view.run_end(end, |b| b == b'\n' || b == b'\r');
        let next = view.ahead(end, VALUE);
        let content = next.trim_start();
        let gap = next.len() - content.len();
        let inside = next[..gap].len() - next[..gap].rfind(['\n', '\r']).map_or(0, |at| at + 1);
        if content.is_empty() || inside <= indent {
            return Some((start, end));
        }
        end += gap;
    }
}
