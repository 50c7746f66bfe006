//! Private keys in armour.

use crate::find::{Find, Rank};
use crate::view::View;

/// Private-key blocks. A block without its end runs to the end of the text.
pub(super) fn private_key(view: &View<'_>, start: usize, end: usize) -> Option<Find> {
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
pub(super) fn putty_key(view: &View<'_>, _: usize, end: usize) -> Option<Find> {
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
