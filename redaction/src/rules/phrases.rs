//! What a word announces: schemes of HTTP, keys in armour, URLs, remarks such as `password is ...`.

use std::sync::LazyLock;

use regex::Regex;

use crate::marker::is_marker;
use crate::names::secret_kind;
use crate::pairs::is_placeholder;
use crate::scan::{Find, Rank};
use crate::shape::W;
use crate::view::{VALUE, View};

/// Words, and what may follow them.
pub(crate) struct Phrase {
    /// What wakes the rule, in any case.
    pub words: &'static [&'static str],
    /// The secret that a word at `start..end` announces.
    pub find: fn(&View<'_>, usize, usize) -> Option<Find>,
    /// Where it is documented.
    #[cfg_attr(not(test), expect(dead_code, reason = "for people"))]
    pub source: &'static str,
    /// A text with a secret of this kind in `«»`.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    pub leak: &'static str,
    /// A text that only begins like one.
    #[cfg_attr(not(test), expect(dead_code, reason = "for tests"))]
    pub miss: &'static str,
}

#[rustfmt::skip]
pub(crate) static PHRASES: &[Phrase] = &[
    Phrase { words: &["-----begin "], find: private_key, source: "RFC 7468, RFC 9580", leak: "«-----BEGIN EC PRIVATE KEY----- {A64} -----END EC PRIVATE KEY-----»", miss: "-----BEGIN CERTIFICATE----- MIIB" },
    Phrase { words: &["private-lines:"], find: putty_key, source: "the.earth.li/~sgtatham/putty/0.81/htmldoc/AppendixC.html", leak: "Private-Lines: 1 «{A64}»", miss: "Private-Lines:" },
    Phrase { words: &["eyj"], find: jwt, source: "RFC 7519", leak: "«eyJ{A20}.eyJ{A30}.{W43}»", miss: "eyJ{A6} was cut" },
    Phrase { words: &["bearer", "basic"], find: credentials, source: "RFC 6750, RFC 7617", leak: "Bearer «{A24}»", miss: "Bearer authentication is off" },
    Phrase { words: &["digest"], find: digest, source: "RFC 7616", leak: "Digest «username=\"u\", response=\"{h32}\"»", miss: "Digest is off" },
    Phrase { words: &["://", ":\\/\\/", "%3a%2f%2f"], find: url_password, source: "RFC 3986, 3.2.1", leak: "amqps://guest:«{A12}»@mq:5671", miss: "https://host:8443/a@b" },
    Phrase { words: &["@tcp(", "@tcp6(", "@unix("], find: dsn_password, source: "github.com/go-sql-driver/mysql", leak: "app:«{A12}»@tcp(db:3306)/x", miss: "app@tcp(db:3306)/x" },
    Phrase { words: &["jdbc:oracle:"], find: oracle_password, source: "docs.oracle.com/en/database/oracle/oracle-database/19/jjdbc", leak: "jdbc:oracle:thin:scott/«{A10}»@db:1521", miss: "jdbc:oracle:thin:@db:1521" },
    Phrase { words: &[">", "&gt;"], find: element, source: "XML 1.0", leak: "<password>«{A10}»</password>", miss: "<password/> a > b" },
    Phrase { words: &["password", "passwd", "passphrase", "passwort", "kennwort", "passcode", "mot de passe", "contraseña", "contrasena", "senha", "identified by", "secret", "token", "api key", "access key", "access_key", "secret_key"], find: spoken, source: "what people write", leak: "the password is «{A10}»", miss: "the password is wrong" },
];

fn fixed(pattern: &str) -> Regex {
    #[allow(clippy::expect_used)] // The pattern is a constant and the tests compile every one.
    Regex::new(pattern).expect("a constant pattern")
}

fn is_inside_word(view: &View<'_>, start: usize) -> bool {
    view.before(start).is_some_and(|b| b.is_ascii_alphanumeric())
}

/// Private-key blocks. A block without its end runs to the end of the text.
fn private_key(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    const CLOSES: &str = "-----END ";
    is_key_label(view.ahead(end, 64))?;
    let mut to = end;
    while let Some(at) = view.find(to, CLOSES) {
        to = at + CLOSES.len();
        if let Some(label) = is_key_label(view.ahead(to, 64)) {
            return Some(Find { start, end: to + label, kind: "private_key", rank: Rank::Shape });
        }
    }
    Some(Find { start, end: view.len(), kind: "private_key", rank: Rank::Shape })
}

/// The length of `EC PRIVATE KEY-----` and its like.
fn is_key_label(window: &str) -> Option<usize> {
    let words = window.find("-----")?;
    let label = window[..words].to_ascii_uppercase();
    let plain = label.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' ');
    let named = label.ends_with("PRIVATE KEY") || label.ends_with("PRIVATE KEY BLOCK");
    (plain && named).then_some(words + "-----".len())
}

/// The lines of a PuTTY key, to the end of the text.
fn putty_key(view: &View<'_>, _: usize, end: usize) -> Option<Find> {
    let window = view.ahead(end, 64);
    let count = window.trim_start_matches(' ');
    let digits = count.bytes().take_while(u8::is_ascii_digit).count();
    let lines = count[digits..].trim_start();
    let start = end + window.len() - lines.len();
    (digits > 0 && !lines.is_empty() && crate::marker::marker_len(lines) == 0).then(|| Find {
        start,
        end: view.len(),
        kind: "private_key",
        rank: Rank::Shape,
    })
}

/// JSON web tokens, signed or encrypted, whole or cut off, also broken over lines, which may be spaces by now.
fn jwt(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
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
fn credentials(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
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

/// Base64 of printable text with a colon.
pub(crate) fn is_basic(value: &str) -> bool {
    let mut bits = 0u32;
    let mut count = 0;
    let mut colon = false;
    for byte in value.trim_end_matches('=').bytes() {
        let six = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return false,
        };
        bits = (bits << 6) | u32::from(six);
        count += 6;
        if count >= 8 {
            count -= 8;
            let [.., decoded] = (bits >> count).to_be_bytes();
            if decoded < 0x20 || decoded == 0x7f {
                return false;
            }
            colon |= decoded == b':';
        }
    }
    colon
}

/// Digest credentials, to the end of the text: their parts come in any order.
fn digest(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
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

/// The password in the user part of a URL.
fn url_password(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
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
fn dsn_password(view: &View<'_>, start: usize, _: usize) -> Option<Find> {
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
fn oracle_password(view: &View<'_>, _: usize, end: usize) -> Option<Find> {
    static LOGIN: LazyLock<Regex> = LazyLock::new(|| fixed(r"^\w+:[^\s/:@]+/([^\s@]+)@"));
    let value = LOGIN.captures(view.ahead(end, 256))?.get(1)?;
    (!is_marker(value.as_str()) && !is_placeholder(value.as_str())).then_some(Find {
        start: end + value.start(),
        end: end + value.end(),
        kind: "password",
        rank: Rank::Phrase,
    })
}

/// The text of an XML element with a secret's name, as it is or escaped once.
fn element(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    let escaped = end - start > 1;
    let (opens, closes) = if escaped { ("&lt;", "&lt;") } else { ("<", "<") };
    let before = view.behind(start, 256);
    let tag = &before[before.rfind(opens)? + opens.len()..];
    if tag.contains('>') || tag.contains("&gt;") || tag.ends_with('/') {
        return None;
    }
    let name = tag.split(|c: char| !(c.is_ascii_alphanumeric() || "_.:-".contains(c))).next()?;
    let kind = secret_kind(name.rsplit(':').next()?)?;
    let window = view.ahead(end, VALUE);
    let inner = window.trim_start();
    let from = end + window.len() - inner.len();
    if let Some(data) = inner.strip_prefix("<![CDATA[") {
        let from = from + (inner.len() - data.len());
        let to = view.find(from, "]]>").unwrap_or(view.len());
        return element_text(view, from, to, kind);
    }
    if inner.starts_with('…') || inner.starts_with(closes) {
        return None;
    }
    let to = view.find(from, closes);
    // Another element in it, or text without an end: only a closing tag or the text's end makes it a value.
    match to {
        Some(to) if !view.ahead(to, 6)[closes.len()..].starts_with(['/', '!']) => None,
        found => element_text(view, from, found.unwrap_or(view.len()), kind),
    }
}

fn element_text(view: &View<'_>, from: usize, to: usize, kind: &'static str) -> Option<Find> {
    let value = view.taken(from, to).trim_end();
    let value = value.strip_suffix('…').unwrap_or(value);
    (!value.is_empty() && !is_marker(value) && !is_placeholder(value)).then_some(Find {
        start: from,
        end: from + value.len(),
        kind,
        rank: Rank::Phrase,
    })
}

/// Secrets in sentences, with no sign between name and value.
fn spoken(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    static AFTER: LazyLock<Regex> = LazyLock::new(|| {
        fixed(concat!(
            r"^s?\s{1,8}((?:is|was|to|ist|lautet|war|est|es)\s{1,8})?",
            r#"(?:"([^"]+)"|'([^']+)'|`([^`]+)`|([^\s"'`]+))"#,
        ))
    });
    if view.before(start).is_some_and(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return None;
    }
    let window = view.ahead(end, VALUE);
    let found = AFTER.captures(window)?;
    let word = view.taken(start, end).to_ascii_lowercase();
    // What machines hold is often named beside its name: `secret "db-creds"`, `token "next"`.
    let personal =
        !matches!(word.as_str(), "secret" | "token" | "api key" | "access key" | "access_key" | "secret_key");
    let quoted = (2..=4).find_map(|group| found.get(group)).filter(|_| personal);
    let joined = found.get(1).map(|word| word.as_str().trim_end());
    let told = matches!(joined, Some("is" | "was" | "ist" | "lautet" | "war" | "est" | "es"));
    let by = word == "identified by";
    // Without quotes only what no word looks like: digits mixed with something else.
    let bare = found.get(5).filter(|value| {
        by && !is_placeholder(value.as_str())
            || (told || joined.is_none() && personal) && is_mixed(value.as_str())
    });
    let value = quoted.or(bare)?;
    let trimmed = value.as_str().trim_end_matches([',', '.', ';', ':', ')']);
    (!is_marker(value.as_str()) && !is_placeholder(trimmed)).then_some(Find {
        start: end + value.start(),
        end: end + value.start() + trimmed.len(),
        kind: "password",
        rank: Rank::Phrase,
    })
}

fn is_mixed(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | ':' | '-' | ')' | '(' | '/' | '%');
    value.len() >= 5
        && value.contains(|c: char| c.is_ascii_digit())
        && value.contains(|c: char| !plain(c))
        && !value.contains(['/', ':', '='])
        && !value.starts_with(['[', '#', '('])
}
