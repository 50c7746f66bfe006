//! Where the read tables are.

use std::time::Duration;

use eventlog::Position;
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, Executor, PgPool, Postgres, Transaction};

use crate::error::{ProjectorError, unsigned};

/// How long the lease on a set of tables lasts when it is not renewed, and so how long a transaction on them may
/// hang.
pub(crate) const LEASE_TERM: Duration = Duration::from_secs(5);

/// A set of read tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Schema {
    /// The tables that everybody reads.
    Live,
    /// Those that a rebuild makes, to take the place of the live ones.
    Next,
    /// Those that a check makes, to compare the live ones with.
    Check,
}

impl Schema {
    /// Its name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Live => "projection",
            Self::Next => "projection_next",
            Self::Check => "projection_check",
        }
    }
}

/// What the connection that writes batches is told once.
///
/// Commits do not wait for the disk: if the database crashes before one is there, rows and checkpoint are both
/// as before, and the batch is projected again. All rows are found by their keys: plans are kept, and one that
/// was made while a table was small would read all of it when it is not.
const FOR_BATCHES: &str = "SET synchronous_commit = off; SET plan_cache_mode = force_generic_plan;
    SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off";

/// How a batch begins.
const BEGIN_BATCH: &str = "BEGIN; SELECT FROM checkpoints WHERE name = 'monitoring' FOR UPDATE";

/// The read tables: a schema of a database. Statements name tables only; the transaction says which
/// schema they are in, so that tables that are built beside the live ones are written by the same code.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pool: PgPool,
    /// One connection, for batches alone: while few events come, what a batch costs is the number of its
    /// round trips, and this one needs to be told nothing first.
    batches: PgPool,
    schema: Schema,
}

impl Tables {
    /// These tables of that database.
    pub fn new(pool: PgPool, schema: Schema) -> Self {
        let settings = format!("{}; {FOR_BATCHES}", settings(schema, "SET"));
        let batches = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(pool.options().get_acquire_timeout())
            // A batch that finds the connection broken is tried again.
            .test_before_acquire(false)
            .after_connect(move |connection, _| {
                let settings = settings.clone();
                Box::pin(async move {
                    // Nothing in it is from outside.
                    connection.execute(AssertSqlSafe(settings)).await?;
                    Ok(())
                })
            })
            .connect_lazy_with((*pool.connect_options()).clone());
        Self { pool, batches, schema }
    }

    /// Which tables they are.
    pub fn schema(&self) -> Schema {
        self.schema
    }

    /// The database that they are in.
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// A transaction on these tables. One that hangs for longer than a lease is ended by the database:
    /// what it has locked must not outlive it.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, ProjectorError> {
        let begin = format!("BEGIN; {}", settings(self.schema, "SET LOCAL"));
        // Nothing in it is from outside.
        Ok(database::begin_with(&self.pool, AssertSqlSafe(begin)).await?)
    }

    /// As [`Tables::begin`], for a batch of the log. The transaction has the checkpoint's row, so that other
    /// writers wait.
    pub async fn begin_batch(&self) -> Result<Transaction<'static, Postgres>, ProjectorError> {
        Ok(database::begin_with(&self.batches, BEGIN_BATCH).await?)
    }

    /// How far the projection has come.
    pub async fn checkpoint(&self) -> Result<Position, ProjectorError> {
        let row = sqlx::query_scalar!("SELECT position FROM checkpoints WHERE name = 'monitoring'");
        let position = row.fetch_optional(&mut *self.begin().await?).await?;
        Ok(Position(unsigned(position.ok_or(ProjectorError::NoCheckpoint)?)?))
    }

    /// How many events are quarantined, and how many streams they belong to.
    pub async fn dead_letters(&self) -> Result<(u64, u64), ProjectorError> {
        let quarantined = sqlx::query!(
            r#"SELECT count(*) AS "events!", count(DISTINCT stream) AS "streams!" FROM dead_letters"#
        );
        let quarantined = quarantined.fetch_one(&mut *self.begin().await?).await?;
        Ok((unsigned(quarantined.events)?, unsigned(quarantined.streams)?))
    }
}

/// What every transaction on the tables is told, or the connection of all of them.
fn settings(schema: Schema, set: &str) -> String {
    let term = LEASE_TERM.as_millis();
    format!("{set} search_path = {}; {set} idle_in_transaction_session_timeout = {term}", schema.name())
}
