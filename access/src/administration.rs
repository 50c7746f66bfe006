//! What is done to the administration becomes history: triggers of the database write it down in the transaction that
//! does it, and the relay takes it to the event log. Here the transaction is told who acts, and what changes no row is
//! written down.

use domain::TenantId;
use domain::admin::{AdminActor, AdminBody};
use sqlx::{PgConnection, PgExecutor};

use crate::error::AccessError;

/// The setting by which triggers know who acts.
const ACTOR: &str = "runledger.actor";

/// Says who does whatever is done on the connection until its transaction ends. Without it, it is the database's own
/// user.
///
/// # Errors
/// The database's.
pub async fn act_as(transaction: &mut PgConnection, actor: &AdminActor) -> Result<(), AccessError> {
    set(transaction, actor, true).await
}

/// Says who does whatever is done on the connection from now on: for a program that one person has called.
///
/// # Errors
/// The database's.
pub async fn always_act_as(connection: &mut PgConnection, actor: &AdminActor) -> Result<(), AccessError> {
    set(connection, actor, false).await
}

async fn set(connection: &mut PgConnection, actor: &AdminActor, local: bool) -> Result<(), AccessError> {
    let json = serde_json::to_string(actor).map_err(|error| sqlx::Error::Encode(error.into()))?;
    sqlx::query!("SELECT set_config($1, $2, $3)", ACTOR, json, local).fetch_one(connection).await?;
    Ok(())
}

/// Writes down what was done to a tenant's administration and changes no row that a trigger watches, such as an export.
/// In the transaction that does it, where there is one.
///
/// # Errors
/// [`AccessError::NoTenant`], or the database's.
pub async fn record(
    db: impl PgExecutor<'_>,
    tenant: &TenantId,
    event: &AdminBody,
    actor: &AdminActor,
) -> Result<(), AccessError> {
    record_of(db, Some(tenant), event, actor).await
}

/// The same of what is done to the ledger as a whole, such as another key for sealing: every tenant is told.
///
/// # Errors
/// The database's.
pub async fn record_for_all(
    db: impl PgExecutor<'_>,
    event: &AdminBody,
    actor: &AdminActor,
) -> Result<(), AccessError> {
    record_of(db, None, event, actor).await
}

async fn record_of(
    db: impl PgExecutor<'_>,
    tenant: Option<&TenantId>,
    event: &AdminBody,
    actor: &AdminActor,
) -> Result<(), AccessError> {
    let json = |json: serde_json::Result<_>| json.map_err(|error| sqlx::Error::Encode(error.into()));
    let (told, by) = (json(serde_json::to_value(event))?, json(serde_json::to_value(actor))?);
    let written = sqlx::query!(
        "SELECT administration.record_change(tenant, $2, $3, $4)::text FROM access.tenants
         WHERE $1::text IS NULL OR tenant = $1 ORDER BY tenant",
        tenant.map(TenantId::as_str),
        event.type_name(),
        told,
        by
    )
    .fetch_all(db)
    .await
    .map(|told| told.len());
    match (written?, tenant) {
        (0, Some(tenant)) => Err(AccessError::NoTenant(tenant.clone())),
        _ => Ok(()),
    }
}
