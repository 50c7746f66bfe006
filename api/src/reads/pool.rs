//! The only door to the read tables.

use domain::TenantId;
use eventlog::Position;
use sqlx::postgres::{PgPoolOptions, Postgres};
use sqlx::{Executor, PgConnection, PgPool, Transaction};

use super::corrupt::{self, Corrupt};
use crate::problem::Problem;

/// What every connection of the pool is told first.
///
/// The role sees only the rows of the transaction's tenant. Plans are made for each call's own values:
/// the queries leave filters open (`$3 IS NULL OR kind = $3`), and only a plan that knows which ones are
/// NULL finds the right index. Pages are short, so neither workers nor compiled plans would pay.
const SETTINGS: &str = "
    SET ROLE runledger_api;
    SET default_transaction_read_only = on;
    SET plan_cache_mode = force_custom_plan;
    SET jit = off;
    SET max_parallel_workers_per_gather = 0;
    SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '30s'";

/// How a view begins. A rebuild puts other tables in the place of these while nobody else has a lock on the
/// checkpoints. The lock comes before the snapshot: what a snapshot from before the swap would see of the
/// tables from after it is not all there.
pub(crate) const BEGIN: &str = "
    BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY;
    LOCK TABLE projection.checkpoints IN ACCESS SHARE MODE";

/// Connections to the read tables. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReadPool {
    pool: PgPool,
}

/// One answer's view of the read tables: one tenant, one snapshot. Rows, counters and position that are
/// read through it belong together. Ends when dropped.
#[derive(Debug)]
pub struct TenantRead {
    /// How far the projection had come in this snapshot.
    pub position: Position,
    transaction: Transaction<'static, Postgres>,
}

impl ReadPool {
    /// Reads through a pool that was made with [`ReadPool::pool_options`].
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// How to make the pool: its connections may only read, as the role `runledger_api`.
    #[must_use]
    pub fn pool_options() -> PgPoolOptions {
        PgPoolOptions::new().after_connect(|connection, _| {
            Box::pin(async move {
                connection.execute(SETTINGS).await?;
                Ok(())
            })
        })
    }

    /// Opens a view of one tenant's rows.
    ///
    /// # Errors
    /// 503 when the database does not answer, 500 when it answers what it should not.
    pub async fn begin(&self, tenant: &TenantId) -> Result<TenantRead, Problem> {
        let mut transaction = self.pool.begin_with(BEGIN).await?;
        // The first query makes the snapshot that all others share.
        let position = sqlx::query_scalar!(
            r#"SELECT position FROM projection.checkpoints
               WHERE name = 'monitoring' AND set_config('runledger.tenant', $1, true) IS NOT NULL"#,
            tenant.as_str()
        )
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(Corrupt::new("projection.checkpoints", "name", "monitoring", "the row is missing"))?;
        let position = corrupt::count("projection.checkpoints", "position", "monitoring", position)?;
        Ok(TenantRead { position: Position(position), transaction })
    }
}

impl TenantRead {
    /// The connection, for queries in this view.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }
}
