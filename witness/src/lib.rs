//! A witness of transparency logs (C2SP `tlog-witness`): it cosigns a checkpoint that goes on from the one it cosigned last
//! of the same log, and nothing else. The rules are [`seal::witness`]; here are its key, its memory and its HTTP.
//!
//! It needs no database, and nothing of the ledger but its public key. What it must never do is forget: a witness whose
//! memory was lost, or put back to an earlier moment, could be led to cosign another history.

mod http;
mod key;
mod memory;

use std::path::Path;

use seal::checkpoint::Checkpoint;
use seal::note::{NoteError, Signature, SignerKey, VerifierKey};
use seal::witness::{LogKeys, Refusal, Submission};

pub use http::router;
pub use key::{create, read_key};

use memory::Memory;

/// Why a witness does not work.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// The system's own words.
        source: std::io::Error,
    },
    /// Others can read the key.
    #[error("{0} can be read by others: `chmod 600` it, and think about who may have read it")]
    Open(String),
    /// The key file holds no key of a witness.
    #[error("{path} holds no key of a witness, as `runledger witness keygen` makes it: {source}")]
    Key {
        /// Which file.
        path: String,
        /// What is wrong.
        source: NoteError,
    },
    /// The folder is not this witness's memory.
    #[error(
        "{0} is not the memory of this key's witness. One that has lost its memory could be led to cosign another history: \
         find the folder, or make a new witness with `runledger witness keygen`"
    )]
    OtherMemory(String),
    /// Another process works with the folder.
    #[error("{0} is used by another process")]
    Locked(String),
    /// What was remembered of a log can't be read any more.
    #[error("{path} is damaged, and nothing of its log is cosigned: {what}")]
    Damaged {
        /// Which file.
        path: String,
        /// What is wrong.
        what: String,
    },
    /// The clock shows a time before that of the last cosignature.
    #[error("the clock is {0} s behind the last cosignature of this log")]
    Clock(u64),
    /// The system gave no random bytes.
    #[error("no random bytes for a key: {0}")]
    NoRandomness(String),
}

impl WitnessError {
    fn file(path: &Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.display().to_string();
        move |source| Self::File { path, source }
    }
}

/// Why a submission is not cosigned.
#[derive(Debug, thiserror::Error)]
pub enum Uncosigned {
    /// By the rules.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The witness itself does not work.
    #[error(transparent)]
    Failed(#[from] WitnessError),
}

/// A witness. One process at a time works with its memory.
#[derive(Debug)]
pub struct Witness {
    key: SignerKey,
    verifier: VerifierKey,
    logs: LogKeys,
    memory: Memory,
}

impl Witness {
    /// The witness whose memory is in that folder.
    ///
    /// # Errors
    /// [`WitnessError`]: where the folder is not there, is another witness's, or in use.
    pub fn open(key: SignerKey, logs: LogKeys, folder: &Path) -> Result<Self, WitnessError> {
        let verifier = key.verifier();
        let memory = Memory::open(folder, &verifier)?;
        Ok(Self { key, verifier, logs, memory })
    }

    /// What its cosignatures are checked with.
    #[must_use]
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Cosigns a checkpoint, and remembers it durably before. Two submissions for one log never see the same memory.
    /// Blocks on files. `now` is in seconds since 1970.
    ///
    /// # Errors
    /// [`Uncosigned`].
    pub fn add_checkpoint(&self, submission: Submission, now: u64) -> Result<Signature, Uncosigned> {
        let admitted = self.logs.admit(submission)?;
        let origin = &admitted.checkpoint.origin;
        let room = self.memory.of(origin);
        let last = room.read(origin, &self.verifier)?;
        let refused = admitted.follows(last.as_ref().map(|last| &last.checkpoint));
        if let Err(refusal @ Refusal::Contradiction(_)) = &refused {
            // It may be proof of a second history: signed by the log, and not to be had again.
            let kept = last.as_ref().map(|last| last.note.to_string());
            tracing::error!(%origin, %refusal, submitted = %admitted.note, ?kept, "a checkpoint contradicts the last one");
        }
        refused?;
        if let Some(late) = last.and_then(|last| last.time.checked_sub(now)).filter(|late| *late > 0) {
            return Err(WitnessError::Clock(late).into());
        }
        let mut note = admitted.note;
        let cosignature = self.key.cosign(&note.text, now);
        note.signatures.push(cosignature.clone());
        room.write(&note)?;
        Ok(cosignature)
    }

    /// The checkpoint that was cosigned last of a log, by the SHA-256 of its origin in lowercase hex.
    ///
    /// # Errors
    /// [`WitnessError`] where it can't be read.
    pub fn newest(&self, origin_hash: &str) -> Result<Option<String>, WitnessError> {
        self.memory.newest(origin_hash)
    }
}

/// What is remembered of a log.
#[derive(Debug)]
struct Last {
    checkpoint: Checkpoint,
    note: seal::note::SignedNote,
    /// When it was cosigned, in seconds since 1970.
    time: u64,
}
