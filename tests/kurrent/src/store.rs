//! The events, in one order. Positions have gaps, as those of a file have.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use crate::kept::{Kept, Proposed};
use crate::proto::Expected;

/// The revision of what is written where a stream was ended.
const TOMBSTONE: u64 = i64::MAX.cast_unsigned();

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
    /// How many events there are.
    grown: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Inner {
    all: Vec<Kept>,
    streams: HashMap<Vec<u8>, Vec<usize>>,
    tombstones: HashSet<Vec<u8>>,
    next: u64,
}

impl Inner {
    /// Puts an event at the end of its stream; gives where it is.
    fn keep(&mut self, stream: &[u8], event: &Proposed) -> (u64, u64) {
        // Somebody else's events take room as well.
        self.next += 100 + event.size() as u64;
        let revision = self.streams.get(stream).map_or(0, |there| there.len() as u64);
        self.all.push(event.kept(stream, revision, self.next));
        self.streams.entry(stream.to_vec()).or_default().push(self.all.len() - 1);
        (revision, self.next)
    }

    /// What the stream's metadata says of its events.
    fn retention(&self, stream: &[u8]) -> (u64, Option<Duration>) {
        let of = [b"$$", stream].concat();
        let last = self.streams.get(&of).and_then(|there| there.last());
        let metadata = last.and_then(|at| serde_json::from_slice(&self.all[*at].data).ok());
        let metadata: serde_json::Value = metadata.unwrap_or_default();
        // In seconds, whatever clients write.
        let age = metadata["$maxAge"].as_u64().map(Duration::from_secs);
        (metadata["$tb"].as_u64().unwrap_or_default(), age)
    }

    /// The stream's events that are left, in order. None where there are none because it was deleted.
    fn left(&self, stream: &[u8]) -> Option<Vec<&Kept>> {
        let (first, age) = self.retention(stream);
        let there = self.streams.get(stream)?;
        let now = SystemTime::now();
        let young = |event: &Kept| {
            age.is_none_or(|age| now.duration_since(event.created).is_ok_and(|old| old <= age))
        };
        let left = there.iter().map(|at| &self.all[*at]);
        let left: Vec<&Kept> = left.filter(|event| event.revision >= first && young(event)).collect();
        (first < TOMBSTONE).then_some(left)
    }
}

impl Store {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells when there are more events.
    pub fn grown(&self) -> watch::Receiver<usize> {
        self.grown.subscribe()
    }

    fn tell(&self, inner: &Inner) {
        self.grown.send_replace(inner.all.len());
    }

    /// Keeps so many events of somebody else, each of which takes so many bytes of the log.
    pub fn keep_foreign(&self, stream: &str, count: usize, bytes: u64) {
        let mut inner = self.inner();
        for _ in 0..count {
            inner.next += bytes.saturating_sub(100);
            inner.keep(stream.as_bytes(), &Proposed::of_type("Foreign", b"{}"));
        }
        self.tell(&inner);
    }

    /// Loses its last events, as when it is restored to an earlier moment: whatever comes next comes at their places.
    pub fn lose(&self, count: usize) {
        let mut inner = self.inner();
        for _ in 0..count {
            let Some(lost) = inner.all.pop() else { break };
            if let Some(there) = inner.streams.get_mut(&lost.stream) {
                there.pop();
                if there.is_empty() {
                    inner.streams.remove(&lost.stream);
                }
            }
        }
        inner.next = inner.all.last().map_or(0, |last| last.position);
        self.tell(&inner);
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
        let deleted = current.is_some() && inner.left(stream).is_none();
        let (holds, first) = match expected {
            Expected::Any(_) => (true, there.len()),
            Expected::NoStream(_) => (current.is_none() || deleted, 0),
            Expected::StreamExists(_) => (current.is_some() && !deleted, there.len()),
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
        let mut last = (0, 0);
        for event in events {
            last = inner.keep(stream, event);
        }
        self.tell(&inner);
        Ok(last)
    }

    /// Lets all of a stream's events go. It may be begun again, with the revisions that follow.
    pub fn delete(&self, stream: &[u8]) -> Result<u64, Refusal> {
        let mut inner = self.inner();
        if inner.tombstones.contains(stream) {
            return Err(Refusal::Tombstoned);
        }
        if inner.left(stream).is_none_or(|left| left.is_empty()) {
            return Err(Refusal::WrongExpected { current: None });
        }
        let metadata = serde_json::json!({ "$tb": TOMBSTONE }).to_string();
        let (_, position) =
            inner.keep(&[b"$$", stream].concat(), &Proposed::of_type("$metadata", metadata.as_bytes()));
        self.tell(&inner);
        Ok(position)
    }

    /// Ends a stream for good, which is an event among all others.
    pub fn tombstone(&self, stream: &[u8]) -> Result<u64, Refusal> {
        let mut inner = self.inner();
        if !inner.tombstones.insert(stream.to_vec()) {
            return Err(Refusal::Tombstoned);
        }
        inner.next += 100;
        let kept = Proposed::of_type("$streamDeleted", b"").kept(stream, TOMBSTONE, inner.next);
        inner.all.push(kept);
        self.tell(&inner);
        Ok(inner.next)
    }

    /// A stream's events from a revision on, or backwards from it, and its last revision. None where there is
    /// no such stream, an error where it was ended.
    pub fn read_stream(
        &self,
        stream: &[u8],
        from: Option<u64>,
        backwards: bool,
        count: usize,
    ) -> Result<Option<(Vec<Kept>, u64)>, Refusal> {
        let inner = self.inner();
        if inner.tombstones.contains(stream) {
            return Err(Refusal::Tombstoned);
        }
        let Some(mut events) = inner.left(stream) else { return Ok(None) };
        let last = inner.streams[stream].len() as u64 - 1;
        if backwards {
            events.reverse();
            events.retain(|event| from.is_none_or(|from| event.revision <= from));
        } else {
            events.retain(|event| from.is_none_or(|from| event.revision >= from));
        }
        Ok(Some((events.into_iter().take(count).cloned().collect(), last)))
    }

    /// Where to begin to read everything: at an event, or backwards just before it. A position must be an
    /// event's: a real server refuses others.
    pub fn start(&self, from: Option<u64>, backwards: bool) -> Result<usize, &'static str> {
        let inner = self.inner();
        match from {
            None if backwards => Ok(inner.all.len()),
            None => Ok(0),
            Some(from) if !backwards && inner.all.last().is_none_or(|last| last.position < from) => {
                Ok(inner.all.len())
            }
            Some(from) => {
                let at = inner.all.binary_search_by_key(&from, |event| event.position);
                at.map_err(|_| "Invalid position")
            }
        }
    }

    /// What is found in one turn: at most so many events, of at most `window` that are looked at.
    pub fn turn(
        &self,
        at: usize,
        backwards: bool,
        count: usize,
        window: usize,
        wanted: impl Fn(&Kept) -> bool,
    ) -> Turn {
        let inner = self.inner();
        let mut turn = Turn { found: Vec::new(), next: at, looked_at: 0, at_end: false, last: None };
        while turn.found.len() < count && turn.looked_at < window {
            let event = if backwards {
                turn.next.checked_sub(1).and_then(|before| inner.all.get(before))
            } else {
                inner.all.get(turn.next)
            };
            let Some(event) = event else {
                turn.at_end = true;
                break;
            };
            turn.next = if backwards { turn.next - 1 } else { turn.next + 1 };
            turn.looked_at += 1;
            turn.last = Some(event.position);
            if wanted(event) {
                turn.found.push(event.clone());
            }
        }
        turn
    }
}

/// What one turn of the server's has found.
#[derive(Debug)]
pub struct Turn {
    pub found: Vec<Kept>,
    /// Where the next one begins.
    pub next: usize,
    /// How many events were looked at.
    pub looked_at: usize,
    /// The position of the last of them.
    pub last: Option<u64>,
    /// There are no more.
    pub at_end: bool,
}
