//! Folded runs in memory, so that an append costs the same however long the run is.
//!
//! What is cached is always a prefix of the run's stream, from its beginning, as the log gave it or
//! said yes to it. It may be too short, because another process appended or because an append's
//! answer was lost, but it is never wrong. So an append may be decided on it, as the log checks the
//! revision; a refusal may not, before the rest has been read.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::{Event, EventBody, PrincipalId, Reference, Run, evolve};
use eventlog::{EventLog, Position, streams};
use redaction::CleanText;
use uuid::Uuid;

use super::error::CommandError;
use super::slots::Slots;
use super::unreadable::{Broken, Unreadable};

/// How many events are read at once.
const PAGE: usize = 1_000;

/// Folded runs by stream, those used least recently forgotten first. Cheap to clone; clones share them.
#[derive(Clone)]
pub(super) struct RunCache {
    log: Arc<dyn EventLog>,
    runs: Arc<Slots>,
    unreadable: Unreadable,
}

/// A prefix of a stream, folded.
#[derive(Default)]
pub(super) struct Folded {
    /// The fold.
    pub run: Run,
    /// The position of the last event in it.
    pub position: Position,
    /// How it begins; none of a run without events.
    pub opening: Option<Arc<Opening>>,
}

/// What callers that get a run are told of its `Queued`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The event's id.
    pub id: Uuid,
    /// The principal that asked for the run.
    pub by: PrincipalId,
    /// When the ledger took it in.
    pub at: DateTime<Utc>,
    /// The title.
    pub title: Option<CleanText>,
    /// The name under which it was asked for.
    pub reference: Option<Reference>,
}

impl RunCache {
    pub(super) fn new(log: Arc<dyn EventLog>, max_weight: u64) -> Self {
        let runs = Arc::new(Slots::new(max_weight));
        Self { log, runs, unreadable: Unreadable::default() }
    }

    /// Works with the fold of a stream's run, one at a time. It is empty where nothing of the run is known yet.
    pub(super) async fn locked<T>(&self, stream: &str, work: impl AsyncFnOnce(&mut Folded) -> T) -> T {
        let slot = self.runs.slot(stream);
        let mut folded = slot.lock().await;
        self.doubt(stream, &mut folded);
        let done = work(&mut folded).await;
        let Folded { run, .. } = &*folded;
        let entries = run.revision.map(|_| run.items.len() + run.event_ids.len());
        drop(folded);
        match entries {
            Some(entries) => self.runs.weigh(stream, &slot, entries),
            // A run that has no events.
            None => self.runs.forget(stream),
        }
        done
    }

    /// Whether the stream's run is known to have events, without asking the log.
    pub(super) fn knows(&self, stream: &str) -> bool {
        self.runs.knows(stream)
    }

    /// Where the streams are.
    pub(super) fn log(&self) -> &dyn EventLog {
        &*self.log
    }

    pub(super) fn unreadable(&self) -> &Unreadable {
        &self.unreadable
    }

    /// Forgets the cached prefix of a stream that is said to be unreadable: it is decided on what the log has
    /// now, or not at all.
    fn doubt(&self, stream: &str, folded: &mut Folded) {
        if self.unreadable.holds(stream) {
            *folded = Folded::default();
        }
    }

    /// Folds what the log has beyond the cached prefix.
    ///
    /// # Errors
    /// [`CommandError::Unreadable`], or the log's.
    pub(super) async fn catch_up(&self, stream: &str, folded: &mut Folded) -> Result<(), CommandError> {
        loop {
            let page = self.log.read_stream(stream, folded.run.next_revision(), PAGE).await?;
            for record in &page {
                let read = streams::run_event(record).map_err(|error| error.to_string());
                read.and_then(|event| folded.push(&event, record.position))
                    .map_err(|why| self.broken(stream, record.revision, why))?;
            }
            if page.len() < PAGE {
                self.unreadable.forget(stream);
                return Ok(());
            }
        }
    }

    /// Notes that an event of a stream can't be read.
    pub(super) fn broken(&self, stream: &str, revision: u64, why: String) -> CommandError {
        self.unreadable.note(stream, Broken { revision, why });
        let run = streams::run_of(stream).map(|(_, run)| run);
        CommandError::Unreadable { run, revision }
    }
}

impl Folded {
    /// Folds the next event. Should the fold panic, nothing is left: an empty prefix, which is right too.
    ///
    /// # Errors
    /// When another one comes next.
    pub(super) fn push(&mut self, event: &Event, position: Position) -> Result<(), String> {
        if event.revision != self.run.next_revision() {
            let (want, got) = (self.run.next_revision(), event.revision);
            return Err(format!("run {} has revision {got} where {want} belongs", event.run));
        }
        self.run = evolve(std::mem::take(&mut self.run), event);
        if let EventBody::Queued(queued) = &event.body
            && self.opening.is_none()
        {
            let (title, reference) = (queued.title.clone(), queued.reference.clone());
            let (by, at) = (event.actor.clone(), event.recorded_at);
            self.opening = Some(Arc::new(Opening { id: event.id, by, at, title, reference }));
        }
        // No command asks for it, and its context may be large.
        self.run.queued = None;
        self.position = position;
        Ok(())
    }
}

impl fmt::Debug for RunCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunCache").field("runs", &self.runs.len()).finish_non_exhaustive()
    }
}
