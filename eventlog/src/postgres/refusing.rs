//! Whether the database takes appends, once it had to refuse one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::PgPool;

use super::read::unavailable;
use crate::error::LogError;

/// Whether the last appends were refused because of the database. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct Refusing(Arc<AtomicBool>);

impl Refusing {
    pub fn set(&self, refusing: bool) {
        self.0.store(refusing, Ordering::Relaxed);
    }

    /// Tries an append and takes it back, if the last one was refused. Where no more appends come because
    /// nobody sends any to a log that is not ready, this is what finds out that it is ready again.
    pub async fn ask_again(&self, pool: &PgPool) -> Result<(), LogError> {
        if self.0.load(Ordering::Relaxed) {
            try_one(pool).await.map_err(unavailable)?;
            self.set(false);
        }
        Ok(())
    }
}

/// An event at a position and of a stream that there never are, of 64 KiB that can't be compressed: the free
/// room in the last pages of a full disk does not do.
async fn try_one(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin().await?;
    sqlx::query!(
        "INSERT INTO log.events (position, stream, revision, event_id, event_type, data, metadata)
         SELECT 9223372036854775807, ' trial', 0, gen_random_uuid(), 'Trial',
             string_agg(uuid_send(gen_random_uuid()), ''), ''
         FROM generate_series(1, 4096)"
    )
    .execute(&mut *transaction)
    .await?;
    transaction.rollback().await
}
