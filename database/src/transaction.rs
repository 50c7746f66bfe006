//! Transactions of what may be dropped at any moment, such as a request whose caller has gone away.

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres, SqlSafeStr, Transaction};
use tracing::Instrument;

/// Begins a transaction, as `Pool::begin` does, but wholly or not at all: see [`begin_with`].
///
/// # Errors
/// The database's.
pub async fn begin(pool: &PgPool) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    begin_with(pool, "BEGIN").await
}

/// Begins a transaction by that statement.
///
/// It begins on a task of its own, so that it is wholly begun, and then rolled back, where nobody waits for it any more. sqlx
/// (0.9) rolls nothing back whose beginning was dropped between statement and answer: the connection would come back
/// to the pool within a transaction, and fail whatever is asked through it from then on.
///
/// # Errors
/// The database's.
pub async fn begin_with(
    pool: &PgPool,
    statement: impl SqlSafeStr,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let connection: PoolConnection<Postgres> = pool.acquire().await?;
    let beginning = Transaction::begin(connection, Some(statement.into_sql_str()));
    tokio::spawn(beginning.in_current_span()).await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}
