//! The outbox's table: the same columns and statements in Postgres and in SQLite.
//!
//! The queries are no macros, since the table is not in this ledger's database but in the caller's.

use std::future::Future;

/// The table, the same as the other clients' ones. A start that was sent stays for a while: events that come later find
/// the run's id there.
#[cfg(feature = "postgres")]
pub const POSTGRES_SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS runledger_outbox (
    seq BIGSERIAL PRIMARY KEY, ref TEXT NOT NULL, body TEXT NOT NULL, run_id TEXT, sent_at DOUBLE PRECISION);
CREATE INDEX IF NOT EXISTS runledger_outbox_unsent ON runledger_outbox (seq) WHERE sent_at IS NULL;
CREATE INDEX IF NOT EXISTS runledger_outbox_ref ON runledger_outbox (ref);
";

/// The same for SQLite.
#[cfg(feature = "sqlite")]
pub const SQLITE_SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS runledger_outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, ref TEXT NOT NULL, body TEXT NOT NULL, run_id TEXT, sent_at REAL);
CREATE INDEX IF NOT EXISTS runledger_outbox_unsent ON runledger_outbox (seq) WHERE sent_at IS NULL;
CREATE INDEX IF NOT EXISTS runledger_outbox_ref ON runledger_outbox (ref);
";

/// A row that is not sent: its number, the reference of its run, and its body.
pub type Row = (i64, String, String);

/// A connection to a database that may have the outbox's table: `sqlx`'s `PgConnection` and `SqliteConnection`. Its methods
/// are the outbox's own.
#[expect(private_bounds, reason = "nobody else's connection is one")]
pub trait Table: Sealed + Send {
    /// Writes a row.
    fn insert(&mut self, reference: &str, body: &str) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// The oldest rows that are not sent.
    fn unsent(&mut self, most: i64) -> impl Future<Output = sqlx::Result<Vec<Row>>> + Send;

    /// The run of a start that was sent.
    fn run_of(&mut self, reference: &str) -> impl Future<Output = sqlx::Result<Option<String>>> + Send;

    /// A start was sent, `at` seconds of the epoch, and is this run.
    fn sent(&mut self, seq: i64, run: &str, at: f64) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Removes rows; `seqs` is a JSON array of their numbers.
    fn remove(&mut self, seqs: &str) -> impl Future<Output = sqlx::Result<()>> + Send;

    /// Removes starts that were sent before that, in seconds of the epoch.
    fn forget(&mut self, before: f64) -> impl Future<Output = sqlx::Result<()>> + Send;
}

trait Sealed {}

/// `$numbers`: how the database reads the numbers in a JSON array.
macro_rules! table {
    ($connection:ty, $numbers:literal) => {
        impl Sealed for $connection {}

        impl Table for $connection {
            async fn insert(&mut self, reference: &str, body: &str) -> sqlx::Result<()> {
                let query = sqlx::query("INSERT INTO runledger_outbox (ref, body) VALUES ($1, $2)");
                query.bind(reference).bind(body).execute(self).await.map(drop)
            }

            async fn unsent(&mut self, most: i64) -> sqlx::Result<Vec<Row>> {
                let query =
                    "SELECT seq, ref, body FROM runledger_outbox WHERE sent_at IS NULL ORDER BY seq LIMIT $1";
                sqlx::query_as(query).bind(most).fetch_all(self).await
            }

            async fn run_of(&mut self, reference: &str) -> sqlx::Result<Option<String>> {
                let query = "SELECT run_id FROM runledger_outbox WHERE ref = $1 AND run_id IS NOT NULL";
                sqlx::query_scalar(query).bind(reference).fetch_optional(self).await
            }

            async fn sent(&mut self, seq: i64, run: &str, at: f64) -> sqlx::Result<()> {
                let query =
                    sqlx::query("UPDATE runledger_outbox SET run_id = $1, sent_at = $2 WHERE seq = $3");
                query.bind(run).bind(at).bind(seq).execute(self).await.map(drop)
            }

            async fn remove(&mut self, seqs: &str) -> sqlx::Result<()> {
                let query = concat!("DELETE FROM runledger_outbox WHERE seq IN (", $numbers, ")");
                sqlx::query(query).bind(seqs).execute(self).await.map(drop)
            }

            async fn forget(&mut self, before: f64) -> sqlx::Result<()> {
                let query = sqlx::query("DELETE FROM runledger_outbox WHERE sent_at < $1");
                query.bind(before).execute(self).await.map(drop)
            }
        }
    };
}

#[cfg(feature = "postgres")]
table!(sqlx::PgConnection, "SELECT value::bigint FROM json_array_elements_text($1::json)");
#[cfg(feature = "sqlite")]
table!(sqlx::SqliteConnection, "SELECT value FROM json_each($1)");
