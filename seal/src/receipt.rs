//! Receipts: what proves one event by itself, for who appended it (`docs/sealed-history.md`).
//!
//! A receipt is one JSON document whose values are texts, so that no program that hands it on can change what it says
//! by writing it in another way. What counts is the entry: its hash is the leaf that the proof leads from.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::checkpoint::decimal;
use crate::entry::{PartSalt, Stream};
use crate::hash::Hash;

/// The only format there is.
pub const FORMAT: &str = "runledger/receipt/1";

/// The type of an entry of the ledger's own log: it commits to a tenant's checkpoint.
pub const CHECKPOINT: &str = "Checkpoint";

/// The data of such an entry: size and root of the tenant's checkpoint, two lines.
#[must_use]
pub fn listed_data(size: u64, root: &Hash) -> String {
    format!("{size}\n{root}\n")
}

/// The id of such an entry's event: a tenant's checkpoints differ in their size.
#[must_use]
pub fn listed_id(size: u64) -> Uuid {
    Uuid::from_u128(size.into())
}

/// That an event was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// [`FORMAT`].
    pub format: String,
    /// The tenant's short name. It is not sealed by itself.
    pub tenant: String,
    /// The text of the event's entry.
    pub entry: String,
    /// The stored bytes of the event's own fields; none where they were erased.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// The same in base64, where they are no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_base64: Option<String>,
    /// What opens the entry's commitment to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_salt: Option<PartSalt>,
    /// The stored bytes of what is said about the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<String>,
    /// The same in base64, where they are no UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata_base64: Option<String>,
    /// What opens the entry's commitment to them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub meta_salt: Option<PartSalt>,
    /// A C2SP `tlog-proof` of the entry, with the checkpoint by which it was sealed.
    pub proof: String,
    /// When that checkpoint was there at the latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_stamp: Option<TimeStamp>,
}

/// A time stamp of the ledger's own log (RFC 3161), and what ties a tenant's checkpoint to it. In an export it is the
/// file `timestamp.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeStamp {
    /// The entry of the ledger's own log that commits to a checkpoint of the tenant.
    pub entry: String,
    /// Size and root of that checkpoint, two lines: what the entry commits to.
    pub data: String,
    /// What opens the commitment.
    pub data_salt: PartSalt,
    /// That the tree of that checkpoint is the beginning of the one that is proven; see
    /// [`verify_consistency`](crate::proof::verify_consistency).
    pub consistency: Vec<Hash>,
    /// A C2SP `tlog-proof` of the entry, with the checkpoint of the ledger's own log whose bytes are stamped.
    pub proof: String,
    /// The answer of the time-stamping authority as it came (DER, `TimeStampResp`), in base64.
    pub response: String,
}

/// An entry's text, read. Type and moment stand in it as words, with other bytes escaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entered<'a> {
    /// Whose event it is.
    pub stream: Stream,
    /// The event's revision.
    pub revision: u64,
    /// The leaf hash of the stream's entry before.
    pub prev: Option<Hash>,
    /// The event's id.
    pub event_id: Uuid,
    /// Its type.
    pub event_type: &'a str,
    /// When it was recorded.
    pub recorded_at: &'a str,
    /// The commitment to its data.
    pub data: Hash,
    /// The commitment to its metadata.
    pub meta: Hash,
}

/// Reads the text of an entry; none where it is of another form.
#[must_use]
pub fn entered(text: &str) -> Option<Entered<'_>> {
    let mut lines = text.strip_suffix('\n')?.split('\n');
    let mut next = |label: &str| lines.next()?.strip_prefix(label);
    let (_, stream, prev) =
        (next("runledger/entry/1").filter(|more| more.is_empty())?, next("")?, next("prev ")?);
    let (event, data, meta) = (next("event ")?, next("data ")?.parse().ok()?, next("meta ")?.parse().ok()?);
    if next("").is_some() {
        return None;
    }
    let words: Vec<&str> = stream.split(' ').collect();
    let (stream, revision) = match *words {
        ["run", number, id, revision] => {
            (Stream::Run { number: decimal(number)?, id: uuid(id)? }, decimal(revision)?)
        }
        ["admin", revision] => (Stream::Administration, decimal(revision)?),
        _ => return None,
    };
    let prev = match prev {
        "-" => None,
        hash => Some(hash.parse().ok()?),
    };
    let words: Vec<&str> = event.split(' ').collect();
    let [event_id, event_type, recorded_at] = *words else { return None };
    if !is_word(event_type) || !is_word(recorded_at) {
        return None;
    }
    Some(Entered { stream, revision, prev, event_id: uuid(event_id)?, event_type, recorded_at, data, meta })
}

/// An id in its one spelling.
fn uuid(text: &str) -> Option<Uuid> {
    text.parse().ok().filter(|id: &Uuid| id.to_string() == text)
}

/// A text as a word of an entry.
#[must_use]
pub fn word(text: &str) -> String {
    if text.is_empty() {
        return "%".to_owned();
    }
    let mut word = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'%' => word.push_str("%25"),
            plain if is_plain(plain) => word.push(char::from(plain)),
            other => word.push_str(&format!("%{other:02x}")),
        }
    }
    word
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_plain)
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._:+-%".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, Part, Salt};

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let salt = Salt::new([7; 32]);
        let run = Stream::Run { number: 7, id: Uuid::from_u128(1) };
        for (stream, prev) in [(run, Some(Hash::empty())), (Stream::Administration, None)] {
            let entry = Entry {
                stream,
                revision: 3,
                prev,
                event_id: Uuid::from_u128(2),
                event_type: "Odd type",
                recorded_at: "",
                data: salt.of(Part::Data, 3).commit(Part::Data, b"{}"),
                meta: salt.of(Part::Metadata, 3).commit(Part::Metadata, b"{}"),
            };
            let text = entry.text();
            let read = entered(&text).unwrap();
            assert_eq!((read.stream, read.revision, read.prev), (stream, 3, prev));
            assert_eq!((read.event_id, read.data, read.meta), (entry.event_id, entry.data, entry.meta));
            assert_eq!((read.event_type, read.recorded_at), ("Odd%20type", "%"));
            for text in ["", "%", "2026-03-01T12:00:00.5+01:00", "a\nb \u{e9}%"] {
                let text_of = Entry { recorded_at: text, ..entry.clone() }.text();
                assert_eq!(entered(&text_of).unwrap().recorded_at, word(text));
            }
            for (from, to) in [
                ("entry/1", "entry/2"),
                (" 3\n", " 03\n"),
                ("0001 3", "0001  3"),
                ("prev ", "prev"),
                ("Odd%20type", "Odd type"),
                ("Odd%20type", ""),
                ("0002 ", "000A "),
                ("meta ", "mata "),
                ("=\n", "=\n\n"),
            ] {
                let other = text.replacen(from, to, 1);
                assert!(other == text || entered(&other).is_none(), "{from} {to}");
            }
            assert!(entered(text.trim_end()).is_none() && entered(&format!("{text}more\n")).is_none());
        }
    }
}
