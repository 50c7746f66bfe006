//! The contract suite on two Postgres logs in turn: what one process appends, the other must know, with
//! bounds so small that every one of them is met.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{
    AppendError, Appended, EventLog, LogError, Position, RecordedEvent, StreamAppend, Subscription,
};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// Gives each call to the next of its logs.
struct InTurn {
    logs: [PostgresLog; 2],
    calls: AtomicUsize,
}

impl InTurn {
    async fn connect(options: &PgConnectOptions) -> Self {
        let config = PostgresLogConfig {
            batch_events: 7,
            batch_bytes: 2_000,
            known_heads: 3,
            read_connections: 3,
            ..PostgresLogConfig::default()
        };
        let one = PostgresLog::connect(options.clone(), config.clone()).await.unwrap();
        let two = PostgresLog::connect(options.clone(), config).await.unwrap();
        Self { logs: [one, two], calls: AtomicUsize::new(0) }
    }

    fn next(&self) -> &PostgresLog {
        &self.logs[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
    }

    async fn shutdown(&self) {
        for log in &self.logs {
            log.shutdown().await;
        }
    }
}

#[async_trait]
impl EventLog for InTurn {
    async fn append(&self, streams: Vec<StreamAppend>) -> Result<Appended, AppendError> {
        self.next().append(streams).await
    }

    async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        self.next().read_stream(stream, from, limit).await
    }

    async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        self.next().last_event(stream).await
    }

    async fn read_all(&self, after: Position, limit: usize) -> Result<Vec<RecordedEvent>, LogError> {
        self.next().read_all(after, limit).await
    }

    async fn head(&self) -> Result<Position, LogError> {
        self.next().head().await
    }

    async fn subscribe(&self, after: Position) -> Result<Box<dyn Subscription>, LogError> {
        self.next().subscribe(after).await
    }
}

macro_rules! case {
    ($name:ident) => {
        #[sqlx::test(migrator = "migrations::MIGRATOR")]
        async fn $name(_pool: PgPoolOptions, options: PgConnectOptions) {
            let log = Arc::new(InTurn::connect(&options).await);
            eventlog::contract::$name(log.clone()).await;
            log.shutdown().await;
        }
    };
}
eventlog::for_each_contract_case!(case);
