//! The contract suite on two Postgres logs in turn: what one process appends, the other must know, with
//! bounds so small that every one of them is met.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use eventlog::EventLog;
use eventlog::contract::Layer;
use eventlog::postgres::{PostgresLog, PostgresLogConfig};
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

    async fn shutdown(&self) {
        for log in &self.logs {
            log.shutdown().await;
        }
    }
}

impl Layer for InTurn {
    fn behind(&self) -> &dyn EventLog {
        &self.logs[self.calls.fetch_add(1, Ordering::Relaxed) % 2]
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
