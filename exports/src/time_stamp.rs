//! Time stamps of the ledger's own log, and what ties a tenant's checkpoint to one.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::entry::{Entry, Part, Salt, Stream};
use seal::note::SignedNote;
use seal::proof::{consistency, inclusion};
use seal::receipt::{CHECKPOINT, TimeStamp, listed_data, listed_id};
use seal::tlog_proof::TlogProof;
use uuid::Uuid;

use crate::error::ExportError;
use crate::prove::{beyond, roots};
use crate::snapshot::{Snapshot, Tree, bigint, damaged, hash, salt, unsigned};

/// A checkpoint of a tenant, as the ledger's own log has it.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    /// The tenant's log.
    pub log: i32,
    pub size: u64,
    pub root: Hash,
    /// Which leaf of the ledger's own log it is; none where it is not listed yet.
    pub leaf: Option<u64>,
    pub created_at: DateTime<Utc>,
}

/// A time stamp as it is kept.
struct Kept {
    /// The ledger's own log.
    log: i32,
    size: u64,
    note: String,
    response: Vec<u8>,
}

/// The tenant's place in the ledger's own log.
struct Place {
    number: u64,
    id: Uuid,
    salt: Salt,
    revision: u64,
    /// The leaf of the tenant's checkpoint before.
    prev: Option<u64>,
}

impl Snapshot {
    /// The first time stamp that covers a checkpoint: it says most of when that was there at the latest.
    pub async fn earliest_stamp(&mut self, listed: &Listed) -> Result<Option<TimeStamp>, ExportError> {
        let Some(leaf) = listed.leaf else { return Ok(None) };
        let row = sqlx::query!(
            "SELECT s.log_id, s.size, s.note, s.response FROM seal.time_stamps AS s JOIN seal.logs USING (log_id)
             WHERE tenant IS NULL AND s.size > $1 ORDER BY s.size LIMIT 1",
            bigint(leaf)
        );
        let Some(row) = row.fetch_optional(self.conn()).await? else { return Ok(None) };
        let kept =
            Kept { log: row.log_id, size: unsigned(row.size)?, note: row.note, response: row.response };
        self.tie(listed, listed.size, kept).await
    }

    /// The newest time stamp, for a checkpoint of so many entries: it covers the newest checkpoint that was there when
    /// it was given. None where there was none yet.
    pub async fn newest_stamp(&mut self, log: i32, size: u64) -> Result<Option<TimeStamp>, ExportError> {
        let row = sqlx::query!(
            "SELECT s.log_id, s.size, s.note, s.response FROM seal.time_stamps AS s JOIN seal.logs USING (log_id)
             WHERE tenant IS NULL ORDER BY s.size DESC LIMIT 1"
        );
        let Some(row) = row.fetch_optional(self.conn()).await? else { return Ok(None) };
        let kept =
            Kept { log: row.log_id, size: unsigned(row.size)?, note: row.note, response: row.response };
        let row = sqlx::query!(
            "SELECT size, root, leaf, created_at FROM seal.checkpoints
             WHERE log_id = $1 AND size <= $2 AND leaf < $3 ORDER BY size DESC LIMIT 1",
            log,
            bigint(size),
            bigint(kept.size)
        );
        let Some(row) = row.fetch_optional(self.conn()).await? else { return Ok(None) };
        let leaf = row.leaf.map(unsigned).transpose()?;
        let (of, root) = (unsigned(row.size)?, hash(&row.root)?);
        self.tie(&Listed { log, size: of, root, leaf, created_at: row.created_at }, size, kept).await
    }

    /// Ties a checkpoint to a time stamp, for what is proven by one of `size` entries. What does not fit together is told,
    /// and left out: a time stamp adds something, and its lack takes nothing away.
    async fn tie(
        &mut self,
        listed: &Listed,
        size: u64,
        kept: Kept,
    ) -> Result<Option<TimeStamp>, ExportError> {
        match self.tied(listed, size, kept).await {
            Err(ExportError::Damaged(error)) => {
                tracing::error!(%error, "a time stamp can't be tied to what it covers");
                Ok(None)
            }
            tied => tied.map(Some),
        }
    }

    async fn tied(&mut self, listed: &Listed, size: u64, kept: Kept) -> Result<TimeStamp, ExportError> {
        let leaf = listed.leaf.ok_or_else(|| damaged("a checkpoint is not listed"))?;
        let place = self.place(listed, kept.log).await?;
        let siblings = inclusion(leaf, kept.size).map_err(beyond)?;
        let before = place.prev.map(|prev| prev..prev + 1);
        let wanted: Vec<_> =
            siblings.iter().cloned().chain(std::iter::once(leaf..leaf + 1)).chain(before.clone()).collect();
        let tiles = self.tiles(kept.log, Tree::Entries, &wanted).await?;
        let prev = before.map(|before| tiles.root(before)).transpose()?;
        let data = listed_data(listed.size, &listed.root);
        let data_salt = place.salt.of(Part::Data, place.revision);
        // As the sealer has listed it.
        let entry = Entry {
            stream: Stream::Run { number: place.number, id: place.id },
            revision: place.revision,
            prev,
            event_id: listed_id(listed.size),
            event_type: CHECKPOINT,
            recorded_at: &listed.created_at.to_rfc3339_opts(SecondsFormat::Micros, true),
            data: data_salt.commit(Part::Data, data.as_bytes()),
            meta: place.salt.of(Part::Metadata, place.revision).commit(Part::Metadata, b""),
        };
        if tiles.root(leaf..leaf + 1)? != entry.leaf() {
            return Err(damaged("the ledger's own log has another checkpoint there"));
        }
        let checkpoint: SignedNote =
            kept.note.parse().map_err(|error| damaged(format!("a stamped note: {error}")))?;
        let said: Checkpoint =
            checkpoint.text.parse().map_err(|error| damaged(format!("a stamped note: {error}")))?;
        if said.size != kept.size {
            return Err(damaged("a stamped note is of another size"));
        }
        let older = consistency(listed.size, size).map_err(beyond)?;
        let own = self.tiles(listed.log, Tree::Entries, &older).await?;
        Ok(TimeStamp {
            entry: entry.text(),
            data,
            data_salt,
            consistency: roots(&own, &older)?,
            proof: TlogProof { index: leaf, hashes: roots(&tiles, &siblings)?, checkpoint }.to_string(),
            response: STANDARD.encode(&kept.response),
        })
    }

    async fn place(&mut self, listed: &Listed, ledger: i32) -> Result<Place, ExportError> {
        let row = sqlx::query!(
            r#"SELECT r.number, r.run_id, r.salt, r.count - (
                   SELECT count(*) FROM seal.checkpoints AS c
                   WHERE c.log_id = $1 AND c.size >= $3 AND c.leaf IS NOT NULL
               ) AS "revision!", (
                   SELECT c.leaf FROM seal.checkpoints AS c
                   WHERE c.log_id = $1 AND c.size < $3 AND c.leaf IS NOT NULL ORDER BY c.size DESC LIMIT 1
               ) AS prev
               FROM seal.logs AS l JOIN seal.runs AS r ON r.log_id = $2 AND r.run_id = l.suffix::uuid
               WHERE l.log_id = $1"#,
            listed.log,
            ledger,
            bigint(listed.size)
        );
        let row = row.fetch_optional(self.conn()).await?;
        let row = row.ok_or_else(|| damaged("a tenant is not in the ledger's own log"))?;
        Ok(Place {
            number: unsigned(row.number)?,
            id: row.run_id,
            salt: salt(&row.salt)?,
            revision: unsigned(row.revision)?,
            prev: row.prev.map(unsigned).transpose()?,
        })
    }
}
