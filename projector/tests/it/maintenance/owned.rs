//! Whose the new tables are until they are swapped.

use std::sync::Arc;

use projector::{Maintenance, ProjectorError};
use sqlx::PgPool;

use super::{given, maintenance, own, run_sql, until_the_lease_is_renewed};
use crate::support::*;

const LEASE_ENDS: &str = "UPDATE projection_next.checkpoints SET lease_until = now()";

/// Held for longer than its lease, it wakes up when another one has begun anew: with tables that are empty
/// yet, or that are as full as its own were.
async fn lost(pool: &PgPool, other: impl FnOnce(Watched) -> Watched, held: fn(&Watched) -> &Gate) {
    let story = given().await;
    let right = story.project(pool, &[]).await;
    let log = Watched { heads: Gate::after(2), ..Watched::over(&story.log) };
    let first = over(&log, pool);
    let first = tokio::spawn(async move { first.rebuild("memory", false, &|_| {}).await });
    log.heads.until_held().await;
    run_sql(pool, LEASE_ENDS).await;

    let other = other(Watched::over(&story.log));
    let second = over(&other, pool);
    let second = tokio::spawn(async move { second.rebuild("memory", true, &|_| {}).await });
    held(&other).until_held().await;
    log.heads.open();
    let refused = first.await.unwrap();
    assert!(matches!(refused, Err(ProjectorError::Fenced)), "{refused:?}");
    assert_eq!(Tables::dump(pool).await, right);

    other.heads.open();
    other.reads.open();
    second.await.unwrap().unwrap();
    assert_eq!(Tables::dump(pool).await, right);
}

fn over(log: &Watched, pool: &PgPool) -> Maintenance {
    Maintenance::new(Arc::new(log.clone()), own(pool))
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn half_tables_of_another_do_not_go_live(pool: PgPool) {
    lost(&pool, |log| Watched { reads: Gate::after(0), ..log }, |log| &log.reads).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn whole_tables_of_another_are_its_own_to_swap(pool: PgPool) {
    lost(&pool, |log| Watched { heads: Gate::after(2), ..log }, |log| &log.heads).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn tables_that_somebody_removed_do_not_go_live(pool: PgPool) {
    let story = given().await;
    let right = story.project(&pool, &[]).await;
    let log = Watched { heads: Gate::after(2), ..Watched::over(&story.log) };
    let first = over(&log, &pool);
    let first = tokio::spawn(async move { first.rebuild("memory", false, &|_| {}).await });
    log.heads.until_held().await;
    run_sql(&pool, "DROP SCHEMA projection_next CASCADE").await;
    log.heads.open();
    first.await.unwrap().unwrap_err();
    assert_eq!(Tables::dump(&pool).await, right);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_lease_lasts_while_the_rows_are_counted(pool: PgPool) {
    let story = given().await;
    let right = story.project(&pool, &[]).await;
    let log = Watched { reads: Gate::after(0), ..Watched::over(&story.log) };
    let rebuild = over(&log, &pool);
    let rebuild = tokio::spawn(async move { rebuild.rebuild("memory", false, &|_| {}).await });
    log.reads.until_held().await;
    // Rows can be written, and not be counted.
    let mut lock = database::begin(&pool).await.unwrap();
    sqlx::raw_sql("LOCK TABLE projection_next.runs IN SHARE UPDATE EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();
    log.reads.open();
    until_somebody_waits(&pool).await;
    until_the_lease_is_renewed(&pool, "projection_next").await;
    lock.rollback().await.unwrap();
    rebuild.await.unwrap().unwrap();
    assert_eq!(Tables::dump(&pool).await, right);
}

/// The connection is cut after the live tables were dropped, before the commit.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_swap_that_is_cut_has_not_happened(pool: PgPool) {
    let story = given().await;
    let right = story.project(&pool, &[]).await;
    run_sql(
        &pool,
        "CREATE FUNCTION public.cut() RETURNS trigger LANGUAGE plpgsql AS $$
         BEGIN
             IF TG_TABLE_SCHEMA = 'projection' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
             RETURN NEW;
         END $$;
         CREATE TRIGGER cut BEFORE UPDATE OF position ON projection.checkpoints
             FOR EACH ROW EXECUTE FUNCTION public.cut()",
    )
    .await;
    let cut = maintenance(&story, &pool).rebuild("memory", false, &|_| {}).await;
    assert!(matches!(cut, Err(ProjectorError::Database(_))), "{cut:?}");
    assert_eq!(Tables::dump(&pool).await, right);

    run_sql(&pool, "DROP TRIGGER cut ON projection.checkpoints").await;
    run_sql(&pool, LEASE_ENDS).await;
    let rebuilt = maintenance(&story, &pool).rebuild("memory", false, &|_| {}).await.unwrap();
    assert_eq!((rebuilt.from, rebuilt.to), (right.checkpoint(), right.checkpoint()), "it goes on");
    assert_eq!(Tables::dump(&pool).await, right);
}
