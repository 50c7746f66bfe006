//! The contract suite on Postgres.

use std::sync::Arc;

use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

macro_rules! case {
    ($name:ident) => {
        #[sqlx::test(migrator = "migrations::MIGRATOR")]
        async fn $name(_pool: PgPoolOptions, options: PgConnectOptions) {
            let log = Arc::new(PostgresLog::connect(options, PostgresLogConfig::default()).await.unwrap());
            eventlog::contract::$name(log.clone()).await;
            log.shutdown().await;
        }
    };
}
eventlog::for_each_contract_case!(case);
