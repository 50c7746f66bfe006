//! Tokens as a tenant's owner keeps them, through the API.

use chrono::{DateTime, Utc};
use domain::TenantId;
use domain::admin::AdminActor;
use uuid::Uuid;

use crate::administration::act_as;
use crate::error::AccessError;
use crate::lookup::{Ended, Tokens};
use crate::store::{NewToken, NewTokenFor, TokenRow, announce, insert_token};

impl Tokens {
    /// The newest tokens of a tenant, revoked ones too, from the one after `before` on, which is told by when it was
    /// created and by its id.
    ///
    /// # Errors
    /// The database's.
    pub async fn newest(
        &self,
        tenant: &TenantId,
        before: Option<(DateTime<Utc>, Uuid)>,
        limit: i64,
    ) -> Result<Vec<TokenRow>, sqlx::Error> {
        let (created_at, token_id) = before.unzip();
        let rows = sqlx::query_as!(
            TokenRow,
            "SELECT token_id, tenant, role, principal, created_at, revoked_at, expires_at FROM access.tokens
             WHERE tenant = $1 AND ($2::timestamptz IS NULL OR (created_at, token_id) < ($2, $3))
             ORDER BY created_at DESC, token_id DESC LIMIT $4",
            tenant.as_str(),
            created_at,
            token_id,
            limit
        );
        rows.fetch_all(self.pool()).await
    }

    /// Makes a token, which may end by itself. The database keeps its hash only.
    ///
    /// # Errors
    /// [`AccessError::NoTenant`], [`AccessError::Principal`] or the database's.
    pub async fn create(&self, actor: &AdminActor, holder: NewTokenFor<'_>) -> Result<NewToken, AccessError> {
        let mut transaction = self.pool().begin().await?;
        act_as(&mut transaction, actor).await?;
        let made = insert_token(&mut transaction, holder).await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// Revokes a token of a tenant and tells every API process. Revoking it again changes nothing. Gives the token as
    /// it is then.
    ///
    /// # Errors
    /// [`AccessError::NoToken`] where the tenant has no such token, or the database's.
    pub async fn revoke(
        &self,
        actor: &AdminActor,
        tenant: &TenantId,
        token_id: Uuid,
    ) -> Result<TokenRow, AccessError> {
        let mut transaction = self.pool().begin().await?;
        act_as(&mut transaction, actor).await?;
        let revoked = sqlx::query_as!(
            TokenRow,
            "UPDATE access.tokens SET revoked_at = coalesce(revoked_at, now()) WHERE token_id = $1 AND tenant = $2
             RETURNING token_id, tenant, role, principal, created_at, revoked_at, expires_at",
            token_id,
            tenant.as_str()
        );
        let revoked = revoked.fetch_optional(&mut *transaction).await?;
        let revoked = revoked.ok_or(AccessError::NoToken(token_id))?;
        announce(&mut transaction, token_id).await?;
        transaction.commit().await?;
        // Here at once, even while no word comes through.
        self.forget(token_id).await;
        self.end(Ended::Token(token_id));
        Ok(revoked)
    }
}
