//! Where the read tables are.

use eventlog::Position;
use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use crate::error::{ProjectorError, unsigned};
use crate::lease::TERM;

/// The read tables: a schema of a database. Statements name tables only; the transaction says which
/// schema they are in, so that tables that are built beside the live ones are written by the same code.
#[derive(Debug, Clone)]
pub(crate) struct Tables {
    pool: PgPool,
    schema: &'static str,
}

impl Tables {
    /// The tables that everybody reads.
    pub fn live(pool: PgPool) -> Self {
        Self { pool, schema: "projection" }
    }

    /// A transaction on these tables. One that hangs for longer than a lease is ended by the database:
    /// what it has locked must not outlive it.
    pub async fn begin(&self) -> Result<Transaction<'static, Postgres>, ProjectorError> {
        let begin = format!(
            "BEGIN; SET LOCAL search_path = {}; SET LOCAL idle_in_transaction_session_timeout = {}",
            self.schema,
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

    /// How many events are held.
    pub async fn dead_letters(&self) -> Result<u64, ProjectorError> {
        let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM dead_letters"#);
        unsigned(rows.fetch_one(&mut *self.begin().await?).await?)
    }
}
