//! One active sealer at a time, by a lease with a fencing token, as the projector has one (decision 8). Whatever
//! changes the tables begins with the row of the lease: it locks it, renews it, and finds out whether it still holds.

use std::time::Duration;

use eventlog::Position;
use sqlx::{PgPool, Postgres, Transaction};

use crate::error::{SealError, signed, unsigned};

/// How long the lease lasts without a transaction that renews it.
const TERM: Duration = Duration::from_secs(10);

/// The right to seal, until somebody else has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lease {
    fence: i64,
}

impl Lease {
    /// Takes the lease if nobody holds it.
    pub async fn take(pool: &PgPool) -> Result<Option<Self>, SealError> {
        let fence = sqlx::query_scalar!(
            "UPDATE seal.progress SET fence = fence + 1, lease_until = clock_timestamp() + make_interval(secs => $1)
             WHERE lease_until IS NULL OR lease_until < clock_timestamp() RETURNING fence",
            TERM.as_secs_f64()
        );
        Ok(fence.fetch_optional(pool).await?.map(|fence| Self { fence }))
    }

    /// Takes the lease from whoever holds it: for a command that does what a sealer waits for.
    pub async fn take_over(pool: &PgPool) -> Result<Self, SealError> {
        let fence = sqlx::query_scalar!(
            "UPDATE seal.progress SET fence = fence + 1, lease_until = clock_timestamp() + make_interval(secs => $1)
             RETURNING fence",
            TERM.as_secs_f64()
        );
        Ok(Self { fence: fence.fetch_one(pool).await? })
    }

    /// Begins a transaction that changes the tables, and gives the position up to which the log is sealed.
    ///
    /// It is durable when its commit returns, whatever the database's default is: what is signed must not be lost.
    pub async fn begin(self, pool: &PgPool) -> Result<(Transaction<'static, Postgres>, Position), SealError> {
        self.begin_with(pool, "BEGIN; SET LOCAL synchronous_commit = on").await
    }

    /// As [`begin`](Self::begin), but its commit does not wait for the disk, which appends wait for: whatever is
    /// committed after it, as a checkpoint before it is signed, is durable only together with it, and what a failing
    /// database forgets is sealed again from the log.
    pub async fn begin_unflushed(
        self,
        pool: &PgPool,
    ) -> Result<(Transaction<'static, Postgres>, Position), SealError> {
        self.begin_with(pool, "BEGIN; SET LOCAL synchronous_commit = off").await
    }

    async fn begin_with(
        self,
        pool: &PgPool,
        begin: &'static str,
    ) -> Result<(Transaction<'static, Postgres>, Position), SealError> {
        let mut tx = database::begin_with(pool, begin).await?;
        let position = sqlx::query_scalar!(
            "UPDATE seal.progress SET lease_until = clock_timestamp() + make_interval(secs => $2)
             WHERE fence = $1 RETURNING position",
            self.fence,
            TERM.as_secs_f64()
        );
        let position = position.fetch_optional(&mut *tx).await?.ok_or(SealError::Fenced)?;
        Ok((tx, Position(unsigned(position)?)))
    }

    /// Makes it last from now on again, for times without any transaction; says up to where the log is sealed.
    pub async fn beat(self, pool: &PgPool) -> Result<Position, SealError> {
        let (tx, position) = self.begin(pool).await?;
        tx.commit().await?;
        Ok(position)
    }

    /// Gives it back, so that the next one need not wait.
    pub async fn give_back(self, pool: &PgPool) -> Result<(), SealError> {
        sqlx::query!("UPDATE seal.progress SET lease_until = NULL WHERE fence = $1", self.fence)
            .execute(pool)
            .await?;
        Ok(())
    }
}

/// Says up to where the log is sealed, in a transaction of [`Lease::begin`].
pub(crate) async fn reach(
    tx: &mut Transaction<'static, Postgres>,
    position: Position,
) -> Result<(), SealError> {
    sqlx::query!("UPDATE seal.progress SET position = $1", signed(position.0)?).execute(&mut **tx).await?;
    Ok(())
}
