//! given / when / then for the rules of a run.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Command, Completed, Event, EventBody, Failure, ItemFailed, ItemName, ItemSkipped, ItemSucceeded,
    ProposedEvent, Queued, Rejection, Resumed, Run, Started, Tally, decide, evolve,
};
use serde_json::json;
use uuid::Uuid;

pub const RUN: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

pub fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

pub fn id(n: u128) -> Uuid {
    Uuid::from_u128(0x4000_8000_0000_0000_0000 + n)
}

pub fn queued() -> EventBody {
    let queued: Queued = serde_json::from_value(json!({
        "kind": "backup_set.add_policies",
        "initiator": {"id": "ada"},
        "context": {"set": 7},
        "idempotency_key": "ab".repeat(32),
    }))
    .unwrap();
    EventBody::Queued(Box::new(queued))
}

pub fn started() -> EventBody {
    EventBody::Started(Started { worker: None, heartbeat_seconds: None })
}

pub fn resumed() -> EventBody {
    EventBody::Resumed(Resumed { worker: None, heartbeat_seconds: None })
}

pub fn item(name: &str) -> ItemName {
    ItemName::try_from(name.to_owned()).unwrap()
}

pub fn succeeded(name: &str) -> EventBody {
    EventBody::ItemSucceeded(ItemSucceeded { item: item(name), label: None, namespace: None })
}

pub fn skipped(name: &str) -> EventBody {
    EventBody::ItemSkipped(ItemSkipped { item: item(name), label: None, namespace: None, reason_code: None })
}

pub fn failed_item(name: &str) -> EventBody {
    let failure = failure();
    EventBody::ItemFailed(ItemFailed {
        item: item(name),
        label: None,
        namespace: None,
        reason_code: failure.reason_code,
        message: failure.message,
    })
}

pub fn progressed() -> EventBody {
    EventBody::Progressed(domain::Progressed { message: None, items_total: None })
}

pub fn completed() -> EventBody {
    EventBody::Completed(Completed { message: None, tally: None })
}

/// Completed with a tally of succeeded, failed and skipped items.
pub fn tallied(succeeded: u64, failed: u64, skipped: u64) -> EventBody {
    let [succeeded, failed, skipped] = [succeeded, failed, skipped].map(|n| n.try_into().unwrap());
    EventBody::Completed(Completed { message: None, tally: Some(Tally { succeeded, failed, skipped }) })
}

pub fn failure() -> Failure {
    serde_json::from_value(json!({"reason_code": "timeout", "message": "no answer in 30 s"})).unwrap()
}

pub fn failed() -> EventBody {
    EventBody::Failed(failure().into())
}

pub fn presumed_failed() -> EventBody {
    let failed = json!({"reason_code": "stale", "message": "no sign of life", "presumed": true});
    EventBody::Failed(serde_json::from_value(failed).unwrap())
}

pub fn aborted() -> EventBody {
    EventBody::Aborted(failure())
}

pub fn proposed(id: Uuid, body: EventBody) -> ProposedEvent {
    ProposedEvent { id, occurred_at: None, correlation_id: None, causation_id: None, body }
}

pub fn command(events: Vec<ProposedEvent>) -> Command {
    Command {
        tenant: "demo".parse().unwrap(),
        run: RUN.parse().unwrap(),
        actor: "worker-1".parse().unwrap(),
        origin: None,
        expected_revision: None,
        max_age: None,
        events,
    }
}

/// A run with a history. Event n has the id `id(n)`.
pub fn given(history: impl IntoIterator<Item = EventBody>) -> Given {
    let mut run = Run::default();
    for (n, body) in (0u32..).zip(history) {
        let at = noon() + TimeDelta::seconds(i64::from(n));
        let events = decide(&run, command(vec![proposed(id(n.into()), body)]), at).expect("a legal history");
        run = events.iter().fold(run, evolve);
    }
    Given { run, expected_revision: None, max_age: None }
}

pub struct Given {
    pub run: Run,
    expected_revision: Option<Vec<u64>>,
    max_age: Option<TimeDelta>,
}

pub struct Outcome {
    pub result: Result<Vec<Event>, Rejection>,
    pub run: Run,
}

impl Given {
    pub fn expecting(mut self, revision: u64) -> Self {
        self.expected_revision = Some(vec![revision]);
        self
    }

    /// Of a ledger that takes events for so long.
    pub fn taking_for(mut self, max_age: TimeDelta) -> Self {
        self.max_age = Some(max_age);
        self
    }

    /// Proposes events with fresh ids.
    pub fn when(self, bodies: impl IntoIterator<Item = EventBody>) -> Outcome {
        let events = (1000u128..).zip(bodies).map(|(n, body)| proposed(id(n), body)).collect();
        self.when_proposed(events)
    }

    pub fn when_proposed(self, events: Vec<ProposedEvent>) -> Outcome {
        let mut wish = command(events);
        wish.expected_revision = self.expected_revision;
        wish.max_age = self.max_age;
        let result = decide(&self.run, wish, noon() + TimeDelta::hours(1));
        let decided = result.as_deref().unwrap_or_default();
        let run = decided.iter().fold(self.run, evolve);
        Outcome { result, run }
    }
}

impl Outcome {
    #[track_caller]
    pub fn then(self, types: &[&str]) -> Run {
        let events = self.result.expect("accepted");
        let got: Vec<_> = events.iter().map(|event| event.body.type_name()).collect();
        assert_eq!(got, types);
        self.run
    }

    #[track_caller]
    pub fn then_refused(self) -> Rejection {
        self.result.expect_err("refused")
    }
}
