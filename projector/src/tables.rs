//! Where the read tables are.

use eventlog::Position;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use crate::error::{ProjectorError, unsigned};
use crate::lease::TERM;

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

/// The read tables: a schema of a database. Statements name tables only; the transaction says which
/// schema they are in, so that tables that are built beside the live ones are written by the same code.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pool: PgPool,
    schema: Schema,
}

impl Tables {
    /// These tables of that database.
    pub fn new(pool: PgPool, schema: Schema) -> Self {
        Self { pool, schema }
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
        self.begin_with("").await
    }

    /// As [`Tables::begin`], for a batch of the log: the commit does not wait for the disk. If the database
    /// crashes before it is there, rows and checkpoint are both as before, and the batch is projected again.
    pub async fn begin_batch(&self) -> Result<Transaction<'static, Postgres>, ProjectorError> {
        self.begin_with("SET LOCAL synchronous_commit = off").await
    }

    async fn begin_with(&self, more: &str) -> Result<Transaction<'static, Postgres>, ProjectorError> {
        let begin = format!(
            "BEGIN; SET LOCAL search_path = {}; SET LOCAL idle_in_transaction_session_timeout = {}; {more}",
            self.schema.name(),
            TERM.as_millis()
        );
        // Nothing in it is from outside.
        Ok(self.pool.begin_with(AssertSqlSafe(begin)).await?)
    }

    /// How far the projection has come.
    pub async fn checkpoint(&self) -> Result<Position, ProjectorError> {
        let row = sqlx::query_scalar!("SELECT position FROM checkpoints WHERE name = 'monitoring'");
        let position = row.fetch_optional(&mut *self.begin().await?).await?;
        Ok(Position(unsigned(position.ok_or(ProjectorError::NoCheckpoint)?)?))
    }

    /// How many events are held, and how many streams they belong to.
    pub async fn dead_letters(&self) -> Result<(u64, u64), ProjectorError> {
        let held = sqlx::query!(
            r#"SELECT count(*) AS "events!", count(DISTINCT stream) AS "streams!" FROM dead_letters"#
        );
        let held = held.fetch_one(&mut *self.begin().await?).await?;
        Ok((unsigned(held.events)?, unsigned(held.streams)?))
    }
}
