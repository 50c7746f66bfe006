//! When runs of a kind count as stalled, and whether the sweeper may presume them failed: the policies in
//! the database, as the command line keeps them.

use chrono::{DateTime, Utc};
use domain::{InvalidId, Kind, TenantId};
use serde::Serialize;
use sqlx::PgPool;

/// The kinds that a policy is for: one, or all that have no policy of their own (`*`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicyKind {
    /// This kind.
    One(Kind),
    /// Every kind of the tenant without a policy of its own.
    Others,
}

/// What is changed in a policy; what is left out stays, or is off in a new one.
#[derive(Debug, Clone, Copy, Default)]
pub struct PolicyChange {
    /// How long a run may wait in the queue, in seconds, at least 1.
    pub queued_limit_seconds: Option<i32>,
    /// Whether a run that stays stalled is presumed failed.
    pub fail_stale: Option<bool>,
}

/// A policy. That of a run's kind counts as a whole; nothing of `*` is mixed in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StalePolicy {
    /// Whose runs.
    pub tenant: String,
    /// Which kind, or `*`.
    pub kind: String,
    /// How long a run may wait in the queue, in seconds; for ever where it is none.
    pub queued_limit_seconds: Option<i32>,
    /// Whether a run that stays stalled is presumed failed.
    pub fail_stale: bool,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

/// Why policies could not be changed or read.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// There is no such tenant.
    #[error("there is no tenant {0}; create it first")]
    NoTenant(TenantId),
    /// The limit is no time at all.
    #[error("a limit of {0} s is none: it is at least 1 s")]
    NoLimit(i32),
    /// There is no such policy.
    #[error("tenant {tenant} has no policy for {kind}")]
    NoPolicy {
        /// Whose.
        tenant: TenantId,
        /// For which kind.
        kind: String,
    },
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl PolicyKind {
    const OTHERS: &str = "*";

    /// The kind's name, or `*`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::One(kind) => kind.as_str(),
            Self::Others => Self::OTHERS,
        }
    }
}

impl std::str::FromStr for PolicyKind {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text == Self::OTHERS { Ok(Self::Others) } else { text.parse().map(Self::One) }
    }
}

/// Makes or changes a policy, and says what it is then.
///
/// # Errors
/// [`PolicyError::NoTenant`], [`PolicyError::NoLimit`], or the database's.
pub async fn set_policy(
    pool: &PgPool,
    tenant: &TenantId,
    kind: &PolicyKind,
    change: PolicyChange,
) -> Result<StalePolicy, PolicyError> {
    if let Some(none) = change.queued_limit_seconds.filter(|seconds| *seconds < 1) {
        return Err(PolicyError::NoLimit(none));
    }
    let made = sqlx::query_as!(
        StalePolicy,
        "INSERT INTO policy.stale_policies AS old (tenant, kind, queued_limit_seconds, fail_stale)
         VALUES ($1, $2, $3, coalesce($4::boolean, false))
         ON CONFLICT (tenant, kind) DO UPDATE SET
             queued_limit_seconds = coalesce($3, old.queued_limit_seconds),
             fail_stale = coalesce($4::boolean, old.fail_stale), updated_at = now()
         RETURNING tenant, kind, queued_limit_seconds, fail_stale, updated_at",
        tenant.as_str(),
        kind.as_str(),
        change.queued_limit_seconds,
        change.fail_stale
    )
    .fetch_one(pool)
    .await;
    match made {
        Ok(policy) => Ok(policy),
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
            Err(PolicyError::NoTenant(tenant.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The policies of a tenant, or of all of them.
///
/// # Errors
/// The database's.
pub async fn list_policies(
    pool: &PgPool,
    tenant: Option<&TenantId>,
) -> Result<Vec<StalePolicy>, PolicyError> {
    let rows = sqlx::query_as!(
        StalePolicy,
        "SELECT tenant, kind, queued_limit_seconds, fail_stale, updated_at FROM policy.stale_policies
         WHERE $1::text IS NULL OR tenant = $1 ORDER BY tenant, kind",
        tenant.map(TenantId::as_str)
    );
    Ok(rows.fetch_all(pool).await?)
}

/// Removes a policy.
///
/// # Errors
/// [`PolicyError::NoPolicy`], or the database's.
pub async fn remove_policy(pool: &PgPool, tenant: &TenantId, kind: &PolicyKind) -> Result<(), PolicyError> {
    let done = sqlx::query!(
        "DELETE FROM policy.stale_policies WHERE tenant = $1 AND kind = $2",
        tenant.as_str(),
        kind.as_str()
    );
    match done.execute(pool).await?.rows_affected() {
        0 => Err(PolicyError::NoPolicy { tenant: tenant.clone(), kind: kind.as_str().to_owned() }),
        _ => Ok(()),
    }
}
