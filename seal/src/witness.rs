//! What a witness is asked, and by which rules it answers (C2SP `tlog-witness`, `add-checkpoint`).
//!
//! A witness cosigns a checkpoint only where it is signed by a log that it knows, and its tree begins with the one that
//! the witness cosigned last. So whoever demands cosignatures of several witnesses is shown what everybody is shown.

use std::fmt;
use std::str::FromStr;

use crate::checkpoint::{Checkpoint, decimal};
use crate::continues::generation;
use crate::hash::Hash;
use crate::note::{KeyKind, NoteError, SignedNote, VerifierKey};
use crate::proof::{ProofError, verify_consistency};

/// The most hashes that a proof may have.
pub const MOST_HASHES: usize = 63;

/// What stands between a ledger's name and what tells its tenants' logs apart.
const OF_TENANT: &str = "/t/";

/// A checkpoint as it is submitted to a witness: the size that the witness has cosigned last, the proof that it is the
/// beginning, and the note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The size that the witness has, as the sender believes.
    pub old: u64,
    /// RFC 6962, section 2.1.2; empty where the old size is 0 or that of the checkpoint.
    pub proof: Vec<Hash>,
    /// The checkpoint, signed by its log.
    pub note: SignedNote,
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no submission. (400)
    #[error("a submission is a line `old SIZE`, hashes, an empty line and a signed checkpoint: {0}")]
    Malformed(&'static str),
    /// The log is none that the witness knows. (404)
    #[error("this witness does not know the log {0}")]
    UnknownLog(String),
    /// The log's signature is missing or wrong. (403)
    #[error(transparent)]
    Signature(NoteError),
    /// The old size is beyond the checkpoint's. (400)
    #[error("the old size is larger than the checkpoint's")]
    OldBeyondNew,
    /// The witness has cosigned another size last. (409)
    #[error("this witness has cosigned a tree of {0} entries last")]
    OtherSize(u64),
    /// The checkpoint contradicts the one that was cosigned last, or does not prove that it does not. (422)
    #[error("the tree is not shown to go on from the one that was cosigned last: {0}")]
    Contradiction(#[from] ProofError),
}

impl fmt::Display for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "old {}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.note)
    }
}

impl FromStr for Submission {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let malformed = Refusal::Malformed;
        let (head, note) = text.split_once("\n\n").ok_or(malformed("there is no empty line"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old ")).and_then(decimal);
        let old = old.ok_or(malformed("the first line is not `old SIZE`"))?;
        let proof = lines.map(|line| line.parse().map_err(|_| malformed("a line of the proof is no hash")));
        let proof: Vec<Hash> = proof.collect::<Result<_, _>>()?;
        if proof.len() > MOST_HASHES {
            return Err(malformed("the proof has more than 63 hashes"));
        }
        let note = note.parse().map_err(|_| malformed("the checkpoint is no signed note"))?;
        Ok(Self { old, proof, note })
    }
}

/// The logs that a witness knows.
#[derive(Debug, Clone, Default)]
pub struct LogKeys {
    logs: Vec<VerifierKey>,
    ledgers: Vec<VerifierKey>,
}

impl LogKeys {
    /// One log: its key is named as its origin. Several keys of one name are keys of one log.
    ///
    /// # Errors
    /// When it is a witness's key.
    pub fn add_log(&mut self, key: VerifierKey) -> Result<(), NoteError> {
        self.logs.push(of_log(key)?);
        Ok(())
    }

    /// A ledger with all its logs: its own, and each tenant's, `<ledger>/t/...`. One key signs for all of them.
    ///
    /// # Errors
    /// When it is a witness's key.
    pub fn add_ledger(&mut self, key: VerifierKey) -> Result<(), NoteError> {
        self.ledgers.push(of_log(key)?);
        Ok(())
    }

    /// How many keys there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.logs.len() + self.ledgers.len()
    }

    /// The keys that may sign for a log, under its name.
    fn of(&self, origin: &str) -> Vec<VerifierKey> {
        let mut keys: Vec<_> = self.logs.iter().filter(|key| key.name() == origin).cloned().collect();
        for key in &self.ledgers {
            let rest = origin.strip_prefix(key.name());
            if rest.is_some_and(|rest| {
                rest.is_empty()
                    || rest.len() > OF_TENANT.len() && rest.starts_with(OF_TENANT)
                    // Begun anew after a restore.
                    || rest.strip_prefix('/').and_then(generation).is_some()
            }) {
                keys.extend(key.named(origin));
            }
        }
        keys
    }

    /// The checkpoint that is submitted, where it is of a log that is known, and signed by it. The note has then the
    /// signatures by the log's keys alone: others' were not looked at.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn admit(&self, submission: Submission) -> Result<Admitted, Refusal> {
        let Submission { old, proof, mut note } = submission;
        let checkpoint = Checkpoint::of_any_log(&note.text);
        let checkpoint = checkpoint.map_err(|_| Refusal::Malformed("the note is no checkpoint"))?;
        let keys = self.of(&checkpoint.origin);
        if keys.is_empty() {
            return Err(Refusal::UnknownLog(checkpoint.origin));
        }
        note.verified_by(&keys).map_err(Refusal::Signature)?;
        let text = &note.text;
        note.signatures.retain(|signature| {
            let alone = SignedNote { text: text.clone(), signatures: vec![signature.clone()] };
            alone.verified_by(&keys).is_ok()
        });
        if old > checkpoint.size {
            return Err(Refusal::OldBeyondNew);
        }
        Ok(Admitted { checkpoint, old, proof, note })
    }
}

fn of_log(key: VerifierKey) -> Result<VerifierKey, NoteError> {
    match key.kind() {
        KeyKind::Note => Ok(key),
        KeyKind::Cosignature => Err(NoteError::NoKey("it is a witness's key, not a log's")),
    }
}

/// A checkpoint that its log has signed.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// What it says.
    pub checkpoint: Checkpoint,
    /// It, with its log's signatures.
    pub note: SignedNote,
    old: u64,
    proof: Vec<Hash>,
}

impl Admitted {
    /// Whether its tree goes on from the checkpoint that was cosigned last of its log, none where none was.
    ///
    /// # Errors
    /// [`Refusal::OtherSize`], [`Refusal::Contradiction`].
    pub fn follows(&self, last: Option<&Checkpoint>) -> Result<(), Refusal> {
        let (size, root) = last.map_or((0, Hash::empty()), |last| (last.size, last.root));
        if self.old != size {
            return Err(Refusal::OtherSize(size));
        }
        let new = (self.checkpoint.size, self.checkpoint.root);
        if new.0 == 0 && new.1 != Hash::empty() {
            return Err(ProofError::OtherRoot.into());
        }
        Ok(verify_consistency((size, root), new, &self.proof)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::SignerKey;
    use crate::tiles::Tiles;

    const LEDGER: &str = "ledger.example";

    fn key(name: &str) -> SignerKey {
        SignerKey::new(name, KeyKind::Note, &[5; 32]).unwrap()
    }

    fn logs() -> LogKeys {
        let mut logs = LogKeys::default();
        logs.add_log(key("one.example/log").verifier()).unwrap();
        logs.add_ledger(key(LEDGER).verifier()).unwrap();
        logs
    }

    fn tree(leaves: u64, seed: u64) -> Tiles {
        let mut tiles = Tiles::default();
        (0..leaves).for_each(|n| tiles.set(n, Hash::leaf(&(n + seed).to_be_bytes())).unwrap());
        tiles
    }

    fn checkpoint(origin: &str, size: u64, seed: u64) -> Checkpoint {
        let root = tree(size, seed).root(0..size).unwrap();
        Checkpoint { origin: origin.into(), size, root }
    }

    /// The tree of one seed from one size to another.
    fn submission(origin: &str, old: u64, size: u64, seed: u64) -> Submission {
        let text = checkpoint(origin, size, seed).to_string();
        let tiles = tree(size, seed);
        let ranges = crate::proof::consistency(old, size).unwrap_or_default();
        let proof = ranges.into_iter().map(|range| tiles.root(range).unwrap()).collect();
        Submission { old, proof, note: SignedNote { signatures: vec![key(origin).sign(&text)], text } }
    }

    fn answer(submission: Submission, last: Option<&Checkpoint>) -> Result<(), Refusal> {
        let read: Submission = submission.to_string().parse()?;
        assert_eq!(read, submission);
        logs().admit(read)?.follows(last)
    }

    #[test]
    fn a_tree_that_goes_on_is_taken() {
        let last = checkpoint(LEDGER, 7, 0);
        assert_eq!(answer(submission(LEDGER, 7, 300, 0), Some(&last)), Ok(()));
        assert_eq!(answer(submission(LEDGER, 7, 7, 0), Some(&last)), Ok(()));
        assert_eq!(answer(submission(LEDGER, 0, 300, 0), None), Ok(()));
        assert_eq!(answer(submission(LEDGER, 0, 0, 0), None), Ok(()));
    }

    #[test]
    fn another_old_size_is_told_the_right_one() {
        let last = checkpoint(LEDGER, 7, 0);
        for (old, size) in [(0, 9), (0, 0), (0, 7), (6, 9), (8, 9)] {
            assert_eq!(answer(submission(LEDGER, old, size, 0), Some(&last)), Err(Refusal::OtherSize(7)));
        }
        assert_eq!(answer(submission(LEDGER, 3, 9, 0), None), Err(Refusal::OtherSize(0)));
        let mut beyond = submission(LEDGER, 3, 3, 0);
        beyond.old = 4;
        assert_eq!(answer(beyond, None), Err(Refusal::OldBeyondNew));
    }

    #[test]
    fn another_tree_is_a_contradiction() {
        let last = checkpoint(LEDGER, 7, 0);
        for size in [7, 8, 300] {
            let other = answer(submission(LEDGER, 7, size, 1), Some(&last));
            assert!(matches!(other, Err(Refusal::Contradiction(_))), "{size} {other:?}");
        }
        let mut proven = submission(LEDGER, 0, 9, 0);
        proven.proof = vec![Hash::empty()];
        assert_eq!(answer(proven, None), Err(ProofError::Length.into()));
        let mut proven = submission(LEDGER, 7, 7, 0);
        proven.proof = vec![Hash::empty()];
        assert_eq!(answer(proven, Some(&last)), Err(ProofError::Length.into()));
        let mut nothing = submission(LEDGER, 0, 0, 0);
        nothing.note.text = nothing.note.text.replace(&Hash::empty().to_string(), &Hash([1; 32]).to_string());
        nothing.note.signatures = vec![key(LEDGER).sign(&nothing.note.text)];
        assert_eq!(answer(nothing, None), Err(ProofError::OtherRoot.into()));
    }

    #[test]
    fn a_ledgers_key_signs_for_its_logs_alone() {
        let tenant = "ledger.example/t/0123456789abcdef0123456789abcdef";
        for origin in [LEDGER, tenant, "one.example/log"] {
            assert_eq!(answer(submission(origin, 0, 3, 0), None), Ok(()), "{origin}");
        }
        for origin in [
            "ledger.example.org",
            "ledger.example/t/",
            "ledger.example/other",
            "ledger.exampl",
            "one.example/log/t/1",
        ] {
            let refused = answer(submission(origin, 0, 3, 0), None);
            assert_eq!(refused, Err(Refusal::UnknownLog(origin.into())));
        }
        // Signed for one log, and shown as another's.
        let mut other = submission(tenant, 0, 3, 0);
        other.note.signatures = vec![key(LEDGER).sign(&other.note.text)];
        assert_eq!(answer(other, None), Err(Refusal::Signature(NoteError::Unsigned)));
        let mut wrong = submission(tenant, 0, 3, 0);
        let signature = key(tenant).sign("something else");
        wrong.note.signatures.push(signature);
        assert!(matches!(answer(wrong, None), Err(Refusal::Signature(NoteError::WrongSignature(_)))));
    }

    #[test]
    fn strangers_signatures_are_left_out_and_extensions_are_kept() {
        let mut more = submission(LEDGER, 0, 3, 0);
        more.note.text.push_str("an extension\n");
        let stranger = SignerKey::new(LEDGER, KeyKind::Note, &[6; 32]).unwrap();
        more.note.signatures = vec![stranger.sign("anything"), key(LEDGER).sign(&more.note.text)];
        let admitted = logs().admit(more.clone()).unwrap();
        assert_eq!(
            (admitted.note.text, admitted.note.signatures),
            (more.note.text, vec![more.note.signatures[1].clone()])
        );
        let witness = SignerKey::new(LEDGER, KeyKind::Cosignature, &[5; 32]).unwrap().verifier();
        LogKeys::default().add_ledger(witness).unwrap_err();
    }

    #[test]
    fn what_is_no_submission_is_refused() {
        let good = submission(LEDGER, 3, 9, 0).to_string();
        good.parse::<Submission>().unwrap();
        for (from, to) in [
            ("old 3", "old 03"),
            ("old 3", "old"),
            ("old 3", "Old 3"),
            ("old 3\n", ""),
            ("old 3\n", "old 3\nAAAA\n"),
            ("old 3\n", "old 3\r\n"),
            ("\n\n", "\n"),
            ("ledger.example\n9\n", "ledger.example\n09\n"),
        ] {
            let bad = good.replace(from, to);
            let refused = bad.parse().and_then(|submission| logs().admit(submission));
            assert!(matches!(refused, Err(Refusal::Malformed(_))), "{from:?} {to:?} {refused:?}");
        }
        let hashes = |count| format!("old 3\n{}", format!("{}\n", Hash::empty()).repeat(count));
        assert!(good.replace("old 3\n", &hashes(64)).parse::<Submission>().is_err());
        let fewer: Submission = good.replace("old 3\n", &hashes(50)).parse().unwrap();
        assert!(fewer.proof.len() > 50);
    }
}
