//! Transactions of requests, which end at any moment: when a caller goes away, its request is dropped.

use sqlx::pool::PoolConnection;
use sqlx::{PgPool, Postgres, SqlSafeStr, Transaction};
use tracing::Instrument;

/// Begins a transaction by that statement, such as `BEGIN`.
///
/// It begins on a task of its own, so that it is wholly begun, and then rolled back, where nobody waits for it any more. sqlx
/// (0.9) rolls nothing back whose beginning was dropped between statement and answer: the connection would come back
/// to the pool within a transaction, and fail whatever is asked through it from then on.
///
/// # Errors
/// The database's.
pub async fn begin_transaction(
    pool: &PgPool,
    begin: &'static str,
) -> Result<Transaction<'static, Postgres>, sqlx::Error> {
    let connection: PoolConnection<Postgres> = pool.acquire().await?;
    let begun = tokio::spawn(Transaction::begin(connection, Some(begin.into_sql_str())).in_current_span());
    begun.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))
}
