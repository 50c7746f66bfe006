//! Rows that an earlier program has written, brought up to date: afterwards they are as a fold makes them.

use std::collections::BTreeMap;

use crate::support::*;
use chrono::{DateTime, Utc};
use domain::{Course, EventBody, Stamp, usual};
use projector::ProjectorConfig;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// The last version before rows had the ledger's times of start and end, and keys of titles that the projector makes.
const BEFORE: i64 = 22;

/// The last version before runs had the principals that started and ended them, and events their reasons.
const BEFORE_AUDITS: i64 = 26;

/// What the upgrade writes.
const NEW: &str =
    "SELECT jsonb_agg(jsonb_build_array(run_id, title, title_key, started_recorded_at, ended_recorded_at)
                   ORDER BY run_id) FROM projection.runs";

fn titled(title: &str) -> EventBody {
    queued_with(json!({"title": title}))
}

fn presumed() -> EventBody {
    let mut failed: domain::Failed = failure().into();
    failed.presumed = true;
    EventBody::Failed(failed)
}

/// What the upgrade for auditors writes.
const FOR_AUDITORS: &str = "SELECT jsonb_build_array(
    (SELECT jsonb_agg(jsonb_build_array(run_id, started_by, ended_by) ORDER BY run_id) FROM projection.runs),
    (SELECT jsonb_agg(jsonb_build_array(run_id, revision, reason_code) ORDER BY run_id, revision)
     FROM projection.run_events))";

/// The last version before it was counted how long runs took.
const BEFORE_DURATIONS: i64 = 37;

async fn new_columns(pool: &PgPool) -> Value {
    sqlx::query_scalar(NEW).fetch_one(pool).await.unwrap()
}

/// A database of its own that begins empty, with the tables of that version; and how it is removed.
async fn of_that_time(folded: &PgPool, version: i64) -> (PgPool, String) {
    let name: String =
        sqlx::query_scalar("SELECT replace(current_database(), '_sqlx_test', 'earlier') || '_' || $1")
            .bind(version)
            .fetch_one(folded)
            .await
            .unwrap();
    let drop = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
    for sql in [&drop, &format!("CREATE DATABASE \"{name}\" TEMPLATE template0")] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(folded).await.unwrap();
    }
    let pool = PgPool::connect_with((*folded.connect_options()).clone().database(&name)).await.unwrap();
    migrations::MIGRATOR.run_to(version, &pool).await.unwrap();
    (pool, drop)
}

const OF_RUNS: &str = "tenant, run_id, kind, title, status, ended_as, presumed, superseded, items_total,
    items_succeeded, items_failed, items_skipped, initiator_id, initiator_name, labels, context, idempotency_key, worker,
    progress_message, reason_code, message, queued_at, started_at, ended_at, last_event_at, heartbeat_seconds,
    heartbeat_due_at, revision, position";
const OF_EVENTS: &str =
    "tenant, run_id, revision, position, event_id, event_type, schema_version, occurred_at,
    recorded_at, actor, correlation_id, causation_id, data";

/// The story's runs and events as tables of that time held them: in those columns.
async fn write_as_before(pool: &PgPool, folded: &PgPool, [of_runs, of_events]: [&str; 2]) {
    for (table, columns) in [("runs", of_runs), ("run_events", of_events)] {
        let read = format!(
            "SELECT coalesce(jsonb_agg(t), '[]') FROM (SELECT {columns} FROM projection.{table}) AS t"
        );
        let rows: Value = sqlx::query_scalar(sqlx::AssertSqlSafe(read)).fetch_one(folded).await.unwrap();
        let write = format!(
            "INSERT INTO projection.{table} ({columns})
             SELECT {columns} FROM jsonb_populate_recordset(NULL::projection.{table}, $1)"
        );
        sqlx::query(sqlx::AssertSqlSafe(write)).bind(rows).execute(pool).await.unwrap();
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn rows_of_an_earlier_program_get_what_a_fold_gives(folded: PgPool) {
    let mut story = Story::default();
    story.given(0, [titled("Ärzte"), started(), succeeded("a"), completed()]).await;
    story.given(1, [titled("NIGHTLY Backup")]).await;
    story.given(2, [titled("ПЛАН"), aborted()]).await;
    story.given(3, [queued(), started(), presumed(), succeeded("a"), completed()]).await;
    story.given(4, [titled("Straße"), started()]).await;

    story.project(&folded, &[]).await;

    let (pool, drop) = of_that_time(&folded, BEFORE).await;
    write_as_before(&pool, &folded, [OF_RUNS, OF_EVENTS]).await;
    migrations::MIGRATOR.run(&pool).await.unwrap();
    let expected = new_columns(&folded).await;
    let keys = |rows: &Value| rows.as_array().unwrap().iter().map(|row| row[2].clone()).collect::<Vec<_>>();
    // ASCII is known at once.
    assert_eq!(
        keys(&new_columns(&pool).await),
        [json!(null), json!("nightly backup"), json!(null), json!("add policies"), json!(null)]
    );

    // The rest is keyed by the projector before it does anything else.
    let at = i64::try_from(head(&story).await.0).unwrap();
    sqlx::query("UPDATE projection.checkpoints SET position = $1").bind(at).execute(&pool).await.unwrap();
    let projector = projector::Projector::new(story.shared(), pool.clone(), ProjectorConfig::default());
    let stop = CancellationToken::new();
    let running = tokio::spawn(projector.run(stop.clone()));
    let mut log = story;
    log.given(5, [titled("Danach")]).await;
    while new_columns(&pool).await.as_array().unwrap().len() < 6 {
        tokio::task::yield_now().await;
    }
    stop.cancel();
    running.await.unwrap().unwrap();
    let rows = new_columns(&pool).await;
    assert_eq!(rows.as_array().unwrap()[..5], expected.as_array().unwrap()[..]);
    assert_eq!(rows[5][2], json!("danach"));

    pool.close().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&folded).await.unwrap();
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn earlier_rows_get_what_auditors_ask(folded: PgPool) {
    let mut story = Story::default();
    let skipped_because: domain::ItemSkipped =
        serde_json::from_value(json!({"item": "c", "reason_code": "not_needed"})).unwrap();
    let items = [succeeded("a"), failed_item("b"), EventBody::ItemSkipped(skipped_because), skipped("d")];
    story.given(0, [queued(), started()].into_iter().chain(items).chain([completed()])).await;
    story.given(1, [queued()]).await;
    story.given(2, [queued(), aborted()]).await;
    story.given(3, [queued(), started(), presumed(), succeeded("a"), completed()]).await;
    story.given(4, [queued(), presumed(), started()]).await;
    story.given(5, [queued(), started(), failed()]).await;
    // What the rules refuse, and the fold passes over.
    story.force(5, completed()).await;
    story.force(0, started()).await;
    story.project(&folded, &[]).await;

    let (pool, drop) = of_that_time(&folded, BEFORE_AUDITS).await;
    let of_runs = format!("{OF_RUNS}, started_recorded_at, ended_recorded_at, title_key");
    write_as_before(&pool, &folded, [&of_runs, OF_EVENTS]).await;
    let file = "SELECT pg_relation_filenode('projection.run_events')::int8";
    let before: i64 = sqlx::query_scalar(file).fetch_one(&pool).await.unwrap();
    migrations::MIGRATOR.run(&pool).await.unwrap();
    let expected: Value = sqlx::query_scalar(FOR_AUDITORS).fetch_one(&folded).await.unwrap();
    assert_eq!(expected[0][0][1], "worker-1");
    assert_eq!((&expected[0][2][1], &expected[0][2][2]), (&json!(null), &json!("closer-1")));
    assert_eq!(expected[1].as_array().unwrap().iter().filter(|event| !event[2].is_null()).count(), 6);
    let upgraded: Value = sqlx::query_scalar(FOR_AUDITORS).fetch_one(&pool).await.unwrap();
    assert_eq!(upgraded, expected);
    let after: i64 = sqlx::query_scalar(file).fetch_one(&pool).await.unwrap();
    assert_eq!(after, before, "the table was not written anew");

    pool.close().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&folded).await.unwrap();
}

/// When a run was queued, started and ended.
#[derive(sqlx::FromRow)]
struct Times {
    tenant: String,
    queued_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    started_recorded_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    ended_recorded_at: Option<DateTime<Utc>>,
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn how_long_earlier_runs_took_is_counted_as_a_fold_counts_it(folded: PgPool) {
    let mut story = Story::default();
    for n in 0..8 {
        story.given(n, [queued(), started(), succeeded("a"), failed_item("b"), completed()]).await;
    }
    story.given(8, [queued(), started(), completed()]).await;
    story.given(9, [queued(), started(), presumed(), succeeded("a"), completed()]).await;
    story.given(10, [queued(), started(), failed()]).await;
    story.given(11, [queued(), started()]).await;
    story.project(&folded, &[]).await;
    // Producers whose clocks are off by more or less, and one that took a month.
    let moved = [
        "started_at = started_at - interval '90 s'",
        "ended_at = ended_at + interval '90 s'",
        "started_at = started_at + interval '1 h', ended_at = ended_at + interval '1 h'",
        "started_at = queued_at - interval '4 s'",
        "ended_at = started_at - interval '1 h'",
        "ended_at = ended_at + interval '35 d', ended_recorded_at = ended_recorded_at + interval '35 d'",
        "started_recorded_at = NULL, ended_recorded_at = NULL, ended_at = ended_at + interval '707 ms'",
    ];
    let mut expected = BTreeMap::new();
    for (n, moved) in moved.iter().enumerate() {
        let sql = format!("UPDATE projection.runs SET {moved} WHERE run_id = $1");
        let run = run_id(u8::try_from(n).unwrap()).uuid();
        sqlx::query(sqlx::AssertSqlSafe(sql)).bind(run).execute(&folded).await.unwrap();
    }
    let rows: Vec<Times> = sqlx::query_as(
        "SELECT tenant, queued_at, started_at, started_recorded_at, ended_at, ended_recorded_at FROM projection.runs
         WHERE status IN ('succeeded', 'partially_succeeded')",
    )
    .fetch_all(&folded)
    .await
    .unwrap();
    for row in rows {
        let started = Stamp::new(row.started_at, row.started_recorded_at);
        let course = Course::new(row.queued_at, started, Stamp::new(row.ended_at, row.ended_recorded_at));
        let bucket = usual::bucket(course.took().unwrap());
        let key = (row.tenant, course.until.unwrap().date_naive(), i16::try_from(bucket).unwrap());
        *expected.entry(key).or_insert(0_i64) += 1;
    }
    assert_eq!(expected.values().sum::<i64>(), 10);

    let (pool, drop) = of_that_time(&folded, BEFORE_DURATIONS).await;
    let more = "started_recorded_at, ended_recorded_at, title_key, started_by, ended_by, items_tallied";
    write_as_before(&pool, &folded, [&format!("{OF_RUNS}, {more}"), OF_EVENTS]).await;
    migrations::MIGRATOR.run(&pool).await.unwrap();
    let counted: Vec<(String, chrono::NaiveDate, i16, i64)> =
        sqlx::query_as("SELECT tenant, day, bucket, runs FROM projection.run_durations")
            .fetch_all(&pool)
            .await
            .unwrap();
    let counted = counted.into_iter().map(|(tenant, day, bucket, runs)| ((tenant, day, bucket), runs));
    assert_eq!(counted.collect::<BTreeMap<_, _>>(), expected);

    pool.close().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&folded).await.unwrap();
}
