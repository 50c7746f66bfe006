//! Secrets that a regular expression can find. The engine works in linear time.

use std::sync::LazyLock;

use regex::Regex;

use crate::names::secret_kind;
use crate::redact::{Find, is_marker};

/// Compiles a pattern that is part of this program.
#[allow(clippy::expect_used)] // The pattern is a constant and the tests compile every one.
pub(crate) fn fixed(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a constant pattern")
}

static PRIVATE_KEY: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"(?is)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----",
        r".*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|\z)",
    ))
});

/// Private-key blocks. A block without its end runs to the end of the text.
pub(crate) fn private_keys(text: &str) -> Vec<Find> {
    all(&PRIVATE_KEY, text, 0, "private_key")
}

static JWT: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"eyJ[0-9A-Za-z_-]{8,}(?:\.[0-9A-Za-z_-]{2,}(?:\.[0-9A-Za-z_-]*){0,3}|\.…",
        // Broken over lines, which are spaces by now.
        r"|\s?\.\s?eyJ[0-9A-Za-z_-]{4,}(?:\s?\.\s?[0-9A-Za-z_-]{16,})?)",
    ))
});

/// JSON web tokens (RFC 7519), signed or encrypted, whole or cut off.
pub(crate) fn jwts(text: &str) -> Vec<Find> {
    all(&JWT, text, 0, "jwt")
}

static URL_USER: LazyLock<Regex> =
    LazyLock::new(|| fixed(r#"[A-Za-z][A-Za-z0-9+.-]*:(?:\\?/){2}([^\s/@:?#"'<>\[\]\\]*):([^\s"'<>`]+)"#));

/// Go's MySQL form `user:password@tcp(host)`, and Oracle's `user/password@host`.
static DSN: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r"(?i)\b[\w.%-]+:([^\s:\[\]]+)@(?:tcp|tcp6|unix)\(",
        r"|jdbc:oracle:\w+:[^\s/:@]+/([^\s@]+)@",
    ))
});

/// Passwords in the user part of a URL.
pub(crate) fn url_passwords(text: &str) -> Vec<Find> {
    let mut finds = Vec::new();
    for found in URL_USER.captures_iter(text) {
        let Some(rest) = found.get(2) else { continue };
        if let Some(length) = password_length(rest.as_str()) {
            finds.push(Find { start: rest.start(), end: rest.start() + length, kind: "password" });
        }
    }
    if finds.is_empty() {
        for found in DSN.captures_iter(text) {
            if let Some(secret) = found.get(1).or(found.get(2)) {
                finds.push(Find { start: secret.start(), end: secret.end(), kind: "password" });
            }
        }
    }
    finds
}

/// `rest` follows `scheme://user:`. It is a password when an `@` ends it before the path, or
/// later when it cannot be a port.
fn password_length(rest: &str) -> Option<usize> {
    let authority = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    if let Some(at) = rest[..authority].rfind('@') {
        // Several hosts or URLs in one run: the first `@` that a host can follow ends it.
        let first = rest.find("@").unwrap_or(at);
        let end = if rest[first..at].contains(',') { first } else { at };
        return Some(end);
    }
    let port = rest.bytes().take_while(u8::is_ascii_digit).count();
    let ends = port == authority && port <= 5;
    if ends { None } else { rest.find('@') }
}

static COOKIE: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r#"(?i)\b(?:set-)?cookie2?\\*["']?\s*[:=]\s*\\*["']?"#,
        r#"([^\s=;,:"']+=[^\s;"']*(?:;\s*[^\s=;,:"']+=[^\s;"']*|;\s*(?:HttpOnly|Secure|Partitioned)\b)*)"#,
    ))
});

/// The values in cookie headers (RFC 6265).
pub(crate) fn cookies(text: &str) -> Vec<Find> {
    all(&COOKIE, text, 1, "cookie")
}

static CREDENTIALS: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"(?i)\b(bearer|basic)(?:\s+|%20|\+)([0-9A-Za-z._~+/-]{6,}=*)"));

static DIGEST: LazyLock<Regex> = LazyLock::new(|| {
    fixed(
        r#"(?i)\bdigest\s+((?:username|realm|nonce|uri|response|qop|nc|cnonce|opaque|algorithm|userhash)=.+)"#,
    )
});

/// Digest credentials (RFC 7616), to the end of the text: their parts come in any order.
pub(crate) fn digests(text: &str) -> Vec<Find> {
    all(&DIGEST, text, 1, "digest")
}

static HEADER: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(r#"(?i)\bauthorization\\*["']?\s*[:=]\s*\\*["']?bearer\s+"#, r"([0-9A-Za-z._~+/-]{6,}=*)",))
});

/// What stands after `Authorization: Bearer` in a sentence about it.
const ABOUT_HEADERS: &[&str] = &[
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

/// Bearer credentials in their header: there even a word is one.
pub(crate) fn headers(text: &str) -> Vec<Find> {
    let mut finds = all(&HEADER, text, 1, "bearer");
    finds.retain(|find| {
        let word = text[find.start..find.end].trim_end_matches(['.', '/', '-']);
        !ABOUT_HEADERS.contains(&word.to_ascii_lowercase().as_str())
    });
    finds
}

/// Bearer (RFC 6750) and basic (RFC 7617) credentials without the header's name.
pub(crate) fn credentials(text: &str) -> Vec<Find> {
    let mut finds = Vec::new();
    for found in CREDENTIALS.captures_iter(text) {
        let (Some(scheme), Some(value)) = (found.get(1), found.get(2)) else {
            continue;
        };
        let kind = if scheme.as_str().eq_ignore_ascii_case("basic") {
            is_basic(value.as_str()).then_some("basic")
        } else {
            is_bearer(value.as_str()).then_some("bearer")
        };
        if let Some(kind) = kind {
            finds.push(Find { start: value.start(), end: value.end(), kind });
        }
    }
    finds
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
fn is_basic(value: &str) -> bool {
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

static SPOKEN: LazyLock<Regex> = LazyLock::new(|| {
    fixed(concat!(
        r#"(?i)\b(?:password|passwd|passphrase|passwort|mot de passe|contraseña|identified\s+by)\s+(?:is\s+|was\s+|of\s+)?(?:"([^"]+)"|'([^']+)'|`([^`]+)`)"#,
        r#"|\b(?:password|passwd|passphrase|secret|token|api key|access key)\s+(?:is|was)\s+([^\s"'`]+)"#,
        r#"|\b(?:password|passwd|passphrase)\s+([^\s"'`]+)"#,
        r#"|\b(?:curl|wget|http)\b[^|]*?\s(?:-u|--user)[ =]["']?[^\s:"']+:([^\s"']+)"#,
        r#"|\b(?:docker|podman|helm)\b[^|]*?\slogin\b[^|]*?\s-p\s?["']?([^\s"']+)"#,
        r#"|\b(?:mysql|mysqldump|mysqladmin|mariadb|sshpass)\b[^|]*?\s-p\s?["']?([^\s"']+)"#,
    ))
});

/// Secrets in sentences and command lines, with no sign between name and value.
pub(crate) fn spoken(text: &str) -> Vec<Find> {
    let mut finds = Vec::new();
    for found in SPOKEN.captures_iter(text) {
        let quoted = (1..=3).find_map(|group| found.get(group));
        // Without quotes only what no word looks like: digits mixed with something else.
        let bare = (4..=5).find_map(|group| found.get(group)).filter(|value| is_mixed(value.as_str()));
        let command = (6..=8).find_map(|group| found.get(group));
        if let Some(value) = quoted.or(bare).or(command) {
            let trimmed = value.as_str().trim_end_matches([',', '.', ';', ':', ')']);
            let kept = if is_marker(value.as_str()) { value.as_str() } else { trimmed };
            finds.push(Find { start: value.start(), end: value.start() + kept.len(), kind: "password" });
        }
    }
    finds
}

fn is_mixed(value: &str) -> bool {
    let plain = |c: char| c.is_ascii_digit() || matches!(c, '.' | ',' | ':' | '-' | ')' | '(' | '/' | '%');
    value.len() >= 5
        && value.contains(|c: char| c.is_ascii_digit())
        && value.contains(|c: char| !plain(c))
        && !value.contains(['/', ':', '='])
        && !value.starts_with(['[', '#', '('])
}

static ELEMENT: LazyLock<Regex> =
    LazyLock::new(|| fixed(r"<([A-Za-z][\w.:-]*)(?:\s[^<>]*)?>\s*([^<>]+?)\s*(?:</|<!|…|\z)"));

/// XML elements with a secret's name.
pub(crate) fn xml_elements(text: &str) -> Vec<Find> {
    let mut finds = Vec::new();
    for found in ELEMENT.captures_iter(text) {
        let (Some(name), Some(value)) = (found.get(1), found.get(2)) else {
            continue;
        };
        let local = name.as_str().rsplit(':').next().unwrap_or_default();
        if let Some(kind) = secret_kind(local)
            && value.as_str().starts_with(|c: char| c != '…')
        {
            finds.push(Find { start: value.start(), end: value.end(), kind });
        }
    }
    finds
}

fn all(pattern: &Regex, text: &str, group: usize, kind: &'static str) -> Vec<Find> {
    pattern
        .captures_iter(text)
        .filter_map(|found| found.get(group))
        .map(|found| Find { start: found.start(), end: found.end(), kind })
        .collect()
}
