//! Secrets in XML.

use crate::find::{Find, Rank};
use crate::marker::is_marker;
use crate::names::secret_kind;
use crate::pairs::is_placeholder;
use crate::view::{VALUE, View};

/// The text of an XML element with a secret's name, as it is or escaped once.
pub(super) fn element(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
    let escaped = end - start > 1;
    let (opens, closes) = if escaped { ("&lt;", "&lt;") } else { ("<", "<") };
    let before = view.behind(start, 256);
    let begins = before.rfind(opens)?;
    let tag = &before[begins + opens.len()..];
    if tag.contains('>') || tag.contains("&gt;") || tag.ends_with('/') {
        return None;
    }
    // The place of a value: `postgres://app:<password>@db`.
    if before[..begins].ends_with([':', '=', '/', '@']) && view.at(end) == Some(b'@') {
        return None;
    }
    let name = tag.split(|c: char| !(c.is_ascii_alphanumeric() || "_.:-".contains(c))).next()?;
    let kind = secret_kind(name.rsplit(':').next()?).or_else(|| called(tag, name))?;
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

/// `<param name="password">`: what the element is called, where it is no field of a form.
fn called(tag: &str, element: &str) -> Option<&'static str> {
    const FIELDS: [&str; 10] =
        ["input", "button", "label", "a", "select", "option", "textarea", "form", "meta", "field"];
    if FIELDS.contains(&element.to_ascii_lowercase().as_str()) {
        return None;
    }
    ["name=", "key=", "id="].iter().find_map(|attribute| {
        let (before, given) = tag.split_once(attribute)?;
        let given = given.strip_prefix(['"', '\''])?;
        let given = given.split(['"', '\'']).next()?;
        before.ends_with(char::is_whitespace).then(|| secret_kind(given))?
    })
}
