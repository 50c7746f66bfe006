//! Durable appends: through the log, and the plain SQL that it is held against.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{EventLog, ExpectedRevision, NewEvent, StreamAppend};
use futures::future::try_join_all;
use uuid::Uuid;

use crate::Failure;
use crate::report::{Figure, Rounds};
use crate::rig::Rig;

const DATA: &[u8] = br#"{"item":"volume-0042","label":"Volume 42"}"#;
const METADATA: &[u8] = br#"{"schema_version":1,"tenant":"demo","run_id":"01890a5d-ac96-774b-bcce-b302099a8057","occurred_at":"2026-03-01T12:00:00Z","recorded_at":"2026-03-01T12:00:00Z","actor":"worker-1"}"#;

/// Single events and batches through the log, beside plain SQL.
pub async fn measure(rig: &Rig, rounds: usize, length: Duration) -> Result<[Figure; 2], Failure> {
    let (mut single, mut batched) = (Rounds::default(), Rounds::default());
    for round in 1..=rounds {
        let rows = one_row_commits(rig, 64, length).await?;
        let log = through_the_log(rig, 64, 1, length).await?;
        println!("appends, round {round}/{rounds}: one-row commits {rows:.0}/s, through the log {log:.0}/s");
        single.push(log, rows);
        let sets = set_based_inserts(rig, 8, 25, length).await?;
        let log = through_the_log(rig, 8, 25, length).await?;
        println!(
            "appends, round {round}/{rounds}: set-based inserts {sets:.0}/s, through the log {log:.0}/s"
        );
        batched.push(log, sets);
    }
    let single = single
        .figure("single events through the log, 64 producers", "one-row commits, 64 connections")
        .at_least(1.6);
    let batched = batched
        .figure("batches of 25 through the log, 8 producers", "set-based inserts of 25, 8 connections")
        .at_least(0.55);
    Ok([single, batched])
}

/// Events a second of `producers` that each append `batch` events at a time to a stream of its own.
pub async fn through_the_log(
    rig: &Rig,
    producers: usize,
    batch: usize,
    length: Duration,
) -> Result<f64, Failure> {
    let log = Arc::new(PostgresLog::connect(rig.options(), PostgresLogConfig::default()).await?);
    let rate = through(&log, producers, batch, length).await;
    log.shutdown().await;
    rate
}

/// As [`through_the_log`], with a log that others may follow.
pub async fn through(
    log: &Arc<PostgresLog>,
    producers: usize,
    batch: usize,
    length: Duration,
) -> Result<f64, Failure> {
    rate(producers, batch, length, |until| {
        let log = log.clone();
        async move {
            let stream = format!("run-demo-{}", Uuid::now_v7());
            let mut expected = ExpectedRevision::NoStream;
            let mut appends = 0;
            while Instant::now() < until {
                let events = (0..batch).map(|_| event()).collect();
                let appended = log.append(StreamAppend { stream: stream.clone(), expected, events }).await?;
                expected = ExpectedRevision::Exact(appended.revision);
                appends += 1;
            }
            Ok(appends)
        }
    })
    .await
}

/// An event of some two hundred bytes.
pub fn event() -> NewEvent {
    NewEvent {
        id: Uuid::new_v4(),
        event_type: "ItemSucceeded".into(),
        data: DATA.into(),
        metadata: METADATA.into(),
    }
}

/// Events a second of connections that each commit one row at a time.
pub async fn one_row_commits(rig: &Rig, connections: usize, length: Duration) -> Result<f64, Failure> {
    set_based_inserts(rig, connections, 1, length).await
}

/// Events a second of connections that each commit `batch` rows at a time in one statement.
pub async fn set_based_inserts(
    rig: &Rig,
    connections: usize,
    batch: usize,
    length: Duration,
) -> Result<f64, Failure> {
    let pool = rig.pool(u32::try_from(connections)?).await?;
    // Connecting is not what is measured.
    try_join_all((0..connections).map(|_| pool.acquire())).await?;
    let rate = rate(connections, batch, length, |until| {
        let pool = pool.clone();
        async move {
            let mut connection = pool.acquire().await?;
            let stream = format!("bench-{}", Uuid::new_v4());
            let mut revision: i64 = 0;
            let mut appends = 0;
            while Instant::now() < until {
                let ids: Vec<_> = (0..batch).map(|_| Uuid::new_v4()).collect();
                sqlx::query(
                    "INSERT INTO public.plain (stream, revision, event_id, event_type, data, metadata) \
                     SELECT $1, $2 + n - 1, id, 'ItemSucceeded', $4, $5 FROM unnest($3::uuid[]) WITH ORDINALITY AS e (id, n)",
                )
                .bind(&stream)
                .bind(revision)
                .bind(&ids)
                .bind(DATA)
                .bind(METADATA)
                .execute(&mut *connection)
                .await?;
                revision += i64::try_from(batch)?;
                appends += 1;
            }
            Ok(appends)
        }
    })
    .await;
    pool.close().await;
    rate
}

/// Events a second of workers that each work until a moment and say how many appends they made.
pub async fn rate<F>(
    workers: usize,
    batch: usize,
    length: Duration,
    mut work: impl FnMut(Instant) -> F,
) -> Result<f64, Failure>
where
    F: Future<Output = Result<usize, Failure>> + Send + 'static,
{
    let begin = Instant::now();
    let tasks = (0..workers).map(|_| tokio::spawn(work(begin + length)));
    let mut appends = 0;
    for done in try_join_all(tasks).await? {
        appends += done?;
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let events = (appends * batch) as f64;
    Ok(events / begin.elapsed().as_secs_f64())
}
