//! Why nothing is sealed.

use eventlog::{LogError, Position};
use seal::note::NoteError;
use seal::tiles::MissingTile;

/// Why nothing is sealed, or audited.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The event log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Another sealer has taken over.
    #[error("another sealer has taken over")]
    Fenced,
    /// A tree lacks a part in the tables.
    #[error("the tables of the seal are damaged: {0}")]
    Tiles(#[from] MissingTile),
    /// The tables hold what they can't.
    #[error("the tables of the seal are damaged: {0}")]
    Damaged(String),
    /// A key or a note is malformed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The system gave no random bytes.
    #[error("no random bytes for a salt: {0}")]
    NoRandomness(String),
    /// The event log ends before what was sealed of it.
    #[error(
        "the event log ends at position {}, and was sealed up to {}: it was restored to an earlier moment, or has lost \
         events",
        .head.0, .sealed.0
    )]
    LogBehind {
        /// Where the log ends.
        head: Position,
        /// Up to where it was sealed.
        sealed: Position,
    },
    /// A checkpoint outside of the database is of a larger tree.
    #[error(
        "{place} holds a checkpoint of {outside} entries of this ledger's log, and the database has {ours}: the database \
         was restored to an earlier moment. Nothing is signed over it: restore what is missing \
         (docs/sealing.md)"
    )]
    Restored {
        /// Where the checkpoint is.
        place: String,
        /// Its size.
        outside: u64,
        /// The size of our newest checkpoint.
        ours: u64,
    },
    /// A checkpoint outside of the database is of another tree.
    #[error(
        "{place} holds a checkpoint of this ledger's log with another root than the database has at {size} entries: one \
         of the two was changed. Nothing is signed until it is known which"
    )]
    Forked {
        /// Where the checkpoint is.
        place: String,
        /// Its size.
        size: u64,
    },
    /// A copy of a log has events that were not sealed when it was made.
    #[error(
        "the copy has events that were not sealed yet: seal them first, from the log that it was copied from (start \
         `runledger serve` on it for a moment, with nothing that appends), and copy what has come since"
    )]
    NotAllSealed,
    /// The policy's witnesses can't be asked.
    #[error("the witnesses of the policy can't be asked: {0}")]
    Witnesses(String),
    /// The time-stamping authorities can't be asked.
    #[error("time stamps can't be asked for: {0}")]
    TimeStamps(String),
    /// A file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// The system's own words.
        source: std::io::Error,
    },
}

/// A number of the database, none of which is below zero.
pub(crate) fn unsigned(number: i64) -> Result<u64, SealError> {
    u64::try_from(number).map_err(|_| SealError::Damaged(format!("{number} is below zero")))
}

/// A number for the database.
pub(crate) fn signed(number: u64) -> Result<i64, SealError> {
    i64::try_from(number).map_err(|_| SealError::Damaged(format!("{number} is too large")))
}

/// A hash of the database.
pub(crate) fn hash(bytes: &[u8]) -> Result<seal::Hash, SealError> {
    seal::Hash::from_slice(bytes)
        .ok_or_else(|| SealError::Damaged(format!("a hash has {} bytes", bytes.len())))
}
