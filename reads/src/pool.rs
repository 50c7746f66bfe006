//! The doors to the read tables: one for a tenant's rows, and one for all tenants', which only the live reader has.

use std::time::Duration;

use domain::TenantId;
use eventlog::Position;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, Postgres};
use sqlx::{Connection, Executor, PgConnection, PgPool, Transaction};

use crate::corrupt::{self, Corrupt};
use crate::error::ReadError;

/// What every connection of the pool is told first.
///
/// The role sees only the rows of the transaction's tenant. Pages are short, so neither workers nor compiled plans
/// would pay. A plan that is kept on the connection is kept until statistics are taken anew: one that was made while a
/// table was small must not go on reading all of it, so no plan does where an index can answer.
const SETTINGS: &str = "
    SET ROLE runledger_api;
    SET default_transaction_read_only = on;
    SET enable_seqscan = off;
    SET jit = off;
    SET max_parallel_workers_per_gather = 0;
    SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '30s'";

/// How a view begins: in the readers' role. One that was made anew since the connection was is another role, under the
/// old one's name.
///
/// A rebuild puts other tables in the place of these while nobody else has a lock on the checkpoints. The lock comes
/// before the snapshot: what a snapshot from before the swap would see of the tables from after it is not all there. It
/// comes before BEGIN as well, in whose transaction it is all the same: where it is refused, no transaction has begun,
/// and the connection is as good as before.
const BEGIN_AS_READERS: &str = "
    SET LOCAL ROLE runledger_api;
    LOCK TABLE projection.checkpoints IN ACCESS SHARE MODE;
    BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// The same for all tenants, in a role that sees their rows in the tables of [`LOOK_AT_ALL`], and nothing else.
const BEGIN_OF_ALL: &str = "
    SET LOCAL ROLE runledger_live;
    LOCK TABLE projection.checkpoints IN ACCESS SHARE MODE;
    BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// A look at everything that views read, as readers are let to it. It finds no rows: no tenant is named.
const LOOK: &str = "
    SELECT FROM projection.runs, projection.run_labels, projection.run_items, projection.run_events,
        projection.notifications, projection.run_counts, projection.run_hours,
        projection.run_durations, projection.admin_events, projection.directory, projection.checkpoints,
        policy.stale_policies
    LIMIT 0";

/// The same of what is read for all tenants.
const LOOK_AT_ALL: &str = "
    SELECT FROM projection.runs, projection.run_events, projection.notifications, projection.checkpoints,
        projection.dead_letters
    LIMIT 0";

/// After how long a connection that nobody used is asked whether it is still there.
const JUST_USED: Duration = Duration::from_secs(1);

/// How many statements a connection keeps parsed: some forty whose text is fixed, and the lists that are asked the most.
/// There are thousands of these, and each takes some ten kilobytes of its server process.
const STATEMENTS: usize = 128;

/// How the statements of a view are planned. All are kept parsed on the connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Plans {
    /// Once, for any values: a row is found by its key whatever the key is, and one index has the whole list.
    #[default]
    Kept,
    /// For the values of each call: what is rare wants another plan than what is frequent.
    ForValues,
}

impl Plans {
    /// The setting by its name in Postgres.
    fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "auto",
            Self::ForValues => "force_custom_plan",
        }
    }
}

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
    plans: Plans,
    transaction: Transaction<'static, Postgres>,
}

impl ReadPool {
    /// Reads through a pool that was made with [`ReadPool::pool_options`].
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Where the pool connects to: there, with room for what its connections keep.
    #[must_use]
    pub fn connect_options(database: PgConnectOptions) -> PgConnectOptions {
        database.statement_cache_capacity(STATEMENTS)
    }

    /// How to make the pool: its connections may only read, as the role `runledger_api`.
    #[must_use]
    pub fn pool_options() -> PgPoolOptions {
        PgPoolOptions::new()
            .after_connect(|connection, _| {
                Box::pin(async move {
                    connection.execute(SETTINGS).await?;
                    Ok(())
                })
            })
            // One that has just been used is there; only others are asked first.
            .test_before_acquire(false)
            .before_acquire(|connection, known| {
                Box::pin(async move { Ok(known.idle_for < JUST_USED || connection.ping().await.is_ok()) })
            })
    }

    /// Opens a view of one tenant's rows, whose plans are kept.
    ///
    /// # Errors
    /// The database's, or [`ReadError::Corrupt`].
    pub async fn begin(&self, tenant: &TenantId) -> Result<TenantRead, ReadError> {
        self.begin_with(tenant, Plans::Kept).await
    }

    /// Opens a view of one tenant's rows, whose statements are planned as is said.
    ///
    /// # Errors
    /// The database's, or [`ReadError::Corrupt`].
    pub async fn begin_with(&self, tenant: &TenantId, plans: Plans) -> Result<TenantRead, ReadError> {
        let mut transaction = database::begin_with(&self.pool, BEGIN_AS_READERS).await?;
        // The first query makes the snapshot that all others share. Settings come with it, as each message costs.
        let position = sqlx::query_scalar!(
            r#"SELECT position FROM projection.checkpoints
               WHERE name = 'monitoring' AND set_config('runledger.tenant', $1, true) IS NOT NULL
                 AND set_config('plan_cache_mode', $2, true) IS NOT NULL"#,
            tenant.as_str(),
            plans.as_str()
        )
        .fetch_optional(&mut *transaction)
        .await?
        .ok_or(Corrupt::new("projection.checkpoints", "name", "monitoring", "the row is missing"))?;
        let position = corrupt::non_negative("projection.checkpoints", "position", "monitoring", position)?;
        Ok(TenantRead { position: Position(position), plans, transaction })
    }
}

/// Reads as readers and the live reader do: in their roles, from the tables that they read. On a connection of the
/// program's own, so that it hears the database's own word, and readers that are many are not taken for readers that
/// can't read.
///
/// # Errors
/// The database's, such as for a role that is missing.
pub async fn look_as_readers(db: &mut PgConnection) -> Result<(), sqlx::Error> {
    for (begin, look) in [(BEGIN_AS_READERS, LOOK), (BEGIN_OF_ALL, LOOK_AT_ALL)] {
        let mut transaction = db.begin_with(begin).await?;
        transaction.execute(look).await?;
        transaction.rollback().await?;
    }
    Ok(())
}

impl TenantRead {
    /// The connection, for queries in this view.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Has what follows in this view planned for its values. A message back and forth, which a view that was begun so
    /// does without.
    ///
    /// # Errors
    /// The database's.
    pub async fn plan_for_values(&mut self) -> Result<(), sqlx::Error> {
        if self.plans != Plans::ForValues {
            self.conn().execute("SET LOCAL plan_cache_mode = force_custom_plan").await?;
            self.plans = Plans::ForValues;
        }
        Ok(())
    }
}

/// Lends views of all tenants' rows. Not for answers to anybody: there the tenant in a query is the only lock.
#[derive(Debug)]
pub(crate) struct AllTenants {
    pool: PgPool,
}

/// One snapshot of all tenants' rows, as far as live streams are fed from them. Ends when dropped.
#[derive(Debug)]
pub(crate) struct AllTenantsRead {
    transaction: Transaction<'static, Postgres>,
}

impl AllTenants {
    /// Reads on connections of the program's own, so that streams and answers don't wait for each other.
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Opens a view of all tenants' rows.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn begin(&self) -> Result<AllTenantsRead, ReadError> {
        Ok(AllTenantsRead { transaction: database::begin_with(&self.pool, BEGIN_OF_ALL).await? })
    }
}

impl AllTenantsRead {
    /// The connection, for queries in this view.
    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        &mut self.transaction
    }

    /// Ends the view.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn end(self) -> Result<(), ReadError> {
        Ok(self.transaction.commit().await?)
    }
}
