//! Proofs that stand by themselves (C2SP `tlog-proof`): an index, the proof of inclusion, and the checkpoint's note.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::{Checkpoint, decimal};
use crate::hash::Hash;
use crate::note::{NoteError, SignedNote};

const HEADER: &str = "c2sp.org/tlog-proof@v1";

/// That a log has an entry at an index, for a reader who knows the entry and has a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Where in the log, from 0.
    pub index: u64,
    /// See [`verify_inclusion`](crate::proof::verify_inclusion).
    pub hashes: Vec<Hash>,
    /// The checkpoint of the tree that it leads to.
    pub checkpoint: SignedNote,
}

/// A text that is no such proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoTlogProof {
    /// What stands before the checkpoint.
    #[error(
        "a tlog-proof is {HEADER}, `index` and a number, hashes in base64, an empty line, and a signed note"
    )]
    Malformed,
    /// The checkpoint.
    #[error(transparent)]
    Note(#[from] NoteError),
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\nindex {}", self.index)?;
        self.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for TlogProof {
    type Err = NoTlogProof;

    /// An `extra` line is refused: nothing of it is proven, and this ledger writes none.
    fn from_str(text: &str) -> Result<Self, NoTlogProof> {
        let (proof, note) = text.split_once("\n\n").ok_or(NoTlogProof::Malformed)?;
        let mut lines = proof.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(NoTlogProof::Malformed);
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index ")).and_then(decimal);
        let hashes = lines.map(str::parse).collect::<Result<_, _>>();
        Ok(Self {
            index: index.ok_or(NoTlogProof::Malformed)?,
            hashes: hashes.map_err(|_| NoTlogProof::Malformed)?,
            checkpoint: note.parse()?,
        })
    }
}

/// Reads a checkpoint that was kept: a signed note, or a `tlog-proof`, of which its checkpoint is taken. Who has signed it
/// is not looked at.
///
/// # Errors
/// What is wrong with it, in words.
pub fn kept_checkpoint(text: &str) -> Result<(SignedNote, Checkpoint), String> {
    let note = match text.starts_with("c2sp.org/tlog-proof@") {
        true => text.parse().map(|proof: TlogProof| proof.checkpoint).map_err(|error| error.to_string()),
        false => text.parse().map_err(|error: NoteError| error.to_string()),
    }?;
    let checkpoint = note.text.parse::<Checkpoint>().map_err(|error| error.to_string())?;
    Ok((note, checkpoint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::{KeyKind, SignerKey};

    #[test]
    fn a_proof_has_one_spelling() {
        let key = SignerKey::new("example.org/log", KeyKind::Note, &[9; 32]).unwrap();
        let text = Checkpoint { origin: "example.org/log".into(), size: 2, root: Hash::empty() }.to_string();
        let checkpoint = SignedNote { signatures: vec![key.sign(&text)], text };
        for hashes in [vec![], vec![Hash::empty(); 2]] {
            let proof = TlogProof { index: 1, hashes, checkpoint: checkpoint.clone() };
            assert_eq!(proof.to_string().parse(), Ok(proof));
        }
        let proof = TlogProof { index: 1, hashes: vec![Hash::empty()], checkpoint }.to_string();
        for (from, to) in [
            ("@v1", "@v2"),
            ("index 1", "index 01"),
            ("index 1", "extra AAAA\nindex 1"),
            ("index 1\n", ""),
            ("47DE", "47D"),
            ("=\n\nex", "=\nex"),
        ] {
            assert!(proof.replacen(from, to, 1).parse::<TlogProof>().is_err(), "{from} {to}");
        }
    }
}
