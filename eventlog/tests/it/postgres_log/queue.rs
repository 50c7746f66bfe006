//! The bounds in front of the writer, and its end.

use std::sync::Arc;

use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{AppendError, EventLog, LogError, NewEvent};
use futures::FutureExt;
use futures::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection};
use tokio::task::JoinHandle;

use super::{append, event, soon, stream, with};

type Answer = Result<eventlog::Appended, AppendError>;

/// Appends until one is refused; gives the others, which wait.
async fn fill(log: &Arc<PostgresLog>, data: usize) -> (Vec<JoinHandle<Answer>>, AppendError) {
    let mut waiting: Vec<JoinHandle<Answer>> = Vec::new();
    loop {
        let log = log.clone();
        let one = NewEvent { data: vec![b'x'; data], ..event() };
        waiting.push(tokio::spawn(async move { append(&log, &stream(), None, vec![one]).await }));
        // It is taken in, or refused, before it waits for anything.
        tokio::task::yield_now().await;
        if let Some(answer) = waiting.last_mut().and_then(|last| last.now_or_never()) {
            drop(waiting.pop());
            return (waiting, answer.unwrap().unwrap_err());
        }
        assert!(waiting.len() < 10_000, "no bound was met");
    }
}

async fn a_full_queue(options: PgConnectOptions, config: PostgresLogConfig, data: usize, bound: usize) {
    let log = with(&options, config).await;
    append(&log, &stream(), None, vec![event()]).await.unwrap();
    let mut db = PgConnection::connect_with(&options).await.unwrap();
    let mut blocker = db.begin().await.unwrap();
    sqlx::query("SELECT * FROM log.head FOR UPDATE").execute(&mut *blocker).await.unwrap();

    let (waiting, refused) = fill(&log, data).await;
    assert!(matches!(refused, AppendError::Overloaded), "{refused}");
    assert!(waiting.len() <= bound, "{} wait", waiting.len());

    blocker.rollback().await.unwrap();
    let answers = soon(join_all(waiting)).await;
    assert!(answers.iter().all(|answer| matches!(answer, Ok(Ok(_)))), "what was taken in is done");
    append(&log, &stream(), None, vec![event()]).await.unwrap();
    log.shutdown().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn too_many_requests_are_refused_at_once(_pool: PgPoolOptions, options: PgConnectOptions) {
    let config = PostgresLogConfig { queue_requests: 20, ..PostgresLogConfig::default() };
    // Those in the queue, and those that the writer has in hand.
    a_full_queue(options, config, 2, 20 + 1 + 20).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn too_many_bytes_are_refused_at_once(_pool: PgPoolOptions, options: PgConnectOptions) {
    let config = PostgresLogConfig { queue_bytes: 100_000, ..PostgresLogConfig::default() };
    a_full_queue(options, config, 10_000, 10).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_append_beyond_all_bounds_is_malformed(_pool: PgPoolOptions, options: PgConnectOptions) {
    let config = PostgresLogConfig { queue_bytes: 100_000, ..PostgresLogConfig::default() };
    let log = with(&options, config).await;
    let large = NewEvent { data: vec![0; 200_000], ..event() };
    let refused = append(&log, &stream(), None, vec![large]).await;
    assert!(matches!(refused, Err(AppendError::Malformed(_))), "{refused:?}");
    log.shutdown().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn shutting_down_finishes_what_was_taken_in(_pool: PgPoolOptions, options: PgConnectOptions) {
    let log = with(&options, PostgresLogConfig::default()).await;
    append(&log, &stream(), None, vec![event()]).await.unwrap();
    let mut db = PgConnection::connect_with(&options).await.unwrap();
    let mut blocker = db.begin().await.unwrap();
    sqlx::query("SELECT * FROM log.head FOR UPDATE").execute(&mut *blocker).await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let log = log.clone();
        waiting.push(tokio::spawn(async move { append(&log, &stream(), None, vec![event()]).await }));
    }
    // All of them are in the queue.
    tokio::task::yield_now().await;
    let closing = tokio::spawn({
        let log = log.clone();
        async move { log.shutdown().await }
    });
    tokio::task::yield_now().await;
    let late = append(&log, &stream(), None, vec![event()]).await;
    assert!(matches!(late, Err(AppendError::Log(LogError::Unavailable(_)))), "{late:?}");
    blocker.rollback().await.unwrap();

    soon(closing).await.unwrap();
    for answer in soon(join_all(waiting)).await {
        answer.unwrap().unwrap();
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM log.events").fetch_one(&mut db).await.unwrap();
    assert_eq!(rows, 51);
    assert!(matches!(log.head().await, Err(LogError::Unavailable(_))));
}

/// The database gives the lock up before the log gives the database up: the caller hears in time.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nobody_waits_for_ever(_pool: PgPoolOptions, options: PgConnectOptions) {
    // Long enough for a connection on a busy machine: it bounds that wait as well.
    let config = PostgresLogConfig {
        give_up_after: std::time::Duration::from_secs(3),
        ..PostgresLogConfig::default()
    };
    let log = with(&options, config).await;
    appended(&log).await;
    let mut db = PgConnection::connect_with(&options).await.unwrap();
    let mut blocker = db.begin().await.unwrap();
    sqlx::query("SELECT * FROM log.head FOR UPDATE").execute(&mut *blocker).await.unwrap();
    let name = stream();
    let refused = soon(append(&log, &name, None, vec![event()])).await;
    assert!(matches!(refused, Err(AppendError::Log(LogError::Unavailable(_)))), "{refused:?}");
    blocker.rollback().await.unwrap();
    appended(&log).await;
    log.shutdown().await;
}

/// Appends, again where the machine was too busy to do it in time.
async fn appended(log: &PostgresLog) {
    soon(async { while append(log, &stream(), None, vec![event()]).await.is_err() {} }).await;
}
