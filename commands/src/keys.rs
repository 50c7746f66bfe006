//! By what a ledger knows equal operations.

use domain::key::IdempotencySecret;
use sqlx::PgPool;

/// The ledger's secret for idempotency keys, and whether it was without one before.
#[derive(Debug, Clone)]
pub struct Keys {
    pub(super) secret: IdempotencySecret,
    /// What is active under a key of that time must not be started once more.
    pub(super) unkeyed_before: bool,
}

/// Why the secret can't be had.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The ledger has made keys with another secret.
    #[error(
        "the secret that was given is not the one by which this ledger knows equal operations. With another one, what \
         is active could be started once more. Give the ledger's own, or none: it is in the table ledger.idempotency"
    )]
    Another,
    /// The table has no secret, or no good one.
    #[error("the table ledger.idempotency has no secret of 32 bytes: put back the ledger's own")]
    Missing,
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Keys {
    /// Keys made with a secret, by a ledger that always had it.
    #[must_use]
    pub fn new(secret: IdempotencySecret) -> Self {
        Self { secret, unkeyed_before: false }
    }

    /// The same, of a ledger that was without a secret before.
    #[must_use]
    pub fn after_unkeyed(self) -> Self {
        Self { unkeyed_before: true, ..self }
    }

    /// What the ledger in that database makes keys with.
    ///
    /// # Errors
    /// [`KeysError::Missing`], or the database's.
    pub async fn load(pool: &PgPool) -> Result<Self, KeysError> {
        let row = sqlx::query!("SELECT secret, unkeyed_before FROM ledger.idempotency");
        let row = row.fetch_optional(pool).await?.ok_or(KeysError::Missing)?;
        let secret: [u8; 32] = row.secret.try_into().map_err(|_| KeysError::Missing)?;
        Ok(Self { secret: secret.into(), unkeyed_before: row.unkeyed_before })
    }

    /// Makes the ledger in that database use a secret that is kept elsewhere, so that it outlives the database. A
    /// database that knows nothing yet takes it over; `has_history` says that the log does. Any other must have
    /// it already.
    ///
    /// # Errors
    /// [`KeysError::Another`] when it has not, or the database's.
    pub async fn adopt(
        pool: &PgPool,
        secret: &IdempotencySecret,
        has_history: bool,
    ) -> Result<Self, KeysError> {
        let keys = Self::load(pool).await?;
        if keys.secret == *secret {
            return Ok(keys);
        }
        // In one statement: of two processes that begin with two secrets only one gets through.
        let taken = sqlx::query!(
            "UPDATE ledger.idempotency SET secret = $1, unkeyed_before = unkeyed_before OR $3
             WHERE secret = $2
               -- What was administered has no key, and may be there before the first run.
               AND NOT EXISTS (SELECT FROM projection.run_events)
               AND NOT EXISTS (SELECT FROM projection.dead_letters)
               AND NOT EXISTS (SELECT FROM log.events WHERE stream >= 'run' AND stream < 'ruo')",
            &secret.reveal()[..],
            &keys.secret.reveal()[..],
            has_history
        );
        taken.execute(pool).await?;
        let keys = Self::load(pool).await?;
        if keys.secret == *secret { Ok(keys) } else { Err(KeysError::Another) }
    }
}
