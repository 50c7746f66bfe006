//! Recomputes all that was ever sealed from the event log, and compares it: each leaf, and each root that was signed.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::Arc;

use eventlog::{EventLog, LogError, Position, RecordedEvent};
use seal::continues::Continues;
use sqlx::{PgConnection, PgPool};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::belongs;
use crate::checkpoint::{self, Which};
use crate::continues;
use crate::error::{SealError, signed};
use crate::findings::{self, Finding};
use crate::integrate::{Source, sealable};
use crate::key::KeyFile;
use crate::logs::salt;
use crate::pace::Pace;
use crate::publish::{listed, listed_text};
use crate::recomputed::Recomputed;
use crate::runs;
use crate::stamped;

/// How many events are read at once.
const PAGE: usize = 5_000;

/// How far an audit has come.
#[derive(Debug, Clone, Copy)]
pub struct AuditProgress {
    /// Up to where the log was read.
    pub reached: Position,
    /// Up to where it is sealed.
    pub goal: Position,
    /// Events so far.
    pub events: u64,
}

/// What an audit has looked at and found.
#[derive(Debug, Clone, Default)]
pub struct Audited {
    /// Events of the log whose entries were compared.
    pub events: u64,
    /// Logs of tenants.
    pub tenants: u64,
    /// Signed checkpoints whose roots were recomputed, those of the ledger's own log too.
    pub checkpoints: u64,
    /// Time stamps of the ledger's own log that were compared with its checkpoints.
    pub time_stamps: u64,
    /// Where history was restored to an earlier moment and its logs begun anew. These are no findings: they are sealed.
    pub restored: Vec<Restoration>,
    /// What differs; nothing where all is as it was sealed.
    pub findings: Vec<Finding>,
    /// The position of the last event that is sealed.
    pub(crate) reached: u64,
    /// Whether events before that are not.
    pub(crate) unsealed: bool,
}

/// A log that was begun anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restoration {
    /// Whose; none of the ledger's own log.
    pub tenant: Option<String>,
    /// What its entry says.
    pub said: Continues,
}

/// An audit of everything, or of one tenant.
pub struct Audit {
    log: Arc<dyn EventLog>,
    pool: PgPool,
    keys: Option<KeyFile>,
    rate: Option<NonZeroU32>,
}

impl Audit {
    /// An audit of that log against the tables of that database; with the keys, of signatures too.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, pool: PgPool, keys: Option<KeyFile>) -> Self {
        Self { log, pool, keys, rate: None }
    }

    /// The same at a rate of so many events a second at most, beside a ledger at work.
    #[must_use]
    pub fn at_most(self, rate: Option<NonZeroU32>) -> Self {
        Self { rate, ..self }
    }

    /// Recomputes all trees up to the newest checkpoint that each log had when this began, and keeps what it finds. What
    /// counts is the order within each stream: a copy of the log may have other positions, and other streams in between.
    ///
    /// # Errors
    /// [`SealError`], [`SealError::OtherKey`] before anything is kept; what differs is no error.
    pub async fn run(
        &self,
        tenant: Option<&str>,
        told: &(dyn Fn(AuditProgress) + Sync),
    ) -> Result<Audited, SealError> {
        self.recompute(tenant, true, told).await
    }

    /// Audits a copy of the log that was sealed, and goes on sealing from it where all of it is as it was sealed. Nothing may
    /// be appended meanwhile.
    ///
    /// # Errors
    /// [`SealError`], [`SealError::NotAllSealed`] where the copy has events that were not sealed before it was made; what
    /// differs is no error, and then nothing was changed.
    pub async fn adopt(&self, told: &(dyn Fn(AuditProgress) + Sync)) -> Result<Audited, SealError> {
        let audited = self.recompute(None, false, told).await?;
        if audited.unsealed {
            return Err(SealError::NotAllSealed);
        }
        if audited.findings.is_empty() {
            let reached = signed(audited.reached)?;
            sqlx::query!("UPDATE seal.progress SET position = $1, fence = fence + 1", reached)
                .execute(&self.pool)
                .await?;
        }
        Ok(audited)
    }

    async fn recompute(
        &self,
        tenant: Option<&str>,
        same_log: bool,
        told: &(dyn Fn(AuditProgress) + Sync),
    ) -> Result<Audited, SealError> {
        if let Some(keys) = &self.keys {
            belongs::must_have_signed_something(&self.pool, keys).await?;
        }
        let mut db = self.pool.acquire().await?;
        let mut logs = self.begin(&mut db, tenant, same_log).await?;
        if let Some(tenant) = tenant
            && logs.is_empty()
        {
            return Err(SealError::NothingSealed(tenant.to_owned()));
        }
        let mut audited = Audited::default();
        let goal = logs.values().map(|log| log.goal).max().unwrap_or(0);
        let (mut reached, mut pace) = (Position(0), Pace::new(self.rate));
        let mut next = self.read(reached, &pace);
        while logs.values().any(|log| !log.is_done()) || (same_log && reached.0 < goal) {
            let page = next.await.map_err(|error| SealError::NoReader(error.to_string()))??;
            let Some(last) = page.last() else { break };
            reached = last.position;
            next = self.read(reached, &pace);
            pace.after(page.len()).await;
            let (mut events, mut new) = (Vec::with_capacity(page.len()), Vec::new());
            for record in &page {
                let Some(event) = sealable(record) else { continue };
                let Some(log) = event.tenant.and_then(|tenant| logs.get(tenant)) else { continue };
                if let Source::Run(run) = event.source
                    && !log.knows(run)
                {
                    new.push((log.id, run));
                }
                events.push((record.position.0, event));
            }
            let salts = runs::load(&mut db, &new).await?;
            for (position, event) in &events {
                let Some(log) = event.tenant.and_then(|tenant| logs.get_mut(tenant)) else { continue };
                let known = match event.source {
                    Source::Run(run) => {
                        salts.get(&(log.id, run)).map(|chain| (chain.number, chain.salt.clone()))
                    }
                    Source::Administration => None,
                };
                log.event(&mut db, event, *position, known).await?;
                audited.events += 1;
            }
            told(AuditProgress { reached, goal: Position(goal), events: audited.events });
        }
        let mut all: Vec<_> = logs.into_values().collect();
        audited.tenants = all.len() as u64;
        let ledger = if tenant.is_none() { self.ledger(&mut db).await? } else { None };
        let own = ledger.as_ref().map(|log| log.id);
        all.extend(ledger);
        for mut log in all {
            let id = log.id;
            let mut found = log.end(&mut db).await?;
            if Some(id) == own {
                let stamped = stamped::check(&mut db, id, self.keys.as_ref()).await?;
                audited.time_stamps = stamped.count;
                found.extend(stamped.findings);
            }
            audited.checkpoints += log.checked;
            audited.restored.append(&mut log.restored);
            audited.reached = audited.reached.max(log.reached);
            audited.unsealed |= log.has_unsealed_before(audited.reached);
            if found.is_empty() {
                findings::clear(&mut db, id, None).await?;
            }
            for finding in &found {
                findings::keep(&mut db, id, finding).await?;
            }
            audited.findings.extend(found);
        }
        Ok(audited)
    }

    /// The events after a position, read while others are looked at.
    fn read(&self, after: Position, pace: &Pace) -> AbortOnDropHandle<Result<Vec<RecordedEvent>, LogError>> {
        let (log, limit) = (self.log.clone(), pace.at_once(PAGE));
        AbortOnDropHandle::new(tokio::spawn(async move { log.read_all(after, limit).await }))
    }

    async fn begin(
        &self,
        db: &mut PgConnection,
        tenant: Option<&str>,
        same_log: bool,
    ) -> Result<HashMap<String, Recomputed>, SealError> {
        let rows = sqlx::query!(
            r#"SELECT log_id, tenant AS "tenant!", admin_salt FROM seal.logs
               WHERE tenant IS NOT NULL AND ($1::text IS NULL OR tenant = $1)"#,
            tenant
        );
        let mut logs = HashMap::new();
        for row in rows.fetch_all(&mut *db).await? {
            let checkpoints = checkpoint::read(&mut *db, Which::Of(row.log_id)).await?;
            let continues = continues::of(&mut *db, row.log_id).await?;
            let log = Recomputed::new(
                row.log_id,
                Some(row.tenant.clone()),
                salt(&row.admin_salt)?,
                (checkpoints, continues),
                self.keys.clone(),
                same_log,
            );
            logs.insert(row.tenant, log);
        }
        Ok(logs)
    }

    /// The ledger's own log, recomputed from the tenants' checkpoints.
    async fn ledger(&self, db: &mut PgConnection) -> Result<Option<Recomputed>, SealError> {
        let row = sqlx::query!("SELECT log_id, admin_salt FROM seal.logs WHERE tenant IS NULL");
        let Some(row) = row.fetch_optional(&mut *db).await? else { return Ok(None) };
        let checkpoints = checkpoint::read(&mut *db, Which::Of(row.log_id)).await?;
        let kept = (checkpoints, continues::of(&mut *db, row.log_id).await?);
        let mut log =
            Recomputed::new(row.log_id, None, salt(&row.admin_salt)?, kept, self.keys.clone(), false);
        let mut revisions: HashMap<Uuid, u64> = HashMap::new();
        let mut after = -1;
        loop {
            let page = checkpoint::read(&mut *db, Which::ListedAfter(after, PAGE)).await?;
            let Some(last) = page.last().and_then(|last| last.leaf) else { break };
            after = i64::try_from(last).unwrap_or(i64::MAX);
            let ids: Vec<_> = page.iter().map(|one| (row.log_id, one.suffix)).collect();
            let known = runs::load(&mut *db, &ids).await?;
            for one in &page {
                let revision = revisions.entry(one.suffix).or_insert(0);
                let text = listed_text(one);
                let salt =
                    known.get(&(row.log_id, one.suffix)).map(|chain| (chain.number, chain.salt.clone()));
                log.event(&mut *db, &listed(one, *revision, &text), 0, salt).await?;
                *revision += 1;
            }
        }
        Ok(Some(log))
    }
}
