//! One log as it is recomputed. The stored leaves say in which order the events were sealed; each must be the leaf of an
//! event that is in the event log, and each root that of the leaves.

mod differing;

use std::collections::{BTreeSet, HashMap, VecDeque};

use seal::Hash;
use seal::continues::generation;
use seal::entry::{Salt, Stream};
use seal::heads::{Head, Heads, RunHead};
use seal::tiles::{TileId, Tiles, WIDTH};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::audit::Restoration;
use crate::checkpoint::{Prepared, check_note};
use crate::continues::Kept;
use crate::error::SealError;
use crate::findings::Finding;
use crate::integrate::{Sealable, Source, after};
use crate::key::KeyFile;
use crate::tiles::{self, Tree};

/// How many events wait for their leaf before the leaf that is waited for counts as lost. A copy of a log may have put
/// some thousand events of other streams in between.
const WINDOW: usize = 20_000;

/// How many tiles of stored leaves are loaded at once: as many events are looked at between two questions.
const LOADED: u64 = 32;

/// How many findings are told one by one.
const TOLD: usize = 100;

/// The tile of leaves with that index.
fn leaves(index: u64) -> TileId {
    TileId { level: 0, index }
}

pub(crate) struct Recomputed {
    pub id: i32,
    tenant: Option<String>,
    /// Those that are still to come.
    checkpoints: VecDeque<Prepared>,
    /// The entries with which it was begun anew that are still to come.
    continues: VecDeque<Kept>,
    /// The how manyth name it has by those that came.
    generation: u32,
    /// What these say.
    pub restored: Vec<Restoration>,
    /// Up to where the event log is in the newest of them.
    pub goal: u64,
    pub checked: u64,
    /// The position of the last event whose leaf was found.
    pub reached: u64,
    size: u64,
    entries: Tiles,
    heads: Tiles,
    runs: HashMap<Uuid, Chain>,
    administration: Chain,
    /// Runs that have come further since the last checkpoint.
    changed: BTreeSet<(u64, Uuid)>,
    /// The next tiles of leaves as they were stored.
    stored: Tiles,
    /// Events whose leaves were not asked for yet.
    pending: HashMap<Hash, Pending>,
    /// Leaves that no event has.
    lost: u64,
    /// Whether positions are those of the log that was sealed: then all events up to the newest checkpoint's are in it.
    same_log: bool,
    /// Whether a root was wrong; then no later one is told.
    forked: bool,
    findings: Vec<Finding>,
    keys: Option<KeyFile>,
}

/// A stream, as far as the event log was read, and as far as its leaves were found.
struct Chain {
    number: u64,
    salt: Salt,
    read: Option<Head>,
    sealed: Option<Head>,
    /// Whether that has come further since the last checkpoint.
    changed: bool,
}

impl Chain {
    fn new(number: u64, salt: Salt) -> Self {
        Self { number, salt, read: None, sealed: None, changed: false }
    }
}

/// An event that waits for its leaf.
struct Pending {
    source: Source,
    revision: u64,
    position: u64,
    /// The stream's head with it.
    head: Head,
}

impl Recomputed {
    pub fn new(
        id: i32,
        tenant: Option<String>,
        admin_salt: Salt,
        (checkpoints, continues): (Vec<Prepared>, Vec<Kept>),
        keys: Option<KeyFile>,
        same_log: bool,
    ) -> Self {
        Self {
            id,
            tenant,
            goal: checkpoints.last().map_or(0, |newest| newest.position),
            checkpoints: checkpoints.into(),
            continues: continues.into(),
            generation: 1,
            restored: Vec::new(),
            checked: 0,
            reached: 0,
            size: 0,
            entries: Tiles::default(),
            heads: Tiles::default(),
            runs: HashMap::new(),
            administration: Chain::new(0, admin_salt),
            changed: BTreeSet::new(),
            stored: Tiles::default(),
            pending: HashMap::new(),
            lost: 0,
            same_log,
            forked: false,
            findings: Vec::new(),
            keys,
        }
    }

    /// Whether all of its checkpoints were looked at.
    pub fn is_done(&self) -> bool {
        self.checkpoints.is_empty()
    }

    /// Whether a run is known already.
    pub fn knows(&self, run: Uuid) -> bool {
        self.runs.contains_key(&run)
    }

    fn found(
        &mut self,
        run: Option<(u64, Uuid)>,
        revision: Option<u64>,
        position: Option<u64>,
        what: String,
    ) {
        if self.findings.len() < TOLD {
            let (tenant, position) = (self.tenant.clone(), position.filter(|position| *position > 0));
            self.findings.push(Finding { tenant, run, revision, position, what });
        }
    }

    /// One more event. `known` has number and salt of a run that comes for the first time.
    pub async fn event(
        &mut self,
        db: &mut PgConnection,
        event: &Sealable<'_>,
        position: u64,
        known: Option<(u64, Salt)>,
    ) -> Result<(), SealError> {
        if self.is_done() {
            self.not_sealed(event, position);
            return Ok(());
        }
        let expected = self.expected();
        let chain = match event.source {
            Source::Administration => &mut self.administration,
            Source::Run(id) => {
                if let Some((number, salt)) = known {
                    self.runs.entry(id).or_insert_with(|| Chain::new(number, salt));
                }
                match self.runs.get_mut(&id) {
                    Some(chain) => chain,
                    None => {
                        self.not_sealed(event, position);
                        return Ok(());
                    }
                }
            }
        };
        let stream = match event.source {
            Source::Administration => Stream::Administration,
            Source::Run(id) => Stream::Run { number: chain.number, id },
        };
        let leaf = event.leaf(stream, &chain.salt, chain.read);
        let head = after(chain.read, leaf);
        chain.read = Some(head);
        if expected == Some(leaf) {
            self.sealed(event.source, head, position);
            return self.push(leaf);
        }
        let pending = Pending { source: event.source, revision: event.revision, position, head };
        self.pending.insert(leaf, pending);
        self.take(db, WINDOW).await
    }

    /// An event that no leaf asks for: it has come since the newest checkpoint, or was put in.
    fn not_sealed(&mut self, event: &Sealable<'_>, position: u64) {
        if self.same_log && position <= self.goal {
            let whose = match event.source {
                Source::Run(id) => format!("run {id}"),
                Source::Administration => "the administration".to_owned(),
            };
            let what = format!(
                "this event of {whose} is in the event log and was never sealed, though later ones were"
            );
            self.found(None, Some(event.revision), Some(position), what);
        }
    }

    /// The leaf that comes next, where it is known and nothing waits for its own: nearly always, in a log that is as it was
    /// sealed.
    fn expected(&self) -> Option<Hash> {
        let alone = self.pending.is_empty()
            && self.checkpoints.front().is_none_or(|next| next.size != self.size + 1)
            && self.continues.front().is_none_or(|next| next.index != self.size);
        if alone { self.loaded_leaf() } else { None }
    }

    /// Takes leaves in the order in which they were stored, as long as their events are there, or too many others wait.
    async fn take(&mut self, db: &mut PgConnection, window: usize) -> Result<(), SealError> {
        loop {
            self.checkpoints_here()?;
            if self.is_done() {
                return Ok(());
            }
            if self.continues_here(db).await? {
                continue;
            }
            let Some(leaf) = self.stored_leaf(db).await? else {
                // The tables end before what was signed.
                self.lost += 1;
                self.checkpoints.clear();
                let what = "the tables of the seal lack leaves of what was signed".to_owned();
                self.found(None, None, None, what);
                return Ok(());
            };
            match self.pending.remove(&leaf) {
                Some(event) => self.sealed(event.source, event.head, event.position),
                None if self.pending.len() < window => return Ok(()),
                None => self.lost += 1,
            }
            self.push(leaf)?;
        }
    }

    /// The event with that head has its leaf.
    fn sealed(&mut self, source: Source, head: Head, position: u64) {
        self.reached = self.reached.max(position);
        match source {
            Source::Administration => self.administration.sealed = Some(head),
            Source::Run(id) => {
                if let Some(chain) = self.runs.get_mut(&id) {
                    chain.sealed = Some(head);
                    if !std::mem::replace(&mut chain.changed, true) {
                        self.changed.insert((chain.number, id));
                    }
                }
            }
        }
    }

    /// The next leaf as it was stored.
    async fn stored_leaf(&mut self, db: &mut PgConnection) -> Result<Option<Hash>, SealError> {
        let next = self.size / WIDTH as u64;
        if !self.stored.contains(leaves(next)) {
            self.stored = Tiles::default();
            let wanted = (next..next + LOADED).map(leaves).collect();
            tiles::load(db, self.id, Tree::Entries, wanted, &mut self.stored).await?;
        }
        Ok(self.loaded_leaf())
    }

    /// The same where its tile is loaded.
    fn loaded_leaf(&self) -> Option<Hash> {
        let place = usize::try_from(self.size % WIDTH as u64).ok()?;
        self.stored.get(leaves(self.size / WIDTH as u64))?.get(place).copied()
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

    /// Adds the entry with which the log was begun anew, where that comes next; says whether it did. It must be the one that
    /// was sealed: no event has it.
    async fn continues_here(&mut self, db: &mut PgConnection) -> Result<bool, SealError> {
        let Some(kept) = self.continues.pop_front_if(|next| next.index == self.size) else {
            return Ok(false);
        };
        let leaf = Hash::leaf(kept.text.as_bytes());
        let stored = self.stored_leaf(db).await?;
        let named = kept.said.as_ref().is_some_and(|said| {
            let number = said.log.rsplit_once('/').and_then(|(_, number)| generation(number));
            number == Some(kept.generation) && kept.generation > self.generation
        });
        if stored != Some(leaf) || !named {
            let what = format!(
                "entry {}, with which the log was begun anew, is not the one that was sealed",
                self.size
            );
            self.found(None, None, None, what);
        }
        self.generation = kept.generation;
        self.restored.extend(kept.said.map(|said| Restoration { tenant: self.tenant.clone(), said }));
        self.push(stored.unwrap_or(leaf))?;
        Ok(true)
    }

    /// Adds the entries of heads that come next, and compares roots.
    fn checkpoints_here(&mut self) -> Result<(), SealError> {
        while self.checkpoints.front().is_some_and(|next| next.size == self.size + 1) {
            let Some(next) = self.checkpoints.pop_front() else { break };
            for (number, id) in std::mem::take(&mut self.changed) {
                let head = self.runs.get_mut(&id).and_then(|run| {
                    run.changed = false;
                    run.sealed
                });
                let leaf = head.map(|head| RunHead { number, id, head }.leaf());
                // Where a run before it was lost there is no place for it, and that was told.
                if leaf.is_some_and(|leaf| self.heads.set(number, leaf).is_err()) {
                    self.lost += 1;
                }
            }
            let heads = Heads {
                runs: next.heads.runs,
                root: self.heads.root(0..next.heads.runs).unwrap_or(Hash::empty()),
                administration: self.administration.sealed,
            };
            self.push(next.heads.leaf())?;
            let root = self.entries.root(0..self.size)?;
            let differs = root != next.root || (self.lost == 0 && heads != next.heads);
            if differs && !self.forked {
                let what =
                    format!("the checkpoint of {} entries is not that of the entries before it", next.size);
                self.found(None, None, Some(next.position), what);
                self.forked = true;
            }
            self.checked += 1;
            if next.generation != self.generation {
                let what = format!(
                    "the checkpoint of {} entries was signed under name {} of the log, which no entry had begun",
                    next.size, next.generation
                );
                self.found(None, None, Some(next.position), what);
            }
            let signed = next.note.as_ref().map(|note| check_note(note, &next, self.keys.as_ref()));
            if let Some(Err(wrong)) = signed {
                let what = format!("the note of the checkpoint of {} entries: {wrong}", next.size);
                self.found(None, None, Some(next.position), what);
            }
        }
        Ok(())
    }
}
