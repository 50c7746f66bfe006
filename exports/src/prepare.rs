//! What an export will hold, found out before the first byte of it is written.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use domain::TenantId;
use eventlog::{EventLog, Position};
use seal::export::{FORMAT, Manifest, RunRange};
use seal::receipt::TimeStamp;
use sqlx::PgPool;

use crate::error::{ExportError, NotSealed};
use crate::prove::{Proofs, prove};
use crate::receipt::Chained;
use crate::select::Which;
use crate::snapshot::{self, RunRow, Sealed, SignedCheckpoint, Snapshot};

/// How often, and how long after each other, it is looked whether a checkpoint has been signed.
const LOOKS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(200);

/// With more than these a file may become large.
const MANY_EVENTS: u64 = 200_000;
const MANY_RUNS: usize = 250;

/// Makes exports from the event log and what the sealer has written.
#[derive(Clone)]
pub struct Exporter {
    pool: PgPool,
    log: Arc<dyn EventLog>,
    chained: Chained,
}

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose.
    pub tenant: TenantId,
    /// Which runs.
    pub which: Which,
    /// With all events of the tenant's administration.
    pub administration: bool,
    /// Sizes of older checkpoints; the file proves that their trees are the beginning of this one.
    pub old_sizes: Vec<u64>,
    /// The log must be sealed up to here.
    pub after: Option<Position>,
    /// Now.
    pub at: DateTime<Utc>,
    /// How many runs may be concerned: each takes about 160 bytes of memory.
    pub most_runs: u64,
}

/// An export that can be written. Which of the runs are of the wanted kind is read from the log only then.
pub struct Export {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) tenant: TenantId,
    pub(crate) which: Which,
    pub(crate) at: DateTime<Utc>,
    pub(crate) manifest: Manifest,
    pub(crate) sealed: Sealed,
    pub(crate) proofs: Proofs,
    pub(crate) runs: Vec<RunRow>,
    pub(crate) time_stamp: Option<TimeStamp>,
}

impl Exporter {
    /// From the tables of that database, and the log that they were made from.
    #[must_use]
    pub fn new(pool: PgPool, log: Arc<dyn EventLog>) -> Self {
        Self { pool, log, chained: Chained::default() }
    }

    pub(crate) fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }

    pub(crate) fn chained(&self) -> &Chained {
        &self.chained
    }

    pub(crate) fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The newest checkpoint of a tenant that is signed, to keep: by it is seen later that nothing was changed since.
    ///
    /// # Errors
    /// [`ExportError::NotSealed`], also where the log is not sealed up to `after`; or the database's.
    pub async fn checkpoint(
        &self,
        tenant: &TenantId,
        after: Option<Position>,
    ) -> Result<SignedCheckpoint, ExportError> {
        let newest = snapshot::newest_signed(&self.pool, tenant).await?.ok_or(NotSealed::Tenant)?;
        reaches(newest.position, after)?;
        Ok(newest)
    }

    /// Finds out what an export holds, as of the newest signed checkpoint.
    ///
    /// # Errors
    /// Each of [`ExportError`] but [`ExportError::Gone`].
    pub async fn prepare(&self, request: Request) -> Result<Export, ExportError> {
        let Request { tenant, which, administration, mut old_sizes, after, at, most_runs } = request;
        old_sizes.sort_unstable();
        old_sizes.dedup();
        let (mut snapshot, sealed) = self.snapshot(&tenant).await?;
        reaches(sealed.signed.position, after)?;
        let numbers = which.numbers(&mut snapshot, &sealed, (&self.log, &tenant)).await?;
        let concerned = numbers.end - numbers.start;
        if concerned > most_runs {
            return Err(ExportError::TooManyRuns { runs: concerned, most: most_runs });
        }
        let runs = snapshot.runs(&sealed, numbers.clone()).await?;
        let proofs = prove(&mut snapshot, &sealed, &runs, &numbers, &old_sizes).await?;
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            tenant: tenant.to_string(),
            exported_at: at.to_rfc3339_opts(SecondsFormat::Secs, true),
            selection: which.selection(),
            runs: RunRange { first: numbers.start, total: sealed.heads.runs, proof: proofs.runs.clone() },
            administration,
            consistency: proofs.consistency.clone(),
        };
        let time_stamp = snapshot.newest_stamp(sealed.log_id, sealed.size).await?;
        Ok(Export { log: self.log.clone(), tenant, which, at, manifest, sealed, proofs, runs, time_stamp })
    }

    /// A snapshot, and the newest checkpoint in it. One that is about to be signed is waited for.
    async fn snapshot(&self, tenant: &TenantId) -> Result<(Snapshot, Sealed), ExportError> {
        let mut looks = 1;
        loop {
            let mut snapshot = Snapshot::take(&self.pool).await?;
            match snapshot.sealed(tenant).await {
                Ok(sealed) => return Ok((snapshot, sealed)),
                Err(ExportError::NotSealed(NotSealed::Signing)) if looks < LOOKS => looks += 1,
                Err(error) => return Err(error),
            }
            drop(snapshot);
            tokio::time::sleep(PAUSE).await;
        }
    }
}

fn reaches(sealed: Position, after: Option<Position>) -> Result<(), NotSealed> {
    match after.filter(|after| *after > sealed) {
        Some(wanted) => Err(NotSealed::Position { sealed: sealed.0, wanted: wanted.0 }),
        None => Ok(()),
    }
}

impl Export {
    /// A name for the file.
    #[must_use]
    pub fn file_name(&self) -> String {
        let tenant = &self.tenant;
        match self.manifest.selection.run_id {
            Some(run) => format!("runledger-{tenant}-run-{run}.zip"),
            None => format!("runledger-{tenant}-{}.zip", self.at.format("%Y%m%dT%H%M%SZ")),
        }
    }

    /// The event log up to here is in it.
    #[must_use]
    pub fn position(&self) -> Position {
        self.sealed.signed.position
    }

    /// The origin and the size of the checkpoint.
    #[must_use]
    pub fn checkpoint(&self) -> (&str, u64) {
        (&self.proofs.origin, self.sealed.size)
    }

    /// How many runs are told whole, once they are marked.
    pub(crate) fn selected(&self) -> u64 {
        self.runs.iter().filter(|run| run.selected).count() as u64
    }

    /// Whether a file of it may have 4 GiB or more: an event may have some kilobytes, and the first one of a run some
    /// megabytes.
    pub(crate) fn may_be_large(&self) -> bool {
        self.events() > MANY_EVENTS || self.runs.len() > MANY_RUNS
    }

    /// How many events it will have then, if the log has what was sealed.
    pub(crate) fn events(&self) -> u64 {
        let administration = self.sealed.heads.administration.filter(|_| self.manifest.administration);
        let of_runs = self.runs.iter().map(|run| if run.selected { run.count } else { 1 });
        of_runs.sum::<u64>() + administration.map_or(0, |head| head.count)
    }
}
