//! The API's look-up of tokens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::InvalidId;
use migrations::Missing;
use moka::Expiry;
use moka::future::Cache;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::caller::{Caller, Credential};
use super::role::UnknownRole;
use super::store::{AccessError, REVOKED};
use super::token::{self, TokenHash};
use crate::problem::Problem;
use crate::reads::look_as_readers;

/// How long a token that was looked up is taken for good when no word of a revocation comes through.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// The API's look-up of tokens, with a small cache in front. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tokens {
    pool: PgPool,
    known: Cache<TokenHash, Arc<Caller>>,
    sessions: Cache<TokenHash, Arc<Caller>>,
    /// Of whom the last that was heard is that they may come in. It lets nobody in: it says who is looked up
    /// before those who were never seen.
    familiar: Cache<TokenHash, ()>,
    /// What was found when it was last looked.
    rights: Cache<(), Arc<Rights>>,
    ended: broadcast::Sender<Ended>,
}

/// For how long it is remembered that a token was good.
const FAMILIAR_FOR: Duration = Duration::from_secs(3_600);

/// What a look at the rights in the database has found.
#[derive(Debug)]
pub(crate) struct Rights {
    /// Whether a read as readers read went well.
    pub as_readers: bool,
    /// What the database lacks that readers, the program or the log's history need.
    pub missing: Vec<Missing>,
}

/// Forgets a caller at the latest when their token or session ends.
struct AtItsEnd;

impl Expiry<TokenHash, Arc<Caller>> for AtItsEnd {
    fn expire_after_create(&self, _: &TokenHash, caller: &Arc<Caller>, now: Instant) -> Option<Duration> {
        caller.ends.map(|end| end.saturating_duration_since(now))
    }
}

/// Word that somebody's right to come in, looked up before, must be looked up anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Of the holders of this token: it was revoked, or a session of it was closed.
    Token(Uuid),
    /// Of all: word of some may have been lost.
    Any,
}

/// How many such words are kept for a listener that is slow. Who is slower takes it that it is meant.
const WORDS: usize = 256;

impl Tokens {
    /// Looks tokens up in that database, and forgets them as they are revoked, until `shutdown`. Must be
    /// called within a Tokio runtime. `pool` gives one connection away to listen on.
    #[must_use]
    pub fn start(pool: PgPool, shutdown: CancellationToken) -> Self {
        // Only tokens that are good are kept, so nobody can fill it with guesses.
        let cache =
            || Cache::builder().max_capacity(10_000).time_to_live(TRUSTED_FOR).expire_after(AtItsEnd).build();
        let familiar = Cache::builder().max_capacity(50_000).time_to_live(FAMILIAR_FOR).build();
        let rights = Cache::builder().time_to_live(TRUSTED_FOR).build();
        let ended = broadcast::Sender::new(WORDS);
        let tokens = Self { pool, known: cache(), sessions: cache(), familiar, rights, ended };
        let watch = tokens.clone();
        tokio::spawn(async move { shutdown.run_until_cancelled(watch.watch()).await });
        tokens
    }

    /// Listens for revocations, for ever. While the database is away a token that is revoked is good for
    /// [`TRUSTED_FOR`] at most.
    async fn watch(&self) {
        let mut again = false;
        loop {
            let error = match self.listen(again).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            tracing::warn!(%error, "can't listen for revoked tokens; trying again");
            self.forget_all();
            again = true;
            tokio::time::sleep(TRUSTED_FOR).await;
        }
    }

    async fn listen(&self, again: bool) -> Result<Infallible, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.ignore_pool_close_event(true);
        listener.listen(REVOKED).await?;
        // Whatever was said before we listened.
        self.forget_all();
        if again {
            self.end(Ended::Any);
        }
        loop {
            match listener.try_recv().await? {
                Some(notice) => self.forget(notice.payload()).await,
                // The connection was lost, and with it whatever was said meanwhile.
                None => {
                    self.forget_all();
                    self.end(Ended::Any);
                }
            }
        }
    }

    async fn forget(&self, token_id: &str) {
        // A token may have opened several sessions.
        for cache in [&self.known, &self.sessions] {
            let held = cache.iter().filter(|(_, caller)| caller.token_id.to_string() == token_id);
            for (hash, _) in held {
                cache.invalidate(hash.as_ref()).await;
            }
        }
        // Only now: who is cut off comes again at once, and must not be found in what was known.
        if let Ok(token_id) = token_id.parse() {
            self.end(Ended::Token(token_id));
        }
    }

    fn forget_all(&self) {
        self.known.invalidate_all();
        self.sessions.invalidate_all();
    }

    /// Whether what was shown was good when it was last looked up.
    pub(crate) fn is_familiar(&self, shown: &Credential) -> bool {
        self.familiar.contains_key(&shown.hash())
    }

    pub(super) async fn remember(&self, hash: TokenHash, good: bool) {
        match (good, self.familiar.contains_key(&hash)) {
            (true, false) => self.familiar.insert(hash, ()).await,
            (false, true) => self.familiar.invalidate(&hash).await,
            _ => {}
        }
    }

    /// Tells whoever follows [`Self::ended`].
    pub(super) fn end(&self, ended: Ended) {
        // Nobody may be following.
        let _followed = self.ended.send(ended);
    }

    /// Follows whose right to come in must be looked up anew.
    pub(crate) fn ended(&self) -> broadcast::Receiver<Ended> {
        self.ended.subscribe()
    }

    pub(super) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The sessions that were looked up in the last moment.
    pub(super) fn sessions(&self) -> &Cache<TokenHash, Arc<Caller>> {
        &self.sessions
    }

    /// Who holds the token of that hash. However many ask for the same token at once, the database is asked
    /// once.
    ///
    /// # Errors
    /// 401 that says why when it is not good, 503 when the database does not answer, 500 when it holds what it
    /// should not.
    pub(super) async fn find(&self, hash: TokenHash) -> Result<Arc<Caller>, Problem> {
        // A miss is an error to the cache, so that it keeps none.
        let found = self.known.try_get_with(hash, async {
            let looked_up = look_up(&self.pool, hash).await.map_err(refusal)?;
            looked_up
                .map(Arc::new)
                .map_err(|why| Problem::unauthorized(format!("{why}. Ask the tenant's owner for a new one.")))
        });
        found.await.map_err(Arc::unwrap_or_clone)
    }

    /// Whether readers get their rows, and what the database lacks, as it was a moment ago at most.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn rights(&self) -> Result<Arc<Rights>, Arc<sqlx::Error>> {
        let look = async {
            let mut connection = self.pool.acquire().await?;
            let as_readers = match look_as_readers(&mut connection).await {
                Ok(()) => true,
                Err(sqlx::Error::Database(error)) => {
                    tracing::warn!(%error, "readers can't read");
                    false
                }
                Err(error) => return Err(error),
            };
            let missing = migrations::missing(&mut connection).await?;
            Ok(Arc::new(Rights { as_readers, missing }))
        };
        self.rights.try_get_with((), look).await
    }

    /// Asks the database for nothing but an answer.
    ///
    /// # Errors
    /// The database's.
    pub async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(drop)
    }
}

/// Why a token is not good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum NotGood {
    #[error("The token is unknown")]
    Unknown,
    #[error("The token was revoked")]
    Revoked,
    #[error("The token expired at {}", .0.format("%F %T UTC"))]
    Expired(DateTime<Utc>),
}

/// Who holds a token; none when it is malformed, unknown, revoked or expired.
///
/// # Errors
/// The database's, or [`AccessError::Corrupt`].
pub async fn holder_of(pool: &PgPool, token: &str) -> Result<Option<Caller>, AccessError> {
    match token::check(token) {
        Ok(hash) => Ok(look_up(pool, hash).await?.ok()),
        Err(_) => Ok(None),
    }
}

async fn look_up(pool: &PgPool, hash: TokenHash) -> Result<Result<Caller, NotGood>, AccessError> {
    let asked = Instant::now();
    let row = sqlx::query!(
        r#"SELECT token_id, tenant, role, principal, revoked_at, expires_at, now() AS "now!"
           FROM access.tokens WHERE hash = $1"#,
        &hash[..]
    );
    let Some(row) = row.fetch_optional(pool).await? else { return Ok(Err(NotGood::Unknown)) };
    match row.expires_at {
        _ if row.revoked_at.is_some() => Ok(Err(NotGood::Revoked)),
        Some(end) if end <= row.now => Ok(Err(NotGood::Expired(end))),
        end => {
            let ends = end.map(|end| moment_of(end, row.now, asked));
            caller_of(row.token_id, &row.tenant, &row.role, &row.principal, ends).map(Ok)
        }
    }
}

/// A moment of the database's clock on our own, which nobody sets: never later, by as long as the database took to say
/// what time it was.
pub(super) fn moment_of(end: DateTime<Utc>, now: DateTime<Utc>, asked: Instant) -> Instant {
    asked + (end - now).to_std().unwrap_or_default()
}

/// The holder of a token, from its row, and when their right ends.
///
/// # Errors
/// [`AccessError::Corrupt`].
pub(super) fn caller_of(
    token_id: Uuid,
    tenant: &str,
    role: &str,
    principal: &str,
    ends: Option<Instant>,
) -> Result<Caller, AccessError> {
    let corrupt = |what: String| AccessError::Corrupt { table: "access.tokens", what };
    Ok(Caller {
        tenant: tenant.parse().map_err(|error: InvalidId| corrupt(error.to_string()))?,
        role: role.parse().map_err(|error: UnknownRole| corrupt(error.to_string()))?,
        principal: principal.parse().map_err(|error: InvalidId| corrupt(error.to_string()))?,
        token_id,
        ends,
    })
}

pub(super) fn refusal(error: AccessError) -> Problem {
    match error {
        AccessError::Database(error) => error.into(),
        other => Problem::internal(&other),
    }
}
