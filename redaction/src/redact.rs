//! Secrets out of a text, whatever rule finds them.

use std::borrow::Cow;

use crate::signs::Signs;
use crate::{entropy, pairs, providers, rules};

/// How a marker starts; the kind and `]` follow.
pub(crate) const MARKER: &str = "[redacted:";

/// One secret: where it is, and what kind it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Find {
    pub start: usize,
    pub end: usize,
    pub kind: &'static str,
}

/// The text without its secrets. Borrowed when there were none. Redacting twice is the same
/// as redacting once: the rules run until they find nothing more.
pub(crate) fn redact(text: &str) -> Cow<'_, str> {
    redact_measured(text).0
}

/// As [`redact`], with the length in bytes of the shortest secret that was found.
pub(crate) fn redact_measured(text: &str) -> (Cow<'_, str>, usize) {
    // The rules know ASCII. Wide letters and odd spaces are for people to read, not to hide behind.
    if let Some(folded) = fold(text)
        && let (Cow::Owned(redacted), shortest) = run_rules(&folded)
    {
        return (Cow::Owned(redacted), shortest);
    }
    run_rules(text)
}

fn run_rules(text: &str) -> (Cow<'_, str>, usize) {
    const ROUNDS: usize = 5;
    let mut current = Cow::Borrowed(text);
    let mut shortest = usize::MAX;
    for _ in 0..ROUNDS {
        match round(&current, &mut shortest) {
            Some(next) => current = Cow::Owned(next),
            None => return (current, shortest),
        }
    }
    // Rules that keep finding something disagree about this text. It is safer without it.
    (Cow::Owned("[redacted:text]".to_owned()), 0)
}

/// Full-width forms and white space as ASCII; none when there are none.
pub(crate) fn fold(text: &str) -> Option<String> {
    let plain = |c: char| match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c if c.is_whitespace() => ' ',
        c => c,
    };
    if text.is_ascii() {
        return None;
    }
    let folded: String = text.chars().map(plain).collect();
    (folded != text).then_some(folded)
}

/// One run of every rule. The order matters: rules that know the whole shape go first, so
/// that the marker names the most exact kind.
fn round(text: &str, shortest: &mut usize) -> Option<String> {
    let mut signs = Signs::of(text);
    let mut current: Option<String> = None;
    let mut run = |applies: fn(&Signs) -> bool, rule: fn(&str) -> Vec<Find>| {
        if !applies(&signs) {
            return;
        }
        let now = current.as_deref().unwrap_or(text);
        let finds = rule(now);
        if let Some(next) = replace(now, finds, shortest) {
            // A marker brings a colon, nothing else that a rule waits for.
            signs.separator = true;
            current = Some(next);
        }
    };
    run(|s| s.dashes, rules::private_keys);
    run(|s| s.longest_run >= 16, providers::keys);
    run(|s| s.longest_run >= 16, rules::jwts);
    run(|s| s.at && s.separator, rules::url_passwords);
    run(|s| s.separator, rules::cookies);
    run(|s| s.space && s.separator, rules::digests);
    run(|s| s.space && s.separator, rules::headers);
    run(|s| s.space, rules::credentials);
    run(|s| s.space, rules::spoken);
    run(|s| s.angle, rules::xml_elements);
    run(|s| s.separator || s.percent || s.dashes, pairs::pairs);
    run(|s| s.longest_run >= 16, entropy::tokens);
    current
}

/// Puts markers in the place of the finds (in order, not overlapping).
fn replace(text: &str, finds: Vec<Find>, shortest: &mut usize) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    for find in finds {
        if find.start < done || find.start >= find.end || is_marker(&text[find.start..find.end]) {
            continue;
        }
        out.push_str(&text[done..find.start]);
        out.push_str(MARKER);
        out.push_str(find.kind);
        out.push(']');
        done = find.end;
        *shortest = (*shortest).min(find.end - find.start);
    }
    if done == 0 {
        return None;
    }
    out.push_str(&text[done..]);
    (out != text).then_some(out)
}

/// The length of the marker that the text starts with, 0 when it starts with none.
pub(crate) fn marker_len(text: &str) -> usize {
    let Some(rest) = text.strip_prefix(MARKER) else {
        return 0;
    };
    let kind = rest.bytes().take_while(|b| b.is_ascii_lowercase() || *b == b'_').count();
    if kind > 0 && rest.as_bytes().get(kind) == Some(&b']') { MARKER.len() + kind + 1 } else { 0 }
}

/// Whether the text is one marker and nothing else.
pub(crate) fn is_marker(text: &str) -> bool {
    !text.is_empty() && marker_len(text) == text.len()
}
