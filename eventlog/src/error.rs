//! What can go wrong with a log.

/// A log that does not answer, or answers nonsense.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// It can't be reached, is shutting down or refuses to work; a later try may succeed.
    #[error("the event log is unavailable: {0}")]
    Unavailable(String),
    /// It refuses us: the credentials, a certificate, what we may do. It says how that is mended; trying again does
    /// not mend it, and nothing was appended.
    #[error("the event log refuses us: {0}")]
    Refused(String),
    /// What it holds breaks its own laws.
    #[error("the event log is corrupt: {0}")]
    Corrupt(String),
}

/// Why an append was not taken.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The stream is not where the writer expected it.
    #[error("stream {stream} is at {}, not at {}", at(.actual), at(.expected))]
    Conflict {
        /// Which stream.
        stream: String,
        /// The revision that was expected; none for a stream without events.
        expected: Option<u64>,
        /// The revision it has; none for a stream without events.
        actual: Option<u64>,
    },
    /// The append can't be what the caller meant: no events, an id twice, a name that no log takes.
    #[error("malformed append: {0}")]
    Malformed(&'static str),
    /// The append has more bytes than the log takes at once. Append it in parts.
    #[error("the append has {bytes} bytes; this event log takes {most} at once")]
    TooLarge {
        /// How many it has.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
    /// The queue in front of the log is full. Nothing was taken in; try again a little later.
    #[error("the event log takes no more appends at the moment")]
    Overloaded,
    /// The log failed. On [`LogError::Unavailable`] the append may or may not have happened: repeat
    /// it with the same event ids.
    #[error(transparent)]
    Log(#[from] LogError),
}

fn at(revision: &Option<u64>) -> String {
    revision.map_or_else(|| "no revision".into(), |revision| format!("revision {revision}"))
}
