//! Sessions of browsers: a cookie that stands for a token, for some hours at most and no longer than the token.
//!
//! A session has no rights of its own. Each look-up goes by its token, so it is over the moment that is
//! revoked. What the browser holds is never stored, only its SHA-256.

use std::sync::Arc;
use std::time::Instant;

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use rand::rand_core::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};
use sqlx::PgPool;
use uuid::Uuid;

use super::caller::Caller;
use super::cookie;
use super::lookup::{Ended, Tokens, caller_of, moment_of, refusal};
use super::store::{AccessError, announce};
use super::token::{self, TokenHash};
use crate::outside::Outside;
use crate::problem::Problem;

/// The header for a session's CSRF token.
pub const CSRF_HEADER: &str = "x-csrf-token";

/// How long a session lasts.
pub const SESSION_LIFETIME: TimeDelta = TimeDelta::hours(12);

/// How many characters a session and a sign-in code have: 32 random bytes in base64url.
const LENGTH: usize = 43;

/// The secret of a session, or of a one-time sign-in link, in the clear. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct SessionSecret(String);

impl std::fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionSecret(..)")
    }
}

impl SessionSecret {
    /// A new one from the system's own source of randomness.
    ///
    /// # Errors
    /// [`AccessError::NoRandomness`].
    fn generate() -> Result<Self, AccessError> {
        let mut random = [0; 32];
        OsRng.try_fill_bytes(&mut random).map_err(|error| AccessError::NoRandomness(error.to_string()))?;
        Ok(Self(URL_SAFE_NO_PAD.encode(random)))
    }

    /// A secret that a client presents, where the text has the form of ours.
    #[must_use]
    pub fn shown(text: &str) -> Option<Self> {
        let ours = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        (text.len() == LENGTH && text.bytes().all(ours)).then(|| Self(text.to_owned()))
    }

    /// The session of a request's cookie.
    #[must_use]
    pub(crate) fn of_cookie(outside: &Outside, headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut pairs =
            cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let ours = cookie::name(outside);
        pairs.find(|(name, _)| *name == ours).and_then(|(_, value)| Self::shown(value))
    }

    /// The secret in the clear.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// The session's CSRF token: only the holder of the session can know the token, and nobody can find the session
    /// from it.
    #[must_use]
    pub fn csrf(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(format!("csrf:{}", self.0)))
    }

    /// Whether `token` is the session's CSRF token.
    #[must_use]
    pub fn is_csrf(&self, token: &str) -> bool {
        // Compared by their hashes, so that the time it takes says nothing of the token.
        Sha256::digest(self.csrf()) == Sha256::digest(token)
    }

    pub(super) fn hash(&self) -> TokenHash {
        Sha256::digest(&self.0).into()
    }
}

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
    /// 401 when the token is not good, 503 when the database does not answer.
    pub async fn sign_in(&self, token: &str) -> Result<(SessionSecret, Arc<Caller>), Problem> {
        let hash = token::check(token.trim())
            .map_err(|fault| Problem::unauthorized(format!("The token can't be right: {fault}.")))?;
        let caller = self.find(hash).await?;
        Ok((self.open(caller.token_id).await?, caller))
    }

    /// Opens a session by a one-time link. The link is used up.
    ///
    /// # Errors
    /// 401 when the link was used, has expired or never was; 503 when the database does not answer.
    pub async fn sign_in_once(&self, code: &str) -> Result<SessionSecret, Problem> {
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
        let token_id = token_id.ok_or_else(|| {
            Problem::unauthorized("The link was used already, or has expired. Sign in with a token.")
        })?;
        self.open(token_id).await
    }

    /// Ends a session, and tells every API process. One that is over already stays so.
    ///
    /// # Errors
    /// 503 when the database does not answer.
    pub async fn sign_out(&self, session: &SessionSecret) -> Result<(), Problem> {
        let hash = session.hash();
        let mut transaction = self.pool().begin().await?;
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

    /// Whose session it is; none when it is unknown or over, or its token was revoked.
    ///
    /// # Errors
    /// 503 when the database does not answer, 500 when it holds what it should not.
    pub(crate) async fn of_session(&self, session: &SessionSecret) -> Result<Option<Arc<Caller>>, Problem> {
        let hash = session.hash();
        // As for tokens: only what is good is kept, and only for a moment.
        let found = self.sessions().try_get_with(hash, async {
            let looked_up = look_up(self.pool(), hash).await;
            looked_up.map_err(|error| Some(refusal(error)))?.map(Arc::new).ok_or(None)
        });
        match found.await {
            Ok(caller) => Ok(Some(caller)),
            Err(missed) => Arc::unwrap_or_clone(missed).map_or(Ok(None), Err),
        }
    }

    async fn open(&self, token_id: Uuid) -> Result<SessionSecret, Problem> {
        let session = SessionSecret::generate().map_err(refusal)?;
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn the_session_is_found_among_other_cookies() {
        let secret = SessionSecret::generate().unwrap();
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; runledger_session=short"));
        assert_eq!(SessionSecret::of_cookie(&Outside::default(), &headers), None);
        let line = format!("theme=dark;  runledger_session={}; b=c", secret.reveal());
        headers.insert(header::COOKIE, HeaderValue::try_from(line).unwrap());
        assert_eq!(SessionSecret::of_cookie(&Outside::default(), &headers), Some(secret));
    }

    #[test]
    fn the_word_against_forgery_is_the_sessions_own() {
        let (one, other) = (SessionSecret::generate().unwrap(), SessionSecret::generate().unwrap());
        assert!(one.is_csrf(&one.csrf()));
        assert!(!one.is_csrf(&other.csrf()) && !one.is_csrf("") && !one.is_csrf(one.reveal()));
        assert_eq!(format!("{one:?}"), "SessionSecret(..)");
    }
}
