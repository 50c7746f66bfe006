//! Which ledger this is, and which of its epochs: what a position is a position of.
//!
//! A ledger that was restored to an earlier moment gives positions anew that it gave before, to other events.
//! So every answer with a position says the epoch too, and a caller that brings a position back, or the epoch
//! alone, is told when they are of another epoch: there is no other way to know that acknowledged events are gone.

use sqlx::{PgExecutor, PgPool};
use uuid::Uuid;

/// The largest position, and the largest epoch: what a `bigint` holds.
pub const LAST: u64 = i64::MAX as u64;

/// A ledger in one of its epochs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ledger {
    /// Which ledger.
    pub id: Uuid,
    /// The millisecond since 1970 at which its epoch began.
    pub epoch: u64,
}

impl Ledger {
    /// The ledger of a migrated database.
    ///
    /// # Errors
    /// The database's.
    pub async fn load(pool: &PgPool) -> Result<Self, sqlx::Error> {
        let row = sqlx::query!("SELECT ledger_id, epoch FROM ledger.identity").fetch_one(pool).await?;
        Ok(Self::new(row.ledger_id, row.epoch))
    }

    /// Begins a new epoch: what was acknowledged in those before may be gone. Gives the ledger as it is from then on.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin_epoch(db: impl PgExecutor<'_>) -> Result<Self, sqlx::Error> {
        let row = sqlx::query!(
            r#"UPDATE ledger.identity
               SET epoch = GREATEST(epoch + 1, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
               RETURNING ledger_id, epoch"#
        );
        let row = row.fetch_one(db).await?;
        Ok(Self::new(row.ledger_id, row.epoch))
    }

    /// That ledger in that epoch.
    #[must_use]
    pub fn new(id: Uuid, epoch: i64) -> Self {
        // The table takes no epoch below 1.
        Self { id, epoch: epoch.unsigned_abs() }
    }
}
