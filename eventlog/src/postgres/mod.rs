//! The log in Postgres: positions by one lock, throughput by group commit.
//!
//! One writer task a process gathers the appends that wait and commits them in one statement. See
//! `docs/decisions/0001-positions-by-one-lock-and-group-commit.md`.

mod append_health;
mod batch;
mod error;
mod follow;
mod queue;
mod read;
mod recent;
mod statements;
mod stream_heads;
mod writer;

use std::fmt;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::error::{AppendError, LogError};
use crate::port::{Appended, EventLog, Position, RecordedEvent, StreamAppend, Subscription};
use crate::validate;

use append_health::AppendHealth;
use follow::{HeadNotifier, PostgresSubscription, Reader};
use queue::Intake;
use writer::Writer;

/// The settings of a [`PostgresLog`].
#[derive(Debug, Clone)]
pub struct PostgresLogConfig {
    /// How many appends may wait for the writer; more are refused with [`AppendError::Overloaded`].
    pub queue_requests: usize,
    /// How many bytes of appends may wait for the writer, roughly.
    pub queue_bytes: usize,
    /// How many events the writer commits at once, unless one append has more.
    pub batch_events: usize,
    /// How many bytes the writer commits at once, unless one append has more.
    pub batch_bytes: usize,
    /// How many streams' heads the writer remembers.
    pub known_heads: usize,
    /// How long an append is tried while the database does not answer or does not get to it.
    pub give_up_after: Duration,
    /// How many connections read.
    pub read_connections: u32,
    /// How long a subscription waits for a notification before it reads the log by itself.
    pub patience: Duration,
}

impl Default for PostgresLogConfig {
    fn default() -> Self {
        Self {
            queue_requests: 8_192,
            queue_bytes: 64 << 20,
            batch_events: 5_000,
            batch_bytes: 8 << 20,
            known_heads: 100_000,
            give_up_after: Duration::from_secs(15),
            read_connections: 8,
            patience: Duration::from_millis(500),
        }
    }
}

/// An event log in the schema `log` of a Postgres database. Any number of processes may append to it.
///
/// Dropping it without [`Self::shutdown`] lets accepted appends finish in the background.
pub struct PostgresLog {
    pool: PgPool,
    intake: Intake,
    append_health: AppendHealth,
    writer: Mutex<Option<JoinHandle<()>>>,
    notifier: HeadNotifier,
    tasks: TaskTracker,
    stop: CancellationToken,
    listening: Once,
    patience: Duration,
}

impl PostgresLog {
    /// Connects to a migrated database. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] when it does not answer or has no log.
    pub async fn connect(options: PgConnectOptions, config: PostgresLogConfig) -> Result<Self, LogError> {
        let pool = PgPoolOptions::new()
            .max_connections(config.read_connections.max(2))
            .acquire_timeout(config.give_up_after)
            .connect_with(options.clone())
            .await?;
        let head = read::head(&pool).await?;
        let notifier = HeadNotifier::new(head.0);
        let (intake, requests) = queue::queue(config.queue_requests, config.queue_bytes);
        let patience = config.patience;
        let writer = Writer::new(options, config, notifier.clone());
        let (committed, append_health) = (writer.committed(), writer.append_health());
        let writer = tokio::spawn(writer.run(requests));
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        tasks.spawn(follow::notify(pool.clone(), committed, stop.clone()));
        Ok(Self {
            pool,
            intake,
            append_health,
            writer: Mutex::new(Some(writer)),
            notifier,
            tasks,
            stop,
            listening: Once::new(),
            patience,
        })
    }

    /// Takes no more appends, waits until those that were taken in are answered, and closes all
    /// connections. Reads and subscriptions are [`LogError::Unavailable`] from then on.
    pub async fn shutdown(&self) {
        self.intake.close();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(%error, "the log's writer ended badly");
        }
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.pool.close().await;
    }
}

impl fmt::Debug for PostgresLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresLog").field("notifier", &self.notifier).finish_non_exhaustive()
    }
}

impl Drop for PostgresLog {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

#[async_trait]
impl EventLog for PostgresLog {
    async fn shutdown(&self) {
        Self::shutdown(self).await;
    }

    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        validate::append(&append)?;
        let answer = self.intake.take(append)?;
        answer.await.unwrap_or_else(|_| Err(queue::gone()))
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        read::stream(&self.pool, stream, from, limit).await
    }

    async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        read::last(&self.pool, stream).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        let mut connection = self.pool.acquire().await?;
        read::all(&mut connection, after, limit).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        read::head(&self.pool).await
    }

    async fn takes_appends(&self) -> Result<(), LogError> {
        self.append_health.recheck(&self.pool).await
    }

    async fn subscribe(&self, after: Position) -> Result<Box<dyn Subscription>, LogError> {
        self.listening.call_once(|| {
            self.tasks.spawn(follow::listen(self.pool.clone(), self.notifier.clone(), self.stop.clone()));
        });
        Ok(Box::new(PostgresSubscription {
            reader: Reader::new(self.pool.clone(), &self.notifier),
            after,
            head: self.notifier.subscribe(),
            patience: self.patience,
        }))
    }
}

/// A number for a `bigint` column.
fn bigint(number: u64) -> Result<i64, LogError> {
    i64::try_from(number).map_err(|_| LogError::Corrupt(format!("{number} does not fit a bigint")))
}

/// A number from a `bigint` column.
fn unsigned(number: i64) -> Result<u64, LogError> {
    u64::try_from(number).map_err(|_| LogError::Corrupt(format!("{number} where nothing below 0 can be")))
}
