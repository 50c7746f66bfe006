//! The run as its events tell it: [`evolve`] folds one event into it.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use redaction::CleanText;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::event::{Event, EventBody, ItemName, Queued};
use crate::ids::PrincipalId;
use crate::reason::ReasonCode;

/// What operators see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the statuses that docs/events.md explains")]
pub enum Status {
    Queued,
    Running,
    Succeeded,
    PartiallySucceeded,
    Failed,
}

/// Which event ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the events")]
pub enum EndedAs {
    Completed,
    Failed,
    Aborted,
}

/// What became of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names are the events")]
pub enum Outcome {
    Succeeded,
    Failed,
    Skipped,
}

/// Distinct items by their last outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Items whose last outcome is a success.
    pub succeeded: u64,
    /// Items whose last outcome is a failure.
    pub failed: u64,
    /// Items that were last skipped.
    pub skipped: u64,
}

/// A run, folded from its events. `Run::default()` is a run to which nothing has happened.
///
/// `items` and `event_ids` may be partial: [`evolve`] needs only the outcomes of the items that the
/// folded events touch, so a projector loads just those; [`crate::decide`] needs all event ids.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// The last event's revision; none before the first.
    pub revision: Option<u64>,
    /// None before `Queued`.
    pub status: Option<Status>,
    /// None until the run has ended.
    pub ended_as: Option<EndedAs>,
    /// Its end is only presumed, see [`crate::Failed::presumed`].
    pub presumed: bool,
    /// Its end was presumed once, and its real end has replaced that.
    pub superseded: bool,
    /// The `Queued` event's own words. Shared, as they never change.
    pub queued: Option<Arc<Queued>>,
    /// The latest estimate of the number of items.
    pub items_total: Option<u64>,
    /// Distinct items by last outcome; of a run that ended with a tally, what that says.
    pub counts: Counts,
    /// The counts are the producer's own: not all of the items need have names.
    pub tallied: bool,
    /// Which worker took it up.
    pub worker: Option<CleanText>,
    /// The promised time between signs of life.
    pub heartbeat_seconds: Option<u64>,
    /// The last `Progressed` message.
    pub progress_message: Option<CleanText>,
    /// Why it failed or was aborted, for machines.
    pub reason_code: Option<ReasonCode>,
    /// The terminal event's message.
    pub message: Option<CleanText>,
    /// It was taken over from another system's rows.
    pub imported: bool,
    /// The producer's time of `Queued`.
    pub queued_at: Option<DateTime<Utc>>,
    /// The producer's time of `Started`.
    pub started_at: Option<DateTime<Utc>>,
    /// The producer's time of the terminal event.
    pub ended_at: Option<DateTime<Utc>>,
    /// Our time of `Started`.
    pub started_recorded_at: Option<DateTime<Utc>>,
    /// Our time of the terminal event.
    pub ended_recorded_at: Option<DateTime<Utc>>,
    /// The actor of `Started`.
    pub started_by: Option<PrincipalId>,
    /// The actor of the terminal event.
    pub ended_by: Option<PrincipalId>,
    /// Our time of the last event.
    pub last_event_at: Option<DateTime<Utc>>,
    /// The last outcome of each item (of those loaded).
    pub items: HashMap<ItemName, Outcome>,
    /// Every event's id and revision (of those loaded).
    pub event_ids: HashMap<Uuid, u64>,
}

impl Status {
    /// Every status, in the order of a run's life.
    pub const ALL: [Self; 5] =
        [Self::Queued, Self::Running, Self::Succeeded, Self::PartiallySucceeded, Self::Failed];

    /// The name used on the wire and in the tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::PartiallySucceeded => "partially_succeeded",
            Self::Failed => "failed",
        }
    }

    /// The status of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    /// Whether the run may still go on.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }

    /// What a run that went through is called (see `docs/events.md`).
    #[must_use]
    pub fn of_completed(counts: Counts) -> Self {
        match (counts.succeeded, counts.failed) {
            (_, 0) => Self::Succeeded,
            (0, _) => Self::Failed,
            _ => Self::PartiallySucceeded,
        }
    }
}

impl EndedAs {
    /// The name used on the wire and in the tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }

    /// The ending of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Completed, Self::Failed, Self::Aborted].into_iter().find(|ending| ending.as_str() == name)
    }
}

impl Outcome {
    /// The name used on the wire and in the tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }

    /// The outcome of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Succeeded, Self::Failed, Self::Skipped].into_iter().find(|outcome| outcome.as_str() == name)
    }
}

impl Counts {
    /// Whether there are as many of each as in `named`, or more.
    #[must_use]
    pub fn cover(self, named: Self) -> bool {
        self.succeeded >= named.succeeded && self.failed >= named.failed && self.skipped >= named.skipped
    }

    pub(crate) fn of(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Succeeded => &mut self.succeeded,
            Outcome::Failed => &mut self.failed,
            Outcome::Skipped => &mut self.skipped,
        }
    }
}

impl Run {
    /// The revision that the next event gets.
    #[must_use]
    pub fn next_revision(&self) -> u64 {
        self.revision.map_or(0, |last| last + 1)
    }

    /// By when the worker promised its next sign of life; none unless it runs and promised.
    #[must_use]
    pub fn heartbeat_due_at(&self) -> Option<DateTime<Utc>> {
        let promised = i64::try_from(self.heartbeat_seconds?).ok()?;
        let last = self.last_event_at.filter(|_| self.status == Some(Status::Running))?;
        last.checked_add_signed(TimeDelta::try_seconds(promised)?)
    }

    /// Since when the run counts as stalled, once that is over: a running one from the moment at which its
    /// heartbeat is due, a queued one after `queued_limit` in the queue. None where nothing was promised.
    #[must_use]
    pub fn due_at(&self, queued_limit: Option<TimeDelta>) -> Option<DateTime<Utc>> {
        match self.status? {
            Status::Running => self.heartbeat_due_at(),
            Status::Queued => self.queued_at?.checked_add_signed(queued_limit?),
            Status::Succeeded | Status::PartiallySucceeded | Status::Failed => None,
        }
    }

    /// Whether it has not ended for good: it is active, or its end is only presumed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.presumed || self.status.is_some_and(Status::is_active)
    }

    /// Whether a worker is at it, as far as anybody has reported: then it takes news of its items.
    #[must_use]
    pub fn is_at_work(&self) -> bool {
        self.is_open() && self.started_at.is_some()
    }

    fn record_outcome(&mut self, item: &ItemName, outcome: Outcome) {
        match self.items.get_mut(item) {
            Some(known) => {
                let before = self.counts.of(*known);
                *before = before.saturating_sub(1);
                *known = outcome;
            }
            None => {
                self.items.insert(item.clone(), outcome);
            }
        }
        *self.counts.of(outcome) += 1;
    }

    /// The run's end, in the place of a presumed one if there is one.
    fn end(&mut self, ended_as: EndedAs, status: Status, why: Option<ReasonCode>, event: &Event) {
        self.superseded = self.presumed;
        self.presumed = false;
        self.ended_as = Some(ended_as);
        self.status = Some(status);
        self.reason_code = why;
        self.ended_at = Some(event.occurred_at);
        self.ended_recorded_at = Some(event.recorded_at);
        self.ended_by = Some(event.actor.clone());
    }
}

/// Folds one event into a run. Total: whatever the log holds can be folded. An event that
/// [`crate::decide`] would have refused in this status only moves the revision and the time.
#[must_use]
pub fn evolve(mut run: Run, event: &Event) -> Run {
    apply(&mut run, event);
    run.revision = Some(event.revision);
    run.last_event_at = Some(event.recorded_at);
    run.event_ids.insert(event.id, event.revision);
    run
}

fn apply(run: &mut Run, event: &Event) {
    let at = event.occurred_at;
    match &event.body {
        EventBody::Queued(queued) if run.status.is_none() => {
            run.status = Some(Status::Queued);
            run.queued_at = Some(at);
            run.imported = event.is_imported();
            run.items_total = queued.items_total.map(u64::from);
            run.queued = Some(Arc::new(queued.as_ref().clone()));
        }
        EventBody::Started(started) if run.is_open() && !run.is_at_work() => {
            if !run.presumed {
                run.status = Some(Status::Running);
            }
            run.started_at = Some(at);
            run.started_recorded_at = Some(event.recorded_at);
            run.started_by = Some(event.actor.clone());
            run.worker.clone_from(&started.worker);
            run.heartbeat_seconds = started.heartbeat_seconds.map(u64::from);
        }
        // Whoever goes on promises anew. Behind a presumed end it changes nothing of that: the work may have been
        // started a second time since.
        EventBody::Resumed(resumed) if run.is_at_work() => {
            run.worker.clone_from(&resumed.worker);
            run.heartbeat_seconds = resumed.heartbeat_seconds.map(u64::from);
        }
        EventBody::ItemSucceeded(e) if run.is_at_work() => run.record_outcome(&e.item, Outcome::Succeeded),
        EventBody::ItemFailed(e) if run.is_at_work() => run.record_outcome(&e.item, Outcome::Failed),
        EventBody::ItemSkipped(e) if run.is_at_work() => run.record_outcome(&e.item, Outcome::Skipped),
        EventBody::Progressed(e) if run.is_at_work() => {
            if e.message.is_some() {
                run.progress_message.clone_from(&e.message);
            }
            run.items_total = e.items_total.map(u64::from).or(run.items_total);
        }
        EventBody::Completed(e) if run.is_at_work() => {
            run.message.clone_from(&e.message);
            if let Some(tally) = e.tally {
                run.counts = tally.into();
                run.tallied = true;
            }
            run.end(EndedAs::Completed, Status::of_completed(run.counts), None, event);
        }
        EventBody::Failed(e) if run.is_open() && !(e.presumed && run.presumed) => {
            run.message = Some(e.message.clone());
            run.end(EndedAs::Failed, Status::Failed, Some(e.reason_code.clone()), event);
            run.presumed = e.presumed;
        }
        EventBody::Aborted(e) if run.is_open() => {
            run.message = Some(e.message.clone());
            run.end(EndedAs::Aborted, Status::Failed, Some(e.reason_code.clone()), event);
        }
        _ => {}
    }
}
