//! Receipts: what proves one event by itself.
//!
//! An event is sealed by the first signed checkpoint behind it, and its receipt is made by that one: so whoever asks again
//! gets the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::{RunId, TenantId};
use eventlog::Position;
use eventlog::streams::run_stream;
use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::entry::{Salt, Stream};
use seal::export::EventLine;
use seal::note::SignedNote;
use seal::proof::inclusion;
use seal::receipt::{FORMAT, Receipt, TimeStamp};
use seal::tlog_proof::TlogProof;
use uuid::Uuid;

use crate::chain::Chain;
use crate::error::{ExportError, NotSealed};
use crate::prepare::Exporter;
use crate::prove::{beyond, roots};
use crate::read::page;
use crate::snapshot::{Snapshot, Tree, bigint, damaged, hash, salt, unsigned};
use crate::time_stamp::Listed;

/// Of so many runs it is remembered how far they were chained. About 100 bytes each.
const REMEMBERED: usize = 4_096;

/// How far runs were chained for a receipt, by log and run: how many events, and the leaf of the last of them. A producer
/// that asks for each of its events then has each of them read once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Chained(Arc<Mutex<Known>>);

type Known = HashMap<(i32, Uuid), (u64, Hash)>;

/// An event with what is sealed of it.
struct Entered {
    line: EventLine,
    entry: String,
    position: u64,
}

/// What the seal's tables have of a run.
struct SealedRun {
    log: i32,
    number: u64,
    salt: Salt,
    /// How many of its events the newest checkpoint has, signed or about to be.
    count: u64,
}

/// A receipt, and where its event is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// The receipt.
    pub receipt: Receipt,
    /// The event's position.
    pub position: Position,
}

impl Exporter {
    /// The receipts of a run's events with these revisions, in that order. With an event of which none can be
    /// given there is none at all.
    ///
    /// # Errors
    /// [`ExportError::NoSuchRun`], [`ExportError::NoSuchEvent`], [`ExportError::NotSealed`], [`ExportError::Differs`], or
    /// what failed.
    pub async fn receipts(
        &self,
        tenant: &TenantId,
        run: RunId,
        revisions: &[u64],
    ) -> Result<Vec<Given>, ExportError> {
        let Some(last) = revisions.iter().max().copied() else { return Ok(Vec::new()) };
        let stream = run_stream(tenant, run);
        let sealed = self.sealed_run(tenant, run).await?;
        let Some(sealed) = sealed.filter(|sealed| last < sealed.count) else {
            return Err(match self.log().read_stream(&stream, last, 1).await?.is_empty() {
                false => NotSealed::Event.into(),
                true if self.log().read_stream(&stream, 0, 1).await?.is_empty() => {
                    ExportError::NoSuchRun(run)
                }
                true => ExportError::NoSuchEvent { run, revision: last },
            });
        };
        let (entered, chained) = self.entered(&stream, run, &sealed, revisions).await?;
        let differs = |revision| ExportError::Differs { run, revision };
        let mut wanted = Vec::new();
        for revision in revisions {
            wanted.push(entered.get(revision).ok_or_else(|| differs(*revision))?);
        }
        let leaves: Vec<Hash> = wanted.iter().map(|event| Hash::leaf(event.entry.as_bytes())).collect();
        let position = wanted.iter().map(|event| event.position).min().unwrap_or(0);
        let mut snapshot = Snapshot::take(self.pool()).await?;
        // What is about to be signed is not there yet, wherever one looks.
        let is_signed = snapshot.is_signed(sealed.log).await?;
        let indexes = snapshot.indexes(sealed.log, (position, is_signed), &leaves).await?;
        let (mut receipts, mut known) = (Vec::new(), Vec::<(Signed, Option<TimeStamp>)>::new());
        for ((event, index), revision) in wanted.iter().zip(indexes).zip(revisions) {
            let Some(index) = index else {
                return Err(if is_signed { differs(*revision) } else { NotSealed::Signing.into() });
            };
            if !known.iter().any(|(signed, _)| signed.seals(index)) {
                let signed = snapshot.signed(sealed.log, index).await?.ok_or(NotSealed::Signing)?;
                let stamp = snapshot.earliest_stamp(&signed.listed).await?;
                known.push((signed, stamp));
            }
            let Some((signed, stamp)) = known.iter().find(|(signed, _)| signed.seals(index)) else {
                return Err(NotSealed::Signing.into());
            };
            let siblings = inclusion(index, signed.listed.size).map_err(beyond)?;
            let tiles = snapshot.tiles(sealed.log, Tree::Entries, &siblings).await?;
            let hashes = roots(&tiles, &siblings)?;
            let proof = TlogProof { index, hashes, checkpoint: signed.note.clone() };
            let receipt = receipt(tenant, event, &proof, stamp.clone());
            receipts.push(Given { receipt, position: Position(event.position) });
        }
        // All of them are in the tree, so that what they were chained from is right.
        if let Some(chained) = chained {
            self.chained().put((sealed.log, run.uuid()), chained);
        }
        Ok(receipts)
    }

    async fn sealed_run(&self, tenant: &TenantId, run: RunId) -> Result<Option<SealedRun>, ExportError> {
        let row = sqlx::query!(
            "SELECT log_id, number, salt, sealed_count FROM seal.logs JOIN seal.runs USING (log_id)
             WHERE tenant = $1 AND run_id = $2",
            tenant.as_str(),
            run.uuid()
        );
        let row = row.fetch_optional(self.pool()).await?;
        let sealed = row.map(|row| {
            let (number, count) = (unsigned(row.number)?, unsigned(row.sealed_count)?);
            Ok(SealedRun { log: row.log_id, number, salt: salt(&row.salt)?, count })
        });
        sealed.transpose()
    }

    /// The events with these revisions, chained to those before them, and how far they were chained.
    async fn entered(
        &self,
        stream: &str,
        run: RunId,
        sealed: &SealedRun,
        revisions: &[u64],
    ) -> Result<(HashMap<u64, Entered>, Option<(u64, Hash)>), ExportError> {
        let first = revisions.iter().min().copied().unwrap_or(0);
        let to = revisions.iter().max().map_or(0, |last| last + 1);
        let (place, of) = ((sealed.log, run.uuid()), Stream::Run { number: sealed.number, id: run.uuid() });
        let mut chain = match self.chained().get(place).filter(|(count, _)| *count <= first) {
            Some((count, last)) => Chain::after(of, sealed.salt.clone(), count, last),
            None => Chain::new(of, sealed.salt.clone()),
        };
        let mut entered = HashMap::new();
        while chain.count() < to {
            let events = page(self.log(), stream, chain.count(), to).await?;
            if events.is_empty() {
                break;
            }
            for event in &events {
                // Of one that is missing there is no receipt, nor of what follows.
                if event.revision != chain.count() {
                    return Ok((entered, None));
                }
                let (line, entry) = chain.entered(event);
                if revisions.contains(&event.revision) {
                    entered.insert(event.revision, Entered { line, entry, position: event.position.0 });
                }
            }
        }
        Ok((entered, chain.last().map(|last| (chain.count(), last))))
    }
}

impl Chained {
    fn get(&self, place: (i32, Uuid)) -> Option<(u64, Hash)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&place).copied()
    }

    fn put(&self, place: (i32, Uuid), to: (u64, Hash)) {
        let mut chained = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if chained.len() >= REMEMBERED && !chained.contains_key(&place) {
            chained.clear();
        }
        chained.insert(place, to);
    }
}

/// A signed checkpoint, and from which leaf on it is the first one.
struct Signed {
    note: SignedNote,
    listed: Listed,
    from: u64,
}

impl Signed {
    fn seals(&self, index: u64) -> bool {
        (self.from..self.listed.size).contains(&index)
    }
}

impl Snapshot {
    /// Whether the newest checkpoint of a log is signed.
    async fn is_signed(&mut self, log: i32) -> Result<bool, ExportError> {
        let signed = sqlx::query_scalar!(
            r#"SELECT note IS NOT NULL AS "signed!" FROM seal.checkpoints WHERE log_id = $1 ORDER BY size DESC LIMIT 1"#,
            log
        );
        Ok(signed.fetch_optional(self.conn()).await?.unwrap_or(false))
    }

    /// The first signed checkpoint that has a leaf.
    async fn signed(&mut self, log: i32, index: u64) -> Result<Option<Signed>, ExportError> {
        let row = sqlx::query!(
            r#"SELECT size, root, note AS "note!", leaf, created_at, COALESCE((
                   SELECT max(size) FROM seal.checkpoints WHERE log_id = $1 AND size <= $2 AND note IS NOT NULL
               ), 0) AS "from!"
               FROM seal.checkpoints WHERE log_id = $1 AND size > $2 AND note IS NOT NULL ORDER BY size LIMIT 1"#,
            log,
            bigint(index)
        );
        let Some(row) = row.fetch_optional(self.conn()).await? else { return Ok(None) };
        let note: SignedNote = row.note.parse().map_err(|error| damaged(format!("the note: {error}")))?;
        let said: Checkpoint = note.text.parse().map_err(|error| damaged(format!("the note: {error}")))?;
        let (size, root) = (unsigned(row.size)?, hash(&row.root)?);
        if (said.size, said.root) != (size, root) {
            return Err(damaged("a note says another size or root than its row"));
        }
        let leaf = row.leaf.map(unsigned).transpose()?;
        let listed = Listed { log, size, root, leaf, created_at: row.created_at };
        Ok(Some(Signed { note, listed, from: unsigned(row.from)? }))
    }
}

fn receipt(tenant: &TenantId, event: &Entered, proof: &TlogProof, time_stamp: Option<TimeStamp>) -> Receipt {
    let line = event.line.clone();
    Receipt {
        format: FORMAT.to_owned(),
        tenant: tenant.to_string(),
        entry: event.entry.clone(),
        data: line.data,
        data_base64: line.data_base64,
        data_salt: line.data_salt,
        metadata: line.metadata,
        metadata_base64: line.metadata_base64,
        meta_salt: line.meta_salt,
        proof: proof.to_string(),
        time_stamp,
    }
}
