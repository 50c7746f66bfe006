//! Which event log it is: the one in our Postgres, or one on a cluster.

use std::sync::Arc;
use std::time::Duration;

use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{EventLog, LogError};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;

use crate::error::Error;

/// The pauses between two times that a log is asked which does not answer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The log that is in the database.
pub const IN_POSTGRES: &str = "postgres";

/// The location of the event log. `Debug` shows no credentials.
#[derive(Debug, Clone)]
pub enum LogLocation {
    /// In the database.
    Postgres,
    /// On an EventStoreDB or KurrentDB cluster.
    #[cfg(feature = "kurrent")]
    Kurrent(Box<eventlog::kurrent::KurrentConfig>),
}

impl LogLocation {
    /// Reads what `--event-log` and `log copy` are given.
    ///
    /// # Errors
    /// A message that does not repeat the address.
    #[cfg(feature = "kurrent")]
    pub fn parse(address: &str) -> Result<Self, String> {
        if address == IN_POSTGRES {
            return Ok(Self::Postgres);
        }
        let config = eventlog::kurrent::KurrentConfig::parse(address).map_err(|error| error.to_string())?;
        Ok(Self::Kurrent(Box::new(config)))
    }

    /// Reads what `--event-log` and `log copy` are given.
    ///
    /// # Errors
    /// A message that does not repeat the address.
    #[cfg(not(feature = "kurrent"))]
    pub fn parse(address: &str) -> Result<Self, String> {
        if address == IN_POSTGRES {
            return Ok(Self::Postgres);
        }
        Err("this program was built without the feature `kurrent`: its event log is `postgres`".to_owned())
    }

    /// The name by which the read tables remember what log they were folded from. Hosts may change; the log stays.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Postgres => IN_POSTGRES.to_owned(),
            #[cfg(feature = "kurrent")]
            Self::Kurrent(config) if config.prefix.is_empty() => "kurrentdb".to_owned(),
            #[cfg(feature = "kurrent")]
            Self::Kurrent(config) => format!("kurrentdb:{}", config.prefix),
        }
    }

    /// Whether it is kept, saved and restored together with the read tables.
    #[must_use]
    pub fn is_in_database(&self) -> bool {
        matches!(self, Self::Postgres)
    }

    /// Opens the log.
    ///
    /// # Errors
    /// When the database does not answer, or a client can't be made. A cluster is not asked yet.
    pub async fn open(&self, database: &PgConnectOptions) -> Result<Arc<dyn EventLog>, Error> {
        Ok(match self {
            Self::Postgres => {
                Arc::new(PostgresLog::connect(database.clone(), PostgresLogConfig::default()).await?)
            }
            #[cfg(feature = "kurrent")]
            Self::Kurrent(config) => Arc::new(eventlog::kurrent::KurrentLog::open(config.as_ref().clone())?),
        })
    }

    /// Opens the log and asks it before anything is announced: whether its end can be read, and whether it takes
    /// appends. One that does not answer is waited for, as the database is.
    ///
    /// # Errors
    /// What waiting does not mend, such as [`LogError::Refused`].
    pub async fn open_answering(&self, database: &PgConnectOptions) -> Result<Arc<dyn EventLog>, Error> {
        let log = self.open(database).await?;
        let mut pause = FIRST_PAUSE;
        loop {
            let asked = async { log.check().await.and(log.takes_appends().await) };
            match asked.await {
                Ok(()) => return Ok(log),
                Err(error @ LogError::Unavailable(_)) => {
                    tracing::warn!(%error, "the event log does not answer; trying again in {pause:?}");
                }
                Err(error) => {
                    log.shutdown().await;
                    return Err(error.into());
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Makes sure that the read tables are folded from this log, or from none yet.
    ///
    /// # Errors
    /// [`Error::Usage`] when they are folded from another one, or the database's.
    pub async fn claim(&self, pool: &PgPool) -> Result<(), Error> {
        let name = self.name();
        let source = sqlx::query_scalar!(
            "INSERT INTO log.source (name) VALUES ($1)
             ON CONFLICT (one) DO UPDATE SET name = CASE
                 WHEN (SELECT position FROM projection.checkpoints WHERE name = 'monitoring') = 0
                 THEN excluded.name ELSE log.source.name END
             RETURNING name",
            name
        );
        let source = source.fetch_one(pool).await?;
        if source == name {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "the read tables are folded from the event log {source}, not from {name}: give that one with \
             --event-log, or move with `runledger log copy` and `runledger projector rebuild --event-log ...`"
        )))
    }
}
