//! Clean text and the names of items.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

use crate::marker::{MARKER, is_marker, marker};
use crate::names;
use crate::scan::{Redacted, recognized, redact, redact_until};
use crate::strip::strip;

/// The greatest length of a clean text, in characters (Unicode scalar values).
pub const MAX_CHARS: usize = 300;

/// A text that is cut is cut before it is searched, to so many bytes. Of them only what begins in the first
/// half is kept, so a secret on the edge of what is kept is seen whole if it has up to [`SEARCHED`] / 2 bytes;
/// what has no end, such as half a private key, is one to the end of what is searched.
const SEARCHED: usize = 16 * 1024;

/// What stands at the end of a text that was cut.
const ELLIPSIS: &str = "…";

/// How many hex digits of a digest tell two item names apart that look the same when they are clean.
const DIGEST_DIGITS: usize = 12;

/// From this length in bytes on a secret can't be found by trying, even with some digits of a digest.
const UNGUESSABLE: usize = 20;

/// A text that has passed the door: one line, no secrets, at most 300 characters.
///
/// Cleaning twice changes nothing, so reading a stored text through the same door gives back
/// what was stored.
///
/// ```
/// use redaction::CleanText;
/// let text = CleanText::new("login failed:\n  password=hunter2");
/// assert_eq!(text.as_str(), "login failed: password=[redacted:password]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct CleanText(String);

impl CleanText {
    /// Cleans any text. A text that is too long ends with `…`.
    #[must_use]
    pub fn new(raw: &str) -> Self {
        Self(cleaned(raw).within(ELLIPSIS).into_owned())
    }

    /// Cleans the name of an item. An item is known by its name, so a name that loses anything on the way, be it
    /// a blank, ends with `#` and 12 hex digits of the SHA-256 of the name as it was: two items stay two.
    ///
    /// Where it loses a secret that could be guessed, the digits are those of the name without it, for they
    /// would help the guess; then names that differ in the secret only become one. A caller with a key uses
    /// [`Self::for_item_by`].
    #[must_use]
    pub fn for_item(raw: &str) -> Self {
        Self::named(raw, |shortest| match shortest {
            Some(length) if length < UNGUESSABLE => Sha256::digest(&*redact(&strip(raw))).into(),
            _ => Sha256::digest(raw).into(),
        })
    }

    /// As [`Self::for_item`], with the digits of a keyed digest of the name as it was, whatever it loses.
    #[must_use]
    pub fn for_item_by(raw: &str, digest: impl FnOnce(&[u8]) -> [u8; 32]) -> Self {
        Self::named(raw, |_| digest(raw.as_bytes()))
    }

    fn named(raw: &str, digest: impl FnOnce(Option<usize>) -> [u8; 32]) -> Self {
        let clean = cleaned(raw);
        if !clean.is_cut() && clean.text == raw || clean.text.is_empty() {
            return Self(clean.text.into_owned());
        }
        let digest = hex::encode(digest(clean.shortest));
        Self(cut(&clean.text, &format!("#{}", &digest[..DIGEST_DIGITS])))
    }

    /// How every clean text begins that was made of this one, or of one that begins with it: for looking up.
    /// At most 287 characters, for which every name of an item has room before its digits.
    #[must_use]
    pub fn beginning(raw: &str) -> String {
        let text = cleaned(raw).text;
        let room = MAX_CHARS - 1 - DIGEST_DIGITS;
        let end = text.char_indices().nth(room).map_or(text.len(), |(at, _)| at);
        text[..end].trim_end().to_owned()
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nothing is left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text, given away.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Display for CleanText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for CleanText {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl From<&str> for CleanText {
    fn from(raw: &str) -> Self {
        Self::new(raw)
    }
}

impl<'de> Deserialize<'de> for CleanText {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let raw = String::deserialize(from)?;
        // A stored text is clean already, so the common case keeps the string as it is.
        Ok(match cleaned(&raw).within(ELLIPSIS) {
            Cow::Borrowed(same) if same.len() == raw.len() => Self(raw),
            other => Self(other.into_owned()),
        })
    }
}

/// What stands in the place of a value whose name says that it is a secret; none where it does not, or
/// where there is nothing to hide.
#[must_use]
pub fn hidden_by_name(name: &str, value: &CleanText) -> Option<CleanText> {
    let kind = names::secret_kind(name).filter(|kind| {
        let of_kind = !matches!(*kind, "auth" | "otp" | "session" | "mnemonic")
            || crate::pairs::is_secret_of(kind, value.as_str());
        of_kind && !value.is_empty() && !is_marker(value.as_str())
    })?;
    Some(CleanText(marker(kind)))
}

/// The kind of secret that an id holds, if one is known by its shape, by a word before it or by its name.
/// Long random ids are not counted: many ids are.
#[must_use]
pub fn recognized_secret(id: &str) -> Option<&'static str> {
    recognized(&strip(id))
}

/// A text that is clean, but may be too long yet.
struct Clean<'t> {
    text: Cow<'t, str>,
    /// Whether more followed that was not even searched.
    cut: bool,
    /// The length in bytes of the shortest secret, if there was any.
    shortest: Option<usize>,
}

impl<'t> Clean<'t> {
    fn is_cut(&self) -> bool {
        self.cut || self.text.len() > MAX_CHARS && self.text.chars().count() > MAX_CHARS
    }

    fn within(self, end: &str) -> Cow<'t, str> {
        if self.is_cut() { Cow::Owned(cut(&self.text, end)) } else { self.text }
    }
}

fn cleaned(raw: &str) -> Clean<'_> {
    match strip(raw) {
        Cow::Borrowed(stripped) => searched(stripped),
        Cow::Owned(stripped) => {
            let Clean { text, cut, shortest } = searched(&stripped);
            Clean { text: Cow::Owned(text.into_owned()), cut, shortest }
        }
    }
}

fn searched(stripped: &str) -> Clean<'_> {
    let boundary = |at: usize| (0..=at).rev().find(|at| stripped.is_char_boundary(*at)).unwrap_or(0);
    let cut = stripped.len() > SEARCHED;
    let (text, shown) = if cut {
        (&stripped[..boundary(SEARCHED)], stripped[..boundary(SEARCHED / 2)].chars().count())
    } else {
        (stripped, usize::MAX)
    };
    let Redacted { text, shortest, .. } = redact_until(text, shown);
    // A joiner that joined a letter is a stray beside what stands in its place now.
    let again = match &text {
        Cow::Owned(changed) => match strip(changed) {
            Cow::Owned(stripped) => Some(redact(&stripped).into_owned()),
            Cow::Borrowed(_) => None,
        },
        Cow::Borrowed(_) => None,
    };
    Clean { text: again.map_or(text, Cow::Owned), cut, shortest }
}

/// Cuts a redacted text to [`MAX_CHARS`], `end` included. A cut can make a harmless text look
/// like a secret, or halve a marker; then the cut moves back to an earlier space, so that
/// the result is one that a second cleaning leaves alone.
fn cut(text: &str, end: &str) -> String {
    const TRIES: usize = 6;
    let room = MAX_CHARS.saturating_sub(end.chars().count());
    let mut head = text.char_indices().nth(room).map_or(text, |(at, _)| &text[..at]);
    for _ in 0..TRIES {
        if let Some(open) = head.rfind(MARKER)
            && !head[open..].contains(']')
        {
            head = &head[..open];
        }
        head = head.trim_end();
        let candidate = format!("{head}{end}");
        let stable =
            matches!(strip(&candidate), Cow::Borrowed(_)) && matches!(redact(&candidate), Cow::Borrowed(_));
        if stable {
            return candidate;
        }
        head = head.rfind(char::is_whitespace).map_or("", |space| &head[..space]);
    }
    end.to_owned()
}
