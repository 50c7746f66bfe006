//! What the sealer has written, in one snapshot of its tables.

use std::ops::Range;

use chrono::{DateTime, Utc};
use domain::TenantId;
use eventlog::Position;
use futures::TryStreamExt;
use seal::Hash;
use seal::entry::Salt;
use seal::heads::{Head, Heads};
use seal::tiles::{TileId, Tiles, needed};
use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use uuid::Uuid;

use crate::error::{ExportError, NotSealed};

/// A moment's view of the tables: a checkpoint and the tree of heads belong together only within one.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY";

/// Which of a log's two trees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tree {
    Entries,
    Heads,
}

/// A signed checkpoint of a tenant, as it is given away.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The signed note.
    pub note: String,
    /// What the event log has of the tenant up to here is in it.
    pub position: Position,
}

/// The newest signed checkpoint of a log, and what it says.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub log_id: i32,
    pub admin_salt: Salt,
    pub size: u64,
    pub root: Hash,
    pub heads: Heads,
    pub signed: SignedCheckpoint,
}

/// A run as the newest checkpoint has it.
#[derive(Debug, Clone)]
pub(crate) struct RunRow {
    pub number: u64,
    pub id: Uuid,
    pub began_at: Option<DateTime<Utc>>,
    pub salt: Salt,
    pub count: u64,
    pub first: Hash,
    pub last: Hash,
    pub selected: bool,
}

pub(crate) struct Snapshot(Transaction<'static, Postgres>);

pub(crate) fn damaged(what: impl Into<String>) -> ExportError {
    ExportError::Damaged(what.into())
}

pub(crate) fn unsigned(number: i64) -> Result<u64, ExportError> {
    u64::try_from(number).map_err(|_| damaged(format!("{number} where nothing below 0 can be")))
}

/// For a `bigint` column: beyond what it holds there is nothing.
pub(crate) fn bigint(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(crate) fn hash(bytes: &[u8]) -> Result<Hash, ExportError> {
    Hash::from_slice(bytes).ok_or_else(|| damaged(format!("a hash has {} bytes", bytes.len())))
}

pub(crate) fn salt(bytes: &[u8]) -> Result<Salt, ExportError> {
    bytes.try_into().map(Salt::new).map_err(|_| damaged(format!("a salt has {} bytes", bytes.len())))
}

impl Snapshot {
    pub async fn take(pool: &PgPool) -> Result<Self, ExportError> {
        Ok(Self(database::begin_with(pool, SNAPSHOT).await?))
    }

    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.0
    }

    /// The tenant's newest checkpoint. One that is committed and not signed yet has changed the tree of heads already:
    /// none is given then.
    pub async fn sealed(&mut self, tenant: &TenantId) -> Result<Sealed, ExportError> {
        let row = sqlx::query!(
            r#"SELECT l.log_id, l.admin_salt, c.size, root, c.runs, heads_root, c.admin_count, c.admin_first, c.admin_last, note,
                   -- Nothing of the tenant is between its newest entry and where the sealer is.
                   CASE WHEN l.size = c.size THEN greatest(c.position, p.position) ELSE c.position END AS "position!"
               FROM seal.logs AS l
               JOIN LATERAL (
                   SELECT * FROM seal.checkpoints AS c WHERE c.log_id = l.log_id ORDER BY c.size DESC LIMIT 1
               ) AS c ON true CROSS JOIN seal.progress AS p
               WHERE tenant = $1"#,
            tenant.as_str()
        )
        .fetch_optional(self.conn())
        .await?
        .ok_or(NotSealed::Tenant)?;
        let note = row.note.ok_or(NotSealed::Signing)?;
        let administration = match (unsigned(row.admin_count)?, &row.admin_first, &row.admin_last) {
            (0, ..) => None,
            (count, Some(first), Some(last)) => Some(Head { count, first: hash(first)?, last: hash(last)? }),
            _ => return Err(damaged("a checkpoint has events of the administration without hashes")),
        };
        let heads = Heads { runs: unsigned(row.runs)?, root: hash(&row.heads_root)?, administration };
        let (size, root) = (unsigned(row.size)?, hash(&row.root)?);
        let position = Position(unsigned(row.position)?);
        let signed = SignedCheckpoint { note, position };
        Ok(Sealed { log_id: row.log_id, admin_salt: salt(&row.admin_salt)?, size, root, heads, signed })
    }

    /// The entries with which the log was begun anew: their places in the tree and their texts, the newest first.
    pub async fn continues(&mut self, sealed: &Sealed) -> Result<Vec<(u64, String)>, ExportError> {
        let rows = sqlx::query!(
            "SELECT index, text FROM seal.continues WHERE log_id = $1 AND index < $2 ORDER BY index DESC",
            sealed.log_id,
            bigint(sealed.size)
        );
        let rows = rows.fetch_all(self.conn()).await?;
        rows.into_iter().map(|row| Ok((unsigned(row.index)?, row.text))).collect()
    }

    /// The number of a run, if the log has it; also of one that began after the checkpoint.
    pub async fn number_of(&mut self, sealed: &Sealed, run: Uuid) -> Result<Option<u64>, ExportError> {
        let number = sqlx::query_scalar!(
            "SELECT number FROM seal.runs WHERE log_id = $1 AND run_id = $2",
            sealed.log_id,
            run
        );
        number.fetch_optional(self.conn()).await?.map(unsigned).transpose()
    }

    /// The numbers of the first and the last run that began in a period, or nobody knows when, of those in the checkpoint.
    pub async fn began_within(
        &mut self,
        sealed: &Sealed,
        since: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
    ) -> Result<Option<(u64, u64)>, ExportError> {
        // Counted, so that the period is looked up and not the numbers walked along.
        let found = sqlx::query!(
            r#"SELECT min(number), max(number), count(*) AS "count!" FROM seal.runs
               WHERE log_id = $1 AND number < $2 AND (began_at IS NULL OR (
                   began_at >= COALESCE($3, '-infinity'::timestamptz)
                   AND began_at < COALESCE($4, 'infinity'::timestamptz)))"#,
            sealed.log_id,
            bigint(sealed.heads.runs),
            since,
            until
        )
        .fetch_one(self.conn())
        .await?;
        let (Some(first), Some(last)) = (found.min, found.max) else { return Ok(None) };
        Ok(Some((unsigned(first)?, unsigned(last)?)))
    }

    /// From the nearest run in front that began before a period to the nearest one behind that began after it. That
    /// is usually one more on each side; more where clocks went backwards.
    pub async fn with_neighbours(
        &mut self,
        sealed: &Sealed,
        (first, last): (u64, u64),
        since: Option<DateTime<Utc>>,
        until: Option<DateTime<Utc>>,
    ) -> Result<Range<u64>, ExportError> {
        let total = sealed.heads.runs;
        let found = sqlx::query!(
            r#"SELECT (SELECT number FROM seal.runs WHERE log_id = $1 AND number < $2 AND began_at < $4
                       ORDER BY number DESC LIMIT 1) AS before,
                   (SELECT number FROM seal.runs WHERE log_id = $1 AND number > $3 AND number < $6 AND began_at >= $5
                       ORDER BY number LIMIT 1) AS after"#,
            sealed.log_id,
            bigint(first),
            bigint(last),
            since,
            until,
            bigint(total)
        )
        .fetch_one(self.conn())
        .await?;
        let start = found.before.map(unsigned).transpose()?.unwrap_or(0);
        let end = found.after.map(unsigned).transpose()?.map_or(total, |after| after + 1);
        Ok(start..end)
    }

    /// The runs of the checkpoint with these numbers, in order; none of them is selected yet.
    pub async fn runs(&mut self, sealed: &Sealed, numbers: Range<u64>) -> Result<Vec<RunRow>, ExportError> {
        let (from, to) = (bigint(numbers.start), bigint(numbers.end.min(sealed.heads.runs)));
        let mut rows = sqlx::query!(
            "SELECT number, run_id, began_at, salt, first, sealed_count, sealed_last FROM seal.runs
             WHERE log_id = $1 AND number >= $2 AND number < $3 ORDER BY number",
            sealed.log_id,
            from,
            to
        )
        .fetch(&mut *self.0);
        let mut runs: Vec<RunRow> = Vec::new();
        while let Some(row) = rows.try_next().await? {
            let number = unsigned(row.number)?;
            let last = row.sealed_last.ok_or_else(|| damaged(format!("run {number} has no sealed head")))?;
            runs.push(RunRow {
                number,
                id: row.run_id,
                began_at: row.began_at,
                salt: salt(&row.salt)?,
                count: unsigned(row.sealed_count)?,
                first: hash(&row.first)?,
                last: hash(&last)?,
                selected: false,
            });
        }
        match numbers.zip(&runs).find(|(number, run)| *number != run.number) {
            Some((number, _)) => Err(damaged(format!("run {number} is missing"))),
            None if (runs.len() as u64) < unsigned(to)?.saturating_sub(unsigned(from)?) => {
                Err(damaged("the last runs are missing"))
            }
            None => Ok(runs),
        }
    }

    /// The tiles of a tree from which the roots of these ranges are computed.
    pub async fn tiles(&mut self, log: i32, tree: Tree, ranges: &[Range<u64>]) -> Result<Tiles, ExportError> {
        let ids = needed(ranges.iter().cloned());
        let levels: Vec<i16> = ids.iter().map(|id| i16::from(id.level)).collect();
        let indexes: Vec<i64> = ids.iter().map(|id| bigint(id.index)).collect();
        let tree: i16 = match tree {
            Tree::Entries => 0,
            Tree::Heads => 1,
        };
        let rows = sqlx::query!(
            "SELECT level, index, hashes FROM seal.tiles JOIN unnest($3::smallint[], $4::bigint[]) AS wanted (level, index)
                 USING (level, index)
             WHERE log_id = $1 AND tree = $2",
            log,
            tree,
            &levels,
            &indexes
        )
        .fetch_all(self.conn())
        .await?;
        let mut tiles = Tiles::default();
        for row in rows {
            let level =
                u8::try_from(row.level).map_err(|_| damaged(format!("a tile of level {}", row.level)))?;
            let hashes = row.hashes.chunks(32).map(hash).collect::<Result<_, _>>()?;
            tiles.insert(TileId { level, index: unsigned(row.index)? }, hashes);
        }
        Ok(tiles)
    }
}

/// The newest checkpoint of a tenant that is signed.
pub(crate) async fn newest_signed(
    pool: &PgPool,
    tenant: &TenantId,
) -> Result<Option<SignedCheckpoint>, ExportError> {
    let row = sqlx::query!(
        r#"SELECT note AS "note!",
               CASE WHEN l.size = c.size THEN greatest(c.position, p.position) ELSE c.position END AS "position!"
           FROM seal.logs AS l JOIN seal.checkpoints AS c USING (log_id) CROSS JOIN seal.progress AS p
           WHERE tenant = $1 AND note IS NOT NULL ORDER BY c.size DESC LIMIT 1"#,
        tenant.as_str()
    );
    let row = row.fetch_optional(pool).await?;
    row.map(|row| Ok(SignedCheckpoint { note: row.note, position: Position(unsigned(row.position)?) }))
        .transpose()
}
