//! Rows and checkpoint are written together or not at all.

use std::sync::Arc;

use crate::support::*;
use eventlog::Position;
use projector::ProjectorError;
use sqlx::{AssertSqlSafe, PgPool};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_crash_before_the_commit_changes_nothing(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    let records = story.records().await;
    let projector = Arc::new(story.projector(&pool));
    projector.apply(Position(0), &records[..15]).await.unwrap();
    let before = Tables::dump(&pool).await;

    // The last table that a batch writes to is locked, so everything else is written by then.
    let mut lock = database::begin(&pool).await.unwrap();
    sqlx::query("LOCK TABLE projection.run_hours IN SHARE MODE").execute(&mut *lock).await.unwrap();
    let (working, rest) = (projector.clone(), records[15..].to_vec());
    let task = tokio::spawn(async move { working.apply(Position(15), &rest).await });
    until_somebody_waits(&pool).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    lock.rollback().await.unwrap();

    // Whoever comes next waits for the checkpoint's row until the broken transaction is gone.
    projector.apply(Position(0), &records[..15]).await.unwrap();
    assert_eq!(Tables::dump(&pool).await, before);
    projector.apply(Position(15), &records[15..]).await.unwrap();
    let after = Tables::dump(&pool).await;
    start_over(&pool).await;
    assert_eq!(story.project(&pool, &[]).await, after);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_checkpoint_that_can_not_move_takes_the_rows_with_it(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    let records = story.records().await;
    let projector = story.projector(&pool);
    projector.apply(Position(0), &records[..15]).await.unwrap();
    let before = Tables::dump(&pool).await;
    let broken = [
        "CREATE FUNCTION broken() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'broken'; END $$",
        "CREATE TRIGGER broken BEFORE UPDATE ON projection.checkpoints EXECUTE FUNCTION broken()",
    ];
    for sql in broken {
        sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&pool).await.unwrap();
    }
    let result = projector.apply(Position(15), &records[15..]).await;
    assert!(matches!(result, Err(ProjectorError::Database(_))), "{result:?}");
    assert_eq!(Tables::dump(&pool).await, before);

    sqlx::query("DROP TRIGGER broken ON projection.checkpoints").execute(&pool).await.unwrap();
    projector.apply(Position(15), &records[15..]).await.unwrap();
    let after = Tables::dump(&pool).await;
    start_over(&pool).await;
    assert_eq!(story.project(&pool, &[]).await, after);
}
