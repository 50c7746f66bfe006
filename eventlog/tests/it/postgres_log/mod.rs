//! What only the Postgres log promises: guards in the database, dense positions, several processes, bounds.

mod answers;
mod cuts;
mod density;
mod doubt;
mod guards;
mod others;
mod pages;
mod queue;

use std::sync::Arc;
use std::time::Duration;

use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{AppendError, Appended, EventLog, ExpectedRevision, NewEvent, StreamAppend};
use sqlx::postgres::PgConnectOptions;
use uuid::Uuid;

async fn connect(options: &PgConnectOptions) -> Arc<PostgresLog> {
    with(options, PostgresLogConfig::default()).await
}

async fn with(options: &PgConnectOptions, config: PostgresLogConfig) -> Arc<PostgresLog> {
    Arc::new(PostgresLog::connect(options.clone(), config).await.unwrap())
}

fn event() -> NewEvent {
    NewEvent { id: Uuid::new_v4(), event_type: "Tried".into(), data: b"{}".into(), metadata: b"{}".into() }
}

fn stream() -> String {
    format!("tried-{}", Uuid::new_v4())
}

async fn append(
    log: &PostgresLog,
    stream: &str,
    last: Option<u64>,
    events: Vec<NewEvent>,
) -> Result<Appended, AppendError> {
    let expected = last.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
    log.append(StreamAppend { stream: stream.to_owned(), expected, events }).await
}

/// Only a hang meets this bound.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), what).await.expect("it happens in time")
}
