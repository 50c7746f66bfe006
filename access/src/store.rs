//! Tenants and tokens in the database, as the command line keeps them.

use chrono::{DateTime, Utc};
use domain::{PrincipalId, TenantId, invisible};
use redaction::{CleanText, recognized_secret};
use serde::Serialize;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::error::AccessError;
use crate::role::Role;
use crate::token::Secret;

/// Where it is announced that a token was revoked, or a session of it closed; the payload is the token's id.
pub(crate) const REVOKED: &str = "runledger_tokens";

/// A tenant.
#[derive(Debug, Clone, Serialize)]
pub struct TenantRow {
    /// Its short name.
    pub tenant: String,
    /// The name people know.
    pub name: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// What is known of a token; never the token itself.
#[derive(Debug, Clone, Serialize)]
pub struct TokenRow {
    /// By which it is revoked.
    pub token_id: Uuid,
    /// Whose data it opens.
    pub tenant: String,
    /// What it may do.
    pub role: String,
    /// The principal that holds it.
    pub principal: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
    /// When it ends by itself, if it does.
    pub expires_at: Option<DateTime<Utc>>,
}

/// For whom a token is made.
#[derive(Debug, Clone, Copy)]
pub struct NewTokenFor<'a> {
    /// Whose data it opens.
    pub tenant: &'a TenantId,
    /// What it may do.
    pub role: Role,
    /// The principal that holds it.
    pub principal: &'a PrincipalId,
    /// When it ends by itself; never where it is none.
    pub expires_at: Option<DateTime<Utc>>,
}

/// A token just made: the only moment at which it is there in the clear.
#[derive(Debug, Clone)]
pub struct NewToken {
    /// By which it is revoked.
    pub token_id: Uuid,
    /// The token.
    pub token: Secret,
}

/// Creates a tenant.
///
/// # Errors
/// [`AccessError::TenantExists`], or the database's.
pub async fn create_tenant(pool: &PgPool, tenant: &TenantId, name: &str) -> Result<TenantRow, AccessError> {
    let made = sqlx::query_as!(
        TenantRow,
        "INSERT INTO access.tenants (tenant, name) VALUES ($1, $2) ON CONFLICT DO NOTHING
         RETURNING tenant, name, created_at",
        tenant.as_str(),
        name
    );
    made.fetch_optional(pool).await?.ok_or_else(|| AccessError::TenantExists(tenant.clone()))
}

/// Every tenant by name.
///
/// # Errors
/// The database's.
pub async fn list_tenants(pool: &PgPool) -> Result<Vec<TenantRow>, AccessError> {
    let rows =
        sqlx::query_as!(TenantRow, "SELECT tenant, name, created_at FROM access.tenants ORDER BY tenant");
    Ok(rows.fetch_all(pool).await?)
}

/// Makes a token without end. The database keeps its hash only.
///
/// # Errors
/// [`AccessError::NoTenant`], [`AccessError::Principal`] or the database's.
pub async fn create_token(
    pool: &PgPool,
    tenant: &TenantId,
    role: Role,
    principal: &PrincipalId,
) -> Result<NewToken, AccessError> {
    create_expiring_token(pool, NewTokenFor { tenant, role, principal, expires_at: None }).await
}

/// Makes a token, which may end by itself. The database keeps its hash only.
///
/// # Errors
/// [`AccessError::NoTenant`], [`AccessError::Principal`] or the database's.
pub async fn create_expiring_token(pool: &PgPool, holder: NewTokenFor<'_>) -> Result<NewToken, AccessError> {
    let new = new_token(holder)?;
    let made = sqlx::query!(
        "INSERT INTO access.tokens (token_id, tenant, role, principal, hash, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
        new.token_id,
        holder.tenant.as_str(),
        holder.role.as_str(),
        holder.principal.as_str(),
        &new.token.hash()[..],
        holder.expires_at
    )
    .execute(pool)
    .await;
    made.map(|_| new).map_err(|error| not_made(error, holder))
}

/// A token for that holder, which the database does not know yet.
///
/// # Errors
/// [`AccessError::Principal`], or no randomness.
pub(crate) fn new_token(holder: NewTokenFor<'_>) -> Result<NewToken, AccessError> {
    check_principal(holder.principal)?;
    let token = Secret::generate().map_err(|error| AccessError::NoRandomness(error.to_string()))?;
    Ok(NewToken { token_id: Uuid::now_v7(), token })
}

/// Why the database did not take a token.
pub(crate) fn not_made(error: sqlx::Error, holder: NewTokenFor<'_>) -> AccessError {
    match error {
        sqlx::Error::Database(error) if error.is_foreign_key_violation() => {
            AccessError::NoTenant(holder.tenant.clone())
        }
        error => error.into(),
    }
}

/// The holder of a token must be told apart from the ledger itself, and from other principals with a name that looks
/// alike.
pub(crate) fn check_principal(principal: &PrincipalId) -> Result<(), AccessError> {
    let refused = |why: String| AccessError::Principal { principal: principal.to_string(), why };
    if principal.looks_like_system() {
        return Err(refused(format!("{} is what the ledger itself is called", PrincipalId::SYSTEM)));
    }
    if let Some(kind) = recognized_secret(principal.as_str()) {
        // It is told to everybody who reads the events; not even this may.
        let why =
            format!("it looks like a secret ({kind}), and whoever reads the events sees it: use a name");
        return Err(AccessError::Principal {
            principal: CleanText::new(principal.as_str()).into_string(),
            why,
        });
    }
    match invisible(principal.as_str()) {
        Some(unseen) => Err(refused(unseen.to_string())),
        None => Ok(()),
    }
}

/// The tokens of a tenant, revoked ones too, oldest first.
///
/// # Errors
/// [`AccessError::NoTenant`], or the database's.
pub async fn list_tokens(pool: &PgPool, tenant: &TenantId) -> Result<Vec<TokenRow>, AccessError> {
    let rows = sqlx::query_as!(
        TokenRow,
        "SELECT token_id, tenant, role, principal, created_at, revoked_at, expires_at FROM access.tokens
         WHERE tenant = $1 ORDER BY created_at, token_id",
        tenant.as_str()
    );
    let rows = rows.fetch_all(pool).await?;
    if rows.is_empty() && !tenant_exists(pool, tenant).await? {
        return Err(AccessError::NoTenant(tenant.clone()));
    }
    Ok(rows)
}

/// Whether there is such a tenant.
pub(crate) async fn tenant_exists(pool: &PgPool, tenant: &TenantId) -> Result<bool, AccessError> {
    Ok(list_tenants(pool).await?.iter().any(|known| known.tenant == tenant.as_str()))
}

/// Revokes a token and tells every API process. Revoking it again changes nothing.
///
/// # Errors
/// [`AccessError::NoToken`], or the database's.
pub async fn revoke_token(pool: &PgPool, token_id: Uuid) -> Result<(), AccessError> {
    let mut transaction = database::begin(pool).await?;
    let done = sqlx::query!(
        "UPDATE access.tokens SET revoked_at = coalesce(revoked_at, now()) WHERE token_id = $1",
        token_id
    )
    .execute(&mut *transaction)
    .await?;
    if done.rows_affected() == 0 {
        return Err(AccessError::NoToken(token_id));
    }
    announce(&mut transaction, token_id).await?;
    Ok(transaction.commit().await?)
}

/// Tells every API process, when the transaction commits, that whatever it knows of the token is to be
/// looked up anew.
pub(crate) async fn announce(conn: &mut PgConnection, token_id: Uuid) -> Result<(), sqlx::Error> {
    let announcement = sqlx::query("SELECT pg_notify($1, $2)").bind(REVOKED).bind(token_id.to_string());
    announcement.execute(conn).await.map(drop)
}

/// Revokes every token and every inlet of a tenant, and says how many tokens there were. Its runs and their history stay.
///
/// # Errors
/// [`AccessError::NoTenant`], or the database's.
pub async fn revoke_tenant(pool: &PgPool, tenant: &TenantId) -> Result<u64, AccessError> {
    let mut transaction = database::begin(pool).await?;
    let found = sqlx::query_scalar!("SELECT 1 FROM access.tenants WHERE tenant = $1", tenant.as_str());
    if found.fetch_optional(&mut *transaction).await?.is_none() {
        return Err(AccessError::NoTenant(tenant.clone()));
    }
    let revoked = sqlx::query_scalar!(
        "WITH revoked AS (
             UPDATE access.tokens SET revoked_at = now() WHERE tenant = $1 AND revoked_at IS NULL
             RETURNING token_id
         )
         SELECT count(pg_notify($2, token_id::text)::text) AS \"revoked!\" FROM revoked",
        tenant.as_str(),
        REVOKED
    )
    .fetch_one(&mut *transaction)
    .await?;
    sqlx::query!(
        "WITH revoked AS (
             UPDATE inlet.inlets SET revoked_at = now() WHERE tenant = $1 AND revoked_at IS NULL
             RETURNING inlet_id
         )
         SELECT count(pg_notify($2, inlet_id::text)::text) FROM revoked",
        tenant.as_str(),
        REVOKED
    )
    .fetch_one(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(revoked.unsigned_abs())
}
