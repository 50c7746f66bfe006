//! Readers during the swap.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::PgPool;

use super::{given, maintenance};
use crate::support::*;

/// Reads as the API does: the lock, then the snapshot, then several tables.
const BEGIN: &str =
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; LOCK TABLE projection.checkpoints IN ACCESS SHARE MODE";

async fn view(pool: &PgPool) -> (i64, i64, i64, i64) {
    let mut tx = database::begin_with(pool, BEGIN).await.unwrap();
    let position = sqlx::query_scalar("SELECT position FROM projection.checkpoints");
    let position = position.fetch_one(&mut *tx).await.unwrap();
    let one = async |tx: &mut sqlx::PgConnection, sql| sqlx::query_scalar(sql).fetch_one(tx).await.unwrap();
    let events: i64 = one(&mut tx, "SELECT count(*) FROM projection.run_events").await;
    let runs = one(&mut tx, "SELECT count(*) FROM projection.runs").await;
    let counted = one(&mut tx, "SELECT COALESCE(sum(runs), 0)::bigint FROM projection.run_counts").await;
    (position, events, runs, counted)
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn readers_never_see_less_than_before(pool: PgPool) {
    let mut story = given().await;
    story.project(&pool, &[]).await;
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (pool, stop) = (pool.clone(), stop.clone());
            tokio::spawn(async move {
                let (mut last, mut views) = ((0, 0, 0, 0), 0);
                while !stop.load(Ordering::SeqCst) {
                    let seen = view(&pool).await;
                    assert_eq!(seen.2, seen.3, "as many rows as are counted");
                    assert!(
                        seen.0 >= last.0 && seen.1 >= last.1 && seen.2 >= last.2,
                        "{seen:?} after {last:?}"
                    );
                    (last, views) = (seen, views + 1);
                }
                views
            })
        })
        .collect();
    let mut progress = Progress::listen(&pool).await;
    let running = Running::start(story.shared(), &pool, 2);
    for n in 4..14 {
        maintenance(&story, &pool).rebuild("memory", false, &|_| {}).await.unwrap();
        story.given(n, [queued(), started(), succeeded("a"), completed()]).await;
    }
    progress.until(eventlog::EventLog::head(&story.log).await.unwrap()).await;
    stop.store(true, Ordering::SeqCst);
    for reader in readers {
        assert!(reader.await.unwrap() > 0);
    }
    running.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_reader_that_takes_its_time_is_waited_for(pool: PgPool) {
    let story = given().await;
    let right = story.project(&pool, &[]).await;
    let mut slow = database::begin_with(&pool, BEGIN).await.unwrap();
    let maintenance = maintenance(&story, &pool);
    let rebuild = tokio::spawn(async move { maintenance.rebuild("memory", false, &|_| {}).await.unwrap() });
    until_somebody_waits(&pool).await;
    let runs: i64 =
        sqlx::query_scalar("SELECT count(*) FROM projection.runs").fetch_one(&mut *slow).await.unwrap();
    assert_eq!(runs, 4);
    // Others read meanwhile.
    view(&pool).await;
    slow.rollback().await.unwrap();
    rebuild.await.unwrap();
    assert_eq!(Tables::dump(&pool).await, right);
}
