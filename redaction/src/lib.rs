//! Clean text: the one door through which free text becomes part of an event.
//!
//! One line, no control or invisible characters, secrets replaced by `[redacted:KIND]`, at most
//! 300 characters. The steps run in this order: [`strip`] first, so that a secret cannot hide
//! behind an escape sequence; then [`redact`]; then the cut, so that a secret cannot
//! straddle it.

mod entropy;
mod json;
mod names;
mod pairs;
mod providers;
mod redact;
mod rules;
mod signs;
mod strip;

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};

pub use json::{redact_json, secret_name};

/// The greatest length of a clean text, in characters (Unicode scalar values).
pub const MAX_CHARS: usize = 300;

/// What stands at the end of a text that was cut.
const ELLIPSIS: &str = "…";

/// How many hex digits of the digest tell two cut item names apart.
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
        Self(cleaned(raw, |_| ELLIPSIS.to_owned()).into_owned())
    }

    /// Cleans the name of an item. An item is known by its name, so a name that is too long
    /// ends with `#` and 12 hex digits of the SHA-256 of the uncut, redacted name. So does a name that
    /// lost a secret, by the SHA-256 of the whole, for items that differ in it only are different
    /// items; but not where the secret is so short that the digits would help to guess it.
    #[must_use]
    pub fn for_item(raw: &str) -> Self {
        let stripped = strip::strip(raw);
        if let (Cow::Owned(redacted), shortest) = redact::redact_measured(&stripped)
            && shortest >= UNGUESSABLE
        {
            let named = format!("{redacted}{}", digest(&stripped));
            return Self(cleaned(&named, |_| digest(&stripped)).into_owned());
        }
        Self(cleaned(raw, digest).into_owned())
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
        Ok(match cleaned(&raw, |_| ELLIPSIS.to_owned()) {
            Cow::Borrowed(same) if same.len() == raw.len() => Self(raw),
            other => Self(other.into_owned()),
        })
    }
}

/// What stands in the place of a value whose name says that it is a secret; none where it does not, or
/// where there is nothing to hide.
#[must_use]
pub fn hidden_by_name(name: &str, value: &CleanText) -> Option<CleanText> {
    let kind =
        names::secret_kind(name).filter(|_| !value.is_empty() && !redact::is_marker(value.as_str()))?;
    Some(CleanText(format!("{}{kind}]", redact::MARKER)))
}

fn digest(text: &str) -> String {
    let digest = hex::encode(Sha256::digest(text));
    format!("#{}", &digest[..DIGEST_DIGITS])
}

/// The kind of secret that an id holds, if one is known by its shape: keys and tokens of known makers,
/// JWTs, private keys, credentials, passwords in URLs. Long random ids are not counted: many ids are.
#[must_use]
pub fn recognized_secret(id: &str) -> Option<&'static str> {
    let stripped = strip::strip(id);
    let folded = redact::fold(&stripped).map_or(stripped, Cow::Owned);
    let shapes =
        [rules::private_keys, providers::keys, rules::jwts, rules::url_passwords, rules::credentials];
    shapes.iter().find_map(|rule| rule(&folded).first().map(|find| find.kind))
}

fn cleaned(raw: &str, end: impl Fn(&str) -> String) -> Cow<'_, str> {
    let stripped = strip::strip(raw);
    let changed = match redact::redact(&stripped) {
        Cow::Owned(changed) => Some(changed),
        Cow::Borrowed(_) => None,
    };
    let redacted = changed.map_or(stripped, Cow::Owned);
    if redacted.len() <= MAX_CHARS || redacted.chars().count() <= MAX_CHARS {
        return redacted;
    }
    Cow::Owned(cut(&redacted, &end(&redacted)))
}

/// Cuts a redacted text to [`MAX_CHARS`], `end` included. A cut can make a harmless text look
/// like a secret, or halve a marker; then the cut moves back to an earlier space, so that
/// the result is one that a second cleaning leaves alone.
fn cut(text: &str, end: &str) -> String {
    const TRIES: usize = 6;
    let room = MAX_CHARS.saturating_sub(end.chars().count());
    let mut head = text.char_indices().nth(room).map_or(text, |(at, _)| &text[..at]);
    for _ in 0..TRIES {
        if let Some(open) = head.rfind("[redacted:")
            && !head[open..].contains(']')
        {
            head = &head[..open];
        }
        head = head.trim_end();
        let candidate = format!("{head}{end}");
        let stable = matches!(strip::strip(&candidate), Cow::Borrowed(_))
            && matches!(redact::redact(&candidate), Cow::Borrowed(_));
        if stable {
            return candidate;
        }
        head = head.rfind(char::is_whitespace).map_or("", |space| &head[..space]);
    }
    end.to_owned()
}
