//! Rows of the read tables: the events are made by the domain's own rules, and projected as any others.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Command, Event, ProposedEvent, Run, RunId, TenantId, decide, evolve, wire};
use eventlog::fact::Fact;
use eventlog::memory::MemoryLog;
use eventlog::streams::run_stream;
use eventlog::{NewEvent, Position, RecordedEvent};
use projector::{Projector, ProjectorConfig};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::{NoContext, Timestamp, Uuid};

/// A moment that all fixtures count from, far enough back to leave room.
pub fn epoch() -> DateTime<Utc> {
    DateTime::from_timestamp(1_750_000_000, 0).unwrap()
}

/// A run that a test tells the story of.
pub struct Story {
    pub id: RunId,
    tenant: TenantId,
    run: Run,
    events: Vec<Event>,
    now: DateTime<Utc>,
}

impl Story {
    /// A run of `demo`, queued `seconds` after the epoch. `fields` are those of Queued.
    pub fn queued(seconds: i64, fields: Value) -> Self {
        Self::of("demo", seconds, fields)
    }

    /// A run of a tenant.
    pub fn of(tenant: &str, seconds: i64, fields: Value) -> Self {
        let mut queued = json!({"kind": "drift.check", "context": {}, "idempotency_key": "0".repeat(64)});
        queued.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let now = epoch() + TimeDelta::seconds(seconds);
        // As the ledger makes them: an id tells when its run was queued.
        let time = Timestamp::from_unix(NoContext, now.timestamp().cast_unsigned(), 0);
        let story = Self {
            id: RunId::new(Uuid::new_v7(time)).unwrap(),
            tenant: tenant.parse().unwrap(),
            run: Run::default(),
            events: Vec::new(),
            now,
        };
        story.then("Queued", queued)
    }

    /// What happens one second later.
    pub fn then(mut self, event_type: &str, fields: Value) -> Self {
        let body = wire::decode_body(event_type, fields.to_string().as_bytes()).unwrap();
        let proposed = ProposedEvent {
            id: Uuid::now_v7(),
            occurred_at: Some(self.now - TimeDelta::milliseconds(500)),
            correlation_id: Some("corr-1".parse().unwrap()),
            causation_id: None,
            body,
        };
        let command = Command {
            tenant: self.tenant.clone(),
            run: self.id,
            actor: "producer".parse().unwrap(),
            origin: None,
            max_age: None,
            expected_revision: None,
            events: vec![proposed],
        };
        for event in decide(&self.run, command, self.now).unwrap() {
            self.run = evolve(std::mem::take(&mut self.run), &event);
            self.events.push(event);
        }
        self.now += TimeDelta::seconds(1);
        self
    }

    /// Our time of an event.
    pub fn recorded_at(&self, revision: usize) -> DateTime<Utc> {
        self.events[revision].recorded_at
    }

    /// Projects the events, as those that come next in the log.
    pub async fn told(self, pool: &PgPool) -> Self {
        let after = checkpoint(pool).await;
        let stream = run_stream(&self.tenant, self.id);
        let record = |(event, position): (&Event, u64)| {
            let NewEvent { id, event_type, data, metadata } = Fact::Run(event).record().unwrap();
            let (position, stream, revision) = (Position(position), stream.clone(), event.revision);
            RecordedEvent { position, stream, revision, id, event_type, data, metadata }
        };
        let records: Vec<RecordedEvent> = self.events.iter().zip(after.0 + 1..).map(record).collect();
        let projector = Projector::new(Arc::new(MemoryLog::new()), pool.clone(), ProjectorConfig::default());
        let reached = projector.apply(after, &records).await.unwrap();
        assert_eq!(reached.0, after.0 + records.len() as u64);
        self
    }
}

/// How far the projection is.
async fn checkpoint(pool: &PgPool) -> Position {
    let position: i64 =
        sqlx::query_scalar("SELECT position FROM projection.checkpoints").fetch_one(pool).await.unwrap();
    Position(u64::try_from(position).unwrap())
}

/// Moves the projection and says so.
pub async fn set_checkpoint(pool: &PgPool, position: i64) {
    sqlx::query("UPDATE projection.checkpoints SET position = $1")
        .bind(position)
        .execute(pool)
        .await
        .unwrap();
    sqlx::query("SELECT pg_notify('runledger_projected', $1)")
        .bind(position.to_string())
        .execute(pool)
        .await
        .unwrap();
}

/// The ids in a list of runs.
pub fn ids(runs: &[Value]) -> Vec<String> {
    runs.iter().map(|run| run["run_id"].as_str().unwrap().to_owned()).collect()
}
