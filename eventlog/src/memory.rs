//! The reference log: in memory, small, obviously right. For tests; nothing of it survives the process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::watch;

use crate::error::{AppendError, LogError};
use crate::port::{Appended, EventLog, Position, RecordedEvent, StreamAppend, Subscription};
use crate::repeat::{self, There};
use crate::validate;

/// An event log in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    events: Mutex<Events>,
    head: watch::Sender<Position>,
}

#[derive(Debug, Default)]
struct Events {
    /// Position p is at index p - 1.
    all: Vec<RecordedEvent>,
    /// The indexes of each stream's events, by revision.
    streams: HashMap<String, Vec<usize>>,
}

impl MemoryLog {
    /// A log without events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn events(&self) -> MutexGuard<'_, Events> {
        // Nothing is half done under the lock that a panic could leave behind.
        self.shared.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    fn append(&mut self, append: StreamAppend) -> Result<Appended, AppendError> {
        validate::append(&append)?;
        let (expected, actual) = (append.expected.last(), self.last_revision(&append.stream));
        if expected == actual {
            return Ok(self.push(append));
        }
        self.repeated(&append).ok_or(AppendError::Conflict { stream: append.stream, expected, actual })
    }

    /// Where the append has its events, if it is a repeat.
    fn repeated(&self, append: &StreamAppend) -> Option<Appended> {
        let first = append.expected.next()?;
        let there = self.streams.get(&append.stream)?.get(usize::try_from(first).ok()?..)?;
        let there = there.iter().take(append.events.len()).map(|index| &self.all[*index]);
        let there: Vec<There> = there.map(|event| (event.id, event.position)).collect();
        let (revision, position) = repeat::end_of(append, first, &there)?;
        Some(Appended { revision, position, duplicate: true })
    }

    fn last_revision(&self, stream: &str) -> Option<u64> {
        self.streams.get(stream).and_then(|indexes| indexes.len().checked_sub(1)).map(|last| last as u64)
    }

    fn push(&mut self, append: StreamAppend) -> Appended {
        let indexes = self.streams.entry(append.stream.clone()).or_default();
        for (revision, event) in (indexes.len() as u64..).zip(append.events) {
            indexes.push(self.all.len());
            self.all.push(RecordedEvent {
                position: Position(self.all.len() as u64 + 1),
                stream: append.stream.clone(),
                revision,
                id: event.id,
                event_type: event.event_type,
                data: event.data,
                metadata: event.metadata,
            });
        }
        let (revision, position) = (indexes.len() as u64 - 1, Position(self.all.len() as u64));
        Appended { revision, position, duplicate: false }
    }
}

#[async_trait]
impl EventLog for MemoryLog {
    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        let mut events = self.events();
        let appended = events.append(append)?;
        self.shared.head.send_replace(Position(events.all.len() as u64));
        Ok(appended)
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let events = self.events();
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let indexes = events.streams.get(stream).map_or(&[][..], Vec::as_slice);
        Ok(indexes.iter().skip(from).take(limit).map(|index| events.all[*index].clone()).collect())
    }

    async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        let events = self.events();
        let last = events.streams.get(stream).and_then(|indexes| indexes.last());
        Ok(last.map(|index| events.all[*index].clone()))
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        let after = usize::try_from(after.0).unwrap_or(usize::MAX);
        Ok(self.events().all.iter().skip(after).take(limit).cloned().collect())
    }

    async fn head(&self) -> Result<Position, LogError> {
        Ok(Position(self.events().all.len() as u64))
    }

    async fn subscribe(&self, after: Position) -> Result<Box<dyn Subscription>, LogError> {
        Ok(Box::new(MemorySubscription { log: self.clone(), after, head: self.shared.head.subscribe() }))
    }
}

struct MemorySubscription {
    log: MemoryLog,
    after: Position,
    head: watch::Receiver<Position>,
}

#[async_trait]
impl Subscription for MemorySubscription {
    async fn next_batch(&mut self, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        let after = self.after;
        self.head
            .wait_for(|head| *head > after)
            .await
            .map_err(|_| LogError::Unavailable("the log is gone".into()))?;
        let batch = self.log.read_all(after, limit.max(1)).await?;
        if let Some(last) = batch.last() {
            self.after = last.position;
        }
        Ok(batch)
    }
}
