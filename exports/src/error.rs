//! Why there is no export.

use std::io;

use domain::RunId;
use eventlog::LogError;
use zip::result::ZipError;

/// Why there is no export, or no more of it.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// What is wanted is not sealed yet, and only what is sealed can be proven.
    #[error(transparent)]
    NotSealed(#[from] NotSealed),
    /// The tenant has no such run.
    #[error("there is no run {0}")]
    NoSuchRun(RunId),
    /// The run has no such event.
    #[error("the run {run} has no event of revision {revision}")]
    NoSuchEvent {
        /// Which run.
        run: RunId,
        /// Which event.
        revision: u64,
    },
    /// The event log has another event there than was sealed.
    #[error("revision {revision} of run {run} is not in the event log as it was sealed")]
    Differs {
        /// Which run.
        run: RunId,
        /// Which event.
        revision: u64,
    },
    /// More runs are concerned than are held in memory.
    #[error(
        "{runs} runs are concerned, at most {most} go into one export: choose shorter periods that follow each other"
    )]
    TooManyRuns {
        /// How many.
        runs: u64,
        /// How many may be.
        most: u64,
    },
    /// A proof is wanted for a tree that is not there yet.
    #[error("the tree has {newest} entries, and never had {size}")]
    NeverHad {
        /// How many entries the older tree is said to have.
        size: u64,
        /// How many the newest has.
        newest: u64,
    },
    /// The tables of the seal are not as the sealer leaves them.
    #[error("the tables of the seal are damaged: {0}")]
    Damaged(String),
    /// The event log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The database.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The file could not be made.
    #[error("the file can't be made: {0}")]
    Io(#[from] io::Error),
    /// Nobody takes it any more.
    #[error("nobody takes the export any more")]
    Gone,
}

/// Why something is not sealed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSealed {
    /// Nothing of the tenant is.
    #[error(
        "nothing of this tenant is sealed yet: that takes about 10 s after its first event. If it lasts, the ledger \
         seals nothing: its operator gives it a key (--seal-key)"
    )]
    Tenant,
    /// The run began after the newest checkpoint.
    #[error("the run is not sealed yet: that takes about 10 s after an event")]
    Run,
    /// The event came after the newest checkpoint.
    #[error(
        "the event is not sealed yet: that takes about 10 s. If it lasts, the sealer has stopped or lacks its key"
    )]
    Event,
    /// A checkpoint is being signed, and takes long.
    #[error(
        "a checkpoint is being signed: that takes a moment. If it lasts, the sealer has stopped or lacks its key"
    )]
    Signing,
    /// What is in the log up to a position that the caller named.
    #[error(
        "the log is sealed up to position {sealed}, not yet to {wanted}: that takes about 10 s after an event"
    )]
    Position {
        /// Up to where it is sealed.
        sealed: u64,
        /// Up to where it should be.
        wanted: u64,
    },
}

impl From<ZipError> for ExportError {
    fn from(error: ZipError) -> Self {
        match error {
            ZipError::Io(error) => Self::of_io(error),
            other => Self::Io(io::Error::other(other)),
        }
    }
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        Self::of_io(error.into())
    }
}

impl From<serde_json::Error> for ExportError {
    fn from(error: serde_json::Error) -> Self {
        Self::of_io(error.into())
    }
}

impl ExportError {
    /// A pipe that is broken is nobody at its end.
    fn of_io(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::Gone } else { Self::Io(error) }
    }
}
