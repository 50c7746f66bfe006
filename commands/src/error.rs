//! Why a command changed nothing.

use crate::start::StartDifference;
use domain::key::KeyError;
use domain::{Rejection, RunId, Status};
use eventlog::fact::Unfaithful;
use eventlog::{AppendError, LogError};
use uuid::Uuid;

/// Why a command changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The run's rules refuse it. `revision` and `status` are the run's at that moment.
    #[error("{rejection}")]
    Rejected {
        /// Which rule.
        rejection: Rejection,
        /// The run's last revision.
        revision: Option<u64>,
        /// The run's status.
        status: Option<Status>,
    },
    /// The rules refuse the first events of a run: the first of them is `Queued`, which the start itself is.
    #[error("{0}")]
    StartRejected(Rejection),
    /// The name of a start stands for a run, or for work, of other content.
    #[error("the start says something else than the one that had its name before")]
    StartDiffers {
        /// Which of its names.
        by: StartName,
        /// The run that has it; none where that was reserved and is not queued yet.
        run: Option<RunId>,
        /// Where they differ, as far as that is known.
        differences: Vec<StartDifference>,
    },
    /// The start names a run that its tenant has not.
    #[error("{link} names the run {run}, which this tenant has not")]
    NoSuchRun {
        /// Which of its members.
        link: &'static str,
        /// Which run.
        run: RunId,
    },
    /// No key can be made of the context.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// There is no such notification for this caller.
    #[error("there is no such notification")]
    NoNotification,
    /// The run has an event of that id that says something else.
    #[error("the event id {id} belongs to revision {revision}, which says something else")]
    EventIdTaken {
        /// Which of the command's events, from 0.
        index: usize,
        /// Its id.
        id: Uuid,
        /// The revision of the event that has the id.
        revision: u64,
    },
    /// Others kept appending to the same stream.
    #[error("others kept appending to the same stream")]
    Contended,
    /// The events have more bytes than the log takes at once.
    #[error("{bytes} bytes of events; the event log takes {most} at once")]
    TooLarge {
        /// How many they have.
        bytes: usize,
        /// How many they may have.
        most: usize,
    },
    /// The log's queue is full.
    #[error("the event log takes no more appends at the moment")]
    Overloaded,
    /// An event would not be read back from the log as it was decided.
    #[error(transparent)]
    Unfaithful(#[from] Unfaithful),
    /// The log holds an event that can't be read, so nothing can be decided on what it is part of.
    #[error("the event of revision {revision} can't be read")]
    Unreadable {
        /// Of which run, if it is a run's.
        run: Option<RunId>,
        /// Its revision.
        revision: u64,
    },
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// An event could not be written down, or the log called an append malformed: our fault.
    #[error("an append could not be made: {0}")]
    Internal(String),
}

/// By what a start is known when it comes again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StartName {
    /// Its reference.
    Reference,
    /// The id of its event.
    EventId,
}

impl From<AppendError> for CommandError {
    fn from(error: AppendError) -> Self {
        match error {
            AppendError::Conflict { .. } => Self::Contended,
            AppendError::TooLarge { bytes, most } => Self::TooLarge { bytes, most },
            AppendError::Overloaded => Self::Overloaded,
            AppendError::Log(error) => Self::Log(error),
            AppendError::Malformed(what) => Self::Internal(what.to_owned()),
        }
    }
}
