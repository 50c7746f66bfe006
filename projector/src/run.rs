//! The projector's life: follow the log from the checkpoint, again and again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use eventlog::{EventLog, LogError, Position, RecordedEvent, Subscription};
use sqlx::PgPool;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::administration;
use crate::agree::{self, Folded};
use crate::apply::{self, Applied};
use crate::error::{Lost, ProjectorError};
use crate::lag;
use crate::lease::{BEAT, Lease};
use crate::maintenance::{Maintenance, sample};
use crate::tables::{Schema, Tables};
use crate::titles;

/// The pauses between tries while something fails.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long the log may take to show that it is still the same, beside the work: it is only a precaution.
const LOOK_WITHIN: Duration = Duration::from_millis(200);

/// The settings of a [`Projector`].
#[derive(Debug, Clone)]
pub struct ProjectorConfig {
    /// How many events are folded in one transaction at most; 10,000 by default. Only catch-up has
    /// batches that large: a run's row is written once a batch, so with many runs interleaved they are much
    /// faster (`docs/benchmarks.md`).
    pub max_batch_events: usize,
    /// How many bytes of event data go into one transaction, except that one event always does; 16 MiB
    /// by default. Keeps a statement far below the 1 GB that Postgres takes.
    pub max_batch_bytes: usize,
    /// How long until the next run is compared with the log; 10 s by default.
    pub sample_every: Duration,
}

impl Default for ProjectorConfig {
    fn default() -> Self {
        Self { max_batch_events: 10_000, max_batch_bytes: 16 << 20, sample_every: Duration::from_secs(10) }
    }
}

/// Folds a log into the read tables of a database. Of several on one database one works and the others
/// stand by: when its lease ends, the next one takes over, and the first can't write any more.
pub struct Projector {
    log: Arc<dyn EventLog>,
    tables: Tables,
    config: ProjectorConfig,
}

impl Projector {
    /// A projector from that log into the migrated database of that pool.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, pool: PgPool, config: ProjectorConfig) -> Self {
        Self { log, tables: Tables::new(pool, Schema::Live), config }
    }

    /// Projects until `stop`. The batch in hand is finished first. Whatever fails is tried again: nothing
    /// that an operator can mend ends it.
    ///
    /// # Errors
    /// None at present; the caller treats an end that nobody asked for as a failure.
    pub async fn run(self, stop: CancellationToken) -> Result<(), ProjectorError> {
        let maintenance = Maintenance::new(self.log.clone(), self.tables.pool().clone());
        tokio::join!(
            self.project(&stop),
            lag::export(&*self.log, &self.tables, &stop),
            sample(&maintenance, self.config.sample_every, &stop)
        );
        Ok(())
    }

    /// Asks for the lease, works while it lasts, and asks again.
    async fn project(&self, stop: &CancellationToken) {
        let active = metrics::gauge!("runledger_projector_active");
        active.set(0.0);
        while !stop.is_cancelled() {
            match stop.run_until_cancelled(Lease::take(&self.tables)).await {
                None => return,
                Some(Ok(Some(lease))) => {
                    tracing::info!(fence = lease.fence(), "projecting");
                    active.set(1.0);
                    self.work(lease, stop).await;
                    active.set(0.0);
                    continue;
                }
                Some(Ok(None)) => {}
                Some(Err(error)) => report(&error),
            }
            stop.run_until_cancelled(tokio::time::sleep(BEAT)).await;
        }
    }

    /// Follows the log, again and again, until it is stopped or another has the lease.
    async fn work(&self, lease: Lease, stop: &CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let mut progress = false;
            match self.follow(&lease, stop, &mut progress).await {
                Ok(()) => continue,
                Err(ProjectorError::Fenced) => {
                    tracing::warn!(fence = lease.fence(), "another projector has taken over");
                    return;
                }
                Err(error @ ProjectorError::Rewound { .. }) => {
                    tracing::info!(%error, "the projection starts over from the checkpoint");
                    continue;
                }
                Err(error) => report(&error),
            }
            pause = if progress { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        if let Err(error) = lease.give_back(&self.tables).await {
            tracing::debug!(%error, "the lease was not given back and ends by itself");
        }
    }

    /// Follows the log from the checkpoint until it is stopped or another projector is ahead.
    async fn follow(
        &self,
        lease: &Lease,
        stop: &CancellationToken,
        progress: &mut bool,
    ) -> Result<(), ProjectorError> {
        titles::key_all(&self.tables, lease).await?;
        administration::fold_missed(&*self.log, &self.tables, lease).await?;
        let Some(begun) = stop.run_until_cancelled(self.begin()).await else { return Ok(()) };
        let (mut after, mut subscription) = begun?;
        let mut last = None;
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let batch = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                batch = subscription.next_batch(self.config.max_batch_events.max(1)) => batch?,
                _ = beat.tick() => {
                    self.still_there(lease, after, last.as_ref()).await?;
                    continue;
                }
            };
            let mut rest = batch.as_slice();
            while !rest.is_empty() {
                let (part, later) = rest.split_at(fitting(rest, self.config.max_batch_bytes));
                let checkpoint = self.apply_with(Some(lease), after, part).await?;
                *progress = true;
                if let Some(record) = part.last() {
                    after = record.position;
                    last = Some(Folded::of(record));
                }
                if checkpoint > after {
                    return Ok(());
                }
                rest = later;
            }
        }
    }

    async fn begin(&self) -> Result<(Position, Box<dyn Subscription>), ProjectorError> {
        let after = self.tables.checkpoint().await?;
        let agrees = agree::check(&*self.log, &self.tables, after).await;
        let behind = matches!(agrees, Err(ProjectorError::LogBehind { .. }));
        metrics::gauge!("runledger_projector_log_behind").set(if behind { 1.0 } else { 0.0 });
        agrees?;
        Ok((after, self.log.subscribe(after).await?))
    }

    /// Renews the lease, and sees whether the checkpoint and the log are still where we follow, with the event that
    /// was folded last. A follower after a position that the log does not have would never hear of what comes before
    /// that.
    async fn still_there(
        &self,
        lease: &Lease,
        after: Position,
        last: Option<&Folded>,
    ) -> Result<(), ProjectorError> {
        let checkpoint = lease.beat(&self.tables).await?;
        if checkpoint < after {
            return Err(ProjectorError::Rewound { checkpoint, after });
        }
        let there = async {
            if let Some(last) = last {
                last.must_be_in(&*self.log, checkpoint).await?;
            }
            let head = self.log.head().await?;
            if head < after {
                return Err(ProjectorError::LogBehind { reached: checkpoint, lost: Lost::End(head) });
            }
            Ok(())
        };
        match tokio::time::timeout(LOOK_WITHIN, there).await {
            Ok(Err(behind @ ProjectorError::LogBehind { .. })) => Err(behind),
            // Whether the log answers is told by those that read it.
            _ => Ok(()),
        }
    }

    /// Applies a batch that was read after a position, in one transaction; gives back where the
    /// checkpoint is then. A batch, or a part of it, that was applied before changes nothing. It needs no
    /// lease: the checkpoint's lock keeps everybody else out meanwhile.
    ///
    /// # Errors
    /// [`ProjectorError`]; nothing of the batch was applied then.
    pub async fn apply(&self, after: Position, batch: &[RecordedEvent]) -> Result<Position, ProjectorError> {
        self.apply_with(None, after, batch).await
    }

    async fn apply_with(
        &self,
        lease: Option<&Lease>,
        after: Position,
        batch: &[RecordedEvent],
    ) -> Result<Position, ProjectorError> {
        let begin = Instant::now();
        let Applied { checkpoint, quarantined } = apply::apply(&self.tables, lease, after, batch).await?;
        metrics::histogram!("runledger_projector_apply_seconds").record(begin.elapsed());
        #[expect(clippy::cast_precision_loss, reason = "a batch is far smaller than 2^52")]
        metrics::histogram!("runledger_projector_batch_events").record(batch.len() as f64);
        if quarantined > 0 {
            metrics::counter!("runledger_projector_dead_letters_total").increment(quarantined as u64);
            lag::export_dead_letters(&self.tables).await;
        }
        Ok(checkpoint)
    }
}

/// How many of the records, from the first on, go into one transaction: at least one.
pub(crate) fn fitting(records: &[RecordedEvent], bytes: usize) -> usize {
    let mut sum = 0_usize;
    let ends = records.iter().map(|record| {
        sum = sum.saturating_add(record.data.len()).saturating_add(record.metadata.len());
        sum
    });
    ends.take_while(|end| *end <= bytes).count().max(1)
}

/// What passes by itself is a warning; what waits for an operator is an error.
fn report(error: &ProjectorError) {
    metrics::counter!("runledger_projector_failures_total").increment(1);
    match error {
        ProjectorError::Database(_) | ProjectorError::Log(LogError::Unavailable(_)) => {
            tracing::warn!(%error, "projecting failed; trying again");
        }
        _ => tracing::error!(%error, "projecting failed and waits to be mended; trying again"),
    }
}
