//! Inlets: addresses with a key each, by which emitters that know nothing of this ledger report runs of one tenant and
//! one kind. A key appends and does nothing else; it is made, kept and revoked as a token is.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::admin::AdminActor;
use domain::{HeartbeatSeconds, InvalidId, Kind, PrincipalId, TenantId};
use serde::Serialize;
use sqlx::PgPool;
use uuid::Uuid;

use crate::administration::act_as;
use crate::error::{AccessError, Denied, LookupError};
use crate::lookup::Tokens;
use crate::store::{announce, check_principal, tenant_exists};
use crate::token::{Secret, TokenHash};

/// In which form reports come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "docs/inlets.md explains each")]
pub enum InletType {
    Pings,
    OpenLineage,
    CloudEvents,
}

/// The name is no type's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no type of inlet; the types are pings, openlineage and cloudevents")]
pub struct UnknownInletType(String);

impl InletType {
    /// Every type.
    pub const ALL: [Self; 3] = [Self::Pings, Self::OpenLineage, Self::CloudEvents];

    /// The name used on the command line, in answers and in the tables.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pings => "pings",
            Self::OpenLineage => "openlineage",
            Self::CloudEvents => "cloudevents",
        }
    }
}

impl std::str::FromStr for InletType {
    type Err = UnknownInletType;

    fn from_str(name: &str) -> Result<Self, UnknownInletType> {
        let found = Self::ALL.into_iter().find(|inlet_type| inlet_type.as_str() == name);
        found.ok_or_else(|| UnknownInletType(name.to_owned()))
    }
}

/// An inlet whose key was shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inlet {
    /// By which it is known, and which of the ledger's events came through it: it stands where a token's id would.
    pub inlet_id: Uuid,
    /// Whose runs come in.
    pub tenant: TenantId,
    /// In which form.
    pub inlet_type: InletType,
    /// Of which kind they are.
    pub kind: Kind,
    /// The actor of their events.
    pub principal: PrincipalId,
    /// What a run promises whose worker promises nothing.
    pub heartbeat_seconds: Option<HeartbeatSeconds>,
}

/// What is known of an inlet; never its key.
#[derive(Debug, Clone, Serialize)]
pub struct InletRow {
    /// By which it is revoked.
    pub inlet_id: Uuid,
    /// Whose runs come in.
    pub tenant: String,
    /// In which form.
    pub inlet_type: String,
    /// Of which kind they are.
    pub kind: String,
    /// The actor of their events.
    pub principal: String,
    /// How many seconds a run may be silent before it is shown as stalled; for ever without.
    pub heartbeat_seconds: Option<i32>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was revoked, if it was.
    pub revoked_at: Option<DateTime<Utc>>,
}

/// For what an inlet is made.
#[derive(Debug, Clone, Copy)]
pub struct NewInletFor<'a> {
    /// Whose runs come in.
    pub tenant: &'a TenantId,
    /// In which form.
    pub inlet_type: InletType,
    /// Of which kind they are.
    pub kind: &'a Kind,
    /// The actor of their events.
    pub principal: &'a PrincipalId,
    /// What a run promises whose worker promises nothing.
    pub heartbeat_seconds: Option<HeartbeatSeconds>,
}

/// An inlet just made: the only moment at which its key is there in the clear.
#[derive(Debug, Clone)]
pub struct NewInlet {
    /// By which it is revoked.
    pub inlet_id: Uuid,
    /// Its key, of the form of a token.
    pub key: Secret,
}

impl Inlet {
    /// The inlet of a row.
    ///
    /// # Errors
    /// [`AccessError::Corrupt`].
    pub fn of(row: &InletRow) -> Result<Self, AccessError> {
        let corrupt = |what: String| AccessError::Corrupt { table: "inlet.inlets", what };
        let invalid = |error: InvalidId| corrupt(error.to_string());
        let seconds = row.heartbeat_seconds.and_then(|seconds| u64::try_from(seconds).ok());
        Ok(Self {
            inlet_id: row.inlet_id,
            tenant: row.tenant.parse().map_err(invalid)?,
            inlet_type: row
                .inlet_type
                .parse()
                .map_err(|error: UnknownInletType| corrupt(error.to_string()))?,
            kind: row.kind.parse().map_err(invalid)?,
            principal: row.principal.parse().map_err(invalid)?,
            heartbeat_seconds: seconds.map(HeartbeatSeconds::try_from).transpose().map_err(invalid)?,
        })
    }
}

impl Tokens {
    /// The inlet whose key has that hash. However many ask for the same at once, the database is asked once, and what
    /// it says is believed for a moment.
    ///
    /// # Errors
    /// [`LookupError::Denied`] that says why when the key is not good, or the database's.
    pub async fn inlet(&self, hash: TokenHash) -> Result<Arc<Inlet>, LookupError> {
        let found =
            self.inlets().try_get_with(hash, async { Ok(Arc::new(look_up(self.pool(), hash).await??)) });
        let found = found.await.map_err(Arc::unwrap_or_clone);
        match &found {
            Ok(_) => self.remember(hash, true).await,
            Err(LookupError::Denied(_)) => self.remember(hash, false).await,
            Err(LookupError::Failed(_)) => {}
        }
        found
    }

    /// The newest inlets of a tenant, revoked ones too, from the one after `before` on, which is told by when it was
    /// created and by its id.
    ///
    /// # Errors
    /// The database's.
    pub async fn newest_inlets(
        &self,
        tenant: &TenantId,
        before: Option<(DateTime<Utc>, Uuid)>,
        limit: i64,
    ) -> Result<Vec<InletRow>, sqlx::Error> {
        let (created_at, inlet_id) = before.unzip();
        let rows = sqlx::query_as!(
            InletRow,
            "SELECT inlet_id, tenant, inlet_type, kind, principal, heartbeat_seconds, created_at, revoked_at
             FROM inlet.inlets
             WHERE tenant = $1 AND ($2::timestamptz IS NULL OR (created_at, inlet_id) < ($2, $3))
             ORDER BY created_at DESC, inlet_id DESC LIMIT $4",
            tenant.as_str(),
            created_at,
            inlet_id,
            limit
        );
        rows.fetch_all(self.pool()).await
    }

    /// Makes an inlet. The database keeps the hash of its key only.
    ///
    /// # Errors
    /// [`AccessError::NoTenant`], [`AccessError::Principal`] or the database's.
    pub async fn create_inlet(
        &self,
        actor: &AdminActor,
        wanted: NewInletFor<'_>,
    ) -> Result<NewInlet, AccessError> {
        let mut transaction = database::begin(self.pool()).await?;
        act_as(&mut transaction, actor).await?;
        let made = make(&mut *transaction, wanted).await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// Revokes an inlet of a tenant and tells every API process. Revoking it again changes nothing. Gives the inlet as
    /// it is then.
    ///
    /// # Errors
    /// [`AccessError::NoInlet`] where the tenant has no such inlet, or the database's.
    pub async fn revoke_inlet(
        &self,
        actor: &AdminActor,
        tenant: &TenantId,
        inlet_id: Uuid,
    ) -> Result<InletRow, AccessError> {
        let mut transaction = database::begin(self.pool()).await?;
        act_as(&mut transaction, actor).await?;
        let revoked = sqlx::query_as!(
            InletRow,
            r#"SELECT inlet_id AS "inlet_id!", tenant AS "tenant!", inlet_type AS "inlet_type!", kind AS "kind!",
                      principal AS "principal!", heartbeat_seconds, created_at AS "created_at!", revoked_at
               FROM administration.revoke_inlet($1, $2)"#,
            tenant.as_str(),
            inlet_id
        );
        let revoked = revoked.fetch_optional(&mut *transaction).await?;
        let revoked = revoked.ok_or(AccessError::NoInlet(inlet_id))?;
        announce(&mut transaction, inlet_id).await?;
        transaction.commit().await?;
        // Here at once, even while no word comes through.
        self.forget(inlet_id).await;
        Ok(revoked)
    }
}

/// Makes an inlet. The database keeps the hash of its key only.
///
/// # Errors
/// [`AccessError::NoTenant`], [`AccessError::Principal`] or the database's.
pub async fn create_inlet(pool: &PgPool, wanted: NewInletFor<'_>) -> Result<NewInlet, AccessError> {
    make(pool, wanted).await
}

async fn make(db: impl sqlx::PgExecutor<'_>, wanted: NewInletFor<'_>) -> Result<NewInlet, AccessError> {
    check_principal(wanted.principal)?;
    let key = Secret::generate().map_err(|error| AccessError::NoRandomness(error.to_string()))?;
    let new = NewInlet { inlet_id: Uuid::now_v7(), key };
    let made = sqlx::query!(
        "SELECT administration.make_inlet($1, $2, $3, $4, $5, $6, $7)",
        new.inlet_id,
        wanted.tenant.as_str(),
        wanted.inlet_type.as_str(),
        wanted.kind.as_str(),
        wanted.principal.as_str(),
        wanted.heartbeat_seconds.and_then(|seconds| i32::try_from(seconds.get()).ok()),
        &new.key.hash()[..]
    );
    match made.fetch_one(db).await {
        Ok(_) => Ok(new),
        Err(sqlx::Error::Database(error)) if error.is_foreign_key_violation() => {
            Err(AccessError::NoTenant(wanted.tenant.clone()))
        }
        Err(error) => Err(error.into()),
    }
}

/// The inlets of a tenant, revoked ones too, oldest first.
///
/// # Errors
/// [`AccessError::NoTenant`], or the database's.
pub async fn list_inlets(pool: &PgPool, tenant: &TenantId) -> Result<Vec<InletRow>, AccessError> {
    let rows = sqlx::query_as!(
        InletRow,
        "SELECT inlet_id, tenant, inlet_type, kind, principal, heartbeat_seconds, created_at, revoked_at
         FROM inlet.inlets WHERE tenant = $1 ORDER BY created_at, inlet_id",
        tenant.as_str()
    );
    let rows = rows.fetch_all(pool).await?;
    if rows.is_empty() && !tenant_exists(pool, tenant).await? {
        return Err(AccessError::NoTenant(tenant.clone()));
    }
    Ok(rows)
}

/// Revokes an inlet and tells every API process. Revoking it again changes nothing.
///
/// # Errors
/// [`AccessError::NoInlet`], or the database's.
pub async fn revoke_inlet(pool: &PgPool, inlet_id: Uuid) -> Result<(), AccessError> {
    let mut transaction = database::begin(pool).await?;
    let done = sqlx::query!(
        "UPDATE inlet.inlets SET revoked_at = coalesce(revoked_at, now()) WHERE inlet_id = $1",
        inlet_id
    )
    .execute(&mut *transaction)
    .await?;
    if done.rows_affected() == 0 {
        return Err(AccessError::NoInlet(inlet_id));
    }
    announce(&mut transaction, inlet_id).await?;
    Ok(transaction.commit().await?)
}

async fn look_up(pool: &PgPool, hash: TokenHash) -> Result<Result<Inlet, Denied>, AccessError> {
    let row = sqlx::query_as!(
        InletRow,
        "SELECT inlet_id, tenant, inlet_type, kind, principal, heartbeat_seconds, created_at, revoked_at
         FROM inlet.inlets WHERE hash = $1",
        &hash[..]
    );
    match row.fetch_optional(pool).await? {
        None => Ok(Err(Denied::NoInlet)),
        Some(row) if row.revoked_at.is_some() => Ok(Err(Denied::InletRevoked)),
        Some(row) => Inlet::of(&row).map(Ok),
    }
}

/// An inlet by its id, revoked or not: what came in before counts.
///
/// # Errors
/// [`AccessError::NoInlet`], [`AccessError::Corrupt`] or the database's.
pub async fn inlet_of(pool: &PgPool, inlet_id: Uuid) -> Result<Inlet, AccessError> {
    let row = sqlx::query_as!(
        InletRow,
        "SELECT inlet_id, tenant, inlet_type, kind, principal, heartbeat_seconds, created_at, revoked_at
         FROM inlet.inlets WHERE inlet_id = $1",
        inlet_id
    );
    Inlet::of(&row.fetch_optional(pool).await?.ok_or(AccessError::NoInlet(inlet_id))?)
}
