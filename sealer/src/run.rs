//! The sealer's life.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use eventlog::{EventLog, LogError, Position, RecordedEvent};
use seal::policy::Policy;
use sqlx::PgPool;
use tokio::time::{Instant, MissedTickBehavior, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::belongs;
use crate::error::SealError;
use crate::findings::Finding;
use crate::gathered::{Gathered, read_on};
use crate::hasher::Hasher;
use crate::integrate::{add, open, sealable, streams_of, write};
use crate::key::{KeyFile, KeyFileError};
use crate::logs::Logs;
use crate::outside;
use crate::progress::{Lease, reach};
use crate::round::answered;
use crate::sampler;
use crate::timestamps::{Authorities, TimeStamping};
use crate::told::tell;
use crate::witnesses::Witnesses;

/// How often an idle holder renews the lease, and how often the others ask for it.
const BEAT: Duration = Duration::from_secs(2);

/// The pauses between tries while something fails.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The settings of a [`Sealer`].
#[derive(Debug, Clone)]
pub struct SealerConfig {
    /// How long news wait to be signed at most; 10 s by default.
    pub sign_every: Duration,
    /// How long events wait to become leaves at most; 1 s by default.
    pub integrate_every: Duration,
    /// How many events become leaves in one transaction at most; 20,000 by default.
    pub max_batch_events: usize,
    /// How long until the next run is compared with what was sealed of it; 1 s by default.
    pub sample_every: Duration,
    /// The policy whose witnesses, those with a URL, are asked to cosign each checkpoint, and whose quorum says when
    /// they are enough; none by default.
    pub witnesses: Option<Policy>,
    /// Who time-stamps the ledger's own log; nobody by default.
    pub time_stamps: Option<TimeStamping>,
}

impl Default for SealerConfig {
    fn default() -> Self {
        Self {
            sign_every: Duration::from_secs(10),
            integrate_every: Duration::from_secs(1),
            max_batch_events: 20_000,
            sample_every: Duration::from_secs(1),
            witnesses: None,
            time_stamps: None,
        }
    }
}

/// Seals a log into the tables of a database. Of several on one database one works and the others stand by.
pub struct Sealer {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) pool: PgPool,
    keys: PathBuf,
    config: SealerConfig,
    pub(crate) witnesses: Option<Arc<Witnesses>>,
    authorities: Option<Authorities>,
}

/// What one holder of the lease knows.
pub(crate) struct Work {
    pub lease: Lease,
    pub logs: Logs,
    /// Tenants whose logs have more than their newest checkpoint.
    pub news: BTreeSet<String>,
    pub keys: KeyFile,
    /// Under the how manyth name logs are signed at most.
    pub generation: u32,
    /// Logs whose newest checkpoint has too few cosignatures; none before it was looked.
    pub lacking: Option<HashSet<i32>>,
}

impl Sealer {
    /// A sealer of that log, with the keys in that file.
    ///
    /// # Errors
    /// [`KeyFileError`]: a key that is not there, or a policy that can't be met, is told before anything runs.
    pub fn new(
        log: Arc<dyn EventLog>,
        pool: PgPool,
        keys: PathBuf,
        config: SealerConfig,
    ) -> Result<Self, KeyFileError> {
        KeyFile::read(&keys)?;
        let witnesses = config.witnesses.clone().map(Witnesses::new).transpose()?.map(Arc::new);
        let authorities = config.time_stamps.as_ref().map(Authorities::new).transpose()?;
        Ok(Self { log, pool, keys, config, witnesses, authorities })
    }

    /// Seals until `stop`. Whatever fails is tried again, and told.
    pub async fn run(self, stop: CancellationToken) {
        tokio::join!(
            self.seal(&stop),
            sampler::sample(&self.pool, &self.log, &self.keys, self.config.sample_every, &stop),
            async {
                if let Some(authorities) = &self.authorities {
                    authorities.keep_up(&self.pool, &stop).await;
                }
            }
        );
    }

    /// Seals what the log has now, and signs it. For commands and tests; where another sealer works, it waits for the lease.
    ///
    /// # Errors
    /// [`SealError`].
    pub async fn seal_now(&self) -> Result<(), SealError> {
        let lease = loop {
            match Lease::take(&self.pool).await? {
                Some(lease) => break lease,
                None => tokio::time::sleep(BEAT).await,
            }
        };
        let done = self.seal_with(lease).await;
        done.and(lease.give_back(&self.pool).await)
    }

    async fn seal_with(&self, lease: Lease) -> Result<(), SealError> {
        let (mut work, mut position) = self.begin(lease).await?;
        let hasher = Hasher::start()?;
        loop {
            let batch = self.log.read_all(position, self.config.max_batch_events.max(1)).await?;
            let Some(last) = batch.last() else { break };
            position = last.position;
            self.integrate(&mut work, &hasher, batch).await?;
        }
        self.sign(&mut work).await
    }

    /// Compares the next run with what was sealed of it; see [`Finding`] for what may be wrong.
    ///
    /// # Errors
    /// [`SealError`]; what differs is no error.
    pub async fn sample_next(&self) -> Result<Option<Finding>, SealError> {
        Ok(sampler::check_next(&self.pool, &*self.log, &self.keys).await?.0)
    }

    /// Has the ledger's own log time-stamped, if it is due, and says whether it was.
    ///
    /// # Errors
    /// [`SealError`]; that an authority gives none is no error, and is kept for [`time_stamps`](crate::time_stamps).
    pub async fn stamp_now(&self) -> Result<bool, SealError> {
        match &self.authorities {
            Some(authorities) => authorities.once(&self.pool).await,
            None => Ok(false),
        }
    }

    async fn seal(&self, stop: &CancellationToken) {
        let active = metrics::gauge!("runledger_sealer_active");
        active.set(0.0);
        while !stop.is_cancelled() {
            match stop.run_until_cancelled(Lease::take(&self.pool)).await {
                None => return,
                Some(Ok(Some(lease))) => {
                    active.set(1.0);
                    let lasts = self.work(lease, stop).await;
                    active.set(0.0);
                    if !lasts {
                        continue;
                    }
                }
                Some(Ok(None)) => {}
                Some(Err(error)) => {
                    report(&error);
                }
            }
            stop.run_until_cancelled(tokio::time::sleep(BEAT)).await;
        }
    }

    /// Follows the log, again and again, until it is stopped or another has the lease. What does not pass by itself ends
    /// it too (true): without a holder of the lease all can see that nothing is sealed, and another process may do better.
    async fn work(&self, lease: Lease, stop: &CancellationToken) -> bool {
        let (mut pause, mut lasts) = (FIRST_PAUSE, false);
        while !stop.is_cancelled() {
            let mut progress = false;
            match self.follow(lease, stop, &mut progress).await {
                Ok(()) => continue,
                Err(error @ SealError::Fenced) => {
                    tracing::warn!(%error, "sealing elsewhere");
                    return false;
                }
                Err(error) => {
                    if !report(&error) {
                        lasts = true;
                        break;
                    }
                }
            }
            pause = if progress { FIRST_PAUSE } else { (pause * 2).min(LONGEST_PAUSE) };
            let until = Instant::now() + pause;
            while Instant::now() < until && !stop.is_cancelled() {
                // Whoever stands by would meet the same.
                if let Err(SealError::Fenced) = lease.beat(&self.pool).await {
                    return false;
                }
                let next = until.min(Instant::now() + BEAT);
                stop.run_until_cancelled(sleep_until(next)).await;
            }
        }
        if let Err(error) = lease.give_back(&self.pool).await {
            tracing::debug!(%error, "the lease was not given back and ends by itself");
        }
        lasts
    }

    async fn follow(
        &self,
        lease: Lease,
        stop: &CancellationToken,
        progress: &mut bool,
    ) -> Result<(), SealError> {
        let (mut work, position) = self.begin(lease).await?;
        let hasher = Hasher::start()?;
        let subscription = self.log.subscribe(position).await?;
        let every = |period: Duration| {
            let mut interval = tokio::time::interval(period.max(Duration::from_millis(1)));
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        };
        let (mut signing, mut beat) = (every(self.config.sign_every), every(BEAT));
        let mut gathered = Gathered::new(self.config.max_batch_events, self.config.integrate_every);
        let mut reading = read_on(subscription, Instant::now(), gathered.room());
        let mut asking = None;
        let behind = metrics::gauge!("runledger_sealer_behind_events");
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return Ok(()),
                _ = signing.tick(), if asking.is_none() => asking = self.begin_round(&mut work).await?,
                cosigned = answered(&mut asking) => asking = self.go_on(&mut work, cosigned?).await?,
                _ = beat.tick() => {
                    let (sealed, head) = (lease.beat(&self.pool).await?, self.log.head().await?);
                    #[expect(clippy::cast_precision_loss, reason = "a gauge")]
                    behind.set(head.0.saturating_sub(sealed.0) as f64);
                }
                () = gathered.due() => {
                    let integrating = self.integrate(&mut work, &hasher, gathered.take());
                    tokio::pin!(integrating);
                    // Meanwhile the log goes on, and forgets.
                    loop {
                        tokio::select! {
                            done = &mut integrating => break done?,
                            read = &mut reading, if !gathered.is_full() => reading = gathered.read(read)?,
                        }
                    }
                    *progress = true;
                }
                // Kept while the others work: a slow log would never come to the end of a read.
                read = &mut reading => reading = gathered.read(read)?,
            }
        }
    }

    /// What is there from before: signed on nothing but what was committed, and only when no checkpoint outside of the
    /// database says that more was signed already.
    async fn begin(&self, lease: Lease) -> Result<(Work, Position), SealError> {
        let keys = self.read_keys()?;
        belongs::must_have_name_of(&self.pool, &keys).await?;
        let generation = outside::check(&self.pool, &keys).await?;
        if let Some(witnesses) = &self.witnesses {
            outside::check_witnesses(&self.pool, &keys, witnesses).await?;
        }
        let (tx, position) = lease.begin(&self.pool).await?;
        tx.rollback().await?;
        let head = self.log.head().await?;
        if head < position {
            return Err(SealError::LogBehind { head, sealed: position });
        }
        tell(&self.pool, lease, &keys).await?;
        let news = sqlx::query_scalar!(
            r#"SELECT tenant AS "tenant!" FROM seal.logs AS l WHERE tenant IS NOT NULL AND size >
                   COALESCE((SELECT max(size) FROM seal.checkpoints AS c WHERE c.log_id = l.log_id), 0)"#
        );
        let news = news.fetch_all(&self.pool).await?.into_iter().collect();
        Ok((Work { lease, logs: Logs::default(), news, keys, generation, lacking: None }, position))
    }

    pub(crate) fn read_keys(&self) -> Result<KeyFile, SealError> {
        KeyFile::read(&self.keys).map_err(|error| SealError::Damaged(error.to_string()))
    }

    async fn integrate(
        &self,
        work: &mut Work,
        hasher: &Hasher,
        batch: Vec<RecordedEvent>,
    ) -> Result<(), SealError> {
        let Some(last) = batch.last().map(|event| event.position) else { return Ok(()) };
        let (mut tx, _) = work.lease.begin_unflushed(&self.pool).await?;
        let streams = streams_of(&batch);
        let mut chains = open(&mut tx, &mut work.logs, &streams).await?;
        for (tenant, _) in streams {
            if let Some(tenant) = tenant.filter(|tenant| !work.news.contains(*tenant)) {
                work.news.insert(tenant.to_owned());
            }
        }
        // What fails is begun anew, with logs as the tables have them.
        let mut logs = std::mem::take(&mut work.logs);
        let added = hasher.run(move || {
            let events: Vec<_> = batch.iter().filter_map(sealable).collect();
            add(&mut logs, &mut chains, &events).map(|()| (logs, chains, events.len()))
        });
        let (logs, chains, count) = added.await??;
        work.logs = logs;
        write(&mut tx, &mut work.logs, &chains).await?;
        reach(&mut tx, last).await?;
        tx.commit().await?;
        work.logs.forget(false);
        metrics::counter!("runledger_sealer_events_total").increment(count as u64);
        Ok(())
    }
}

/// What passes by itself (true) is a warning; what waits for an operator is an error.
fn report(error: &SealError) -> bool {
    metrics::counter!("runledger_sealer_failures_total").increment(1);
    match error {
        SealError::Database(_) | SealError::Log(LogError::Unavailable(_)) => {
            tracing::warn!(%error, "sealing failed; trying again");
            true
        }
        _ => {
            tracing::error!(%error, "nothing is sealed until this is mended; trying again");
            false
        }
    }
}
