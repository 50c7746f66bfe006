//! Sessions of browsers: a secret that stands for a token, for some hours at most and no longer than the token.
//!
//! A session has no rights of its own. Each look-up goes by its token, so it is over the moment that is revoked.

use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, TimeDelta, Utc};
use sqlx::PgPool;
use uuid::Uuid;

use crate::caller::Caller;
use crate::error::{AccessError, Denied, LookupError};
use crate::lookup::{Ended, Tokens, caller_of, moment_of};
use crate::session::SessionSecret;
use crate::store::announce;
use crate::token::{self, TokenHash};

/// How long a session lasts.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::hours(12);

/// Makes a link's code that signs in once as the holder of a token, until it expires.
///
/// # Errors
/// The database's, or no randomness.
pub async fn create_sign_in_code(
    pool: &PgPool,
    token_id: Uuid,
    expires_at: DateTime<Utc>,
) -> Result<SessionSecret, AccessError> {
    let code = SessionSecret::generate()?;
    sqlx::query!("DELETE FROM access.sign_in_links WHERE expires_at < now()").execute(pool).await?;
    let made = sqlx::query!(
        "INSERT INTO access.sign_in_links (hash, token_id, expires_at) VALUES ($1, $2, $3)",
        &code.hash()[..],
        token_id,
        expires_at
    );
    made.execute(pool).await?;
    Ok(code)
}

impl Tokens {
    /// Opens a session for the holder of a token.
    ///
    /// # Errors
    /// [`LookupError::Denied`] when the token is not good, or the database's.
    pub async fn sign_in(&self, token: &str) -> Result<(SessionSecret, Arc<Caller>), LookupError> {
        let hash = token::check(token.trim()).map_err(Denied::Malformed)?;
        let caller = self.find(hash).await?;
        Ok((self.open(caller.token_id).await?, caller))
    }

    /// Opens a session by a one-time link. The link is used up.
    ///
    /// # Errors
    /// [`Denied::LinkUsed`] when the link was used, has expired or never was, or the database's.
    pub async fn sign_in_once(&self, code: &str) -> Result<SessionSecret, LookupError> {
        let token_id = match SessionSecret::shown(code) {
            // Of two who come at once the row is deleted by one.
            Some(code) => sqlx::query_scalar!(
                "DELETE FROM access.sign_in_links WHERE hash = $1 AND expires_at > now() RETURNING token_id",
                &code.hash()[..]
            )
            .fetch_optional(self.pool())
            .await?,
            None => None,
        };
        self.open(token_id.ok_or(Denied::LinkUsed)?).await
    }

    /// Ends a session, and tells every API process. One that is over already stays so.
    ///
    /// # Errors
    /// The database's.
    pub async fn sign_out(&self, session: &SessionSecret) -> Result<(), LookupError> {
        let hash = session.hash();
        let mut transaction = database::begin(self.pool()).await?;
        let closed =
            sqlx::query_scalar!("DELETE FROM access.sessions WHERE hash = $1 RETURNING token_id", &hash[..])
                .fetch_optional(&mut *transaction)
                .await?;
        if let Some(token_id) = closed {
            // The token stays good; whatever was opened by it is looked up anew.
            announce(&mut transaction, token_id).await?;
        }
        transaction.commit().await?;
        // Here at once, even while no word comes through.
        self.sessions().invalidate(&hash).await;
        if let Some(token_id) = closed {
            self.end(Ended::Token(token_id));
        }
        Ok(())
    }

    /// The caller whose session it is.
    ///
    /// # Errors
    /// [`Denied::SessionEnded`] when it is unknown or over, or its token was revoked; the database's.
    pub async fn of_session(&self, session: &SessionSecret) -> Result<Arc<Caller>, LookupError> {
        let hash = session.hash();
        // As for tokens: only what is good is kept, and only for a moment.
        let found = self.sessions().try_get_with(hash, async {
            let caller = look_up(self.pool(), hash).await?;
            Ok(Arc::new(caller.ok_or(Denied::SessionEnded)?))
        });
        found.await.map_err(Arc::unwrap_or_clone)
    }

    async fn open(&self, token_id: Uuid) -> Result<SessionSecret, LookupError> {
        let session = SessionSecret::generate()?;
        // Expired sessions have to be removed somewhere, and a sign-in has time.
        sqlx::query!("DELETE FROM access.sessions WHERE expires_at < now()").execute(self.pool()).await?;
        // It ends with its token at the latest. NULL, for a token without end, counts for nothing here.
        let made = sqlx::query!(
            "INSERT INTO access.sessions (hash, token_id, expires_at)
             SELECT $1, token_id, least($3, expires_at) FROM access.tokens WHERE token_id = $2",
            &session.hash()[..],
            token_id,
            Utc::now() + SESSION_LIFETIME
        );
        made.execute(self.pool()).await?;
        Ok(session)
    }
}

async fn look_up(pool: &PgPool, hash: TokenHash) -> Result<Option<Caller>, AccessError> {
    let asked = Instant::now();
    let row = sqlx::query!(
        r#"SELECT t.token_id, t.tenant, t.role, t.principal, least(s.expires_at, t.expires_at) AS "end!",
               now() AS "now!"
           FROM access.sessions AS s JOIN access.tokens AS t USING (token_id)
           WHERE s.hash = $1 AND least(s.expires_at, t.expires_at) > now() AND t.revoked_at IS NULL"#,
        &hash[..]
    )
    .fetch_optional(pool)
    .await?;
    row.map(|row| {
        let ends = moment_of(row.end, row.now, asked);
        caller_of(row.token_id, &row.tenant, &row.role, &row.principal, Some(ends))
    })
    .transpose()
}
