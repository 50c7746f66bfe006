//! The projector's life: follow the log from the checkpoint, again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eventlog::{EventLog, LogError, Position, RecordedEvent, Subscription};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::apply::{self, Applied};
use crate::error::ProjectorError;
use crate::lag::{self, Reached};

/// The pauses between tries while something fails.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The settings of a [`Projector`].
#[derive(Debug, Clone)]
pub struct ProjectorConfig {
    /// How many events are folded in one transaction at most; 2,000 by default.
    pub max_batch_events: usize,
    /// How many bytes of event data go into one transaction, except that one event always does; 16 MiB
    /// by default. Keeps a statement far below the 1 GB that Postgres takes.
    pub max_batch_bytes: usize,
}

impl Default for ProjectorConfig {
    fn default() -> Self {
        Self { max_batch_events: 2_000, max_batch_bytes: 16 << 20 }
    }
}

/// Folds a log into the read tables of a database. Several on one database do no harm: one works, the
/// others wait for it and skip what it has done.
pub struct Projector {
    log: Arc<dyn EventLog>,
    pool: PgPool,
    config: ProjectorConfig,
    reached: Reached,
}

impl Projector {
    /// A projector from that log into the migrated database of that pool.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, pool: PgPool, config: ProjectorConfig) -> Self {
        Self { log, pool, config, reached: Reached::default() }
    }

    /// Projects until `stop`. The batch in hand is finished first. Whatever fails is tried again: nothing
    /// that an operator can mend ends it.
    ///
    /// # Errors
    /// None at present; the caller treats an end that nobody asked for as a failure.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ProjectorError> {
        tokio::join!(self.project(&stop), lag::export(&*self.log, &self.reached, &stop));
        Ok(())
    }

    async fn project(&self, stop: &CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let mut progress = false;
            match self.follow(stop, &mut progress).await {
                Ok(()) => continue,
                Err(error @ ProjectorError::Rewound { .. }) => {
                    tracing::info!(%error, "the projection starts over from the checkpoint");
                    continue;
                }
                Err(error) => report(&error),
            }
            metrics::counter!("runledger_projector_failures_total").increment(1);
            pause = if progress { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
    }

    /// Follows the log from the checkpoint until it is stopped or somebody else is ahead.
    async fn follow(&self, stop: &CancellationToken, progress: &mut bool) -> Result<(), ProjectorError> {
        let Some(begun) = stop.run_until_cancelled(self.begin()).await else { return Ok(()) };
        let (mut after, mut subscription) = begun?;
        loop {
            let next = subscription.next_batch(self.config.max_batch_events.max(1));
            let Some(batch) = stop.run_until_cancelled(next).await else { return Ok(()) };
            let batch = batch?;
            let mut rest = batch.as_slice();
            while !rest.is_empty() {
                let (part, later) = rest.split_at(fitting(rest, self.config.max_batch_bytes));
                let checkpoint = self.apply(after, part).await?;
                *progress = true;
                after = part.last().map_or(after, |last| last.position);
                if checkpoint > after {
                    return Ok(());
                }
                rest = later;
            }
        }
    }

    async fn begin(&self) -> Result<(Position, Box<dyn Subscription>), ProjectorError> {
        let after = apply::checkpoint(&self.pool).await?;
        self.reached.set(after);
        self.export_dead_letters().await?;
        Ok((after, self.log.subscribe(after).await?))
    }

    /// Applies a batch that was read after a position, in one transaction; gives back where the
    /// checkpoint is then. A batch, or a part of it, that was applied before changes nothing.
    ///
    /// # Errors
    /// [`ProjectorError`]; nothing of the batch was applied then.
    pub async fn apply(&self, after: Position, batch: &[RecordedEvent]) -> Result<Position, ProjectorError> {
        let begin = Instant::now();
        let Applied { checkpoint, held } = apply::apply(&self.pool, after, batch).await?;
        self.reached.set(checkpoint);
        metrics::histogram!("runledger_projector_apply_seconds").record(begin.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "a batch is far smaller than 2^52")]
        metrics::histogram!("runledger_projector_batch_events").record(batch.len() as f64);
        if held > 0 {
            metrics::counter!("runledger_projector_dead_letters_total").increment(held as u64);
            if let Err(error) = self.export_dead_letters().await {
                tracing::debug!(%error, "the number of dead letters is not known");
            }
        }
        Ok(checkpoint)
    }

    async fn export_dead_letters(&self) -> Result<(), ProjectorError> {
        let rows = sqlx::query_scalar!(r#"SELECT count(*) AS "rows!" FROM projection.dead_letters"#);
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        metrics::gauge!("runledger_dead_letters").set(rows.fetch_one(&self.pool).await? as f64);
        Ok(())
    }
}

/// How many of the records, from the first on, go into one transaction: at least one.
fn fitting(records: &[RecordedEvent], bytes: usize) -> usize {
    let mut sum = 0_usize;
    let ends = records.iter().map(|record| {
        sum = sum.saturating_add(record.data.len()).saturating_add(record.metadata.len());
        sum
    });
    ends.take_while(|end| *end <= bytes).count().max(1)
}

/// What passes by itself is a warning; what waits for an operator is an error.
fn report(error: &ProjectorError) {
    match error {
        ProjectorError::Database(_) | ProjectorError::Log(LogError::Unavailable(_)) => {
            tracing::warn!(%error, "projecting failed; trying again");
        }
        _ => tracing::error!(%error, "projecting failed and waits to be mended; trying again"),
    }
}
