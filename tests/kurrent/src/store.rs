//! The events, in one order. Positions have gaps, as those of a file have.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::proto::Expected;

/// An event as it is kept.
#[derive(Debug, Clone)]
pub struct Kept {
    pub stream: Vec<u8>,
    pub revision: u64,
    pub position: u64,
    pub id: Uuid,
    pub metadata: HashMap<String, String>,
    pub custom_metadata: Vec<u8>,
    pub data: Vec<u8>,
}

/// An event to keep.
#[derive(Debug, Clone)]
pub struct Proposed {
    pub id: Uuid,
    pub metadata: HashMap<String, String>,
    pub custom_metadata: Vec<u8>,
    pub data: Vec<u8>,
}

/// Why an append was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The stream is elsewhere.
    WrongExpected { current: Option<u64> },
    /// The stream was ended.
    Tombstoned,
}

/// All events of a cluster.
#[derive(Debug, Default)]
pub struct Store {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    all: Vec<Kept>,
    streams: HashMap<Vec<u8>, Vec<usize>>,
    tombstones: HashSet<Vec<u8>>,
    next: u64,
}

impl Store {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the events, or finds that they are there already: just after the expected revision, in this
    /// order. That is all that a real server compares. Gives the last revision and position.
    pub fn append(
        &self,
        stream: &[u8],
        expected: Expected,
        events: &[Proposed],
    ) -> Result<(u64, u64), Refusal> {
        let mut inner = self.inner();
        if inner.tombstones.contains(stream) {
            return Err(Refusal::Tombstoned);
        }
        let there = inner.streams.get(stream).cloned().unwrap_or_default();
        let current = (there.len() as u64).checked_sub(1);
        let (holds, first) = match expected {
            Expected::Any(_) => (true, there.len()),
            Expected::NoStream(_) => (current.is_none(), 0),
            Expected::StreamExists(_) => (current.is_some(), there.len()),
            Expected::Revision(revision) => {
                (current == Some(revision), usize::try_from(revision).unwrap().saturating_add(1))
            }
        };
        if !holds {
            let repeated = events.iter().enumerate().all(|(n, event)| {
                there.get(first.saturating_add(n)).is_some_and(|at| inner.all[*at].id == event.id)
            });
            if repeated && !events.is_empty() {
                let last = &inner.all[there[first + events.len() - 1]];
                return Ok((last.revision, last.position));
            }
            return Err(Refusal::WrongExpected { current });
        }
        for event in events {
            // Somebody else's events take room as well.
            inner.next += 100 + (event.data.len() + event.custom_metadata.len()) as u64;
            let revision = inner.streams.get(stream).map_or(0, |there| there.len() as u64);
            let kept = Kept {
                stream: stream.to_vec(),
                revision,
                position: inner.next,
                id: event.id,
                metadata: event.metadata.clone(),
                custom_metadata: event.custom_metadata.clone(),
                data: event.data.clone(),
            };
            let at = inner.all.len();
            inner.all.push(kept);
            inner.streams.entry(stream.to_vec()).or_default().push(at);
        }
        let last = inner.all.last().map_or((0, 0), |last| (last.revision, last.position));
        Ok(last)
    }

    /// Ends a stream for good.
    pub fn tombstone(&self, stream: &[u8]) -> u64 {
        let mut inner = self.inner();
        inner.tombstones.insert(stream.to_vec());
        inner.next += 100;
        inner.next
    }

    /// A stream's events from a revision on, or backwards from it. None where there is no such stream, an
    /// error where it was ended.
    pub fn read_stream(
        &self,
        stream: &[u8],
        from: Option<u64>,
        backwards: bool,
        count: usize,
    ) -> Result<Option<Vec<Kept>>, Refusal> {
        let inner = self.inner();
        if inner.tombstones.contains(stream) {
            return Err(Refusal::Tombstoned);
        }
        let Some(there) = inner.streams.get(stream) else { return Ok(None) };
        let events = there.iter().map(|at| &inner.all[*at]);
        let events: Vec<Kept> = if backwards {
            let upto = |event: &&Kept| from.is_none_or(|from| event.revision <= from);
            events.rev().filter(upto).take(count).cloned().collect()
        } else {
            events
                .filter(|event| from.is_none_or(|from| event.revision >= from))
                .take(count)
                .cloned()
                .collect()
        };
        Ok(Some(events))
    }

    /// All events from a position on, included, or backwards from it. A position must be an event's: a real
    /// server refuses others.
    pub fn read_all(
        &self,
        from: Option<u64>,
        backwards: bool,
        count: usize,
        wanted: impl Fn(&Kept) -> bool,
    ) -> Result<Vec<Kept>, &'static str> {
        let inner = self.inner();
        let at = match from {
            None if backwards => inner.all.len(),
            None => 0,
            Some(from) => match inner.all.binary_search_by_key(&from, |event| event.position) {
                Ok(at) => at,
                Err(_) => return Err("the position is not that of an event"),
            },
        };
        let wanted = |event: &&Kept| wanted(event);
        Ok(if backwards {
            inner.all[..at].iter().rev().filter(wanted).take(count).cloned().collect()
        } else {
            inner.all[at..].iter().filter(wanted).take(count).cloned().collect()
        })
    }
}
