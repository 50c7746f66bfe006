//! A run as the API shows it.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Course, EndedAs, Reference, RunId, Stamp, Status};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::usual::Usual;
use crate::base_path::BasePath;
use crate::forms;

/// A run. Every member is there in every answer, null where nothing is known; only `context`, `retried_by` and `resumed_by`
/// are left out of lists.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Run)]
pub struct RunView {
    /// Which run: a UUIDv7.
    #[schema(value_type = uuid::Uuid)]
    pub run_id: RunId,
    /// The kind of operation.
    #[schema(value_type = forms::Kind)]
    pub kind: String,
    /// For people.
    #[schema(value_type = Option<forms::ShownText>)]
    pub title: Option<String>,
    /// How it stands.
    #[schema(value_type = RunStatus)]
    pub status: Status,
    /// Which event ended it; null while it has not ended.
    #[schema(value_type = Option<EndedAsName>)]
    pub ended_as: Option<EndedAs>,
    /// Its end was concluded from silence: the run's own end, should it come, replaces it.
    pub presumed: bool,
    /// Its end was presumed once, and this is the real end that came later.
    pub superseded: bool,
    /// Its items by their last outcome.
    pub items: ItemCounts,
    /// The principal that asked for it; null where nobody did.
    pub initiator: Option<InitiatorView>,
    /// The name under which its producer started it; null where it gave none. Other names may have found it since.
    #[serde(rename = "ref")]
    pub reference: Option<RunReference>,
    /// The run that it is a part of.
    pub parent: Option<LinkedRunView>,
    /// The run whose work it tries once more.
    pub retry_of: Option<LinkedRunView>,
    /// The run with whose items it goes on.
    pub resumes: Option<LinkedRunView>,
    /// Its parts by their status; null where it has none, and in past states, which are of the run alone.
    pub children: Option<ChildCounts>,
    /// The runs that try its work once more, the newest 20, the newest first. Left out where there are none, of lists and of
    /// past states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retried_by: Option<Vec<LinkedRunView>>,
    /// The runs that go on with its items, the newest 20, the newest first. Left out where there are none, of lists and of
    /// past states.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed_by: Option<Vec<LinkedRunView>>,
    /// Labels to find it by.
    #[schema(value_type = forms::Labels)]
    pub labels: BTreeMap<String, String>,
    /// Of the labels whose names are namespaces of the tenant's directory: what the directory calls their values today,
    /// null where it does not know them.
    #[schema(value_type = forms::LabelNames)]
    pub label_names: BTreeMap<String, Option<String>>,
    /// What it works on. Not in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<forms::AnyObject>)]
    pub context: Option<Box<RawValue>>,
    /// By which the ledger knows the same work: 64 hex digits; null of runs that were queued before keys were made
    /// with the ledger's secret.
    #[schema(value_type = Option<forms::IdempotencyKey>)]
    pub idempotency_key: Option<String>,
    /// Why it failed or was aborted, for machines.
    #[schema(value_type = Option<forms::ReasonCode>)]
    pub reason_code: Option<String>,
    /// The last word of the event that ended it.
    #[schema(value_type = Option<forms::ShownText>)]
    pub message: Option<String>,
    /// What the worker last said it was at.
    #[schema(value_type = Option<forms::ShownText>)]
    pub progress_message: Option<String>,
    /// Which worker took it up.
    #[schema(value_type = Option<forms::ShownText>)]
    pub worker: Option<String>,
    /// When it was queued, by the producer's clock.
    pub queued_at: DateTime<Utc>,
    /// When it was started, by the producer's clock.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, by the producer's clock.
    pub ended_at: Option<DateTime<Utc>>,
    /// When the ledger took in that it was started, by the ledger's clock.
    pub started_recorded_at: Option<DateTime<Utc>>,
    /// When the ledger took in that it ended, by the ledger's clock.
    pub ended_recorded_at: Option<DateTime<Utc>>,
    /// The principal whose event started it; not who asked for it, which is `initiator`.
    #[schema(value_type = Option<forms::PrincipalId>)]
    pub started_by: Option<String>,
    /// The principal whose event ended it.
    #[schema(value_type = Option<forms::PrincipalId>)]
    pub ended_by: Option<String>,
    /// `started_at` or `ended_at` can't be, by the ledger's clock: count from `started_recorded_at` to
    /// `ended_recorded_at` instead.
    pub clock_skew: bool,
    /// From its start to its end, where it has ended: by the producer's clock, or by the ledger's where that
    /// contradicts it. From when it was queued where it was never started.
    pub duration_seconds: Option<f64>,
    /// When the ledger took in its last event, by the ledger's clock.
    pub last_event_at: DateTime<Utc>,
    /// The worker promised a sign of life at least this often.
    #[schema(value_type = Option<forms::HeartbeatSeconds>)]
    pub heartbeat_seconds: Option<u64>,
    /// How long runs of its kind usually take, by those that ended lately. Null where too few did, in past states, and in
    /// lists of runs that are not running.
    pub usual: Option<Usual>,
    /// It is running, and has been for longer than 95 of 100 runs of its kind took. A fact beside its status and its
    /// liveness: it may be well all the same.
    pub late: bool,
    /// Whether it goes on as was promised; null when it has ended, or waits without a limit.
    pub liveness: Option<Liveness>,
    /// The event from which on the projection has quarantined the run: what is shown is the run before it. Null
    /// for nearly all.
    pub held: Option<Quarantined>,
    /// The revision of its last event, from 0. For `If-Match`.
    #[schema(value_type = forms::Revision)]
    pub revision: u64,
    /// The position of its last event.
    #[schema(value_type = forms::Position)]
    pub position: u64,
    /// Where to go from here.
    pub links: RunLinks,
}

/// The number of items by their last outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct ItemCounts {
    /// How many there will be, as far as the producer has said.
    #[schema(value_type = Option<forms::ItemCount>)]
    pub total: Option<u64>,
    /// Done.
    pub succeeded: u64,
    /// Not done.
    pub failed: u64,
    /// Left alone on purpose.
    pub skipped: u64,
    /// The three are what the run said when it completed: not all of its items need have names.
    pub tallied: bool,
}

/// Another run of the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = LinkedRun)]
pub struct LinkedRunView {
    /// Which one.
    #[schema(value_type = uuid::Uuid)]
    pub run_id: RunId,
}

/// The number of a run's parts by their status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
#[expect(missing_docs, reason = "the names are the statuses")]
pub struct ChildCounts {
    pub queued: u64,
    pub running: u64,
    pub succeeded: u64,
    pub partially_succeeded: u64,
    pub failed: u64,
}

impl ChildCounts {
    /// How many parts it has.
    #[must_use]
    pub fn all(self) -> u64 {
        self.queued + self.running + self.succeeded + self.partially_succeeded + self.failed
    }
}

/// The principal that started a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = RunInitiator)]
pub struct InitiatorView {
    /// The principal.
    #[schema(value_type = forms::PrincipalId)]
    pub id: String,
    /// The name people know.
    #[schema(value_type = Option<forms::ShownText>)]
    pub name: Option<String>,
}

/// The name under which a run was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunReference {
    /// Within what the id is unique.
    #[schema(value_type = forms::ReferencePart)]
    pub source: String,
    /// Which one.
    #[schema(value_type = forms::ReferencePart)]
    pub id: String,
}

impl From<&Reference> for RunReference {
    fn from(reference: &Reference) -> Self {
        Self { source: reference.source.as_str().to_owned(), id: reference.id.as_str().to_owned() }
    }
}

/// Whether a running run gives signs of life, and whether a queued one has waited for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
pub struct Liveness {
    /// How it is.
    pub state: LivenessState,
    /// By when the next sign of life was promised, or a queued run must be started; null where nobody said.
    pub due_at: Option<DateTime<Utc>>,
}

/// The first quarantined event of a run: the projection could not fold it. The run stays as it was before that event
/// until an operator has it tried again; the log has taken in all of its events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = HeldFrom)]
pub struct Quarantined {
    /// The event's revision.
    #[schema(value_type = forms::Revision)]
    pub revision: u64,
    /// The event's position.
    #[schema(value_type = forms::Position)]
    pub position: u64,
    /// What was wrong with it.
    pub message: String,
}

/// How a run is that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LivenessState {
    /// Its last sign of life is as recent as was promised.
    Alive,
    /// The promised sign of life is overdue, or it has waited in the queue for longer than its kind may.
    Stalled,
    /// The worker promised none.
    Unwatched,
    /// It waits in the queue, not yet for too long.
    Waiting,
}

/// Where a run's resources are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct RunLinks {
    /// The run itself.
    #[serde(rename = "self")]
    pub this: String,
    /// Its page, for people.
    pub view: String,
    /// Its events.
    pub events: String,
    /// Its items.
    pub items: String,
}

/// How a run stands, by name.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum RunStatus {
    Queued,
    Running,
    Succeeded,
    PartiallySucceeded,
    Failed,
}

/// Which event ended a run, by name.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = EndedAs)]
#[expect(missing_docs, reason = "the names say it")]
pub enum EndedAsName {
    Completed,
    Failed,
    Aborted,
}

/// A span in seconds, to the millisecond. Clocks that differ a little may make it end before it began.
pub(super) fn seconds(span: TimeDelta) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "2^53 milliseconds are 285,000 years")]
    let milliseconds = span.num_milliseconds().max(0) as f64;
    milliseconds / 1000.0
}

impl RunView {
    /// From when until when it went on, by the clock that is right.
    #[must_use]
    pub fn course(&self) -> Course {
        let started = Stamp::new(self.started_at, self.started_recorded_at);
        let ended = Stamp::new(self.ended_at, self.ended_recorded_at);
        Course::new(self.queued_at, started, ended)
    }

    /// It with its links as they are seen from outside.
    #[must_use]
    pub fn under(self, base: &BasePath) -> Self {
        Self { links: self.links.under(base), ..self }
    }
}

impl RunLinks {
    /// The links of a run of that tenant, as we know them.
    #[must_use]
    pub fn new(tenant: &str, run: RunId) -> Self {
        let this = format!("/v1/tenants/{tenant}/runs/{run}");
        Self {
            view: format!("/t/{tenant}/runs/{run}"),
            events: format!("{this}/events"),
            items: format!("{this}/items"),
            this,
        }
    }

    /// They as they are seen from outside.
    #[must_use]
    pub fn under(self, base: &BasePath) -> Self {
        let Self { this, view, events, items } = self;
        Self { this: base.to(&this), view: base.to(&view), events: base.to(&events), items: base.to(&items) }
    }
}

impl Liveness {
    /// How a run in that status that is due then is at `now`.
    #[must_use]
    pub fn at(now: DateTime<Utc>, status: Status, due_at: Option<DateTime<Utc>>) -> Option<Self> {
        let state = match (status, due_at) {
            (Status::Queued | Status::Running, Some(due)) if now > due => LivenessState::Stalled,
            (Status::Queued, Some(_)) => LivenessState::Waiting,
            (Status::Running, Some(_)) => LivenessState::Alive,
            (Status::Running, None) => LivenessState::Unwatched,
            (Status::Queued, None) | (Status::Succeeded | Status::PartiallySucceeded | Status::Failed, _) => {
                return None;
            }
        };
        Some(Self { state, due_at })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_stalled_only_after_it_was_due() {
        let due = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let state = |now, status, due| Liveness::at(now, status, due).map(|l| l.state);
        assert_eq!(state(due, Status::Running, Some(due)), Some(LivenessState::Alive));
        let late = due + TimeDelta::microseconds(1);
        assert_eq!(state(late, Status::Running, Some(due)), Some(LivenessState::Stalled));
        assert_eq!(state(due, Status::Queued, Some(due)), Some(LivenessState::Waiting));
        assert_eq!(state(late, Status::Queued, Some(due)), Some(LivenessState::Stalled));
        assert_eq!(state(late, Status::Queued, None), None);
        assert_eq!(state(late, Status::Running, None), Some(LivenessState::Unwatched));
        for status in [Status::Succeeded, Status::PartiallySucceeded, Status::Failed] {
            assert_eq!(state(late, status, Some(due)), None);
        }
    }
}
