//! Where the value of a pair ends, and whether it is a secret or just prose.

use super::words::{PLACEHOLDERS, PROSE, PROSE_GOING_ON, SCHEMES};
use crate::marker::{is_marker, starts_with_whole_marker};
use crate::rules::phrases::is_basic;
use crate::scan::{Find, Rank};
use crate::view::{VALUE, View};

/// What stands between name and value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    /// `=`, `:=`, `==`.
    Equals,
    /// `:`.
    Colon,
    /// A space after `--name`.
    Flag,
}

/// A name that promises a secret, and what stands between it and the value.
#[derive(Clone, Copy)]
pub(super) struct Named<'t> {
    pub kind: &'static str,
    pub sign: Sign,
    /// What stands before the name.
    pub before: &'t str,
    /// The name.
    pub name: &'t str,
}

/// The secret that starts at or after `from`.
pub(super) fn value(view: &View<'_>, from: usize, named: Named<'_>) -> Option<Find> {
    let window = view.ahead(from, VALUE);
    let Named { kind, sign, .. } = named;
    let after = window.strip_prefix('>').unwrap_or(window); // `=>`
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
            && !is_reference(inner);
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
        && !is_next_flag
        && !is_path(kind, named.name, bare)
        && !is_reference(bare)
        && is_secret_of(kind, bare)
        && !is_count(kind, named.name, bare, &rest[length..])
        && !is_next_name(bare, &rest[length..])
        && !is_permission(named.name, bare)
        && !(sign == Sign::Equals && window.starts_with('=') && is_identifier(bare))
        && !(spaced && sign != Sign::Equals && is_prose(bare, &rest[length..]));
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
        kind => kind,
    }
}

/// Whether a value can be what its name says, where the name says little.
pub(crate) fn is_secret_of(kind: &str, value: &str) -> bool {
    let digits = value.bytes().filter(u8::is_ascii_digit).count();
    match kind {
        "auth" => is_basic(value) && value.len() >= 8,
        "otp" => digits >= 4 || digits > 0 && value.len() >= 6,
        "session" => digits < value.len() || digits > 6,
        "signature" => {
            !value.strip_prefix('v').is_some_and(|n| n.len() <= 2 && n.bytes().all(|b| b.is_ascii_digit()))
        }
        _ => true,
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
    // Without a scheme a lone word is a state: `authorization: pending`.
    let state = !schemed && length <= 20 && bare.bytes().all(|b| b.is_ascii_alphabetic() || b == b'_');
    let secret = length > 0 && !state && !is_placeholder(bare) && !is_prose(bare, &value[length..]);
    secret.then_some(Find { start, end: start + length, kind, rank: Rank::Name })
}

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
fn starts_pair(text: &str) -> bool {
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
fn cookies_length(text: &str) -> Option<usize> {
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
fn in_connection_string(named: Named<'_>, rest: &str) -> Option<usize> {
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
fn line_length(view: &View<'_>, from: usize, named: Named<'_>, rest: &str) -> Option<usize> {
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
fn block_header(rest: &str) -> Option<usize> {
    let marks = rest.strip_prefix(['|', '>'])?;
    let length = marks.bytes().take(2).take_while(|b| b"+-0123456789".contains(b)).count();
    marks[length..].starts_with(char::is_whitespace).then_some(1 + length)
}

/// A block in YAML after its header at `from`: the lines that are further in than the name; where there are no
/// lines any more, what stands before the next pair.
fn block(view: &View<'_>, named: Named<'_>, from: usize) -> Option<(usize, usize)> {
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

fn is_object(text: &str) -> bool {
    let inner = text[1..].trim_start();
    inner.starts_with(['"', '\'', '\\', '}', '{']) || starts_pair(inner)
}

/// Whether the value stands for nothing, or for something that is elsewhere.
pub(crate) fn is_placeholder(value: &str) -> bool {
    const LONGEST: usize = 128;
    if value.len() > LONGEST {
        return false;
    }
    let bare = value.trim_matches(['<', '>', '[', ']', '(', ')', '*', '"', '\'']);
    let lower = bare.to_ascii_lowercase();
    let enclosed = |open: &str, close: &str| value.starts_with(open) && value.ends_with(close);
    bare.is_empty()
        || PLACEHOLDERS.contains(&lower.as_str())
        || lower.bytes().all(|b| b == b'x')
        || value.chars().all(|c| matches!(c, '•' | '*' | '.' | '●' | '-' | '_'))
        || enclosed("${", "}")
        || enclosed("{{", "}")
        || enclosed("#{", "}")
        || enclosed("%{", "}")
        || enclosed("<%", "%>")
        || value.starts_with("$(")
        || value.starts_with("${{")
        || value.starts_with("{{")
        || value.starts_with('<') && value.ends_with('>') && !value.contains(|c: char| c.is_ascii_digit())
        || value.len() > 2 && enclosed("%", "%") && is_variable(&value[1..value.len() - 1])
        || value.strip_prefix('$').is_some_and(is_variable)
        || ["$env:", "process.env", "os.environ", "os.getenv", "System.getenv", "getenv(", "ENV["]
            .iter()
            .any(|from| value.starts_with(from))
        || matches!(value, "%s" | "?" | "{}" | "%v" | "%q" | "{0}" | "$1" | "$2" | ":password" | ":pass")
}

/// The name of a variable: capitals, or a name that says what it holds.
fn is_variable(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let lower = name.to_ascii_lowercase();
    !name.is_empty()
        && name.bytes().all(legal)
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && (name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit())
            || ["pass", "pwd", "secret", "token", "key"].iter().any(|word| lower.contains(word))
                && !lower.bytes().any(|b| b.is_ascii_digit()))
}

/// What Terraform and kubectl write where they hide something themselves.
fn is_placeholder_start(rest: &str) -> bool {
    [
        "(sensitive",
        "(known after",
        "<set to",
        "<optional",
        "<sensitive",
        "<computed",
        "Secret(\"***",
        "<secret",
        "!vault",
        "!Ref",
        "!Sub",
        "!ImportValue",
        "!GetAtt",
        "!secret",
        "!env_var",
    ]
    .iter()
    .any(|start| rest.starts_with(start))
}

/// Where a secret is kept, not the secret.
fn is_reference(value: &str) -> bool {
    const SCHEMES: &[&str] = &[
        "arn:aws:",
        "vault:",
        "op://",
        "secretsmanager:",
        "aws-sm://",
        "gcp-sm://",
        "projects/",
        "ssm:",
        "keyvault:",
        "@Microsoft.KeyVault(",
        "file:/",
        "env:",
        "sops:",
        "kms:",
        "secret://",
        "secrets://",
        "ENC[",
    ];
    value.len() <= 256
        && SCHEMES.iter().any(|scheme| value.starts_with(scheme))
        && !value.contains(['@', '?', '='].as_slice())
        || value.starts_with("@Microsoft.KeyVault(")
}

/// A path where a file is expected: keys and working folders (`PWD=/home/me`).
fn is_path(kind: &str, name: &str, value: &str) -> bool {
    let path = value.starts_with(['/', '~']) || value.starts_with("./") || value.starts_with("../");
    let files = matches!(kind, "private_key" | "access_key") || name.to_ascii_lowercase().ends_with("pwd");
    let mounted = ["/run/", "/etc/", "/var/", "/home/", "/mnt/", "/opt/", "/secrets/", "/tmp/", "~/"];
    path && (files || mounted.iter().any(|root| value.starts_with(root)))
}

/// `Passwords: 12 checked`, `token: 3 of 5`.
fn is_count(kind: &str, name: &str, value: &str, after: &str) -> bool {
    let digits = value.len() <= 3 && value.bytes().all(|b| b.is_ascii_digit());
    let plural = name.ends_with(['s', 'S']);
    let counted =
        after.strip_prefix(' ').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    digits
        && matches!(kind, "password" | "token" | "secret" | "cookie" | "credentials")
        && (counted || plural)
}

/// `secrets:read` and its like name a permission.
fn is_permission(name: &str, value: &str) -> bool {
    const VERBS: &[&str] =
        &["read", "write", "list", "get", "create", "delete", "update", "manage", "admin", "view", "*"];
    name.ends_with(['s', 'S']) && VERBS.contains(&value)
}

/// What a value is compared with in a program: `token == expected`.
fn is_identifier(value: &str) -> bool {
    value.bytes().all(|b| b.is_ascii_alphabetic() || matches!(b, b'_' | b'.' | b'(' | b')'))
}

/// `password: user: bob`: an empty value, and the next name.
fn is_next_name(value: &str, after: &str) -> bool {
    let plain = value.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    plain && value.len() <= 24 && after.starts_with(": ")
}

/// Words about a secret, not the secret: a known opening word, or plain words in a row.
fn is_prose(value: &str, after: &str) -> bool {
    let lower = value.to_ascii_lowercase();
    let goes_on =
        after.strip_prefix(' ').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()));
    if PROSE.contains(&lower.as_str()) || goes_on && PROSE_GOING_ON.contains(&lower.as_str()) {
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
