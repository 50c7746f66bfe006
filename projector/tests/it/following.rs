//! Projectors at work: following, stopping, going on, side by side, broken off, rebuilt.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::*;
use eventlog::{EventLog, ExpectedRevision, NewEvent, Position, RecordedEvent, StreamAppend};
use projector::{ProjectorConfig, ProjectorError};
use serde_json::json;
use sqlx::PgPool;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn follows_stops_and_goes_on_from_the_checkpoint(pool: PgPool) {
    let mut story = Story::default();
    let watched = Watched::over(&story.log);
    let mut progress = Progress::listen(&pool).await;
    let running = Running::start(Arc::new(watched.clone()), &pool, 100);
    story.given(0, [queued()]).await;
    progress.until(Position(1)).await;
    Tables::dump(&pool).await.then_run(0, &json!({"status": "queued"}));
    story.given(0, [started(), succeeded("a")]).await;
    progress.until(Position(3)).await;
    Tables::dump(&pool).await.then_run(0, &json!({"status": "running", "items_succeeded": 1}));
    running.stop().await;

    story.given(0, [completed()]).await;
    let running = Running::start(Arc::new(watched.clone()), &pool, 100);
    assert_eq!(progress.until(Position(4)).await, [4]);
    Tables::dump(&pool).await.then_run(0, &json!({"status": "succeeded"}));
    running.stop().await;
    assert_eq!(*watched.followed.lock().unwrap(), [0, 3]);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn batches_are_no_larger_than_asked_for(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    let mut progress = Progress::listen(&pool).await;
    let running = Running::start(story.shared(), &pool, 12);
    assert_eq!(progress.until(head(&story).await).await, [12, 24, 32]);
    running.stop().await;
}

/// Large events go in by themselves, whatever the limit.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn batches_have_no_more_bytes_than_asked_for(pool: PgPool) {
    let mut story = Story::default();
    let large = queued_with(json!({"context": {"text": "x".repeat(5_000)}}));
    story.given(0, [large, started(), succeeded("a")]).await;
    story.given(2, [queued()]).await;
    let mut progress = Progress::listen(&pool).await;
    let config = ProjectorConfig { max_batch_bytes: 4_000, ..ProjectorConfig::default() };
    let running = Running::start_with(story.shared(), &pool, config);
    assert_eq!(progress.until(head(&story).await).await, [1, 4]);
    running.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_log_that_fails_is_tried_again(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    let watched = Watched::over(&story.log);
    watched.refuse_to_follow.store(2, Ordering::SeqCst);
    watched.break_off.store(1, Ordering::SeqCst);
    let mut progress = Progress::listen(&pool).await;
    let running = Running::start(Arc::new(watched.clone()), &pool, 100);
    progress.until(head(&story).await).await;
    running.stop().await;
    let live = Tables::dump(&pool).await;
    start_over(&pool).await;
    assert_eq!(story.project(&pool, &[]).await, live);
    assert_eq!(*watched.followed.lock().unwrap(), [0, 0]);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn two_on_one_database_do_what_one_does(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    let mut progress = Progress::listen(&pool).await;
    let both = [3, 5].map(|size| Running::start(story.shared(), &pool, size));
    story.given(6, [queued(), started(), succeeded("a"), completed()]).await;
    progress.until(head(&story).await).await;
    story.given(5, [succeeded("a"), succeeded("d"), failed()]).await;
    progress.until(head(&story).await).await;
    for running in both {
        running.stop().await;
    }
    let live = Tables::dump(&pool).await;
    start_over(&pool).await;
    assert_eq!(story.project(&pool, &[]).await, live);
}

/// The batches of two projectors overlap in every way; each is applied by both at once.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn batches_applied_at_once_count_once(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    let records = story.records().await;
    let projector = story.projector(&pool);
    let (a, b, c) = tokio::join!(
        projector.apply(Position(0), &records[..20]),
        projector.apply(Position(0), &records[..25]),
        projector.apply(Position(0), &records[..20]),
    );
    assert!([a, b, c].into_iter().all(|reached| reached.unwrap().0 >= 20));
    assert_eq!(Tables::dump(&pool).await.checkpoint(), Position(25));
    projector.apply(Position(10), &records[10..]).await.unwrap();
    let together = Tables::dump(&pool).await;
    start_over(&pool).await;
    assert_eq!(story.project(&pool, &[]).await, together);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_checkpoint_moved_back_is_a_rebuild(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    // By itself: one that runs would look at the checkpoint meanwhile, and begin anew.
    story.project(&pool, &[]).await;
    start_over(&pool).await;
    let records = story.records().await;
    let result = story.projector(&pool).apply(Position(10), &records[10..]).await;
    assert!(matches!(result, Err(ProjectorError::Rewound { checkpoint: Position(0), after: Position(10) })));

    let watched = Watched::over(&story.log);
    let mut progress = Progress::listen(&pool).await;
    let running = Running::start(Arc::new(watched.clone()), &pool, 100);
    progress.until(head(&story).await).await;
    start_over(&pool).await;
    story.given(6, [queued()]).await;
    progress.until(head(&story).await).await;
    running.stop().await;
    let rebuilt = Tables::dump(&pool).await;
    start_over(&pool).await;
    assert_eq!(story.project(&pool, &[]).await, rebuilt);
    assert_eq!(*watched.followed.lock().unwrap(), [0, 0]);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn rows_that_are_ahead_of_the_checkpoint_stay_as_they_are(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    let whole = story.project(&pool, &[]).await;
    move_checkpoint(&pool, 0).await;
    let records = story.records().await;
    story.projector(&pool).apply(Position(0), &records).await.unwrap();
    assert_eq!(Tables::dump(&pool).await, whole);
}

/// Somebody has projected far beyond the batch in hand.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn whoever_is_overtaken_goes_on_from_there(pool: PgPool) {
    let mut story = Story::default();
    some_runs(&mut story).await;
    let records = story.records().await;
    let late = Watched::default();
    let mut progress = Progress::listen(&pool).await;
    let running = Running::start(Arc::new(late.clone()), &pool, 2);
    late.until_followed(1).await;

    story.projector(&pool).apply(Position(0), &records[..30]).await.unwrap();
    copy(&records, &late).await;
    assert_eq!(progress.until(head(&story).await).await[..2], [30, 32]);
    running.stop().await;
    assert_eq!(*late.followed.lock().unwrap(), [0, 30]);
    let live = Tables::dump(&pool).await;
    start_over(&pool).await;
    assert_eq!(story.project(&pool, &[]).await, live);
}

/// Appends what another log holds, to the same positions.
async fn copy(records: &[RecordedEvent], log: &Watched) {
    for record in records.iter().cloned() {
        let expected =
            record.revision.checked_sub(1).map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
        let event = NewEvent {
            id: record.id,
            event_type: record.event_type,
            data: record.data,
            metadata: record.metadata,
        };
        let append = StreamAppend { stream: record.stream, expected, events: vec![event] };
        assert_eq!(log.append(append).await.unwrap().position, record.position);
    }
}

async fn move_checkpoint(db: impl sqlx::PgExecutor<'_>, position: i64) {
    let sql = "UPDATE projection.checkpoints SET position = $1";
    sqlx::query(sql).bind(position).execute(db).await.unwrap();
}
