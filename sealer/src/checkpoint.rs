//! A checkpoint is prepared in a transaction, and signed only when that is committed.

use chrono::{DateTime, Utc};
use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::continues::Named;
use seal::heads::{Head, Heads, RunHead};
use seal::note::{NoteError, SignedNote};
use seal::tiles::Tiles;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{SealError, generation, hash, signed, unsigned};
use crate::key::KeyFile;
use crate::logs::{Logs, head, suffix};
use crate::tiles::{self, Tree};

/// Adds the entry of a log's heads, and remembers size and root to be signed. It is the newest size of the log: the
/// heads tree in the tables is always that of the newest row.
pub(crate) async fn prepare(
    db: &mut PgConnection,
    logs: &mut Logs,
    tenant: Option<&str>,
    position: u64,
) -> Result<(), SealError> {
    logs.open(&mut *db, [tenant]).await?;
    let log = logs.get(tenant)?;
    let before = sqlx::query_scalar!(
        "SELECT runs FROM seal.checkpoints WHERE log_id = $1 ORDER BY size DESC LIMIT 1",
        log.id
    );
    let before = unsigned(before.fetch_optional(&mut *db).await?.unwrap_or(0))?;
    let news = sqlx::query!(
        "UPDATE seal.runs SET sealed_count = count, sealed_last = last WHERE log_id = $1 AND count > sealed_count
         RETURNING number, run_id, count, first, last",
        log.id
    );
    let mut heads = Vec::new();
    for row in news.fetch_all(&mut *db).await? {
        let head = Head { count: unsigned(row.count)?, first: hash(&row.first)?, last: hash(&row.last)? };
        heads.push(RunHead { number: unsigned(row.number)?, id: row.run_id, head });
    }
    heads.sort_unstable_by_key(|head| head.number);
    let mut tree = Tiles::default();
    let wanted = Tiles::to_change(heads.iter().map(|head| head.number), before, log.runs);
    tiles::load(&mut *db, log.id, Tree::Heads, wanted, &mut tree).await?;
    for head in &heads {
        tree.set(head.number, head.leaf())?;
    }
    let heads = Heads { runs: log.runs, root: tree.root(0..log.runs)?, administration: log.admin };
    log.push(heads.leaf())?;
    let root = log.entries.root(0..log.size)?;
    let (id, size) = (log.id, log.size);
    let mut changed = tiles::Changed::default();
    changed.take(id, Tree::Heads, &mut tree)?;
    changed.write(&mut *db).await?;
    logs.write(&mut *db).await?;
    let admin = heads.administration;
    sqlx::query!(
        "INSERT INTO seal.checkpoints (log_id, size, root, runs, heads_root, admin_count, admin_first, admin_last,
             position, generation)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, generation FROM seal.logs WHERE log_id = $1",
        id,
        signed(size)?,
        &root.0[..],
        signed(heads.runs)?,
        &heads.root.0[..],
        signed(admin.map_or(0, |head| head.count))?,
        admin.map(|head| head.first.0.to_vec()),
        admin.map(|head| head.last.0.to_vec()),
        signed(position)?
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A size that was committed.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub log: i32,
    /// None of the ledger's own log.
    pub tenant: Option<String>,
    pub suffix: Uuid,
    /// The how manyth name of the log it is signed under.
    pub generation: u32,
    pub size: u64,
    pub root: Hash,
    pub heads: Heads,
    /// The event log up to here is in it.
    pub position: u64,
    /// As it was signed; none yet.
    pub note: Option<String>,
    pub created_at: DateTime<Utc>,
    /// Which leaf of the ledger's own log it is, once it is listed there.
    pub leaf: Option<u64>,
}

impl Prepared {
    /// What is signed.
    pub fn checkpoint(&self, ledger: &str) -> Checkpoint {
        let origin = origin_of(ledger, self.tenant.as_deref(), self.suffix, self.generation);
        Checkpoint { origin, size: self.size, root: self.root }
    }
}

/// The name of a log.
pub(crate) fn origin_of(ledger: &str, tenant: Option<&str>, suffix: Uuid, generation: u32) -> String {
    let first = match tenant {
        None => ledger.to_owned(),
        Some(_) => format!("{ledger}/t/{}", suffix.simple()),
    };
    Named { first: &first, generation }.to_string()
}

/// Which rows of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Which {
    /// What was not signed yet, in the order of sizes.
    Unsigned,
    /// The newest of each log.
    Newest,
    /// The newest of the ledger's own log.
    NewestOfLedger,
    /// The newest of one log.
    NewestOf(i32),
    /// All of one log, in the order of sizes.
    Of(i32),
    /// Those of one log that are time-stamped, in the order of sizes.
    StampedOf(i32),
    /// Those that are leaves of the ledger's own log, in their order: after a leaf, and how many.
    ListedAfter(i64, usize),
}

/// Reads rows of the table.
pub(crate) async fn read(db: &mut PgConnection, which: Which) -> Result<Vec<Prepared>, SealError> {
    let (mut log, mut unsigned_only, mut newest, mut listed, mut limit) = (None, false, false, None, None);
    let own_log = matches!(which, Which::NewestOfLedger);
    let stamped = matches!(which, Which::StampedOf(_));
    match which {
        Which::Unsigned => unsigned_only = true,
        Which::Newest | Which::NewestOfLedger => newest = true,
        Which::NewestOf(of) => (log, newest) = (Some(of), true),
        Which::Of(of) | Which::StampedOf(of) => log = Some(of),
        Which::ListedAfter(leaf, most) => {
            (listed, limit) = (Some(leaf), Some(i64::try_from(most).unwrap_or(i64::MAX)));
        }
    }
    let rows = sqlx::query!(
        r#"SELECT c.log_id, l.tenant AS "tenant?", l.suffix, c.size, c.root, c.runs, c.heads_root, c.admin_count, c.admin_first,
               c.admin_last, c.position, c.note, c.created_at, c.leaf, c.generation
           FROM seal.checkpoints AS c JOIN seal.logs AS l USING (log_id)
           WHERE ($1::int IS NULL OR c.log_id = $1) AND (NOT $2 OR c.note IS NULL)
             AND (NOT $3 OR c.size = (SELECT max(size) FROM seal.checkpoints AS n WHERE n.log_id = c.log_id))
             AND ($4::bigint IS NULL OR c.leaf > $4) AND (NOT $6 OR l.tenant IS NULL)
             AND (NOT $7 OR EXISTS (SELECT FROM seal.time_stamps AS s WHERE s.log_id = c.log_id AND s.size = c.size))
           ORDER BY CASE WHEN $4::bigint IS NOT NULL THEN c.leaf END, c.log_id, c.size LIMIT $5"#,
        log,
        unsigned_only,
        newest,
        listed,
        limit,
        own_log,
        stamped
    );
    let mut found = Vec::new();
    for row in rows.fetch_all(db).await? {
        let administration = head(row.admin_count, row.admin_first.as_deref(), row.admin_last.as_deref())?;
        let heads = Heads { runs: unsigned(row.runs)?, root: hash(&row.heads_root)?, administration };
        found.push(Prepared {
            log: row.log_id,
            tenant: row.tenant,
            suffix: suffix(&row.suffix)?,
            generation: generation(row.generation)?,
            size: unsigned(row.size)?,
            root: hash(&row.root)?,
            heads,
            position: unsigned(row.position)?,
            note: row.note,
            created_at: row.created_at,
            leaf: row.leaf.map(unsigned).transpose()?,
        });
    }
    Ok(found)
}

/// Keeps the note of a size.
pub(crate) async fn keep(db: &mut PgConnection, prepared: &Prepared, note: &str) -> Result<(), SealError> {
    sqlx::query!(
        "UPDATE seal.checkpoints SET note = $3 WHERE log_id = $1 AND size = $2",
        prepared.log,
        signed(prepared.size)?,
        note
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Whether a note says what was committed, and is signed by the keys where they are known.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn check_note(note: &str, prepared: &Prepared, keys: Option<&KeyFile>) -> Result<(), String> {
    let said: SignedNote = note.parse().map_err(|error: NoteError| error.to_string())?;
    if !said.text.ends_with(&format!("\n{}\n{}\n", prepared.size, prepared.root)) {
        return Err("it says another size or root than was committed".to_owned());
    }
    let Some(keys) = keys else { return Ok(()) };
    let checkpoint = prepared.checkpoint(keys.name());
    if said.text != checkpoint.to_string() {
        return Err("it is of another log".to_owned());
    }
    keys.must_have_signed(&checkpoint.origin, &said).map_err(|error| error.to_string())
}
