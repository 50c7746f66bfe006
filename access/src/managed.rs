//! Tokens as a tenant's owner keeps them, through the API. Who serves need not own the table: functions of the database
//! do just this for it.

use chrono::{DateTime, Utc};
use domain::TenantId;
use domain::admin::AdminActor;
use uuid::Uuid;

use crate::administration::act_as;
use crate::error::AccessError;
use crate::lookup::{Ended, Tokens};
use crate::store::{NewToken, NewTokenFor, TokenRow, announce, new_token, not_made};

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
        let mut transaction = database::begin(self.pool()).await?;
        act_as(&mut transaction, actor).await?;
        let new = new_token(holder)?;
        let made = sqlx::query!(
            "SELECT administration.make_token($1, $2, $3, $4, $5, $6)",
            new.token_id,
            holder.tenant.as_str(),
            holder.role.as_str(),
            holder.principal.as_str(),
            &new.token.hash()[..],
            holder.expires_at
        );
        made.fetch_one(&mut *transaction).await.map_err(|error| not_made(error, holder))?;
        transaction.commit().await?;
        Ok(new)
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
        let mut transaction = database::begin(self.pool()).await?;
        act_as(&mut transaction, actor).await?;
        let revoked = sqlx::query_as!(
            TokenRow,
            r#"SELECT token_id AS "token_id!", tenant AS "tenant!", role AS "role!", principal AS "principal!",
                      created_at AS "created_at!", revoked_at, expires_at
               FROM administration.revoke_token($1, $2)"#,
            tenant.as_str(),
            token_id
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
