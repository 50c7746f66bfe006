//! Takes what was kept to the log: each lane by one orderer at a time, each report once.
//!
//! A report is deleted in the transaction that began before its events were appended. An orderer that dies in between
//! leaves it there, and the next one sees by the ids of its events that the run has them. So any number of orderers
//! may run, in any number of processes.

mod lane;
mod which;

use std::sync::Arc;
use std::time::Duration;

use access::{AccessError, Inlet, inlet_of};
use commands::{CommandError, Commands};
use futures::{StreamExt, stream};
use moka::future::Cache;
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::receiver::{ReceiveError, Receiver};
use crate::set_aside::forget;

/// How many lanes are fetched at once.
const LANES: i64 = 200;

/// How many lanes are worked on at once. Each takes a connection to the database for as long.
const AT_ONCE: usize = 2;

/// How long it rests after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(3);

/// How often what was set aside long ago is forgotten.
const FORGETS: Duration = Duration::from_secs(600);

/// How often it is told how much waits.
const TELLS: Duration = Duration::from_secs(5);

/// The settings of an [`Orderer`].
#[derive(Debug, Clone, Copy)]
pub struct OrdererConfig {
    /// How long it rests where nothing comes in.
    pub pause: Duration,
    /// How many days what was set aside is kept.
    pub keep_days: u16,
}

impl Default for OrdererConfig {
    fn default() -> Self {
        Self { pause: Duration::from_millis(500), keep_days: 30 }
    }
}

/// Takes what was kept to the log of its [`Commands`].
#[derive(Debug, Clone)]
pub struct Orderer {
    commands: Commands,
    receiver: Receiver,
    config: OrdererConfig,
    /// Inlets that were looked up: nothing of theirs changes but by hand.
    inlets: Cache<Uuid, Arc<Inlet>>,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The log takes nothing at the moment.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// What has to be set aside could not be kept.
    #[error(transparent)]
    Keep(#[from] ReceiveError),
    /// The inlet can't be read.
    #[error(transparent)]
    Inlet(#[from] Arc<AccessError>),
}

impl Orderer {
    /// An orderer that appends through `commands` what that receiver's database has, of whatever process.
    #[must_use]
    pub fn new(commands: Commands, receiver: Receiver, config: OrdererConfig) -> Self {
        let inlets = Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(60)).build();
        Self { commands, receiver, config, inlets }
    }

    /// Works until `stop`. Whatever fails is tried again: until the log has it, the database keeps it.
    pub async fn run(self, stop: CancellationToken) {
        let (mut forgotten, mut told) = (Instant::now(), None::<Instant>);
        loop {
            let Some(round) = stop.run_until_cancelled(self.one_round()).await else { return };
            let rest = match round {
                Ok((_, true)) => Duration::ZERO,
                Ok((_, false)) => self.config.pause,
                Err(error) => {
                    metrics::counter!("runledger_inlet_failures_total").increment(1);
                    tracing::error!(%error, "what came in is not in the log yet; trying again");
                    AFTER_FAILURE
                }
            };
            if told.is_none_or(|told| told.elapsed() > TELLS) {
                told = Some(Instant::now());
                self.tell_backlog()
                    .await
                    .unwrap_or_else(|error| tracing::warn!(%error, "the backlog is not known"));
            }
            if forgotten.elapsed() > FORGETS {
                forgotten = Instant::now();
                match self.forget().await {
                    Ok(count) => metrics::counter!("runledger_inlet_forgotten_total").increment(count),
                    Err(error) => tracing::warn!(%error, "what was set aside long ago is still there"),
                }
            }
            let woken = async {
                tokio::select! {
                    () = tokio::time::sleep(rest) => {}
                    () = self.receiver.came(), if rest <= self.config.pause => {}
                }
            };
            if stop.run_until_cancelled(woken).await.is_none() {
                return;
            }
        }
    }

    /// Forgets what was set aside too long ago, or is too much of one inlet, and says how much that was.
    ///
    /// # Errors
    /// [`OrderError::Database`].
    pub async fn forget(&self) -> Result<u64, OrderError> {
        Ok(forget(self.pool(), self.config.keep_days.into()).await?)
    }

    fn pool(&self) -> &PgPool {
        self.receiver.pool()
    }

    /// Takes to the log whatever is due, and says how many events that were.
    ///
    /// # Errors
    /// [`OrderError`]; what was taken until then stays.
    pub async fn round(&self) -> Result<u64, OrderError> {
        Ok(self.one_round().await?.0)
    }

    /// The same, and whether more may be due.
    async fn one_round(&self) -> Result<(u64, bool), OrderError> {
        let lanes = sqlx::query!(
            "SELECT inlet_id, lane FROM inlet.received WHERE due_at <= clock_timestamp()
             GROUP BY inlet_id, lane ORDER BY min(due_at) LIMIT $1",
            LANES
        );
        let lanes = lanes.fetch_all(self.pool()).await?;
        let more = i64::try_from(lanes.len()).is_ok_and(|lanes| lanes == LANES);
        let working = stream::iter(lanes).map(|row| async move { self.lane(row.inlet_id, &row.lane).await });
        let mut working = working.buffer_unordered(AT_ONCE);
        let mut appended = 0;
        while let Some(done) = working.next().await {
            appended += done?;
        }
        Ok((appended, more))
    }

    async fn tell_backlog(&self) -> Result<(), sqlx::Error> {
        let row = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM (SELECT FROM inlet.received LIMIT 1000000) AS r) AS "waiting!",
                   (SELECT count(*) FROM inlet.set_aside) AS "aside!",
                   COALESCE(extract(epoch FROM clock_timestamp() - min(due_at)), 0)::float8 AS "overdue!"
               FROM inlet.received"#
        );
        let row = row.fetch_one(self.pool()).await?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        let gauge = |count: i64| count as f64;
        metrics::gauge!("runledger_inlet_waiting").set(gauge(row.waiting));
        metrics::gauge!("runledger_inlet_set_aside").set(gauge(row.aside));
        metrics::gauge!("runledger_inlet_overdue_seconds").set(row.overdue.max(0.0));
        Ok(())
    }

    async fn inlet(&self, inlet_id: Uuid) -> Result<Arc<Inlet>, Arc<AccessError>> {
        let look_up = async { inlet_of(self.pool(), inlet_id).await.map(Arc::new) };
        self.inlets.try_get_with(inlet_id, look_up).await
    }
}
