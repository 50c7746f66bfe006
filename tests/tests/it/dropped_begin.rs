//! A request that is dropped while its transaction begins leaves no connection within one.

use std::task::Poll;

use database::begin_with;
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// Whether the pool's only connection is in a transaction that somebody has left: what is set for a transaction is
/// forgotten with it.
async fn is_within_another(pool: &PgPool) -> bool {
    sqlx::query("SELECT set_config('runledger.tenant', 'left', true)").execute(pool).await.unwrap();
    let set: Option<String> =
        sqlx::query_scalar("SELECT current_setting('runledger.tenant', true)").fetch_one(pool).await.unwrap();
    set.is_some_and(|set| set == "left")
}

/// However far the beginning has come when it is dropped.
#[sqlx::test(migrations = false)]
async fn nobody_finds_a_transaction_of_another(pool: PgPoolOptions, database: PgConnectOptions) {
    let pool = pool.max_connections(1).connect_with(database).await.unwrap();
    for polls in 1..8 {
        let mut begin = Box::pin(begin_with(&pool, "BEGIN TRANSACTION READ ONLY"));
        for _ in 0..polls {
            if let Poll::Ready(begun) = futures::poll!(&mut begin) {
                drop(begun.unwrap());
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begin);
        assert!(!is_within_another(&pool).await, "dropped after {polls} polls");
    }
}
