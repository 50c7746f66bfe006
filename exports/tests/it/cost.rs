//! What exports cost.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::Utc;
use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{EventLog, ExpectedRevision, NewEvent, StreamAppend};
use exports::{Exporter, Request, Which};
use sealer::{KeyFile, Sealer, SealerConfig};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Appends a run of that many events; gives its id.
async fn filled(log: &PostgresLog, events: u64) -> Uuid {
    let run = Uuid::now_v7();
    let now = Utc::now().to_rfc3339();
    let metadata = serde_json::json!({
        "schema_version": 2, "tenant": "demo", "run_id": run, "occurred_at": now, "recorded_at": now, "actor": "producer",
    });
    let metadata = metadata.to_string().into_bytes();
    let event = |revision: u64| {
        let (event_type, data) = match revision {
            0 => ("Queued", r#"{"kind":"big","context":{},"labels":{}}"#.to_owned()),
            1 => ("Started", "{}".to_owned()),
            n => (
                "ItemFailed",
                format!(
                    r#"{{"item":"volume-{n:07}","reason_code":"permission_denied","message":"it may not be read by this worker: 403 from storage.example"}}"#
                ),
            ),
        };
        NewEvent {
            id: Uuid::now_v7(),
            event_type: event_type.into(),
            data: data.into(),
            metadata: metadata.clone(),
        }
    };
    let mut at = 0;
    while at < events {
        let to = (at + 5_000).min(events);
        let expected = at.checked_sub(1).map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
        let stream = format!("run-demo-{run}");
        log.append(StreamAppend { stream, expected, events: (at..to).map(event).collect() }).await.unwrap();
        at = to;
    }
    run
}

/// Seals all that there is.
async fn seal(log: &Arc<PostgresLog>, pool: &PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("seal.key");
    KeyFile::create(&keys, "ledger.test").unwrap();
    let config = SealerConfig { sign_every: Duration::from_millis(500), ..SealerConfig::default() };
    let sealer = Sealer::new(log.clone(), pool.clone(), keys, config).unwrap();
    let stop = CancellationToken::new();
    let sealing = tokio::spawn(sealer.run(stop.clone()));
    let sealed = "SELECT EXISTS (SELECT FROM seal.checkpoints JOIN seal.logs USING (log_id, size)
                  WHERE tenant IS NOT NULL AND note IS NOT NULL AND position = (SELECT position FROM log.head))";
    while !sqlx::query_scalar::<_, bool>(sealed).fetch_one(pool).await.unwrap() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    stop.cancel();
    sealing.await.unwrap();
}

/// The most memory that this process had since the last time, in MB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kilobytes: u64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    kilobytes / 1024
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
#[ignore = "a measurement: run it by itself, as a release"]
#[allow(clippy::print_stdout)]
async fn cost_of_exports(pool: PgPoolOptions, database: PgConnectOptions) {
    let pool = pool.connect_with(database.clone()).await.unwrap();
    let log = Arc::new(PostgresLog::connect(database, PostgresLogConfig::default()).await.unwrap());
    let large = filled(&log, 100_000).await;
    let huge = filled(&log, 1_000_000).await;
    let begun = Utc::now();
    for _ in 0..1_000 {
        filled(&log, 20).await;
    }
    seal(&log, &pool).await;
    let (since, kind) = (Some(begun), Some("big".parse().unwrap()));
    let cases = [
        (
            "nothing of it",
            Which::Population { since: None, until: Some(begun), kind: Some("none".parse().unwrap()) },
        ),
        ("a run of 100,000 events", Which::Run(large.to_string().parse().unwrap())),
        ("a run of 1,000,000 events", Which::Run(huge.to_string().parse().unwrap())),
        ("1,000 runs of 20 events", Which::Population { since, until: None, kind: None }),
        ("the same by kind", Which::Population { since, until: None, kind }),
    ];
    for (what, which) in cases {
        peak();
        let before = peak();
        let begun = Instant::now();
        let exporter = Exporter::new(pool.clone(), log.clone());
        let request = Request {
            tenant: "demo".parse().unwrap(),
            which,
            administration: false,
            old_sizes: Vec::new(),
            after: None,
            at: Utc::now(),
            most_runs: 10_000,
        };
        let export = exporter.prepare(request).await.unwrap();
        let prepared = begun.elapsed();
        let (taker, mut pieces) = mpsc::channel::<Bytes>(4);
        let writing = tokio::spawn(export.write(taker, |_| {}));
        let mut bytes = 0;
        while let Some(piece) = pieces.recv().await {
            bytes += piece.len();
        }
        let written = writing.await.unwrap().unwrap();
        let took = begun.elapsed();
        println!(
            "{what}: {} events in {took:.2?} (prepared in {prepared:.2?}), {bytes} bytes; {before} MB before, at most {} MB",
            written.events,
            peak()
        );
    }
    log.shutdown().await;
    pool.close().await;
}
