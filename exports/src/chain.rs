//! A stream's events as lines of an export, and their entries, compared with what was sealed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use eventlog::RecordedEvent;
use seal::Hash;
use seal::entry::{Entry, Part, Salt, Stream, recorded_at};
use seal::export::EventLine;
use seal::heads::Head;

/// The entries of one stream, one after another.
#[derive(Debug)]
pub(crate) struct Chain {
    stream: Stream,
    salt: Salt,
    first: Option<Hash>,
    last: Option<Hash>,
    count: u64,
    /// The first revision that is missing, or is there twice.
    gap: Option<u64>,
}

impl Chain {
    pub fn new(stream: Stream, salt: Salt) -> Self {
        Self { stream, salt, first: None, last: None, count: 0, gap: None }
    }

    /// One of which so many entries are known, and the last of them.
    pub fn after(stream: Stream, salt: Salt, count: u64, last: Hash) -> Self {
        Self { count, last: Some(last), ..Self::new(stream, salt) }
    }

    /// How many entries it has.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The leaf of the last one.
    pub fn last(&self) -> Option<Hash> {
        self.last
    }

    /// The line of the stream's next event.
    pub fn line(&mut self, event: &RecordedEvent) -> EventLine {
        self.entered(event).0
    }

    /// The line of the stream's next event, and the text of its entry.
    pub fn entered(&mut self, event: &RecordedEvent) -> (EventLine, String) {
        let revision = event.revision;
        if revision != self.count && self.gap.is_none() {
            self.gap = Some(self.count);
        }
        let (data_salt, meta_salt) =
            (self.salt.of(Part::Data, revision), self.salt.of(Part::Metadata, revision));
        let recorded_at = recorded_at(&event.metadata);
        let entry = Entry {
            stream: self.stream,
            revision,
            prev: self.last,
            event_id: event.id,
            event_type: &event.event_type,
            recorded_at: &recorded_at,
            data: data_salt.commit(Part::Data, &event.data),
            meta: meta_salt.commit(Part::Metadata, &event.metadata),
        };
        let text = entry.text();
        let leaf = Hash::leaf(text.as_bytes());
        self.first = self.first.or(Some(leaf));
        self.last = Some(leaf);
        self.count += 1;
        let (data, data_base64) = text_or_base64(&event.data);
        let (metadata, metadata_base64) = text_or_base64(&event.metadata);
        let line = EventLine {
            run: match self.stream {
                Stream::Run { number, .. } => Some(number),
                Stream::Administration => None,
            },
            revision,
            event_id: event.id,
            event_type: event.event_type.clone(),
            recorded_at: recorded_at.into_owned(),
            data,
            data_base64,
            data_salt: Some(data_salt),
            data_hash: None,
            metadata,
            metadata_base64,
            meta_salt: Some(meta_salt),
            meta_hash: None,
        };
        (line, text)
    }

    /// What is wrong with it, if it should have this head; where `whole` is not set, only its first event is there.
    pub fn differs(&self, head: Head, whole: bool) -> Option<String> {
        let wanted = if whole { head.count } else { 1 };
        let what = if let Some(revision) = self.gap {
            format!("the event of revision {revision} is missing in the event log")
        } else if self.count != wanted {
            format!("{wanted} events were sealed, and the event log has {} of them", self.count)
        } else if self.first != Some(head.first) {
            "its first event is another one than was sealed".to_owned()
        } else if whole && self.last != Some(head.last) {
            "one of its events is another one than was sealed".to_owned()
        } else {
            return None;
        };
        Some(match self.stream {
            Stream::Run { number, id } => format!("Run {number} ({id}): {what}."),
            Stream::Administration => format!("The administration: {what}."),
        })
    }
}

fn text_or_base64(bytes: &[u8]) -> (Option<String>, Option<String>) {
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(text.to_owned()), None),
        Err(_) => (None, Some(STANDARD.encode(bytes))),
    }
}
