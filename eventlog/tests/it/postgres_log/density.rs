//! Positions without gaps, in commit order, whoever appends.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use eventlog::postgres::PostgresLog;
use eventlog::{AppendError, EventLog, Position};
use futures::future::join_all;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{append, connect, event, soon, stream};

/// 64 writers through two logs, as two processes would; whatever moment a reader picks, there is no gap.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn no_reader_ever_sees_a_gap(pool: PgPoolOptions, options: PgConnectOptions) {
    let logs = [connect(&options).await, connect(&options).await];
    let writers = (0..64).map(|writer| {
        let log = logs[writer % 2].clone();
        tokio::spawn(async move {
            let name = stream();
            let mut last = None;
            for n in 0..15 {
                let events = (0..=n % 3).map(|_| event()).collect();
                last = Some(append(&log, &name, last, events).await.unwrap().revision);
            }
        })
    });
    let writers = join_all(writers);
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (done, pool) = (done.clone(), pool.connect_with(options.clone()).await.unwrap());
        async move {
            let mut looks = 0;
            while !done.load(Ordering::SeqCst) || looks == 0 {
                let (rows, last, head): (i64, i64, i64) = sqlx::query_as(
                    "SELECT count(*), coalesce(max(position), 0), (SELECT position FROM log.head) FROM log.events",
                )
                .fetch_one(&pool)
                .await
                .unwrap();
                assert!(
                    rows == last && last == head,
                    "{rows} events, the last at {last}, the head at {head}"
                );
                looks += 1;
            }
        }
    });
    soon(writers).await.into_iter().for_each(Result::unwrap);
    done.store(true, Ordering::SeqCst);
    soon(reader).await.unwrap();
    assert_eq!(logs[0].head().await.unwrap(), Position(64 * 30));
    let all = logs[1].read_all(Position(0), 10_000).await.unwrap();
    assert!(all.iter().zip(1u64..).all(|(event, position)| event.position == Position(position)));
    for log in logs {
        log.shutdown().await;
    }
}

/// Both keep heads in memory; neither may believe what the other has made untrue.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn two_logs_on_the_same_streams_lose_no_update(_pool: PgPoolOptions, options: PgConnectOptions) {
    let logs = [connect(&options).await, connect(&options).await];
    let names: Vec<String> = (0..3).map(|_| stream()).collect();
    let writers = (0..12).map(|writer| {
        let (log, name) = (logs[writer % 2].clone(), names[writer % 3].clone());
        tokio::spawn(async move { contend(&log, &name, 20).await })
    });
    soon(join_all(writers)).await.into_iter().for_each(Result::unwrap);
    for name in &names {
        let read = logs[0].read_stream(name, 0, 1_000).await.unwrap();
        assert_eq!(read.len(), 80);
    }
    for log in logs {
        log.shutdown().await;
    }
}

async fn contend(log: &PostgresLog, name: &str, wins: usize) {
    let (mut last, mut won) = (None, 0);
    while won < wins {
        match append(log, name, last, vec![event()]).await {
            Ok(appended) => {
                last = Some(appended.revision);
                won += 1;
            }
            Err(AppendError::Conflict { actual, .. }) => {
                assert!(actual > last, "{actual:?} after {last:?}");
                last = actual;
            }
            Err(other) => panic!("{other}"),
        }
    }
}

/// Turn by turn, so that each log is wrong about the stream every time.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn logs_that_take_turns_are_never_wrong(_pool: PgPoolOptions, options: PgConnectOptions) {
    let logs = [connect(&options).await, connect(&options).await];
    let name = stream();
    let mut last = None;
    for turn in 0..40 {
        let (log, other) = (&logs[turn % 2], &logs[(turn + 1) % 2]);
        let appended = append(log, &name, last, vec![event()]).await.unwrap();
        let before = last;
        last = Some(appended.revision);
        // The other log knows no better than `before`, and must find out.
        match append(other, &name, before, vec![event()]).await {
            Err(AppendError::Conflict { actual, .. }) => assert_eq!(actual, last),
            wrong => panic!("{wrong:?}"),
        }
    }
    for log in logs {
        log.shutdown().await;
    }
}
