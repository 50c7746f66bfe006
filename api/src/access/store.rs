//! Tenants and tokens in the database, and the API's look-up of them.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{InvalidId, PrincipalId, TenantId};
use moka::future::Cache;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::caller::Caller;
use super::role::{Role, UnknownRole};
use super::token::{Secret, TokenHash};
use crate::problem::Problem;

/// Where revocations are announced; the payload is the token's id.
const CHANNEL: &str = "runledger_tokens";

/// How long a token that was looked up is taken for good when no word of a revocation comes through.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Why tenants or tokens could not be changed or read.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The tenant is there already.
    #[error("the tenant {0} exists already")]
    TenantExists(TenantId),
    /// There is no such tenant.
    #[error("there is no tenant {0}; create it first")]
    NoTenant(TenantId),
    /// There is no such token.
    #[error("there is no token with the id {0}")]
    NoToken(Uuid),
    /// The system gives no random bytes.
    #[error("no randomness for a token: {0}")]
    NoRandomness(String),
    /// A row that breaks our own rules.
    #[error("the table {table} holds what it should not: {what}")]
    Corrupt {
        /// Which table.
        table: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// A tenant.
#[derive(Debug, Clone)]
pub struct TenantRow {
    /// Its short name.
    pub tenant: String,
    /// The name people know.
    pub name: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

/// What is known of a token; never the token itself.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// By which it is revoked.
    pub token_id: Uuid,
    /// Whose data it opens.
    pub tenant: String,
    /// What it may do.
    pub role: String,
    /// Who holds it.
    pub principal: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
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
pub async fn create_tenant(pool: &PgPool, tenant: &TenantId, name: &str) -> Result<(), AccessError> {
    let done = sqlx::query!(
        "INSERT INTO access.tenants (tenant, name) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        tenant.as_str(),
        name
    )
    .execute(pool)
    .await?;
    if done.rows_affected() == 0 { Err(AccessError::TenantExists(tenant.clone())) } else { Ok(()) }
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

/// Makes a token. The database keeps its hash only.
///
/// # Errors
/// [`AccessError::NoTenant`], or the database's.
pub async fn create_token(
    pool: &PgPool,
    tenant: &TenantId,
    role: Role,
    principal: &PrincipalId,
) -> Result<NewToken, AccessError> {
    let token = Secret::generate().map_err(|error| AccessError::NoRandomness(error.to_string()))?;
    let token_id = Uuid::now_v7();
    let made = sqlx::query!(
        "INSERT INTO access.tokens (token_id, tenant, role, principal, hash) VALUES ($1, $2, $3, $4, $5)",
        token_id,
        tenant.as_str(),
        role.as_str(),
        principal.as_str(),
        &token.hash()[..]
    )
    .execute(pool)
    .await;
    match made {
        Ok(_) => Ok(NewToken { token_id, token }),
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
            Err(AccessError::NoTenant(tenant.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The tokens of a tenant, revoked ones too, oldest first.
///
/// # Errors
/// The database's.
pub async fn list_tokens(pool: &PgPool, tenant: &TenantId) -> Result<Vec<TokenRow>, AccessError> {
    let rows = sqlx::query_as!(
        TokenRow,
        "SELECT token_id, tenant, role, principal, created_at, revoked_at FROM access.tokens
         WHERE tenant = $1 ORDER BY created_at, token_id",
        tenant.as_str()
    );
    Ok(rows.fetch_all(pool).await?)
}

/// Revokes a token and tells every API process. Revoking it again changes nothing.
///
/// # Errors
/// [`AccessError::NoToken`], or the database's.
pub async fn revoke_token(pool: &PgPool, token_id: Uuid) -> Result<(), AccessError> {
    let mut transaction = pool.begin().await?;
    let done = sqlx::query!(
        "UPDATE access.tokens SET revoked_at = coalesce(revoked_at, now()) WHERE token_id = $1",
        token_id
    )
    .execute(&mut *transaction)
    .await?;
    if done.rows_affected() == 0 {
        return Err(AccessError::NoToken(token_id));
    }
    sqlx::query("SELECT pg_notify($1, $2)")
        .bind(CHANNEL)
        .bind(token_id.to_string())
        .execute(&mut *transaction)
        .await?;
    Ok(transaction.commit().await?)
}

/// The API's look-up of tokens, with a small cache in front. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tokens {
    pool: PgPool,
    known: Cache<TokenHash, Arc<Caller>>,
}

impl Tokens {
    /// Looks tokens up in that database, and forgets them as they are revoked, until `shutdown`. Must be
    /// called within a Tokio runtime. `pool` gives one connection away to listen on.
    #[must_use]
    pub fn start(pool: PgPool, shutdown: CancellationToken) -> Self {
        // Only tokens that are good are kept, so nobody can fill it with guesses.
        let known = Cache::builder().max_capacity(10_000).time_to_live(TRUSTED_FOR).build();
        let tokens = Self { pool, known };
        let watch = tokens.clone();
        tokio::spawn(async move { shutdown.run_until_cancelled(watch.watch()).await });
        tokens
    }

    /// Listens for revocations, for ever. While the database is away a token that is revoked is good for
    /// [`TRUSTED_FOR`] at most.
    async fn watch(&self) {
        loop {
            let error = match self.listen().await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            tracing::warn!(%error, "can't listen for revoked tokens; trying again");
            self.known.invalidate_all();
            tokio::time::sleep(TRUSTED_FOR).await;
        }
    }

    async fn listen(&self) -> Result<Infallible, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.ignore_pool_close_event(true);
        listener.listen(CHANNEL).await?;
        // Whatever was said before we listened.
        self.known.invalidate_all();
        loop {
            match listener.try_recv().await? {
                Some(notice) => self.forget(notice.payload()).await,
                // The connection was lost, and with it whatever was said meanwhile.
                None => self.known.invalidate_all(),
            }
        }
    }

    async fn forget(&self, token_id: &str) {
        let held = self.known.iter().find(|(_, caller)| caller.token_id.to_string() == token_id);
        if let Some((hash, _)) = held {
            self.known.invalidate(hash.as_ref()).await;
        }
    }

    /// Who holds the token of that hash; none when it is unknown or revoked. However many ask for the
    /// same token at once, the database is asked once.
    ///
    /// # Errors
    /// 503 when the database does not answer, 500 when it holds what it should not.
    pub(super) async fn find(&self, hash: TokenHash) -> Result<Option<Arc<Caller>>, Problem> {
        // A miss is an error to the cache, so that it keeps none.
        let found = self.known.try_get_with(hash, async {
            let looked_up = self.look_up(hash).await;
            looked_up.map_err(|error| Some(refusal(error)))?.map(Arc::new).ok_or(None)
        });
        match found.await {
            Ok(caller) => Ok(Some(caller)),
            Err(missed) => Arc::unwrap_or_clone(missed).map_or(Ok(None), Err),
        }
    }

    async fn look_up(&self, hash: TokenHash) -> Result<Option<Caller>, AccessError> {
        let row = sqlx::query!(
            "SELECT token_id, tenant, role, principal FROM access.tokens WHERE hash = $1 AND revoked_at IS NULL",
            &hash[..]
        )
        .fetch_optional(&self.pool)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let corrupt = |what: String| AccessError::Corrupt { table: "access.tokens", what };
        Ok(Some(Caller {
            tenant: row.tenant.parse().map_err(|error: InvalidId| corrupt(error.to_string()))?,
            role: row.role.parse().map_err(|error: UnknownRole| corrupt(error.to_string()))?,
            principal: row.principal.parse().map_err(|error: InvalidId| corrupt(error.to_string()))?,
            token_id: row.token_id,
        }))
    }

    /// Asks the database for nothing but an answer.
    ///
    /// # Errors
    /// The database's.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(drop)
    }
}

fn refusal(error: AccessError) -> Problem {
    match error {
        AccessError::Database(error) => error.into(),
        other => Problem::internal(&other),
    }
}
