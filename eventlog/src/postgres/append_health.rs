//! Whether the database takes appends, after it has refused one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::PgPool;

use crate::error::LogError;

/// Whether the last appends were refused because of the database. Cheap to clone; clones are the same.
#[derive(Debug, Clone, Default)]
pub(super) struct AppendHealth(Arc<AtomicBool>);

impl AppendHealth {
    pub fn set_refusing(&self, refusing: bool) {
        self.0.store(refusing, Ordering::Relaxed);
    }

    /// Tries an append and rolls it back, if the last one was refused. While the log is not ready no client sends
    /// appends, so this check is what finds out that the database takes them again.
    ///
    /// # Errors
    /// The database's, where it still refuses.
    pub async fn recheck(&self, pool: &PgPool) -> Result<(), LogError> {
        if self.0.load(Ordering::Relaxed) {
            try_one(pool).await?;
            self.set_refusing(false);
        }
        Ok(())
    }
}

/// An event at a position and of a stream that there never are, of 64 KiB that can't be compressed: the free
/// room in the last pages of a full disk does not do.
async fn try_one(pool: &PgPool) -> Result<(), sqlx::Error> {
    let mut transaction = database::begin(pool).await?;
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
