//! Connections that are cut under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventlog::{AppendError, EventLog, LogError, NewEvent, Position};
use futures::future::join_all;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use uuid::Uuid;

use super::{append, connect, event, soon, stream};

const WRITERS: usize = 16;
const EACH: usize = 40;

/// Cuts every connection to the database but the one that asks for it; gives how many.
async fn cut_all(pool: &PgPool) -> usize {
    let cut = sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    );
    cut.fetch_all(pool).await.unwrap().len()
}

/// Producers repeat what was not answered, with the same ids; afterwards each event is there once, where
/// its writer was told.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_event_is_there_once_after_any_number_of_cuts(pool: PgPoolOptions, options: PgConnectOptions) {
    let logs = [connect(&options).await, connect(&options).await];
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (log, acknowledged) = (logs[writer % 2].clone(), acknowledged.clone());
            tokio::spawn(async move {
                let (name, mut last, mut places) = (stream(), None, Vec::new());
                for _ in 0..EACH {
                    let one: Vec<NewEvent> = vec![event()];
                    let appended = loop {
                        match append(&log, &name, last, one.clone()).await {
                            Ok(appended) => break appended,
                            Err(AppendError::Log(LogError::Unavailable(_))) => tokio::task::yield_now().await,
                            Err(other) => panic!("{other:?}"),
                        }
                    };
                    last = Some(appended.revision);
                    places.push((one[0].id, appended));
                    acknowledged.fetch_add(1, Ordering::SeqCst);
                }
                (name, places)
            })
        })
        .collect();

    let pool = pool.max_connections(1).connect_with(options.clone()).await.unwrap();
    let cutting = async {
        let (mut next, mut cut) = (0, 0);
        while next < WRITERS * EACH {
            if acknowledged.load(Ordering::SeqCst) >= next {
                cut += cut_all(&pool).await;
                next += 40;
            }
            tokio::task::yield_now().await;
        }
        cut
    };
    let (written, cut) = soon(async { futures::join!(join_all(writers), cutting) }).await;
    assert!(cut >= WRITERS * EACH / 40, "only {cut} connections were cut");

    let everything = logs[0].read_all(Position(0), 10_000).await.unwrap();
    assert_eq!(everything.len(), WRITERS * EACH);
    for done in written {
        let (name, places) = done.unwrap();
        let read = logs[1].read_stream(&name, 0, 1_000).await.unwrap();
        let read: Vec<(Uuid, u64, Position)> =
            read.iter().map(|event| (event.id, event.revision, event.position)).collect();
        let told: Vec<_> = places.iter().map(|(id, at)| (*id, at.revision, at.position)).collect();
        assert_eq!(read, told);
    }
    for log in logs {
        log.shutdown().await;
    }
}

/// A subscription goes on where it was when its connection is cut.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_follower_goes_on_after_a_cut(pool: PgPoolOptions, options: PgConnectOptions) {
    let log = connect(&options).await;
    let pool = pool.max_connections(1).connect_with(options.clone()).await.unwrap();
    let mut subscription = log.subscribe(Position(0)).await.unwrap();
    let mut next = 1;
    while next <= 30 {
        while append(&log, &stream(), None, vec![event()]).await.is_err() {}
        cut_all(&pool).await;
        // An append that failed may have happened all the same, so there may be more than one.
        let batch = async {
            loop {
                match subscription.next_batch(1).await {
                    Ok(batch) => break batch,
                    Err(LogError::Unavailable(_)) => {}
                    Err(other) => panic!("{other}"),
                }
            }
        };
        assert_eq!(soon(batch).await[0].position, Position(next));
        next += 1;
    }
    log.shutdown().await;
}
