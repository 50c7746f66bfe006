//! The API's look-up of tokens.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::InvalidId;
use moka::Expiry;
use moka::future::Cache;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::sync::{broadcast, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::caller::Caller;
use crate::credential::Credential;
use crate::error::{AccessError, Denied, LookupError};
use crate::inlets::Inlet;
use crate::role::UnknownRole;
use crate::store::REVOKED;
use crate::token::{self, TokenHash};

/// How long a token that was looked up is taken for good when no word of a revocation comes through.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// The API's look-up of tokens, with a small cache in front. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Tokens {
    pool: PgPool,
    known: Cache<TokenHash, Arc<Caller>>,
    sessions: Cache<TokenHash, Arc<Caller>>,
    inlets: Cache<TokenHash, Arc<Inlet>>,
    /// Credentials that were good when they were last looked up. It lets nobody in: it says which callers are
    /// looked up before those that were never seen.
    familiar: Cache<TokenHash, ()>,
    ended: broadcast::Sender<Ended>,
}

/// For how long it is remembered that a token was good.
const FAMILIAR_FOR: Duration = Duration::from_secs(3_600);

/// Forgets a caller at the latest when their token or session ends.
struct AtItsEnd;

impl Expiry<TokenHash, Arc<Caller>> for AtItsEnd {
    fn expire_after_create(&self, _: &TokenHash, caller: &Arc<Caller>, now: Instant) -> Option<Duration> {
        caller.ends.map(|end| end.saturating_duration_since(now))
    }
}

/// Word that somebody's right to come in, looked up before, must be looked up anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Of the holders of this token: it was revoked, or a session of it was closed.
    Token(Uuid),
    /// Of all: word of some may have been lost.
    Any,
}

/// How many such words are kept for a listener that is slow. A slower one takes it that it is meant.
const WORDS: usize = 256;

impl Tokens {
    /// Looks tokens up in that database, and forgets them as they are revoked, until `shutdown`. Returns when it hears
    /// of revocations, or can't for the moment: a caller that comes in from then on is cut off when the token is
    /// revoked. Must be called within a Tokio runtime. `pool` gives one connection away to listen on.
    pub async fn start(pool: PgPool, shutdown: CancellationToken) -> Self {
        // Only tokens that are good are kept, so nobody can fill it with guesses.
        let cache =
            || Cache::builder().max_capacity(10_000).time_to_live(TRUSTED_FOR).expire_after(AtItsEnd).build();
        let familiar = Cache::builder().max_capacity(50_000).time_to_live(FAMILIAR_FOR).build();
        let ended = broadcast::Sender::new(WORDS);
        let inlets = Cache::builder().max_capacity(10_000).time_to_live(TRUSTED_FOR).build();
        let tokens = Self { pool, known: cache(), sessions: cache(), inlets, familiar, ended };
        let watch = tokens.clone();
        let (tried, first_try) = oneshot::channel();
        tokio::spawn(async move { shutdown.run_until_cancelled(watch.watch(tried)).await });
        // An error says that the first try has failed; others follow, and end the streams that were opened before.
        let _tried = first_try.await;
        tokens
    }

    /// Listens for revocations, for ever. While the database is away a token that is revoked is good for
    /// [`TRUSTED_FOR`] at most.
    async fn watch(&self, tried: oneshot::Sender<()>) {
        let mut first = Some(tried);
        loop {
            let error = match self.listen(first.take()).await {
                Ok(never) => match never {},
                Err(error) => error,
            };
            tracing::warn!(%error, "can't listen for revoked tokens; trying again");
            self.forget_all();
            tokio::time::sleep(TRUSTED_FOR).await;
        }
    }

    /// Listens until the database fails. `first` waits for the first try, before which nobody can have come in.
    async fn listen(&self, first: Option<oneshot::Sender<()>>) -> Result<Infallible, sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.ignore_pool_close_event(true);
        listener.listen(REVOKED).await?;
        // Whatever was said before we listened.
        self.forget_all();
        match first {
            Some(first) => first.send(()).unwrap_or_default(),
            None => self.end(Ended::Any),
        }
        loop {
            match listener.try_recv().await? {
                Some(notice) => self.heard(notice.payload()).await,
                // The connection was lost, and with it whatever was said meanwhile.
                None => {
                    self.forget_all();
                    self.end(Ended::Any);
                }
            }
        }
    }

    async fn heard(&self, token_id: &str) {
        let Ok(token_id) = token_id.parse() else { return };
        self.forget(token_id).await;
        // Only now: who is cut off comes again at once, and must not be found in what was known.
        self.end(Ended::Token(token_id));
    }

    /// Looks the holders of a token up anew.
    pub(crate) async fn forget(&self, token_id: Uuid) {
        // A token may have opened several sessions.
        for cache in [&self.known, &self.sessions] {
            let held = cache.iter().filter(|(_, caller)| caller.token_id == token_id);
            for (hash, _) in held {
                cache.invalidate(hash.as_ref()).await;
            }
        }
        // A revoked inlet is told by the same word.
        let inlets = self.inlets.iter().filter(|(_, inlet)| inlet.inlet_id == token_id);
        for (hash, _) in inlets {
            self.inlets.invalidate(hash.as_ref()).await;
        }
    }

    fn forget_all(&self) {
        self.known.invalidate_all();
        self.sessions.invalidate_all();
        self.inlets.invalidate_all();
    }

    /// Whether what was shown was good when it was last looked up.
    #[must_use]
    pub fn is_familiar(&self, shown: TokenHash) -> bool {
        self.familiar.contains_key(&shown)
    }

    pub(crate) async fn remember(&self, hash: TokenHash, good: bool) {
        match (good, self.familiar.contains_key(&hash)) {
            (true, false) => self.familiar.insert(hash, ()).await,
            (false, true) => self.familiar.invalidate(&hash).await,
            _ => {}
        }
    }

    /// Tells the streams that follow [`Self::ended`].
    pub(crate) fn end(&self, ended: Ended) {
        // Nobody may be following.
        let _followed = self.ended.send(ended);
    }

    /// Follows whose right to come in must be looked up anew.
    #[must_use]
    pub fn ended(&self) -> broadcast::Receiver<Ended> {
        self.ended.subscribe()
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The inlets that were looked up in the last moment.
    pub(crate) fn inlets(&self) -> &Cache<TokenHash, Arc<Inlet>> {
        &self.inlets
    }

    /// The sessions that were looked up in the last moment.
    pub(crate) fn sessions(&self) -> &Cache<TokenHash, Arc<Caller>> {
        &self.sessions
    }

    /// The holder of the token of that hash. However many ask for the same token at once, the database is asked
    /// once.
    ///
    /// # Errors
    /// [`LookupError::Denied`] that says why when it is not good, or the database's.
    pub(crate) async fn find(&self, hash: TokenHash) -> Result<Arc<Caller>, LookupError> {
        // A miss is an error to the cache, so that it keeps none.
        let found = self.known.try_get_with(hash, async { Ok(Arc::new(look_up(&self.pool, hash).await??)) });
        found.await.map_err(Arc::unwrap_or_clone)
    }

    /// The holder of a credential.
    ///
    /// # Errors
    /// [`LookupError::Denied`] when the credential is not good, or the database's.
    pub async fn holder(&self, shown: &Credential) -> Result<Arc<Caller>, LookupError> {
        let found = match shown {
            Credential::Token(hash) => self.find(*hash).await,
            Credential::Session(session) => self.of_session(session).await,
        };
        match &found {
            Ok(_) => self.remember(shown.hash(), true).await,
            Err(LookupError::Denied(_)) => self.remember(shown.hash(), false).await,
            // Nothing was learned of them.
            Err(LookupError::Failed(_)) => {}
        }
        found
    }
}

/// The holder of a token; none when it is malformed, unknown, revoked or expired.
///
/// # Errors
/// The database's, or [`AccessError::Corrupt`].
pub async fn holder_of(pool: &PgPool, token: &str) -> Result<Option<Caller>, AccessError> {
    match token::check(token) {
        Ok(hash) => Ok(look_up(pool, hash).await?.ok()),
        Err(_) => Ok(None),
    }
}

async fn look_up(pool: &PgPool, hash: TokenHash) -> Result<Result<Caller, Denied>, AccessError> {
    let asked = Instant::now();
    let row = sqlx::query!(
        r#"SELECT token_id, tenant, role, principal, revoked_at, expires_at, now() AS "now!"
           FROM access.tokens WHERE hash = $1"#,
        &hash[..]
    );
    let Some(row) = row.fetch_optional(pool).await? else { return Ok(Err(Denied::Unknown)) };
    match row.expires_at {
        _ if row.revoked_at.is_some() => Ok(Err(Denied::Revoked)),
        Some(end) if end <= row.now => Ok(Err(Denied::Expired(end))),
        end => {
            let ends = end.map(|end| moment_of(end, row.now, asked));
            caller_of(row.token_id, &row.tenant, &row.role, &row.principal, ends).map(Ok)
        }
    }
}

/// A moment of the database's clock on our own, which nobody sets: never later, by as long as the database took to say
/// what time it was.
pub(crate) fn moment_of(end: DateTime<Utc>, now: DateTime<Utc>, asked: Instant) -> Instant {
    asked + (end - now).to_std().unwrap_or_default()
}

/// The holder of a token, from its row, and when their right ends.
///
/// # Errors
/// [`AccessError::Corrupt`].
pub(crate) fn caller_of(
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
