//! However the log is cut into batches, a superseded end gives the same rows.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use commands::{AppendRequest, Commands, CommandsConfig, StaleLimits, StartRequest};
use domain::{EventBody, ProposedEvent, wire};
use eventlog::memory::MemoryLog;
use eventlog::{EventLog, Position};
use projector::{Projector, ProjectorConfig};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

/// A run that is presumed failed from the queue and ends after all, with its notification read before the
/// presumed end, between the two and after the real one.
async fn story(log: Arc<dyn EventLog>) {
    let noon: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
    let at = |minutes| {
        let clock = Arc::new(move || noon + TimeDelta::minutes(minutes));
        Commands::with_config(
            log.clone(),
            tests::keys(),
            CommandsConfig { clock, ..CommandsConfig::default() },
        )
    };
    let (tenant, ann): (domain::TenantId, domain::PrincipalId) =
        ("demo".parse().unwrap(), "ann".parse().unwrap());
    let request = StartRequest {
        initiator: serde_json::from_value(json!({"id": "ann"})).unwrap(),
        ..StartRequest::new(tenant.clone(), ann.clone(), "bulk".parse().unwrap(), json!({}))
    };
    let run = at(0).start(request).await.unwrap().run;
    let notification = Uuid::new_v5(&run.uuid(), b"ended:ann");
    let read = async |minutes| {
        let told_at = log.head().await.unwrap();
        at(minutes).read_notification(tenant.clone(), ann.clone(), notification, told_at, None).await.unwrap()
    };
    read(1).await;
    let limits = StaleLimits { queued_limit: Some(TimeDelta::minutes(1)), grace: TimeDelta::zero() };
    assert!(at(5).presume_failed(&tenant, run, limits).await.unwrap());
    read(6).await;
    let say = async |minutes, event_type: &str, fields: Value| {
        let body: EventBody = wire::decode_body(event_type, fields.to_string().as_bytes()).unwrap();
        let id = Uuid::new_v4();
        let event = ProposedEvent { id, occurred_at: None, correlation_id: None, causation_id: None, body };
        let (tenant, actor) = (tenant.clone(), ann.clone());
        let request =
            AppendRequest { tenant, run, actor, origin: None, expected_revision: None, events: vec![event] };
        at(minutes).append(request).await.unwrap();
    };
    say(7, "Started", json!({"worker": "w", "heartbeat_seconds": 30})).await;
    say(8, "ItemSucceeded", json!({"item": "a"})).await;
    say(9, "Progressed", json!({"items_total": 1})).await;
    read(10).await;
    say(11, "Completed", json!({})).await;
    read(12).await;
    read(13).await;
}

const TABLES: [&str; 7] =
    ["runs", "run_items", "run_events", "notifications", "run_counts", "run_hours", "run_durations"];

async fn dump(pool: &PgPool) -> Vec<Value> {
    let mut rows = Vec::new();
    for table in TABLES {
        let sql = format!("SELECT to_jsonb(t) FROM projection.{table} AS t ORDER BY to_jsonb(t)::text");
        let found: Vec<Value> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await.unwrap();
        rows.extend(found);
    }
    rows
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_cut_gives_the_same_rows(pool: PgPool) {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    story(log.clone()).await;
    let records = log.read_all(Position(0), 1_000).await.unwrap();
    let projector = Projector::new(log, pool.clone(), ProjectorConfig::default());
    let mut dumps = Vec::new();
    for size in 1..=records.len() {
        for table in TABLES {
            let sql = format!("TRUNCATE projection.{table} CASCADE");
            sqlx::query(sqlx::AssertSqlSafe(sql)).execute(&pool).await.unwrap();
        }
        sqlx::query("UPDATE projection.checkpoints SET position = 0").execute(&pool).await.unwrap();
        let mut after = Position(0);
        for batch in records.chunks(size) {
            after = projector.apply(after, batch).await.unwrap();
        }
        dumps.push(dump(&pool).await);
    }
    let held: i64 =
        sqlx::query_scalar("SELECT count(*) FROM projection.dead_letters").fetch_one(&pool).await.unwrap();
    assert_eq!(held, 0);
    for (size, rows) in (1..).zip(&dumps) {
        assert_eq!(rows, &dumps[0], "batches of {size}");
    }
    let ended = dumps[0].iter().find(|row| row["transition"] == "ended").unwrap();
    assert_eq!((&ended["status"], &ended["superseded"]), (&json!("succeeded"), &json!(true)));
    // The first reading after the real end counts.
    assert_eq!(ended["read_at"], "2026-03-01T12:12:00+00:00", "{ended}");
    let row = dumps[0].iter().find(|row| row.get("worker").is_some()).unwrap();
    assert_eq!((&row["superseded"], &row["worker"]), (&json!(true), &json!("w")));
}
