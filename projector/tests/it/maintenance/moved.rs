//! Read tables that come from another log than before.

use std::sync::Arc;

use eventlog::memory::MemoryLog;
use eventlog::{
    AppendError, Appended, EventLog, LogError, Position, RecordedEvent, StreamAppend, Subscription,
};
use projector::Maintenance;
use sqlx::PgPool;

use super::{given, maintenance, run_sql};
use crate::support::*;

/// The same events at other positions, as a cluster has them: they grow, with gaps.
struct Elsewhere(MemoryLog);

const APART: u64 = 1_000;

#[async_trait::async_trait]
impl EventLog for Elsewhere {
    async fn append(&self, _: StreamAppend) -> Result<Appended, AppendError> {
        Err(AppendError::Overloaded)
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        Ok(self.0.read_stream(stream, from, limit).await?.into_iter().map(elsewhere).collect())
    }

    async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        Ok(self.0.last_event(stream).await?.map(elsewhere))
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        let read = self.0.read_all(Position(after.0 / APART), limit).await?;
        Ok(read.into_iter().map(elsewhere).collect())
    }

    async fn head(&self) -> Result<Position, LogError> {
        Ok(Position(self.0.head().await?.0 * APART))
    }

    async fn subscribe(&self, _: Position) -> Result<Box<dyn Subscription>, LogError> {
        Err(LogError::Unavailable("nobody follows this log".to_owned()))
    }
}

fn elsewhere(event: RecordedEvent) -> RecordedEvent {
    RecordedEvent { position: Position(event.position.0 * APART), ..event }
}

async fn source(pool: &PgPool) -> String {
    sqlx::query_scalar("SELECT name FROM log.source").fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn to_another_log_and_back(pool: PgPool) {
    let story = given().await;
    let right = story.project(&pool, &[]).await;
    run_sql(&pool, "INSERT INTO log.source (name) VALUES ('here')").await;

    let there = Maintenance::new(Arc::new(Elsewhere(story.log.clone())), pool.clone());
    let rebuilt = there.rebuild("there", false, &|_| {}).await.unwrap();
    assert_eq!(rebuilt.to, Position(right.checkpoint().0 * APART));
    assert_eq!(source(&pool).await, "there");
    assert_eq!(there.verify(&|_| {}, &|_| {}).await.unwrap().wrong, 0);

    // Here, no position is as high as the one that the tables have reached there.
    let rebuilt = maintenance(&story, &pool).rebuild("here", false, &|_| {}).await.unwrap();
    assert_eq!(rebuilt.to, right.checkpoint());
    assert_eq!(source(&pool).await, "here");
    assert_eq!(Tables::dump(&pool).await, right);
}

/// What was folded from one log is not gone on with from another, and says so only once it serves.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_rebuild_is_of_one_log(pool: PgPool) {
    let story = given().await;
    let right = story.project(&pool, &[]).await;
    run_sql(&pool, "INSERT INTO log.source (name) VALUES ('here')").await;
    let log = Watched { heads: Gate::after(1), ..Watched::over(&story.log) };
    let first = Maintenance::new(Arc::new(log.clone()), pool.clone());
    let first = tokio::spawn(async move { first.rebuild("there", false, &|_| {}).await });
    log.heads.until_held().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(source(&pool).await, "here");

    run_sql(&pool, "UPDATE projection_next.checkpoints SET lease_until = now()").await;
    let rebuilt = maintenance(&story, &pool).rebuild("here", false, &|_| {}).await.unwrap();
    assert_eq!((rebuilt.from, rebuilt.to), (Position(0), right.checkpoint()));
    assert_eq!(Tables::dump(&pool).await, right);
}
