//! Entries: what the leaves of a tenant's tree hold. Lines of text, each ended by a newline.
//!
//! ```text
//! runledger/entry/1
//! run 7 01890a5d-ac96-774b-bcce-b302099a8057 3
//! prev Yh7f...=
//! event 0189... ItemFailed 2026-03-01T12:00:00.123456Z
//! data 9Jq1...=
//! meta bW6n...=
//! ```
//!
//! An entry commits to the *stored bytes* of an event and contains none of them. The commitment is salted by a secret
//! of the run, so that without the event and the salt nothing can be learned from it, also not by guessing. An
//! entry names no position: a copy of the log has other positions and the same entries.

use std::borrow::Cow;
use std::fmt::{self, Write};

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use uuid::Uuid;

use crate::hash::Hash;

/// The secret of a stream, 32 random bytes. Who has it can open the commitments of the stream's entries.
#[derive(Clone)]
pub struct Salt {
    bytes: [u8; 32],
    /// Keyed by the bytes: every event of the stream begins with the same two blocks.
    keyed: Hmac<Sha256>,
}

/// What opens one commitment: derived from the [`Salt`] for one part of one event, so that it can be given away
/// without giving away the others.
///
/// Written like a hash, in base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartSalt(pub Hash);

/// Which bytes of an event are committed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Its own fields.
    Data,
    /// What is said about it.
    Metadata,
}

impl Part {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Data => b"data",
            Self::Metadata => b"meta",
        }
    }
}

impl fmt::Debug for Salt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl Salt {
    /// From its bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        // As HMAC wants it: a key shorter than a block is filled up with zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&bytes);
        Self { bytes, keyed: Hmac::new(&block.into()) }
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// The salt of a part of the event with that revision: HMAC-SHA-256 (RFC 2104), keyed by this one, of the part's
    /// name and the revision in eight bytes, most significant first.
    #[must_use]
    pub fn of(&self, part: Part, revision: u64) -> PartSalt {
        let mut hmac = self.keyed.clone();
        hmac.update(part.label());
        hmac.update(&revision.to_be_bytes());
        PartSalt(Hash(hmac.finalize().into_bytes().into()))
    }
}

impl PartSalt {
    /// The commitment to a part's bytes: SHA-256 of `runledger/<part>/1`, a zero byte, the salt and the bytes.
    #[must_use]
    pub fn commit(&self, part: Part, bytes: &[u8]) -> Hash {
        Hash::of(&[b"runledger/", part.label(), b"/1\0", &self.0.0, bytes])
    }
}

/// The stream that an entry belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// A run, with its number: 0, 1, 2, ... in the order in which the tenant's runs began.
    Run {
        /// Its number.
        number: u64,
        /// Its id.
        id: Uuid,
    },
    /// The administration of the tenant.
    Administration,
}

/// Bytes that the text of an entry hardly ever exceeds.
const ROOM: usize = 384;

/// One event's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Whose event it is.
    pub stream: Stream,
    /// The event's revision in its stream, from 0.
    pub revision: u64,
    /// The leaf hash of the stream's entry before this one; none for the first.
    pub prev: Option<Hash>,
    /// The event's id.
    pub event_id: Uuid,
    /// Its wire name.
    pub event_type: &'a str,
    /// When it was recorded, as it is stored; empty where the metadata don't say.
    pub recorded_at: &'a str,
    /// The commitment to its data.
    pub data: Hash,
    /// The commitment to its metadata.
    pub meta: Hash,
}

impl Entry<'_> {
    /// The text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(ROOM);
        // Writing to a string never fails.
        let _ok: fmt::Result = self.write(&mut text);
        text
    }

    /// Sealing and auditing do little else for each event than this and the hashing: what is long goes past the formatting.
    fn write(&self, text: &mut String) -> fmt::Result {
        let mut room = Uuid::encode_buffer();
        text.push_str("runledger/entry/1\n");
        match self.stream {
            Stream::Run { number, id } => {
                let id = id.hyphenated().encode_lower(&mut room);
                writeln!(text, "run {number} {id} {}", self.revision)?;
            }
            Stream::Administration => writeln!(text, "admin {}", self.revision)?,
        }
        text.push_str("prev ");
        match self.prev {
            Some(prev) => prev.push_to(text),
            None => text.push('-'),
        }
        text.push_str("\nevent ");
        text.push_str(self.event_id.hyphenated().encode_lower(&mut room));
        write!(text, " {} {}\ndata ", Word(self.event_type), Word(self.recorded_at))?;
        self.data.push_to(text);
        text.push_str("\nmeta ");
        self.meta.push_to(text);
        text.push('\n');
        Ok(())
    }

    /// The hash of the leaf that holds it.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        Hash::leaf(self.text().as_bytes())
    }
}

/// When an event was recorded, as its stored metadata say it; empty where they don't.
#[must_use]
pub fn recorded_at(metadata: &[u8]) -> Cow<'_, str> {
    #[derive(Deserialize)]
    struct Recorded<'a> {
        #[serde(borrow)]
        recorded_at: Cow<'a, str>,
    }
    serde_json::from_slice(metadata).map_or(Cow::Borrowed(""), |said: Recorded<'_>| said.recorded_at)
}

/// A text within a line: bytes other than `A-Z a-z 0-9 . _ : + -` are written as `%` and two hex digits, and an
/// empty text as `%`, so that no text, whatever it holds, can be taken for another line or another word.
struct Word<'a>(&'a str);

impl fmt::Display for Word<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("%");
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:+-".contains(&byte);
        if self.0.bytes().all(plain) {
            return f.write_str(self.0);
        }
        for byte in self.0.bytes() {
            if plain(byte) {
                f.write_char(char::from(byte))?;
            } else {
                write!(f, "%{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(event_type: &str) -> Entry<'_> {
        let salt = Salt::new([7; 32]);
        Entry {
            stream: Stream::Run { number: 7, id: Uuid::from_u128(1) },
            revision: 3,
            prev: Some(Hash::empty()),
            event_id: Uuid::from_u128(2),
            event_type,
            recorded_at: "2026-03-01T12:00:00Z",
            data: salt.of(Part::Data, 3).commit(Part::Data, b"{}"),
            meta: salt.of(Part::Metadata, 3).commit(Part::Metadata, b"{}"),
        }
    }

    /// The form may never change: what was signed is checked by it for ever. The figures are of Python's `hashlib` and
    /// `hmac`.
    #[test]
    fn an_entry_is_these_lines() {
        assert_eq!(
            entry("Queued").text(),
            "runledger/entry/1\nrun 7 00000000-0000-0000-0000-000000000001 3\n\
             prev 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\
             event 00000000-0000-0000-0000-000000000002 Queued 2026-03-01T12:00:00Z\n\
             data 3aKjXvVMcPAYA5Ibc6bMo6O19ia85Zan4fdJqzJbCZw=\nmeta yy5ccTbsVKE3Nlc9czHkhdOy7pjJL2Fu+vlEcdccCWE=\n"
        );
        assert_eq!(entry("Queued").leaf().to_string(), "LQIJAfg3SoGvrvWEQ9n0t68nbojRYnsBJSOYSh3RVQw=");
    }

    #[test]
    fn when_it_was_recorded_is_read_from_the_metadata() {
        for (metadata, said) in [
            (r#"{"a":[1],"recorded_at":"2026-03-01T12:00:00Z"}"#, "2026-03-01T12:00:00Z"),
            (r#"{"recorded_at":"a\nb"}"#, "a\nb"),
            (r#"{"recorded_at":7}"#, ""),
            ("{}", ""),
            ("", ""),
        ] {
            assert_eq!(recorded_at(metadata.as_bytes()), said);
        }
    }

    #[test]
    fn no_text_can_pass_for_another_line() {
        let text = entry("Queued\ndata x é").text();
        assert!(text.contains(" Queued%0adata%20x%20%c3%a9 2026"), "{text}");
        assert!(entry("").text().contains("0002 % 2026"));
        assert_eq!(text.lines().count(), 6);
    }
}
