//! An export shows nothing of another tenant, not even how much there is of it.

use std::sync::Arc;

use access::Role;
use bytes::Bytes;
use chrono::DateTime;
use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{EventLog, ExpectedRevision, NewEvent, StreamAppend};
use exports::{Exporter, Request, Which};
use sealer::{Sealer, SealerConfig};
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

use super::support::{Export, Sealing, sealed};

async fn exported(app: &TestApp) -> Vec<u8> {
    exported_from(app.pool.clone(), app.log.clone() as Arc<dyn EventLog>).await
}

async fn exported_from(pool: PgPool, log: Arc<dyn EventLog>) -> Vec<u8> {
    let exporter = Exporter::new(pool, log);
    let request = Request {
        tenant: "demo".parse().unwrap(),
        which: Which::Population { since: None, until: None, kind: None },
        administration: true,
        old_sizes: vec![1],
        after: None,
        at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        most_runs: 100,
    };
    let export = exporter.prepare(request).await.unwrap();
    let (taker, mut pieces) = tokio::sync::mpsc::channel::<Bytes>(1);
    let writing = tokio::spawn(export.write(taker, |_| {}));
    let mut file = Vec::new();
    while let Some(piece) = pieces.recv().await {
        file.extend_from_slice(&piece);
    }
    assert!(writing.await.unwrap().unwrap().differences.is_empty());
    file
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn another_tenant_changes_no_byte(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let sealing = Sealing::start(&app).await;
    let (mine, theirs) = (app.producer(), app.client_of("other", Role::Producer));
    let mut foreign = Vec::new();
    for number in 0..3 {
        // The positions of one lie between those of the other.
        mine.new_run("mine", json!({"n": number})).await;
        foreign.push(theirs.new_run("theirs", json!({"n": number, "word": "foreignword"})).await);
    }
    let head = app.head().await;
    sealed(&app.client(Role::Auditor), head).await;
    let before = exported(&app).await;

    for number in 10..20 {
        foreign.push(theirs.new_run("theirs", json!({"n": number})).await);
    }
    let head = app.head().await;
    sealed(&app.client_of("other", Role::Auditor), head).await;
    let after = exported(&app).await;
    assert_eq!(before, after);

    let export = Export::of(&after);
    export.verified(&sealing, None).unwrap();
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT event_id::text FROM log.events WHERE stream NOT LIKE '%-demo%'")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert!(ids.len() >= 13, "{ids:?}");
    for (name, content) in &export.files {
        let text = String::from_utf8_lossy(content);
        for of_others in
            foreign.iter().chain(&ids).map(String::as_str).chain(["foreignword", "theirs", "\"position\""])
        {
            assert!(!text.contains(of_others), "{name} has {of_others}");
        }
    }
    sealing.stop().await;
    app.stop().await;
}

/// Puts a tenant's events into another ledger, and what was sealed of them, row by row: salts are random, and times are
/// those of the day.
async fn copied(app: &TestApp, into: &PgPool, log: &PostgresLog, tenant: &str) {
    let streams: Vec<String> = sqlx::query_scalar(
        "SELECT stream FROM log.events WHERE stream LIKE '%-' || $1 || '%' GROUP BY stream ORDER BY min(position)",
    )
    .bind(tenant)
    .fetch_all(&app.pool)
    .await
    .unwrap();
    for stream in streams {
        let events = app.log.read_stream(&stream, 0, 1_000).await.unwrap().into_iter();
        let events = events.map(|event| NewEvent {
            id: event.id,
            event_type: event.event_type,
            data: event.data,
            metadata: event.metadata,
        });
        let append = StreamAppend { stream, expected: ExpectedRevision::NoStream, events: events.collect() };
        log.append(append).await.unwrap();
    }
    // Its log has another number there.
    for table in ["logs", "runs", "tiles", "checkpoints"] {
        let rows: Vec<serde_json::Value> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "SELECT to_jsonb(t) || '{{\"log_id\": 100, \"leaf\": null}}' FROM seal.{table} AS t
             WHERE log_id = (SELECT log_id FROM seal.logs WHERE tenant = $1)"
        )))
        .bind(tenant)
        .fetch_all(&app.pool)
        .await
        .unwrap();
        for row in rows {
            let insert = format!(
                "INSERT INTO seal.{table} OVERRIDING SYSTEM VALUE SELECT * FROM jsonb_populate_record(NULL::seal.{table}, $1)"
            );
            sqlx::query(sqlx::AssertSqlSafe(insert)).bind(row).execute(into).await.unwrap();
        }
    }
    let reached = "UPDATE seal.progress SET position = (SELECT position FROM log.head)";
    sqlx::query(reached).execute(into).await.unwrap();
}

/// Two ledgers: what one tenant did is the same in both, what the other did is not, neither how much nor when.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn of_two_ledgers_with_other_neighbours_the_exports_are_equal(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database.clone()).await;
    let sealing = Sealing::start(&app).await;
    let (mine, theirs) = (app.producer(), app.client_of("other", Role::Producer));
    for number in 0..3 {
        mine.new_run("mine", json!({"n": number})).await;
        theirs.new_run("theirs", json!({"n": number})).await;
    }
    let head = app.head().await;
    sealed(&app.client(Role::Auditor), head).await;

    let name = format!("neighbour_{}", uuid::Uuid::new_v4().simple());
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\" TEMPLATE template1")))
        .execute(&app.pool)
        .await
        .unwrap();
    let options = database.database(&name);
    let second = PgPool::connect_with(options.clone()).await.unwrap();
    let log = PostgresLog::connect(options, PostgresLogConfig::default()).await.unwrap();
    let neighbour = async |from: u64, to: u64| {
        for number in from..to {
            let event = NewEvent {
                id: uuid::Uuid::now_v7(),
                event_type: "Queued".into(),
                data: format!(r#"{{"kind":"neighbour","context":{{"n":{number}}}}}"#).into(),
                metadata: br#"{"tenant":"neighbour","recorded_at":"2026-03-01T12:00:00Z"}"#.to_vec(),
            };
            let stream = format!("run-neighbour-{}", uuid::Uuid::now_v7());
            let expected = ExpectedRevision::NoStream;
            log.append(StreamAppend { stream, expected, events: vec![event] }).await.unwrap();
        }
    };
    neighbour(0, 7).await;
    copied(&app, &second, &log, "demo").await;
    neighbour(7, 30).await;
    let log: Arc<dyn EventLog> = Arc::new(log);
    // The same key, as the notes of the first tenant are signed by it.
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("seal.key");
    std::fs::copy(sealing.keys.path(), &key).unwrap();
    sealing.stop().await;
    let sealer = Sealer::new(log.clone(), second.clone(), key, SealerConfig::default()).unwrap();
    sealer.seal_now().await.unwrap();
    let exports = [
        exported_from(app.pool.clone(), app.log.clone() as Arc<dyn EventLog>).await,
        exported_from(second.clone(), log.clone()).await,
    ];
    assert!(exports[0] == exports[1], "what a neighbour does shows");
    let count =
        "SELECT count(*) FROM seal.checkpoints JOIN seal.logs USING (log_id) WHERE tenant = 'neighbour'";
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&second).await.unwrap(), 1);
    log.shutdown().await;
    second.close().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("DROP DATABASE \"{name}\" WITH (FORCE)")))
        .execute(&app.pool)
        .await
        .unwrap();
    app.stop().await;
}
