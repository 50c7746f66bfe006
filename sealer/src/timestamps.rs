//! The ledger's own log is time-stamped now and then (RFC 3161): one time stamp covers all tenants. This goes on beside
//! sealing and holds nothing up.

use std::time::Duration;

use chrono::{DateTime, Utc};
use metrics::{counter, gauge};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Url};
use seal::Hash;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::ask::{MOST_BYTES, client, words};
use crate::error::{SealError, signed, unsigned};
use crate::logs::random_salt;
use crate::rfc3161::{NotStamped, answered, question};
use crate::witnesses::told;

/// How long an authority is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is looked whether one is due.
const LOOK: Duration = Duration::from_secs(5);

/// When it is tried again, at first. Twice as long after each further failure, up to the interval.
const FIRST_RETRY: Duration = Duration::from_secs(60);

/// Who gives time stamps, and how often one is asked for.
#[derive(Debug, Clone)]
pub struct TimeStamping {
    /// URLs of time-stamping authorities. They are asked one after another, until one has answered.
    pub authorities: Vec<String>,
    /// How often, where there is something new.
    pub every: Duration,
}

/// What became of time stamps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StampStatus {
    /// The time that the newest one claims, and who gave it.
    pub newest: Option<(DateTime<Utc>, String)>,
    /// Failures in a row since.
    pub failures: u64,
    /// Why the last one.
    pub failure: Option<String>,
}

/// Why an authority has given none.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Away(#[source] reqwest::Error),
    #[error("it answers {0}: {1}")]
    Refuses(reqwest::StatusCode, String),
    #[error("its answer is longer than {MOST_BYTES} bytes")]
    TooLong,
    #[error(transparent)]
    NotStamped(#[from] NotStamped),
}

/// Authorities that may be asked.
#[derive(Debug, Clone)]
pub(crate) struct Authorities {
    urls: Vec<Url>,
    every: Duration,
    client: Client,
}

/// The newest checkpoint of the ledger's own log.
struct Newest {
    log: i32,
    size: u64,
    note: String,
    failures: u32,
}

impl Authorities {
    /// # Errors
    /// [`SealError::TimeStamps`] where a URL is none.
    pub fn new(stamping: &TimeStamping) -> Result<Self, SealError> {
        let url = |text: &String| match Url::parse(text) {
            Ok(url) if ["http", "https"].contains(&url.scheme()) => Ok(url),
            Ok(_) => Err(SealError::TimeStamps(format!("{text} is no http or https URL"))),
            Err(error) => Err(SealError::TimeStamps(format!("{text}: {error}"))),
        };
        let urls = stamping.authorities.iter().map(url).collect::<Result<_, _>>()?;
        let client = client(PATIENCE).map_err(|error| SealError::TimeStamps(error.to_string()))?;
        Ok(Self { urls, every: stamping.every.max(Duration::from_millis(10)), client })
    }

    /// Asks for time stamps until `stop`.
    pub async fn keep_up(&self, pool: &PgPool, stop: &CancellationToken) {
        if let Ok(StampStatus { newest: Some((at, _)), .. }) = time_stamps(pool).await {
            gauge!("runledger_seal_timestamp_seconds").set(at.timestamp() as f64);
        }
        while !stop.is_cancelled() {
            match stop.run_until_cancelled(self.once(pool)).await {
                Some(Err(error)) => tracing::warn!(%error, "no time stamp"),
                Some(Ok(_)) => {}
                None => return,
            }
            stop.run_until_cancelled(tokio::time::sleep(LOOK.min(self.every))).await;
        }
    }

    /// Asks for one if it is due and there is something new. Says whether one came.
    ///
    /// # Errors
    /// The database's. What an authority does is told, and kept for [`time_stamps`].
    pub async fn once(&self, pool: &PgPool) -> Result<bool, SealError> {
        let Some(newest) = self.take_turn(pool).await? else { return Ok(false) };
        let mut failures = Vec::new();
        for url in &self.urls {
            let authority = named(url);
            let random = random_salt()?;
            let nonce = random.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
            match self.ask(url, newest.note.as_bytes(), nonce).await {
                Ok((response, at)) => {
                    let given = Given { authority: &authority, response, at };
                    keep(pool, &newest, given, self.every).await?;
                    counter!("runledger_seal_timestamps_total").increment(1);
                    gauge!("runledger_seal_timestamp_seconds").set(at.timestamp() as f64);
                    tracing::info!(authority, entries = newest.size, %at, "the ledger's own log is time-stamped");
                    return Ok(true);
                }
                Err(error) => {
                    let error = told(&error);
                    counter!("runledger_seal_timestamp_failures_total").increment(1);
                    tracing::warn!(authority, error, "no time stamp; it is asked again");
                    failures.push(format!("{authority}: {error}"));
                }
            }
        }
        let pause = FIRST_RETRY.saturating_mul(1 << newest.failures.min(16)).min(self.every);
        sqlx::query!(
            "UPDATE seal.time_stamping SET failures = failures + 1, failure = $1,
                 next_at = clock_timestamp() + make_interval(secs => $2)",
            failures.join("; "),
            pause.as_secs_f64()
        )
        .execute(pool)
        .await?;
        Ok(false)
    }

    /// The newest checkpoint, for one process of all that may ask for it now.
    async fn take_turn(&self, pool: &PgPool) -> Result<Option<Newest>, SealError> {
        let turn = PATIENCE * u32::try_from(self.urls.len()).unwrap_or(u32::MAX);
        let row = sqlx::query!(
            r#"UPDATE seal.time_stamping SET next_at = clock_timestamp() + make_interval(secs => $1)
               FROM (
                   SELECT c.log_id, c.size, c.note FROM seal.checkpoints AS c JOIN seal.logs AS l USING (log_id)
                   WHERE l.tenant IS NULL AND c.note IS NOT NULL ORDER BY c.size DESC LIMIT 1
               ) AS newest
               WHERE next_at <= clock_timestamp() AND NOT EXISTS (
                   SELECT FROM seal.time_stamps AS s WHERE s.log_id = newest.log_id AND s.size = newest.size
               )
               RETURNING newest.log_id, newest.size, newest.note AS "note!", failures"#,
            turn.as_secs_f64()
        );
        let Some(row) = row.fetch_optional(pool).await? else { return Ok(None) };
        let failures = u32::try_from(row.failures).unwrap_or(u32::MAX);
        let size = unsigned(row.size)?;
        Ok(Some(Newest { log: row.log_id, size, note: row.note, failures }))
    }

    async fn ask(&self, url: &Url, bytes: &[u8], nonce: u64) -> Result<(Vec<u8>, DateTime<Utc>), Failure> {
        let away = |error: reqwest::Error| Failure::Away(error.without_url());
        let imprint = Hash::of(&[bytes]);
        let question = question(imprint, nonce).map_err(NotStamped::from)?;
        let asked = self.client.post(url.clone()).header(CONTENT_TYPE, "application/timestamp-query");
        let mut answer = asked.body(question).send().await.map_err(away)?;
        let (status, mut body) = (answer.status(), Vec::new());
        while let Some(part) = answer.chunk().await.map_err(away)? {
            if body.len() + part.len() > MOST_BYTES {
                return Err(Failure::TooLong);
            }
            body.extend_from_slice(&part);
        }
        if !status.is_success() {
            return Err(Failure::Refuses(status, words(&String::from_utf8_lossy(&body))));
        }
        let claimed = answered(&body, imprint, nonce)?;
        let at = DateTime::parse_from_rfc3339(&claimed.at).map_err(|_| NotStamped::Lacks("a time"))?;
        Ok((body, at.to_utc()))
    }
}

/// A time stamp that was given.
struct Given<'a> {
    authority: &'a str,
    response: Vec<u8>,
    at: DateTime<Utc>,
}

async fn keep(pool: &PgPool, of: &Newest, given: Given<'_>, every: Duration) -> Result<(), SealError> {
    let mut tx = database::begin(pool).await?;
    sqlx::query!(
        "INSERT INTO seal.time_stamps (log_id, size, note, response, claimed_at, authority)
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        of.log,
        signed(of.size)?,
        of.note,
        given.response,
        given.at,
        given.authority
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "UPDATE seal.time_stamping SET failures = 0, failure = NULL,
             next_at = clock_timestamp() + make_interval(secs => $1)",
        every.as_secs_f64()
    )
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}

/// A URL as it may be told: without what identifies us to the authority.
fn named(url: &Url) -> String {
    let (mut url, none) = (url.clone(), "");
    // Of a URL without a host neither can be set; there is nothing to hide then.
    let _ = url.set_username(none);
    let _ = url.set_password(None);
    url.set_query(None);
    url.to_string()
}

/// What became of time stamps.
///
/// # Errors
/// The database's.
pub async fn time_stamps(pool: &PgPool) -> Result<StampStatus, SealError> {
    let newest = sqlx::query!(
        "SELECT claimed_at, authority FROM seal.time_stamps ORDER BY log_id DESC, size DESC LIMIT 1"
    );
    let newest = newest.fetch_optional(pool).await?.map(|row| (row.claimed_at, row.authority));
    let row = sqlx::query!("SELECT failures, failure FROM seal.time_stamping").fetch_one(pool).await?;
    Ok(StampStatus { newest, failures: unsigned(row.failures)?, failure: row.failure })
}
