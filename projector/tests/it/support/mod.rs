//! given / when / then for the projector: a log in memory, a database of the test's own.

mod bodies;
mod tables;
mod watched;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::admin::{ActorKind, AdminActor, AdminBody, AdminEvent};
use domain::{
    Command, Event, EventBody, PrincipalId, ProposedEvent, Run, RunId, TenantId, decide, evolve, wire,
};
use eventlog::fact::Fact;
use eventlog::memory::MemoryLog;
use eventlog::streams::{
    NOTIFICATION_READ, NotificationRead, Referenced, admin_stream, notification_stream, reference_stream,
    run_stream,
};
use eventlog::{EventLog, ExpectedRevision, NewEvent, Position, RecordedEvent, StreamAppend};
use projector::{Projector, ProjectorConfig};
use sqlx::PgPool;
use uuid::Uuid;

pub use bodies::*;
pub use tables::*;
pub use watched::*;

pub fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

/// The n-th run. Even runs are of tenant `demo`, odd ones of `acme`.
pub fn run_id(n: u8) -> RunId {
    let id = 0x0189_0a5d_ac96_774b_bcce_b302_099a_8000_u128 + u128::from(n);
    RunId::new(Uuid::from_u128(id)).unwrap()
}

/// The id of a notification: a UUIDv5 (RFC 9562) in the run's namespace, so that tables made anew have the same ids.
pub fn notification_id(run: RunId, transition: &str, recipient: &PrincipalId) -> Uuid {
    Uuid::new_v5(&run.uuid(), format!("{transition}:{recipient}").as_bytes())
}

pub fn tenant(n: u8) -> TenantId {
    ["demo", "acme"][usize::from(n % 2)].parse().unwrap()
}

/// A log, and what the pure fold makes of it.
#[derive(Default)]
pub struct Story {
    pub log: MemoryLog,
    pub runs: BTreeMap<u8, Run>,
    pub events: Vec<(u8, Event)>,
    /// The ids of runs that are not [`run_id`]'s.
    pub ids: BTreeMap<u8, RunId>,
    pub ticks: i64,
}

/// Runs are ended by another than the one that works on them.
fn actor_of(body: &EventBody) -> PrincipalId {
    let ends = body.is_terminal() || body.is_presumed();
    if ends { "closer-1" } else { "worker-1" }.parse().unwrap()
}

impl Story {
    /// Every event is recorded 20 minutes after the one before it, and happened a minute earlier.
    fn tick(&mut self) -> DateTime<Utc> {
        self.ticks += 1;
        noon() + TimeDelta::minutes(20 * self.ticks)
    }

    /// The id of the n-th run of this story.
    pub fn id_of(&self, n: u8) -> RunId {
        self.ids.get(&n).copied().unwrap_or_else(|| run_id(n))
    }

    /// Proposes an event; false when the rules refuse it.
    pub async fn propose(&mut self, n: u8, body: EventBody) -> bool {
        let now = self.tick();
        let command = Command {
            tenant: tenant(n),
            run: self.id_of(n),
            actor: actor_of(&body),
            origin: None,
            expected_revision: None,
            max_age: None,
            events: vec![ProposedEvent {
                id: Uuid::from_u128(u128::try_from(self.ticks).unwrap()),
                occurred_at: Some(now - TimeDelta::minutes(1)),
                correlation_id: None,
                causation_id: None,
                body,
            }],
        };
        let run = self.runs.entry(n).or_default();
        let Ok(events) = decide(run, command, now) else { return false };
        for event in events {
            self.put(n, event).await;
        }
        true
    }

    /// Puts an event into the log that the rules may have refused.
    pub async fn force(&mut self, n: u8, body: EventBody) {
        let now = self.tick();
        let event = Event {
            id: Uuid::from_u128(u128::try_from(self.ticks).unwrap()),
            schema_version: wire::SCHEMA_VERSION,
            tenant: tenant(n),
            run: run_id(n),
            revision: self.runs.entry(n).or_default().next_revision(),
            occurred_at: now,
            recorded_at: now,
            actor: actor_of(&body),
            correlation_id: None,
            causation_id: None,
            origin: None,
            body,
        };
        self.put(n, event).await;
    }

    async fn put(&mut self, n: u8, event: Event) {
        self.raw(&run_stream(&event.tenant, event.run), Fact::Run(&event).record().unwrap()).await;
        let run = self.runs.entry(n).or_default();
        *run = evolve(std::mem::take(run), &event);
        self.events.push((n, event));
    }

    /// A legal history of a run.
    pub async fn given(&mut self, n: u8, bodies: impl IntoIterator<Item = EventBody>) {
        for body in bodies {
            let name = body.type_name();
            assert!(self.propose(n, body).await, "{name} is refused");
        }
    }

    /// A reference names the n-th run.
    pub async fn named(&self, n: u8, source: &str, id: &str) -> Position {
        let named = serde_json::from_value(serde_json::json!({"source": source, "id": id})).unwrap();
        let (tenant, run_id) = (tenant(n), self.id_of(n));
        let what = Referenced {
            tenant,
            reference: named,
            run_id,
            idempotency_key: "ab".repeat(32).parse().unwrap(),
        };
        let stream = reference_stream(&what.tenant, &what.reference);
        self.raw(&stream, Fact::Referenced(Uuid::new_v4(), &what, None).record().unwrap()).await
    }

    /// Puts a record into the log, whatever it is. The fold does not hear of it.
    pub async fn raw(&self, stream: &str, event: NewEvent) -> Position {
        let last = self.log.last_event(stream).await.unwrap();
        let expected = last.map_or(ExpectedRevision::NoStream, |e| ExpectedRevision::Exact(e.revision));
        let append = StreamAppend { stream: stream.to_owned(), expected, events: vec![event] };
        self.log.append(append).await.unwrap().position
    }

    /// Puts a record into a run's stream that would be this event, but for a change to it.
    pub async fn bad(&mut self, n: u8, body: EventBody, change: impl FnOnce(&mut NewEvent)) -> Position {
        let mut aside = Story { ticks: self.ticks, ..Story::default() };
        self.ticks += 1;
        aside.force(n, body).await;
        let mut event = Fact::Run(&aside.events[0].1).record().unwrap();
        change(&mut event);
        self.raw(&run_stream(&tenant(n), run_id(n)), event).await
    }

    /// Somebody has read a notification.
    pub async fn read(&mut self, n: u8, notification_id: Uuid, recipient: &str) {
        let recipient = recipient.parse().unwrap();
        let read = NotificationRead { notification_id, tenant: tenant(n), recipient, read_at: self.tick() };
        let event = NewEvent {
            id: Uuid::from_u128(u128::try_from(self.ticks).unwrap()),
            event_type: NOTIFICATION_READ.into(),
            data: serde_json::to_vec(&read).unwrap(),
            metadata: b"{}".to_vec(),
        };
        self.raw(&notification_stream(notification_id), event).await;
    }

    /// Something was done to the administration of the n-th run's tenant.
    pub async fn administered(&mut self, n: u8, bodies: impl IntoIterator<Item = AdminBody>) {
        for body in bodies {
            let event = AdminEvent {
                recorded_at: self.tick(),
                id: Uuid::from_u128(u128::try_from(self.ticks).unwrap()),
                tenant: tenant(n),
                actor: AdminActor {
                    kind: ActorKind::Os,
                    name: "ann@ledger-1".into(),
                    token_id: None,
                    request_id: None,
                },
                body,
            };
            self.raw(&admin_stream(&tenant(n)), Fact::Admin(&event).record().unwrap()).await;
        }
    }

    pub fn shared(&self) -> Arc<dyn EventLog> {
        Arc::new(self.log.clone())
    }

    pub fn projector(&self, pool: &PgPool) -> Projector {
        Projector::new(self.shared(), pool.clone(), ProjectorConfig::default())
    }

    pub async fn records(&self) -> Vec<RecordedEvent> {
        self.log.read_all(Position(0), usize::MAX).await.unwrap()
    }

    /// Projects what the log has in batches of these sizes (the last one again and again), each twice.
    pub async fn project(&self, pool: &PgPool, sizes: &[usize]) -> Tables {
        let projector = self.projector(pool);
        let records = self.records().await;
        let (mut after, mut rest) = (Position(0), records.as_slice());
        let mut sizes = sizes.iter().copied();
        let mut size = usize::MAX;
        while !rest.is_empty() {
            size = sizes.next().unwrap_or(size).clamp(1, usize::MAX);
            let (batch, later) = rest.split_at(size.min(rest.len()));
            let last = batch.last().unwrap().position;
            // What an earlier call of this helper has projected is skipped.
            projector.apply(after, batch).await.unwrap();
            let once = Tables::dump(pool).await;
            projector.apply(after, batch).await.unwrap();
            assert_eq!(Tables::dump(pool).await, once, "the same batch again changes nothing");
            (after, rest) = (last, later);
        }
        let tables = Tables::dump(pool).await;
        assert_eq!(tables.checkpoint(), after);
        let reached = projector.apply(Position(0), &records[..records.len().min(1)]).await.unwrap();
        assert_eq!(reached, after, "what came long ago does not move the checkpoint back");
        assert_eq!(Tables::dump(pool).await, tables);
        tables
    }
}

pub async fn head(story: &Story) -> Position {
    story.log.head().await.unwrap()
}

/// Runs 0 to 5, each with another number of items.
pub async fn some_runs(story: &mut Story) {
    for n in 0..6 {
        story.given(n, [queued(), started()]).await;
    }
    for item in ["a", "b", "c"] {
        for n in 0..6 {
            story.given(n, [if n % 2 == 0 { succeeded(item) } else { failed_item(item) }]).await;
        }
    }
    story.given(3, [completed()]).await;
    story.given(4, [completed()]).await;
}
