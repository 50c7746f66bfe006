//! Rows as the projector writes them: made by the domain's own rules and fold, inserted one by one.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Command, Event, ProposedEvent, Run, RunId, TenantId, decide, evolve, wire};
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

    /// Writes the rows of the run and its events, and moves the checkpoint over them.
    pub async fn told(self, pool: &PgPool) -> Self {
        let mut position = checkpoint(pool).await;
        for event in &self.events {
            position += 1;
            let data = String::from_utf8(wire::encode(event).unwrap().data).unwrap();
            sqlx::query(
                "INSERT INTO projection.run_events (tenant, run_id, revision, position, event_id, event_type,
                     schema_version, occurred_at, recorded_at, actor, correlation_id, data)
                 VALUES ($1, $2, $3, $4, $5, $6, 2, $7, $8, $9, $10, $11::json)",
            )
            .bind(self.tenant.as_str())
            .bind(self.id.uuid())
            .bind(i64::try_from(event.revision).unwrap())
            .bind(position)
            .bind(event.id)
            .bind(event.body.type_name())
            .bind(event.occurred_at)
            .bind(event.recorded_at)
            .bind(event.actor.as_str())
            .bind(event.correlation_id.as_ref().map(|id| id.as_str().to_owned()))
            .bind(data)
            .execute(pool)
            .await
            .unwrap();
        }
        self.insert_run(pool, position).await;
        set_checkpoint(pool, position).await;
        self
    }

    async fn insert_run(&self, pool: &PgPool, position: i64) {
        let (run, queued) = (&self.run, self.run.queued.as_deref().unwrap());
        let number = |n: u64| i64::try_from(n).unwrap();
        let text = |t: &Option<redaction::CleanText>| t.as_ref().map(|t| t.as_str().to_owned());
        sqlx::query(
            "INSERT INTO projection.runs (tenant, run_id, kind, title, status, ended_as, items_total, items_succeeded,
                 items_failed, items_skipped, initiator_id, initiator_name, labels, context, idempotency_key, worker,
                 progress_message, reason_code, message, queued_at, started_at, ended_at, last_event_at,
                 heartbeat_seconds, heartbeat_due_at, revision, position, title_key, presumed, superseded)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                 $14::json, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30)",
        )
        .bind(self.tenant.as_str())
        .bind(self.id.uuid())
        .bind(queued.kind.as_str())
        .bind(text(&queued.title))
        .bind(run.status.unwrap().as_str())
        .bind(run.ended_as.map(domain::EndedAs::as_str))
        .bind(run.items_total.map(number))
        .bind(number(run.counts.succeeded))
        .bind(number(run.counts.failed))
        .bind(number(run.counts.skipped))
        .bind(queued.initiator.as_ref().map(|i| i.id.as_str().to_owned()))
        .bind(queued.initiator.as_ref().and_then(|i| text(&i.name)))
        .bind(serde_json::to_value(&queued.labels).unwrap())
        .bind(queued.context.to_string())
        .bind(queued.idempotency_key.map(|key| key.to_string()))
        .bind(text(&run.worker))
        .bind(text(&run.progress_message))
        .bind(run.reason_code.as_ref().map(|code| code.as_str().to_owned()))
        .bind(text(&run.message))
        .bind(run.queued_at)
        .bind(run.started_at)
        .bind(run.ended_at)
        .bind(run.last_event_at)
        .bind(run.heartbeat_seconds.map(|n| i32::try_from(n).unwrap()))
        .bind(run.heartbeat_due_at())
        .bind(number(run.revision.unwrap()))
        .bind(position)
        .bind(queued.title.as_ref().map(|title| domain::search_key(title.as_str())))
        .bind(run.presumed)
        .bind(run.superseded)
        .execute(pool)
        .await
        .unwrap();
        sqlx::query(
            "UPDATE projection.runs SET started_recorded_at = $2, ended_recorded_at = $3 WHERE run_id = $1",
        )
        .bind(self.id.uuid())
        .bind(run.started_recorded_at)
        .bind(run.ended_recorded_at)
        .execute(pool)
        .await
        .unwrap();
    }
}

/// How far the projection is.
pub async fn checkpoint(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT position FROM projection.checkpoints").fetch_one(pool).await.unwrap()
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
