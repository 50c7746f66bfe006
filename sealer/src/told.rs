//! Which key seals, and that sealing began or ended, is history of every tenant's administration.

use access::AccessError;
use access::administration::record_for_all;
use domain::admin::{ActorKind, AdminActor, AdminBody, SealTold};
use redaction::CleanText;
use sqlx::{PgConnection, PgPool};

use crate::error::SealError;
use crate::key::KeyFile;
use crate::progress::Lease;

fn by_the_ledger() -> AdminActor {
    AdminActor { kind: ActorKind::System, name: CleanText::new("system"), token_id: None, request_id: None }
}

pub(crate) fn failed(error: AccessError) -> SealError {
    match error {
        AccessError::Database(error) => error.into(),
        other => SealError::Damaged(other.to_string()),
    }
}

/// Whoever makes a tenant is told by which key is sealed, and takes this lock with others (migration 0037): what is told
/// to all tenants is told to that one too, by one of the two.
async fn lock(db: &mut PgConnection) -> Result<(), SealError> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('runledger tells of sealing', 0))::text AS locked"
    )
    .fetch_one(db)
    .await?;
    Ok(())
}

/// Tells of the key that signs, where it is another than was told last, or the first. A tenant that is made later is told by
/// the database, when it is made.
pub(crate) async fn tell(pool: &PgPool, lease: Lease, keys: &KeyFile) -> Result<(), SealError> {
    let (mut tx, _) = lease.begin(pool).await?;
    let now = keys.newest_id();
    let before = sqlx::query_scalar!("SELECT key_id FROM seal.progress").fetch_one(&mut *tx).await?;
    if before.as_ref() == Some(&now) {
        return Ok(tx.rollback().await?);
    }
    lock(&mut tx).await?;
    sqlx::query!("UPDATE seal.progress SET key_id = $1", now).execute(&mut *tx).await?;
    let (key_id, old_key_id) = (CleanText::new(&now), before.as_deref().map(CleanText::new));
    let event = match old_key_id {
        None => AdminBody::SealingStarted(SealTold { key_id, old_key_id }),
        Some(_) => AdminBody::SealKeyChanged(SealTold { key_id, old_key_id }),
    };
    record_for_all(&mut *tx, &event, &by_the_ledger()).await.map_err(failed)?;
    Ok(tx.commit().await?)
}

/// Tells that nothing is sealed any more, where something was: for a process that has no key and finds nobody who seals.
///
/// # Errors
/// The database's.
pub async fn tell_stopped(pool: &PgPool) -> Result<(), SealError> {
    let mut tx = database::begin(pool).await?;
    let stopped = sqlx::query_scalar!(
        r#"WITH stopped AS (
               SELECT key_id FROM seal.progress
               WHERE key_id IS NOT NULL AND (lease_until IS NULL OR lease_until < clock_timestamp()) FOR UPDATE
           )
           UPDATE seal.progress SET key_id = NULL FROM stopped RETURNING stopped.key_id AS "key_id!""#
    );
    if let Some(key) = stopped.fetch_optional(&mut *tx).await? {
        // Behind the row's, as above: in one order.
        lock(&mut tx).await?;
        let event = AdminBody::SealingStopped(SealTold { key_id: CleanText::new(&key), old_key_id: None });
        record_for_all(&mut *tx, &event, &by_the_ledger()).await.map_err(failed)?;
    }
    Ok(tx.commit().await?)
}
