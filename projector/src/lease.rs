//! One active projector at a time.
//!
//! The lease stands in the checkpoint's row, with a fencing token that grows with every holder. A batch
//! locks that row anyway, and moves the checkpoint only where the token is its own: a projector that was paused
//! for longer than its lease finds another token and writes nothing. An advisory lock could not promise that:
//! it belongs to a session, which a pooler shares and a failover drops, and nothing ties it to what is
//! written. All times are the database's own.

use std::time::Duration;

use eventlog::Position;

use crate::error::{ProjectorError, unsigned};
use crate::tables::{LEASE_TERM, Tables};

/// How often an idle holder renews it, and how often the others ask for it.
pub(crate) const BEAT: Duration = Duration::from_secs(1);

/// The right to project, until somebody else has it.
#[derive(Debug)]
pub(crate) struct Lease {
    fence: i64,
}

impl Lease {
    /// Takes the lease if nobody holds it.
    pub async fn take(tables: &Tables) -> Result<Option<Self>, ProjectorError> {
        let mut tx = tables.begin().await?;
        let fence = sqlx::query_scalar!(
            "UPDATE checkpoints SET fence = fence + 1, lease_until = clock_timestamp() + make_interval(secs => $1)
             WHERE name = 'monitoring' AND (lease_until IS NULL OR lease_until < clock_timestamp())
             RETURNING fence",
            LEASE_TERM.as_secs_f64()
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(fence.map(|fence| Self { fence }))
    }

    /// The fencing token.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// Makes it last from now on again. A batch does so by itself; this is for times without any. Gives where the
    /// checkpoint is.
    pub async fn beat(&self, tables: &Tables) -> Result<Position, ProjectorError> {
        let mut tx = tables.begin().await?;
        let reached = sqlx::query_scalar!(
            "UPDATE checkpoints SET lease_until = clock_timestamp() + make_interval(secs => $2)
             WHERE name = 'monitoring' AND fence = $1 RETURNING position",
            self.fence,
            LEASE_TERM.as_secs_f64()
        )
        .fetch_optional(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Position(unsigned(reached.ok_or(ProjectorError::Fenced)?)?))
    }

    /// Gives it back, so that the next one need not wait. If somebody else has it, that is fine too.
    pub async fn give_back(self, tables: &Tables) -> Result<(), ProjectorError> {
        let mut tx = tables.begin().await?;
        sqlx::query!(
            "UPDATE checkpoints SET lease_until = NULL WHERE name = 'monitoring' AND fence = $1",
            self.fence
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }
}
