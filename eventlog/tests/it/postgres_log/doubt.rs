//! Appends whose connection is cut while they wait for the lock.

use std::sync::Arc;

use eventlog::postgres::PostgresLog;
use eventlog::{
    AppendError, Appended, EventLog, ExpectedRevision, LogError, NewEvent, Position, StreamAppend,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Connection, PgConnection};

use super::{append, connect, event, soon, stream};

type Answer = Result<Appended, AppendError>;

/// Appends while somebody holds the lock, and cuts the writer's connection once it waits for it.
async fn cut_at_the_lock(
    log: &Arc<PostgresLog>,
    options: &PgConnectOptions,
    name: &str,
    expected: ExpectedRevision,
    events: Vec<NewEvent>,
) -> Answer {
    let mut holder = PgConnection::connect_with(options).await.unwrap();
    let mut watcher = PgConnection::connect_with(options).await.unwrap();
    let mut held = holder.begin().await.unwrap();
    // Moved as well: a writer that had not taken the lock must now do so.
    sqlx::query(
        "WITH moved AS (UPDATE log.head SET position = position + 1 RETURNING position)
         INSERT INTO log.events SELECT position, $1, 0, gen_random_uuid(), 'ByHand', '', '' FROM moved",
    )
    .bind(stream())
    .execute(&mut *held)
    .await
    .unwrap();
    let asked = tokio::spawn({
        let log = log.clone();
        let one = StreamAppend { stream: name.to_owned(), expected, events };
        async move { log.append(one).await }
    });
    let cut = async {
        loop {
            let cut: Vec<bool> = sqlx::query_scalar(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_all(&mut watcher)
            .await
            .unwrap();
            if !cut.is_empty() {
                return;
            }
        }
    };
    soon(cut).await;
    held.commit().await.unwrap();
    soon(asked).await.unwrap()
}

/// Makes the log take the lock for its next append: somebody else has appended.
async fn make_it_share(log: &PostgresLog, other: &PostgresLog) {
    append(other, &stream(), None, vec![event()]).await.unwrap();
    append(log, &stream(), None, vec![event()]).await.unwrap();
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_new_append_is_there_once(_pool: PgPoolOptions, options: PgConnectOptions) {
    let (log, other) = (connect(&options).await, connect(&options).await);
    let name = stream();
    for revision in 0..5 {
        make_it_share(&log, &other).await;
        let expected =
            if revision == 0 { ExpectedRevision::NoStream } else { ExpectedRevision::Exact(revision - 1) };
        let appended = cut_at_the_lock(&log, &options, &name, expected, vec![event()]).await.unwrap();
        assert!(!appended.duplicate && appended.revision == revision);
        let last = log.last_event(&name).await.unwrap().unwrap();
        assert_eq!((last.revision, last.position), (revision, appended.position));
    }
    log.shutdown().await;
    other.shutdown().await;
}

/// Of an append whose connection was cut, what the log has of it is taken for its own.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_there_is_known_again(_pool: PgPoolOptions, options: PgConnectOptions) {
    let (log, other) = (connect(&options).await, connect(&options).await);
    let name = stream();
    let one = vec![event()];
    let first = append(&log, &name, None, one.clone()).await.unwrap();
    make_it_share(&log, &other).await;
    let expected = ExpectedRevision::NoStream;
    let repeated = cut_at_the_lock(&log, &options, &name, expected, one).await.unwrap();
    assert_eq!((repeated.revision, repeated.position), (first.revision, first.position));
    assert_eq!(log.read_stream(&name, 0, 10).await.unwrap().len(), 1);
    log.shutdown().await;
    other.shutdown().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_refusal_names_what_is_there(_pool: PgPoolOptions, options: PgConnectOptions) {
    let (log, other) = (connect(&options).await, connect(&options).await);
    let name = stream();
    append(&log, &name, None, vec![event(), event()]).await.unwrap();
    make_it_share(&log, &other).await;
    let refused = cut_at_the_lock(&log, &options, &name, ExpectedRevision::Exact(u64::MAX), vec![event()]);
    let refused = refused.await;
    assert!(matches!(refused, Err(AppendError::Conflict { actual: Some(1), .. })), "{refused:?}");
    log.shutdown().await;
    other.shutdown().await;
}

/// Somebody who waits for events hears that there will be no more.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_follower_hears_of_the_end(_pool: PgPoolOptions, options: PgConnectOptions) {
    let log = connect(&options).await;
    let mut subscription = log.subscribe(Position(0)).await.unwrap();
    let (batch, ()) = futures::join!(soon(subscription.next_batch(10)), log.shutdown());
    assert!(matches!(batch, Err(LogError::Unavailable(_))), "{batch:?}");
}
