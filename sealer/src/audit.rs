//! Recomputes all that was ever sealed from the event log, and compares it: each leaf, and each root that was signed.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

use eventlog::{EventLog, Position};
use seal::Hash;
use seal::entry::{Salt, Stream};
use seal::heads::{Head, Heads, RunHead};
use seal::tiles::{TileId, Tiles, WIDTH};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::checkpoint::{self, Prepared, Which, check_note};
use crate::error::{SealError, unsigned};
use crate::findings::{self, Finding};
use crate::integrate::{Sealable, Source, after, sealable};
use crate::key::KeyFile;
use crate::logs::salt;
use crate::publish::{listed, listed_text};
use crate::runs;
use crate::tiles::{self, Tree};

/// How many events are read at once.
const PAGE: usize = 5_000;

/// How many findings of one tenant are told one by one.
const TOLD: usize = 100;

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
    /// What differs; nothing where all is as it was sealed.
    pub findings: Vec<Finding>,
}

/// An audit of everything, or of one tenant.
pub struct Audit {
    log: Arc<dyn EventLog>,
    pool: PgPool,
    keys: Option<KeyFile>,
}

impl Audit {
    /// An audit of that log against the tables of that database; with the keys, of signatures too.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, pool: PgPool, keys: Option<KeyFile>) -> Self {
        Self { log, pool, keys }
    }

    /// Recomputes all trees up to the newest checkpoint that each log had when this began, and keeps what it finds.
    ///
    /// # Errors
    /// [`SealError`]; what differs is no error.
    pub async fn run(
        &self,
        tenant: Option<&str>,
        told: &(dyn Fn(AuditProgress) + Sync),
    ) -> Result<Audited, SealError> {
        let mut db = self.pool.acquire().await?;
        let mut logs = self.begin(&mut db, tenant).await?;
        let mut audited = Audited::default();
        let goal = logs.values().map(|log| log.goal).max().unwrap_or(0);
        let mut reached = Position(0);
        // Positions are of the log that was sealed; a copy has others. What counts is the order.
        while logs.values().any(|log| !log.checkpoints.is_empty()) {
            let page = self.log.read_all(reached, PAGE).await?;
            let Some(last) = page.last() else { break };
            reached = last.position;
            let events: Vec<_> = page
                .iter()
                .filter_map(|record| Some((record.position.0, sealable(record)?)))
                .filter(|(_, event)| event.tenant.is_some_and(|tenant| logs.contains_key(tenant)))
                .collect();
            let mut new = Vec::new();
            for (_, event) in &events {
                let (Some(log), Source::Run(run)) =
                    (event.tenant.and_then(|tenant| logs.get(tenant)), event.source)
                else {
                    continue;
                };
                if !log.runs.contains_key(&run) {
                    new.push((log.id, run));
                }
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
                log.event(&mut db, event, Some(*position), known).await?;
                audited.events += 1;
            }
            told(AuditProgress { reached, goal: Position(goal), events: audited.events });
        }
        let mut all: Vec<_> = logs.into_values().collect();
        audited.tenants = all.len() as u64;
        if tenant.is_none() {
            all.extend(self.ledger(&mut db).await?);
        }
        for log in all {
            let id = log.id;
            let (checked, found) = log.end(&mut db).await?;
            audited.checkpoints += checked;
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

    async fn begin(
        &self,
        db: &mut PgConnection,
        tenant: Option<&str>,
    ) -> Result<HashMap<String, Recomputed>, SealError> {
        let rows = sqlx::query!(
            r#"SELECT log_id, tenant AS "tenant!", admin_salt FROM seal.logs
               WHERE tenant IS NOT NULL AND ($1::text IS NULL OR tenant = $1)"#,
            tenant
        );
        let mut logs = HashMap::new();
        for row in rows.fetch_all(&mut *db).await? {
            let checkpoints = checkpoint::read(&mut *db, Which::Of(row.log_id)).await?;
            let log = Recomputed::new(
                row.log_id,
                Some(row.tenant.clone()),
                salt(&row.admin_salt)?,
                checkpoints,
                self.keys.clone(),
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
        let mut log =
            Recomputed::new(row.log_id, None, salt(&row.admin_salt)?, checkpoints, self.keys.clone());
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
                log.event(&mut *db, &listed(one, *revision, &text), None, salt).await?;
                *revision += 1;
            }
        }
        Ok(Some(log))
    }
}

/// A log as it is recomputed.
struct Recomputed {
    id: i32,
    tenant: Option<String>,
    admin_salt: Salt,
    /// Those that are still to come.
    checkpoints: VecDeque<Prepared>,
    /// Up to where the event log is in the newest of them.
    goal: u64,
    checked: u64,
    size: u64,
    entries: Tiles,
    heads: Tiles,
    runs: HashMap<Uuid, Recomputing>,
    admin: Option<Head>,
    /// Runs that have come further since the last checkpoint.
    changed: BTreeSet<(u64, Uuid)>,
    /// The stored leaves of a tile.
    stored: Option<(u64, Vec<Hash>)>,
    findings: Vec<Finding>,
    /// Whether a leaf differed: from then on all do, or are shifted.
    broken: bool,
    keys: Option<KeyFile>,
}

struct Recomputing {
    number: u64,
    salt: Salt,
    head: Option<Head>,
}

impl Recomputed {
    fn new(
        id: i32,
        tenant: Option<String>,
        admin_salt: Salt,
        checkpoints: Vec<Prepared>,
        keys: Option<KeyFile>,
    ) -> Self {
        Self {
            id,
            tenant,
            admin_salt,
            goal: checkpoints.last().map_or(0, |newest| newest.position),
            checkpoints: checkpoints.into(),
            checked: 0,
            size: 0,
            entries: Tiles::default(),
            heads: Tiles::default(),
            runs: HashMap::new(),
            admin: None,
            changed: BTreeSet::new(),
            stored: None,
            findings: Vec::new(),
            broken: false,
            keys,
        }
    }

    fn found(
        &mut self,
        run: Option<(u64, Uuid)>,
        revision: Option<u64>,
        position: Option<u64>,
        what: String,
    ) {
        if self.findings.len() < TOLD {
            let tenant = self.tenant.clone();
            self.findings.push(Finding { tenant, run, revision, position, what });
        }
    }

    /// One more event. `known` has number and salt of a run that comes for the first time.
    async fn event(
        &mut self,
        db: &mut PgConnection,
        event: &Sealable<'_>,
        position: Option<u64>,
        known: Option<(u64, Salt)>,
    ) -> Result<(), SealError> {
        self.checkpoints_here()?;
        if self.checkpoints.is_empty() {
            // Sealed later than the newest checkpoint.
            return Ok(());
        }
        let (leaf, run) = match event.source {
            Source::Administration => {
                let leaf = event.leaf(Stream::Administration, &self.admin_salt, self.admin);
                self.admin = Some(after(self.admin, leaf));
                (leaf, None)
            }
            Source::Run(id) => {
                if let (false, Some((number, salt))) = (self.runs.contains_key(&id), known) {
                    self.runs.insert(id, Recomputing { number, salt, head: None });
                }
                let Some(run) = self.runs.get_mut(&id) else {
                    self.broken = true;
                    let what = format!(
                        "the run {id} is in the event log and was never sealed, though later events were"
                    );
                    self.found(None, Some(event.revision), position, what);
                    return Ok(());
                };
                let leaf = event.leaf(Stream::Run { number: run.number, id }, &run.salt, run.head);
                run.head = Some(after(run.head, leaf));
                let run = (run.number, id);
                self.changed.insert(run);
                (leaf, Some(run))
            }
        };
        self.compare(db, leaf, run, event.revision, position).await?;
        self.push(leaf)
    }

    /// Compares a leaf with the stored one. Only the first that differs is told: all that follow it are another's.
    async fn compare(
        &mut self,
        db: &mut PgConnection,
        leaf: Hash,
        run: Option<(u64, Uuid)>,
        revision: u64,
        position: Option<u64>,
    ) -> Result<(), SealError> {
        if self.broken {
            return Ok(());
        }
        let tile = self.size / WIDTH as u64;
        if self.stored.as_ref().is_none_or(|(index, _)| *index != tile) {
            let id = TileId { level: 0, index: tile };
            let mut loaded = Tiles::default();
            tiles::load(db, self.id, Tree::Entries, [id].into(), &mut loaded).await?;
            self.stored = Some((tile, loaded.get(id).unwrap_or_default().to_vec()));
        }
        let place = usize::try_from(self.size % WIDTH as u64).unwrap_or_default();
        let stored = self.stored.as_ref().and_then(|(_, hashes)| hashes.get(place));
        if stored != Some(&leaf) {
            self.broken = true;
            let what = "this event is not the one that was sealed in this place: it was changed, or events before it were \
                        removed, added or put in another order";
            self.found(run, Some(revision), position, what.to_owned());
        }
        Ok(())
    }

    fn push(&mut self, leaf: Hash) -> Result<(), SealError> {
        self.entries.set(self.size, leaf)?;
        self.size += 1;
        if self.size.is_multiple_of(WIDTH as u64) {
            self.entries.take_changed();
            self.entries.keep_edge(self.size);
        }
        Ok(())
    }

    /// Adds the entries of heads that come next, and compares roots.
    fn checkpoints_here(&mut self) -> Result<(), SealError> {
        while self.checkpoints.front().is_some_and(|next| next.size == self.size + 1) {
            let Some(next) = self.checkpoints.pop_front() else { break };
            for (number, id) in std::mem::take(&mut self.changed) {
                if let Some(head) = self.runs.get(&id).and_then(|run| run.head)
                    && self.heads.set(number, RunHead { number, id, head }.leaf()).is_err()
                {
                    self.broken = true;
                }
            }
            let runs = self.runs.len() as u64;
            let root = self.heads.root(0..runs).unwrap_or(Hash::empty());
            let heads = Heads { runs, root, administration: self.admin };
            // What comes next is compared with what was stored, whatever was wrong before.
            self.push(next.heads.leaf())?;
            let root = self.entries.root(0..self.size)?;
            if !self.broken && (heads != next.heads || root != next.root) {
                let what =
                    format!("the checkpoint of {} entries is not that of the events before it", next.size);
                self.found(None, None, Some(next.position), what);
                self.broken = true;
            }
            self.checked += 1;
            self.stored = None;
            self.signature(&next);
        }
        Ok(())
    }

    /// Looks at the note of what was recomputed.
    fn signature(&mut self, one: &Prepared) {
        let checked = one.note.as_ref().map(|note| check_note(note, one, self.keys.as_ref()));
        if let Some(Err(wrong)) = checked {
            let what = format!("the note of the checkpoint of {} entries: {wrong}", one.size);
            self.found(None, None, Some(one.position), what);
        }
    }

    /// What is missing at the end, and which runs differ.
    async fn end(mut self, db: &mut PgConnection) -> Result<(u64, Vec<Finding>), SealError> {
        self.checkpoints_here()?;
        if let Some(newest) = self.checkpoints.back() {
            let missing = newest.size.saturating_sub(self.size);
            let what = format!("the event log ends {missing} entries before what was sealed");
            let position = newest.position;
            self.found(None, None, Some(position), what);
            self.broken = true;
        }
        if self.broken {
            self.runs_that_differ(db).await?;
        }
        Ok((self.checked, self.findings))
    }

    /// Names the runs whose events are not those that were sealed.
    async fn runs_that_differ(&mut self, db: &mut PgConnection) -> Result<(), SealError> {
        let rows = sqlx::query!(
            "SELECT number, run_id, sealed_count, sealed_last FROM seal.runs
             WHERE log_id = $1 AND sealed_count > 0 ORDER BY number",
            self.id
        );
        for row in rows.fetch_all(db).await? {
            let (number, id, sealed) = (unsigned(row.number)?, row.run_id, unsigned(row.sealed_count)?);
            if self.findings.iter().any(|finding| finding.run == Some((number, id))) {
                continue;
            }
            let head = self.runs.get(&id).and_then(|run| run.head);
            let count = head.map_or(0, |head| head.count);
            if count < sealed {
                let what = format!("{} of its {sealed} sealed events are missing", sealed - count);
                self.found(Some((number, id)), Some(count), None, what);
            } else if count == sealed && head.map(|head| head.last.0.to_vec()) != row.sealed_last {
                self.found(
                    Some((number, id)),
                    None,
                    None,
                    "its events are not those that were sealed".to_owned(),
                );
            } else if count > sealed {
                let what = format!("it has {} events more than were sealed", count - sealed);
                self.found(Some((number, id)), Some(sealed), None, what);
            }
        }
        Ok(())
    }
}
