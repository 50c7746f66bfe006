//! The run that a start stands for: as it was found, and as the start is answered.

use std::sync::Arc;

use domain::{RunId, Status};
use eventlog::Position;

use super::request::PreparedStart;
use crate::append::EventResult;
use crate::cache::{Folded, Opening};
use crate::changed::Changes;

/// The run that does the work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    /// Which run.
    pub run: RunId,
    /// Its status.
    pub status: Status,
    /// Whether another start has made it, which is at the same work or had bound the reference to it.
    pub reused: bool,
    /// Whether this very start has made it before: it is a repeat, known by its reference or its event id.
    pub repeated: bool,
    /// Its last revision.
    pub revision: u64,
    /// The position of its last event.
    pub position: Position,
    /// Who asked for it, when, and under which title.
    pub opening: Arc<Opening>,
    /// What became of the first events, in their order; nothing where another start has made the run: they were not
    /// appended.
    pub events: Vec<EventResult>,
    /// What of the context is kept otherwise than it was sent; nothing where another start has made the run.
    pub changes: Changes,
}

impl Started {
    /// The same, with what became of the context of a run that is this start's own.
    pub(super) fn telling(self, changes: Changes) -> Self {
        if self.reused { self } else { Self { changes, ..self } }
    }
}

/// The run that a reservation names.
pub(super) enum Holder {
    /// It is the answer.
    Found(Started),
    /// It has ended; the key is free.
    Ended,
}

/// What became of queueing a run.
pub(super) enum Queue {
    /// It was queued by this.
    Done(Started),
    /// Another start has queued it.
    There(Found),
}

/// A run that was queued.
pub(super) struct Found {
    pub run: RunId,
    pub status: Status,
    revision: u64,
    position: Position,
    opening: Arc<Opening>,
}

impl Found {
    pub fn of(run: RunId, folded: &Folded) -> Option<Self> {
        Some(Self {
            run,
            status: folded.run.status?,
            revision: folded.run.revision?,
            position: folded.position,
            opening: folded.opening.clone()?,
        })
    }

    /// Whether it was made under the reference that the start has.
    pub fn is_of(&self, start: &PreparedStart) -> bool {
        self.opening.reference.is_some() && self.opening.reference == start.queued.reference
    }

    /// Whether this very start has made it.
    pub fn is_made_by(&self, start: &PreparedStart) -> bool {
        self.is_of(start) || (start.id_given && self.opening.id == start.id)
    }

    /// The answer to another start than the one that has made it.
    pub fn reused(self) -> Started {
        self.started(true, false, Vec::new())
    }

    pub fn started(self, reused: bool, repeated: bool, events: Vec<EventResult>) -> Started {
        let Self { run, status, revision, position, opening } = self;
        let changes = Changes::default();
        Started { run, status, reused, repeated, revision, position, opening, events, changes }
    }
}
