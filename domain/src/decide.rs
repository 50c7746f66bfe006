//! The rules: what may happen to a run next. Pure: the time is an argument.

use std::collections::HashSet;

use chrono::{DateTime, Datelike, SubsecRound, TimeDelta, Utc};
use uuid::Uuid;

use crate::event::{Event, EventBody, Origin};
use crate::ids::{CorrelationId, PrincipalId, RunId, TenantId};
use crate::run::{Counts, Run, Status};
use crate::tally::Named;
use crate::wire;

/// A wish to append events to one run, all or none.
#[derive(Debug, Clone)]
pub struct Command {
    /// Whose run.
    pub tenant: TenantId,
    /// Which run.
    pub run: RunId,
    /// The principal that asks.
    pub actor: PrincipalId,
    /// What brings it.
    pub origin: Option<Origin>,
    /// The revisions of which the run must be at one, where the caller insists on any. It may insist on what no
    /// run is ever at: then there are none.
    pub expected_revision: Option<Vec<u64>>,
    /// How long ago an event may have happened at most; none where the ledger sets no limit.
    pub max_age: Option<TimeDelta>,
    /// What happened, in order.
    pub events: Vec<ProposedEvent>,
}

/// An event that a producer proposes.
#[derive(Debug, Clone, PartialEq)]
pub struct ProposedEvent {
    /// The producer's id for it, or one made for it.
    pub id: Uuid,
    /// When it happened; now, where the producer does not say.
    pub occurred_at: Option<DateTime<Utc>>,
    /// See [`Event::correlation_id`].
    pub correlation_id: Option<CorrelationId>,
    /// See [`Event::causation_id`].
    pub causation_id: Option<CorrelationId>,
    /// What happened.
    pub body: EventBody,
}

impl ProposedEvent {
    /// Whether it says what `event` says, which is in the run under the same id: then it repeats it, and otherwise
    /// the id was used for two events. A time that it leaves out says nothing: the ledger filled one in.
    #[must_use]
    pub fn repeats(&self, event: &Event) -> bool {
        let same_time = self.occurred_at.is_none_or(|at| kept(at) == event.occurred_at);
        same_time
            && self.body == event.body
            && self.correlation_id == event.correlation_id
            && self.causation_id == event.causation_id
    }
}

/// A time as it is kept: in whole microseconds.
fn kept(time: DateTime<Utc>) -> DateTime<Utc> {
    time.trunc_subsecs(6)
}

/// Why a command changed nothing. `index` counts the command's events from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The run has no events, and this one may not be the first.
    #[error("there is no such run")]
    NotFound,
    /// The event may not follow in this status.
    #[error("{event_type} is not possible while the run is {status}: {hint}")]
    Illegal {
        /// Which of the command's events.
        index: usize,
        /// Its wire name.
        event_type: &'static str,
        /// The run's status before it.
        status: &'static str,
        /// What would be possible.
        hint: &'static str,
    },
    /// The caller saw an older revision.
    #[error("the run is at revision {actual}, {}", not_at(expected))]
    RevisionMismatch {
        /// What the caller expected: any of these.
        expected: Vec<u64>,
        /// What it is.
        actual: u64,
    },
    /// The times of events cannot be right: which of the command's events, and the time it gave; at least one.
    #[error("occurred_at is before the year 2000 or more than a day ahead of the ledger's clock")]
    ImplausibleTimes(Vec<(usize, DateTime<Utc>)>),
    /// Events happened longer ago than the ledger takes them: which of the command's, and the time each gave; at least
    /// one.
    #[error("occurred_at is longer ago than the {} s for which this ledger takes events", most.num_seconds())]
    TooOld {
        /// Which, and their times.
        times: Vec<(usize, DateTime<Utc>)>,
        /// How long ago an event may have happened.
        most: TimeDelta,
    },
    /// Events happened before their run began, by more than clocks may differ: which of the command's, and the time
    /// each gave; at least one.
    #[error("occurred_at is more than a day before {queued_at}, when the run was queued")]
    OlderThanRun {
        /// Which, and their times.
        times: Vec<(usize, DateTime<Utc>)>,
        /// When the run was queued.
        queued_at: DateTime<Utc>,
    },
    /// The tally says less than the named items come to.
    #[error(
        "the tally says {} succeeded, {} failed, {} skipped, but the items that the run has named are {} succeeded, \
         {} failed, {} skipped: a tally counts all items, the named ones as well",
        tally.succeeded, tally.failed, tally.skipped, named.succeeded, named.failed, named.skipped
    )]
    TallyContradicts {
        /// Which of the command's events.
        index: usize,
        /// What the tally says.
        tally: Counts,
        /// What the named items come to.
        named: Counts,
    },
}

fn not_at(expected: &[u64]) -> String {
    match expected {
        [] => "which none of the caller's conditions names".to_owned(),
        expected => format!("not {}", expected.iter().map(u64::to_string).collect::<Vec<_>>().join(" or ")),
    }
}

/// How far a producer's clock may be from another one, the ledger's or that of the run's first producer. What is further
/// apart is a mistake that nobody would see in a list any more; what is less is taken in, and told as clock skew.
pub const CLOCKS_APART: TimeDelta = TimeDelta::days(1);

/// Decides what a command appends. Events that the run already has (same id) are left out, so an
/// answer shorter than the command names the rest as duplicates; they change nothing, in any status.
/// That they say the same ([`ProposedEvent::repeats`]) is for the caller to see, who can read what is there.
///
/// `run` must hold all of the run's event ids. `now` is the ledger's time.
///
/// # Errors
/// A [`Rejection`] for the first event that may not happen; then nothing is appended.
pub fn decide(run: &Run, command: Command, now: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
    let recorded_at = kept(run.last_event_at.map_or(now, |last| last.max(now)));
    let mut stage = Stage::of(run);
    let mut revision = run.next_revision();
    let mut seen = HashSet::new();
    let mut decided = Vec::with_capacity(command.events.len());

    // A repeat of what is already there needs no fresh revision; whatever is new does, before it is asked
    // whether it may happen: the caller judged by an older state.
    let is_new = |proposed: &ProposedEvent| !run.event_ids.contains_key(&proposed.id);
    if let (Some(expected), Some(actual)) = (&command.expected_revision, run.revision)
        && !expected.contains(&actual)
        && command.events.iter().any(is_new)
    {
        return Err(Rejection::RevisionMismatch { expected: expected.clone(), actual });
    }

    // What can't be right in itself comes before what is not possible now, and all of it at once.
    let is_implausible = |at: &DateTime<Utc>| at.year() < 2000 || *at > now + CLOCKS_APART;
    let times = command.events.iter().enumerate().filter(|(_, proposed)| is_new(proposed));
    let times = times.filter_map(|(index, proposed)| Some((index, proposed.occurred_at?)));
    let implausible: Vec<_> = times.filter(|(_, at)| is_implausible(at)).collect();
    if !implausible.is_empty() {
        return Err(Rejection::ImplausibleTimes(implausible));
    }
    must_be_recent(run, &command, now)?;
    must_cover_what_is_named(run, &command.events)?;

    for (index, proposed) in command.events.into_iter().enumerate() {
        if run.event_ids.contains_key(&proposed.id) || !seen.insert(proposed.id) {
            continue;
        }
        stage = follow(stage, &proposed.body, index)?;
        let occurred_at = kept(proposed.occurred_at.unwrap_or(now));
        decided.push(Event {
            id: proposed.id,
            schema_version: wire::SCHEMA_VERSION,
            tenant: command.tenant.clone(),
            run: command.run,
            revision,
            occurred_at,
            recorded_at,
            actor: command.actor.clone(),
            correlation_id: proposed.correlation_id,
            causation_id: proposed.causation_id,
            origin: command.origin.clone(),
            body: proposed.body,
        });
        revision += 1;
    }

    Ok(decided)
}

/// Refuses events of too long ago, and events from before their run. Those that the run has already may be repeated
/// however late it is.
fn must_be_recent(run: &Run, command: &Command, now: DateTime<Utc>) -> Result<(), Rejection> {
    let new = command.events.iter().enumerate().filter(|(_, event)| !run.event_ids.contains_key(&event.id));
    let timed = new.filter_map(|(index, event)| Some((index, event.occurred_at?)));
    let timed: Vec<(usize, DateTime<Utc>)> = timed.collect();
    let before = |limit: DateTime<Utc>| {
        let times: Vec<_> = timed.iter().copied().filter(|(_, at)| *at < limit).collect();
        (!times.is_empty()).then_some(times)
    };
    if let Some(most) = command.max_age
        && let Some(times) = now.checked_sub_signed(most).and_then(before)
    {
        return Err(Rejection::TooOld { times, most });
    }
    // A run that begins with this command is queued when its first event says.
    let begins = command.events.iter().find(|event| matches!(event.body, EventBody::Queued(_)));
    let queued_at = run.queued_at.or(begins.map(|event| event.occurred_at.unwrap_or(now)));
    if let Some(queued_at) = queued_at
        && let Some(times) = queued_at.checked_sub_signed(CLOCKS_APART).and_then(before)
    {
        return Err(Rejection::OlderThanRun { times, queued_at });
    }
    Ok(())
}

/// Refuses a tally that says less than the items come to that the run has named.
fn must_cover_what_is_named(run: &Run, events: &[ProposedEvent]) -> Result<(), Rejection> {
    // Hardly any command has one.
    if !events.iter().any(|event| matches!(&event.body, EventBody::Completed(e) if e.tally.is_some())) {
        return Ok(());
    }
    let mut named = Named::of(run);
    let mut seen = HashSet::new();
    for (index, event) in events.iter().enumerate() {
        if run.event_ids.contains_key(&event.id) || !seen.insert(event.id) {
            continue;
        }
        if let EventBody::Completed(completed) = &event.body
            && let Some(tally) = completed.tally.map(Counts::from)
            && !tally.cover(named.counts())
        {
            return Err(Rejection::TallyContradicts { index, tally, named: named.counts() });
        }
        named.take(&event.body);
    }
    Ok(())
}

/// How far a run is, as the order of events goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Nothing,
    Queued,
    Running,
    /// It has ended, with this status. Within a command it does not matter which of the ended ones it is,
    /// so [`Status::Failed`] stands for all of them.
    Ended(Status),
    /// It was queued, and is presumed failed.
    QueuedPresumed,
    /// It was running, and is presumed failed.
    RunningPresumed,
}

impl Stage {
    fn of(run: &Run) -> Self {
        match (run.status, run.presumed) {
            (None, _) => Self::Nothing,
            (Some(_), true) if run.started_at.is_none() => Self::QueuedPresumed,
            (Some(_), true) => Self::RunningPresumed,
            (Some(Status::Queued), false) => Self::Queued,
            (Some(Status::Running), false) => Self::Running,
            (Some(ended), false) => Self::Ended(ended),
        }
    }

    fn status(self) -> Option<Status> {
        match self {
            Self::Nothing => None,
            Self::Queued => Some(Status::Queued),
            Self::Running => Some(Status::Running),
            Self::Ended(status) => Some(status),
            Self::QueuedPresumed | Self::RunningPresumed => Some(Status::Failed),
        }
    }
}

/// The stage after an event. A presumed end leaves open what was open before it, but for another presumed
/// end: silence is no news of a run that is thought dead already.
fn follow(stage: Stage, body: &EventBody, index: usize) -> Result<Stage, Rejection> {
    use EventBody as B;
    use Stage as S;
    const ENDED: Stage = Stage::Ended(Status::Failed);
    let hint = match (stage, body) {
        (S::Nothing, B::Queued(_)) => return Ok(S::Queued),
        (S::Nothing, _) => return Err(Rejection::NotFound),
        (S::Queued, B::Started(_)) => return Ok(S::Running),
        (S::QueuedPresumed, B::Started(_)) => return Ok(S::RunningPresumed),
        (S::Queued, B::Failed(e)) if e.presumed => return Ok(S::QueuedPresumed),
        (S::Running, B::Failed(e)) if e.presumed => return Ok(S::RunningPresumed),
        (S::QueuedPresumed | S::RunningPresumed, B::Failed(e)) if e.presumed => {
            "its end is presumed already; only its real end can follow"
        }
        (S::Queued | S::Running | S::QueuedPresumed | S::RunningPresumed, B::Failed(_) | B::Aborted(_)) => {
            return Ok(ENDED);
        }
        (S::Running | S::RunningPresumed, B::Completed(_)) => return Ok(ENDED),
        (
            S::Running | S::RunningPresumed,
            B::Resumed(_) | B::ItemSucceeded(_) | B::ItemFailed(_) | B::ItemSkipped(_) | B::Progressed(_),
        ) => return Ok(stage),
        (S::Queued | S::QueuedPresumed, B::Queued(_)) => "a run is queued once; append Started next",
        (S::Queued | S::QueuedPresumed, _) => "append Started first, or Failed or Aborted to end it",
        (S::Running | S::RunningPresumed, _) => {
            "append item events, Progressed, Resumed by another worker, or one of Completed, Failed and Aborted"
        }
        (S::Ended(_), _) => "the run has ended; start a new one",
    };
    let status = stage.status().map_or("", Status::as_str);
    Err(Rejection::Illegal { index, event_type: body.type_name(), status, hint })
}
