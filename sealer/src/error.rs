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
         was restored to an earlier moment. Nothing is signed over it: restore what is missing, or begin new logs with \
         `runledger seal begin-anew` (docs/sealing.md)"
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
    /// New logs were begun in the database, and the file beside the key does not know of it.
    #[error(
        "the database says that new logs were begun (the name number {database}), and what is known outside of it is of number \
         {outside}: if `runledger seal begin-anew` was interrupted, call it again; else somebody has changed the database"
    )]
    Unfinished {
        /// Under the how manyth name the database would sign.
        database: u32,
        /// Under the how manyth name was signed last, as is known outside.
        outside: u32,
    },
    /// Nothing outside of the database says that it has less than was signed.
    #[error(
        "nothing says that the database was restored to an earlier moment: it has all that the file beside the key and the \
         witnesses know of. There is no reason to begin new logs"
    )]
    NothingLost,
    /// A checkpoint that was given is of no use.
    #[error("the checkpoint {place}: {what}")]
    Given {
        /// Where it is.
        place: String,
        /// What is wrong with it.
        what: String,
    },
    /// What is kept beside the key can't be used.
    #[error(
        "{path}, where the newest checkpoint of the ledger's own log is kept, {what}. It belongs to the key beside it: put the \
         one back that was written with that key (docs/sealing.md)"
    )]
    Kept {
        /// The file.
        path: String,
        /// What is wrong with it.
        what: String,
    },
    /// The key file is that of another ledger.
    #[error(
        "{path} is not the key file of the ledger in this database: it is for {name}, and the newest checkpoint of the log \
         {log} is signed by none of its keys. Give the file that this ledger is sealed with; where its key was replaced a moment \
         ago, wait for the first checkpoint that the new one signs"
    )]
    OtherKey {
        /// The file.
        path: String,
        /// The ledger that it is for.
        name: String,
        /// A log that the database has.
        log: String,
    },
    /// A copy of a log has events that were not sealed when it was made.
    #[error(
        "the copy has events that were not sealed yet: seal them first, from the log that it was copied from (start \
         `runledger serve` on it for a moment, with nothing that appends), and copy what has come since"
    )]
    NotAllSealed,
    /// Nothing of that tenant is sealed.
    #[error(
        "nothing of a tenant {0:?} is sealed: see `runledger tenant list` for its name, and `runledger seal status`"
    )]
    NothingSealed(String),
    /// The policy's witnesses can't be asked.
    #[error("the witnesses of the policy can't be asked: {0}")]
    Witnesses(String),
    /// The time-stamping authorities can't be asked.
    #[error("time stamps can't be asked for: {0}")]
    TimeStamps(String),
    /// There is no thread to hash on.
    #[error("no thread hashes events: {0}")]
    NoHasher(String),
    /// The task that reads ahead has ended.
    #[error("nothing reads the log any more: {0}")]
    NoReader(String),
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

/// The how manyth name of a log, of the database.
pub(crate) fn generation(number: i32) -> Result<u32, SealError> {
    u32::try_from(number).map_err(|_| SealError::Damaged(format!("{number} is no number of a name")))
}

/// A hash of the database.
pub(crate) fn hash(bytes: &[u8]) -> Result<seal::Hash, SealError> {
    seal::Hash::from_slice(bytes)
        .ok_or_else(|| SealError::Damaged(format!("a hash has {} bytes", bytes.len())))
}
