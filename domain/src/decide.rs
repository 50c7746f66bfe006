//! The rules: what may happen to a run next. Pure: the time is an argument.

use std::collections::HashSet;

use chrono::{DateTime, Datelike, SubsecRound, TimeDelta, Utc};
use uuid::Uuid;

use crate::event::{Event, EventBody};
use crate::ids::{CorrelationId, PrincipalId, RunId, TenantId};
use crate::run::{Run, Status};
use crate::wire;

/// A wish to append events to one run, all or none.
#[derive(Debug, Clone)]
pub struct Command {
    /// Whose run.
    pub tenant: TenantId,
    /// Which run.
    pub run: RunId,
    /// Who asks.
    pub actor: PrincipalId,
    /// The revision that the caller last saw, where it insists on it.
    pub expected_revision: Option<u64>,
    /// What happened, in order.
    pub events: Vec<ProposedEvent>,
}

/// An event that a producer proposes.
#[derive(Debug, Clone)]
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
    #[error("the run is at revision {actual}, not {expected}")]
    RevisionMismatch {
        /// What the caller expected.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// The time of an event cannot be right.
    #[error("occurred_at {at} is before the year 2000 or more than a day ahead of the ledger's clock")]
    ImplausibleTime {
        /// Which of the command's events.
        index: usize,
        /// The time it gave.
        at: DateTime<Utc>,
    },
}

/// How far ahead of ours a producer's clock may be.
const MAX_AHEAD: TimeDelta = TimeDelta::days(1);

/// Decides what a command appends. Events that the run already has (same id) are left out, so an
/// answer shorter than the command names the rest as duplicates; they change nothing, in any status.
///
/// `run` must hold all of the run's event ids. `now` is the ledger's time.
///
/// # Errors
/// A [`Rejection`] for the first event that may not happen; then nothing is appended.
pub fn decide(run: &Run, command: Command, now: DateTime<Utc>) -> Result<Vec<Event>, Rejection> {
    let recorded_at = run.last_event_at.map_or(now, |last| last.max(now)).trunc_subsecs(6);
    let mut status = run.status;
    let mut revision = run.next_revision();
    let mut seen = HashSet::new();
    let mut decided = Vec::with_capacity(command.events.len());

    // A repeat of what is already there needs no fresh revision; whatever is new does, before it is asked
    // whether it may happen: the caller judged by an older state.
    let is_new = |proposed: &ProposedEvent| !run.event_ids.contains_key(&proposed.id);
    if let (Some(expected), Some(actual)) = (command.expected_revision, run.revision)
        && expected != actual
        && command.events.iter().any(is_new)
    {
        return Err(Rejection::RevisionMismatch { expected, actual });
    }

    for (index, proposed) in command.events.into_iter().enumerate() {
        if run.event_ids.contains_key(&proposed.id) || !seen.insert(proposed.id) {
            continue;
        }
        status = Some(follow(status, &proposed.body, index)?);
        let occurred_at = proposed.occurred_at.unwrap_or(now).trunc_subsecs(6);
        if occurred_at.year() < 2000 || occurred_at > now + MAX_AHEAD {
            return Err(Rejection::ImplausibleTime { index, at: occurred_at });
        }
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
            body: proposed.body,
        });
        revision += 1;
    }

    Ok(decided)
}

/// The status after an event, as far as the order of events goes. Which of the ended statuses it is
/// does not matter here, so [`Status::Failed`] stands for all of them within a command.
fn follow(status: Option<Status>, body: &EventBody, index: usize) -> Result<Status, Rejection> {
    use EventBody as B;
    let illegal = |status: Status, hint| {
        Err(Rejection::Illegal { index, event_type: body.type_name(), status: status.as_str(), hint })
    };
    match (status, body) {
        (None, B::Queued(_)) => Ok(Status::Queued),
        (None, _) => Err(Rejection::NotFound),
        (Some(Status::Queued), B::Started(_)) => Ok(Status::Running),
        (Some(Status::Queued | Status::Running), B::Failed(_) | B::Aborted(_)) => Ok(Status::Failed),
        (Some(Status::Running), B::Completed(_)) => Ok(Status::Succeeded),
        (
            Some(Status::Running),
            B::ItemSucceeded(_) | B::ItemFailed(_) | B::ItemSkipped(_) | B::Progressed(_),
        ) => Ok(Status::Running),
        (Some(at @ Status::Queued), B::Queued(_)) => illegal(at, "a run is queued once; append Started next"),
        (Some(at @ Status::Queued), _) => illegal(at, "append Started first, or Failed or Aborted to end it"),
        (Some(at @ Status::Running), _) => {
            illegal(at, "append item events, Progressed, or one of Completed, Failed and Aborted")
        }
        (Some(at), _) => illegal(at, "the run has ended; start a new one"),
    }
}
