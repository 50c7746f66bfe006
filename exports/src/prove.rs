//! What proves an export: that the heads entry is the last one of the signed tree, that the runs are those of the heads,
//! and that older trees are the beginning of this one.

use std::ops::Range;

use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::continues::Continues;
use seal::export::{Consistency, ContinuesLine};
use seal::heads::{Head, RunHead};
use seal::note::SignedNote;
use seal::proof::{self, ProofError};
use seal::tiles::{MissingTile, Tiles};
use seal::tlog_proof::TlogProof;

use crate::error::ExportError;
use crate::snapshot::{RunRow, Sealed, Snapshot, Tree};

/// The proofs, and where the tables contradict what was signed.
#[derive(Debug)]
pub(crate) struct Proofs {
    /// The origin of the log.
    pub origin: String,
    /// `heads.tlog-proof`.
    pub heads: String,
    pub runs: Vec<Hash>,
    pub consistency: Vec<Consistency>,
    /// Where the log was begun anew, the newest first.
    pub continues: Vec<ContinuesLine>,
    pub differences: Vec<String>,
}

impl From<MissingTile> for ExportError {
    fn from(missing: MissingTile) -> Self {
        Self::Damaged(missing.to_string())
    }
}

pub(crate) fn beyond(error: ProofError) -> ExportError {
    ExportError::Damaged(error.to_string())
}

pub(crate) fn roots(tiles: &Tiles, ranges: &[Range<u64>]) -> Result<Vec<Hash>, MissingTile> {
    ranges.iter().map(|range| tiles.root(range.clone())).collect()
}

/// Proves the heads entry, the runs, and the older sizes.
pub(crate) async fn prove(
    snapshot: &mut Snapshot,
    sealed: &Sealed,
    runs: &[RunRow],
    numbers: &Range<u64>,
    old_sizes: &[u64],
) -> Result<Proofs, ExportError> {
    let mut differences = Vec::new();
    let note: SignedNote =
        sealed.signed.note.parse().map_err(|error| ExportError::Damaged(format!("the note: {error}")))?;
    let signed: Checkpoint =
        note.text.parse().map_err(|error| ExportError::Damaged(format!("the note: {error}")))?;
    if (signed.size, signed.root) != (sealed.size, sealed.root) {
        differences
            .push("The checkpoint was signed with another size or root than the ledger's tables say.".into());
    }

    let size = sealed.size;
    let last =
        size.checked_sub(1).ok_or_else(|| ExportError::Damaged("a checkpoint of an empty tree".into()))?;
    let siblings = proof::inclusion(last, size).map_err(beyond)?;
    let continues = snapshot.continues(sealed).await?;
    let within = |(index, _): &(u64, String)| proof::inclusion(*index, size).map_err(beyond);
    let places = continues.iter().map(within).collect::<Result<Vec<_>, _>>()?;
    // What it says to go on from is proven along.
    let agreed = continues.iter().filter_map(|(_, text)| text.parse::<Continues>().ok());
    let mut old_sizes = old_sizes.to_vec();
    old_sizes.extend(agreed.map(|said| said.agrees.0).filter(|size| *size > 0));
    old_sizes.sort_unstable();
    old_sizes.dedup();
    let older = old_sizes.iter().map(|old| {
        let never_had = ExportError::NeverHad { size: *old, newest: size };
        Ok((*old, proof::consistency(*old, size).map_err(|_| never_had)?))
    });
    let older = older.collect::<Result<Vec<_>, ExportError>>()?;
    let whole = [0..size, last..size];
    let all: Vec<Range<u64>> = siblings
        .iter()
        .chain(&whole)
        .chain(older.iter().flat_map(|(_, ranges)| ranges))
        .chain(places.iter().flatten())
        .cloned()
        .collect();
    let tiles = snapshot.tiles(sealed.log_id, Tree::Entries, &all).await?;
    if tiles.root(0..size)? != signed.root {
        differences.push("The ledger's tree of entries has another root than was signed.".into());
    }
    if tiles.root(last..size)? != sealed.heads.leaf() {
        differences.push("The heads entry is another one than the ledger's tree has.".into());
    }
    let text = TlogProof { index: last, hashes: roots(&tiles, &siblings)?, checkpoint: note }.to_string();
    let consistency = older
        .into_iter()
        .map(|(size, ranges)| Ok(Consistency { size, proof: roots(&tiles, &ranges)? }))
        .collect::<Result<_, MissingTile>>()?;
    let continues = continues.into_iter().zip(&places);
    let continues = continues
        .map(|((index, text), place)| Ok(ContinuesLine { index, text, proof: roots(&tiles, place)? }))
        .collect::<Result<_, MissingTile>>()?;

    let outside = proof::range(numbers, sealed.heads.runs).map_err(beyond)?;
    let tiles = snapshot.tiles(sealed.log_id, Tree::Heads, &outside).await?;
    let range = roots(&tiles, &outside)?;
    let leaves: Vec<Hash> = runs.iter().map(leaf).collect();
    if proof::verify_range(numbers.start, &leaves, sealed.heads.runs, sealed.heads.root, &range).is_err() {
        differences.push("The ledger's table of runs has other heads than were sealed.".into());
    }
    Ok(Proofs { origin: signed.origin, heads: text, runs: range, consistency, continues, differences })
}

fn leaf(run: &RunRow) -> Hash {
    let head = Head { count: run.count, first: run.first, last: run.last };
    RunHead { number: run.number, id: run.id, head }.leaf()
}
