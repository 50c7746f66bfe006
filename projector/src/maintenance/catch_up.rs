//! Folding the log into shadow tables.

use std::time::Duration;

use eventlog::{EventLog, Position};
use sqlx::PgConnection;
use tokio::time::Instant;

use super::{Progress, shadow};
use crate::apply::apply;
use crate::error::{ProjectorError, bigint};
use crate::lease::{BEAT, Lease};
use crate::run::fitting;
use crate::tables::{LEASE_TERM, Tables};

/// How many events are folded in one transaction.
const BATCH_EVENTS: usize = 2_000;
const BATCH_BYTES: usize = 16 << 20;

/// How often the goal is asked for anew and the progress told.
const EVERY: Duration = Duration::from_millis(200);

/// Shadow tables that are being filled, and the lease to fill them.
pub(super) struct ShadowTables<'a> {
    log: &'a dyn EventLog,
    tables: Tables,
    lease: Lease,
    /// The position that the tables have reached.
    pub reached: Position,
    /// How many events were folded here.
    events: u64,
}

impl<'a> ShadowTables<'a> {
    /// Goes on with the tables where an earlier try of the same making left them, or begins anew.
    pub async fn begin(
        log: &'a dyn EventLog,
        tables: Tables,
        made_by: &str,
        anew: bool,
    ) -> Result<Self, ProjectorError> {
        if shadow::made_by(&tables).await?.is_some() {
            // Another process at work holds the lease; that of a killed one ends by itself.
            let lease = Self::lease(&tables).await?;
            if !anew && shadow::made_by(&tables).await?.as_deref() == Some(made_by) {
                let reached = tables.checkpoint().await?;
                return Ok(Self { log, tables, lease, reached, events: 0 });
            }
        }
        shadow::create(&tables, made_by).await?;
        let lease = Self::lease(&tables).await?;
        Ok(Self { log, tables, lease, reached: Position(0), events: 0 })
    }

    async fn lease(tables: &Tables) -> Result<Lease, ProjectorError> {
        let until = Instant::now() + LEASE_TERM * 2;
        loop {
            if let Some(lease) = Lease::take(tables).await? {
                return Ok(lease);
            }
            if Instant::now() > until {
                return Err(ProjectorError::Busy(tables.schema().name()));
            }
            tokio::time::sleep(BEAT).await;
        }
    }

    /// Folds until `goal`, as it was a moment ago, is reached: under load there is always a newer one.
    pub async fn up_to<F, G>(
        &mut self,
        goal: G,
        told: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), ProjectorError>
    where
        F: Future<Output = Result<Position, ProjectorError>> + Send,
        G: Fn() -> F + Send + Sync,
    {
        let mut until = goal().await?;
        let mut asked = Instant::now();
        told(self.progress(until));
        loop {
            if asked.elapsed() > EVERY {
                until = goal().await?;
                asked = Instant::now();
                told(self.progress(until));
            }
            if self.reached >= until {
                told(self.progress(until));
                return Ok(());
            }
            self.some(until).await?;
        }
    }

    fn progress(&self, goal: Position) -> Progress {
        Progress { reached: self.reached, goal, events: self.events }
    }

    /// Folds up to a position, whatever else happens.
    pub async fn rest(&mut self, until: Position) -> Result<(), ProjectorError> {
        while self.reached < until {
            self.some(until).await?;
        }
        Ok(())
    }

    /// Folds the next events, none of them after `until`.
    async fn some(&mut self, until: Position) -> Result<(), ProjectorError> {
        let mut records = self.log.read_all(self.reached, BATCH_EVENTS).await?;
        records.retain(|record| record.position <= until);
        if records.is_empty() {
            return Err(ProjectorError::Unreachable { goal: until, reached: self.reached });
        }
        let mut rest = records.as_slice();
        while !rest.is_empty() {
            let (part, later) = rest.split_at(fitting(rest, BATCH_BYTES));
            self.reached = apply(&self.tables, Some(&self.lease), self.reached, part).await?.checkpoint;
            self.events += part.len() as u64;
            rest = later;
        }
        Ok(())
    }

    /// Renews the lease where nothing is folded for a while.
    pub async fn beat(&self) -> Result<(), ProjectorError> {
        self.lease.beat(&self.tables).await.map(drop)
    }

    /// Does work that takes its time and folds nothing, and keeps the lease meanwhile. If the lease is lost all the
    /// same, the work stops at once: the tables are another process's then.
    pub async fn beating<T>(
        &self,
        work: impl Future<Output = Result<T, ProjectorError>>,
    ) -> Result<T, ProjectorError> {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = tokio::time::sleep(BEAT) => self.beat().await?,
            }
        }
    }

    /// Locks the tables until the transaction ends, and makes sure that they are still ours and as we filled them.
    ///
    /// # Errors
    /// [`ProjectorError::Fenced`] where they are not, or the database's.
    pub async fn lock_for_swap(&self, db: &mut PgConnection) -> Result<(), ProjectorError> {
        let ours = (bigint(self.reached.0)?, self.lease.fence());
        let found = shadow::lock_for_swap(db, self.tables.schema()).await?;
        if found == Some(ours) { Ok(()) } else { Err(ProjectorError::Fenced) }
    }
}
