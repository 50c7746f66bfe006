//! Secrets in sentences.

use std::sync::LazyLock;

use regex::Regex;

use super::fixed;
use crate::marker::is_marker;
use crate::pairs::is_placeholder;
use crate::scan::{Find, Rank};
use crate::view::{VALUE, View};

/// Secrets in sentences, with no sign between name and value.
pub(super) fn spoken(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
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
