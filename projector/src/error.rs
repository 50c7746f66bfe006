//! What can go wrong while projecting.

use database::DatabaseErrorKind;
use eventlog::{LogError, Position};

/// Why a batch was not applied. Nothing of it was then: rows and checkpoint commit together.
#[derive(Debug, thiserror::Error)]
pub enum ProjectorError {
    /// The database failed or refused.
    #[error("the read tables: {0}")]
    Database(#[from] sqlx::Error),
    /// The event log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The row that says how far the projection has come is gone.
    #[error("projection.checkpoints has no row 'monitoring'")]
    NoCheckpoint,
    /// The checkpoint was moved back under a running projector, as a rebuild does.
    #[error("the checkpoint is at {}, before {} where this batch begins", .checkpoint.0, .after.0)]
    Rewound {
        /// Where the checkpoint is.
        checkpoint: Position,
        /// After which position the batch was read.
        after: Position,
    },
    /// The log does not have what the tables were folded from: new events would come at positions that these have
    /// passed already, and nobody would fold them.
    #[error(
        "the event log is behind the read tables: they were folded up to position {}, and {lost}. Events that were \
         acknowledged are gone from the log, or it is another log", .reached.0
    )]
    LogBehind {
        /// How far the tables have come.
        reached: Position,
        /// What the log does not have.
        lost: Lost,
    },
    /// Another process has taken the lease.
    #[error("another process has taken over")]
    Fenced,
    /// Somebody else makes the same tables beside the live ones at this moment.
    #[error("another process is at work on the schema {0}; try again when it is done")]
    Busy(&'static str),
    /// The log ends before a position that it is said to have.
    #[error("the log has no events after {}, though {} is said to be reached", .reached.0, .goal.0)]
    Unreachable {
        /// The position that is said to be reached.
        goal: Position,
        /// The last position that was read.
        reached: Position,
    },
    /// The tables don't tell whose run it is.
    #[error("the read tables don't say of which tenant run {0} is: name the tenant")]
    WhoseRun(domain::RunId),
    /// The log has nothing of the run under that tenant, so there is nothing to put in the place of its rows.
    #[error("the log has no events of {0}: name the tenant that the run is of")]
    NoEvents(String),
    /// Rows that nothing tells apart can't be compared.
    #[error(
        "projection.{0} has no primary key, so its rows can't be compared: give it the key that its migration made"
    )]
    NoKey(String),
    /// A number that the tables have no room for.
    #[error("{0} does not fit a bigint")]
    TooLarge(u64),
    /// The counters know fewer runs than the rows do: somebody else wrote to the read tables.
    #[error(
        "projection.run_counts counts fewer runs than there are; `runledger projector rebuild` counts anew"
    )]
    CountsAstray,
    /// A position or revision in the tables is below zero.
    #[error("the read tables hold {0} where no number below 0 can be")]
    Negative(i64),
}

/// What a log does not have that the tables were folded from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// Whatever came after this position.
    #[error("the log ends at {}", .0.0)]
    End(Position),
    /// The newest event that the tables show.
    #[error("the log does not have the event that they show at position {} ({stream})", .position.0)]
    Event {
        /// Where it was.
        position: Position,
        /// The stream that it was in.
        stream: String,
    },
}

impl ProjectorError {
    /// Whether it is the log that is wrong: no work on the tables can mend that.
    #[must_use]
    pub fn is_about_log(&self) -> bool {
        matches!(self, Self::Log(LogError::Corrupt(_)) | Self::LogBehind { .. } | Self::Unreachable { .. })
    }

    /// Whether trying again is of no use, and it is about some events only. Either the tables refuse the
    /// data itself, or a value has no form on the wire. Or rows that the events build on were changed by somebody
    /// else: that must not stop all other runs.
    pub(crate) fn is_about_data(&self) -> bool {
        match self {
            Self::Database(error) => DatabaseErrorKind::of(error) == DatabaseErrorKind::Data,
            Self::TooLarge(_) | Self::CountsAstray | Self::Negative(_) => true,
            _ => false,
        }
    }
}

/// The tables keep unsigned numbers as `bigint`.
pub(crate) fn bigint(number: u64) -> Result<i64, ProjectorError> {
    i64::try_from(number).map_err(|_| ProjectorError::TooLarge(number))
}

/// A number that the tables keep as `bigint`.
pub(crate) fn unsigned(number: i64) -> Result<u64, ProjectorError> {
    u64::try_from(number).map_err(|_| ProjectorError::Negative(number))
}
