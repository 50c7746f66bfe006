//! What an import takes to the log and what it counts, by what the read tables show.

use std::sync::Arc;

use commands::{Commands, Keys};
use domain::key::IdempotencySecret;
use eventlog::EventLog;
use eventlog::memory::MemoryLog;
use imports::{Importer, Mode, Planner, Report, Source, Step, Unfinished};
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::{planner, row};

const MAPPING: &str = r#"
    kind = "old.backup"
    title = "title"
    reference = { source = "old", key = "id" }
    context = { job = "id", token = "token" }
    times = { queued = "a", ended = "c" }
    status = { column = "state", values = { ok = "succeeded", on = "running", bad = "failed" } }
"#;

fn line(id: &str, state: &str) -> Value {
    json!({"id": id, "state": state, "title": format!("backup {id}"), "a": "2025-03-01T10:00:00Z", "c": "2025-03-01T11:00:00Z"})
}

fn kept() -> Planner {
    planner(MAPPING, Some(Unfinished::Keep), None)
}

/// Imports those rows into a log, with those read tables.
async fn import(pool: &PgPool, log: &MemoryLog, mode: Mode, rows: &[Value]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rows.ndjson");
    std::fs::write(&path, rows.iter().map(Value::to_string).collect::<Vec<_>>().join("\n")).unwrap();
    let commands = Commands::new(Arc::new(log.clone()), Keys::new(IdempotencySecret::from([7; 32])));
    let importer = Importer::new(commands, pool.clone(), kept(), mode);
    importer.run(Source::file(path).unwrap(), |_| ()).await.unwrap()
}

/// Writes into the read tables that a row's reference names a run, and how that one stands, if it has begun.
async fn shown(pool: &PgPool, id: &str, run: Uuid, status: Option<&str>) {
    let named = "INSERT INTO projection.run_refs (tenant, ref_id, ref_source, named_run, position) VALUES ('acme', $1, 'old', $2, 1)";
    sqlx::query(named).bind(id).bind(run).execute(pool).await.unwrap();
    let Some(status) = status else { return };
    let begun = "INSERT INTO projection.runs (tenant, run_id, kind, status, ended_as, items_succeeded, items_failed, items_skipped,
            labels, context, queued_at, last_event_at, revision, position)
        VALUES ('acme', $1, 'old.backup', $2, CASE $2 WHEN 'succeeded' THEN 'completed' WHEN 'failed' THEN 'failed' END, 0, 0, 0, '{}', '{}', now(), now(), 1, 1)";
    sqlx::query(begun).bind(run).bind(status).execute(pool).await.unwrap();
}

/// The run that a row becomes.
fn run(columns: Value) -> Uuid {
    match kept().plan(&row(columns)) {
        Step::Import(planned) => planned.request.run.uuid(),
        other => panic!("{other:?}"),
    }
}

const DRY: Mode = Mode { dry_run: true, resume: false };
const RESUMED: Mode = Mode { dry_run: false, resume: true };
const WHOLE: Mode = Mode { dry_run: false, resume: false };

/// New, gone on, known.
fn counts(report: &Report) -> (u64, u64, u64) {
    (report.imported, report.further, report.known)
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_the_tables_show_as_done_is_passed_over_when_resumed(pool: PgPool) {
    // A log that has none of it tells whether it was asked.
    let rows = ["done", "begun", "named", "new", "silent", "queued"].map(|id| line(id, "ok"));
    shown(&pool, "done", run(rows[0].clone()), Some("succeeded")).await;
    shown(&pool, "begun", run(rows[1].clone()), Some("running")).await;
    shown(&pool, "named", run(rows[2].clone()), None).await;
    shown(&pool, "queued", run(rows[5].clone()), Some("queued")).await;
    // One whose end was only concluded from silence: the row's replaces it.
    shown(&pool, "silent", run(rows[4].clone()), Some("failed")).await;
    sqlx::query("UPDATE projection.runs SET presumed = true WHERE status = 'failed'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(counts(&import(&pool, &MemoryLog::new(), RESUMED, &rows).await), (5, 0, 1));
    assert_eq!(counts(&import(&pool, &MemoryLog::new(), WHOLE, &rows).await), (6, 0, 0));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_dry_run_counts_what_an_import_would(pool: PgPool) {
    let rows = [
        line("done", "ok"),
        line("ends", "ok"),
        line("goes-on", "on"),
        line("new", "bad"),
        line("new", "ok"),
    ];
    for (of, status) in [(0, "succeeded"), (1, "running"), (2, "running")] {
        shown(&pool, rows[of]["id"].as_str().unwrap(), run(rows[of].clone()), Some(status)).await;
    }
    let log = MemoryLog::new();
    let before = log.head().await.unwrap();
    let dry = import(&pool, &log, DRY, &rows).await;
    assert_eq!((counts(&dry), dry.rows), ((1, 1, 2), 5));
    assert_eq!(dry.refused["colliding_reference"].count, 1);
    assert_eq!(json!(dry.runs), json!({"old.backup": {"failed": 1}}));
    assert_eq!(log.head().await.unwrap(), before, "a dry run appends nothing");
    // The same from the log, where the first three were imported before two of them were done.
    let earlier = [line("done", "ok"), line("ends", "on"), line("goes-on", "on")];
    assert_eq!(counts(&import(&pool, &log, WHOLE, &earlier).await), (3, 0, 0));
    let real = import(&pool, &log, WHOLE, &rows).await;
    assert_eq!((counts(&real), real.rows, &real.refused), (counts(&dry), dry.rows, &dry.refused));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_reference_that_names_another_run_is_refused(pool: PgPool) {
    let (rows, other) = ([line("taken", "ok")], Uuid::now_v7());
    shown(&pool, "taken", other, Some("succeeded")).await;
    for mode in [DRY, RESUMED] {
        let report = import(&pool, &MemoryLog::new(), mode, &rows).await;
        assert_eq!(counts(&report), (0, 0, 0));
        let found = &report.refused["colliding_reference"];
        assert!(found.count == 1 && found.examples[0].text.contains(&other.to_string()), "{found:?}");
    }
    // Another tenant's, or another source's, is none of it.
    sqlx::query("UPDATE projection.run_refs SET ref_source = 'elsewhere'").execute(&pool).await.unwrap();
    assert_eq!(counts(&import(&pool, &MemoryLog::new(), DRY, &rows).await), (1, 0, 0));
    sqlx::query("UPDATE projection.run_refs SET ref_source = 'old', tenant = 'other'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(counts(&import(&pool, &MemoryLog::new(), DRY, &rows).await), (1, 0, 0));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn secrets_do_not_get_through_and_the_period_is_told(pool: PgPool) {
    let log = MemoryLog::new();
    let mut first = line("a", "ok");
    first["title"] = json!("login with password=hunter2");
    first["a"] = json!("2025-02-01T10:00:00Z");
    // By the name of the member.
    first["token"] = json!("hunter2");
    let report = import(&pool, &log, WHOLE, &[line("b", "ok"), first, line("c", "bad")]).await;
    assert_eq!(report.noted["redacted"].count, 2);
    assert!(!json!(report).to_string().contains("hunter2"));
    assert_eq!(
        json!([report.earliest, report.latest]),
        json!(["2025-02-01T10:00:00Z", "2025-03-01T10:00:00Z"])
    );
    assert_eq!(report.events, 8, "what has failed was not started, as far as its row says");
}
