//! What can go wrong between a worker and its ledger. Only questions end with an [`Error`]; reports never do.

use std::time::Duration;

use domain::RunId;
use serde_json::{Map, Value};

/// Why a question has no good answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another worker has the run, or it has ended: there is nothing to do here.
    #[error("run {run} is {status}, and not for this worker")]
    AlreadyTaken {
        /// Which run.
        run: RunId,
        /// Its status as readers see it.
        status: String,
    },
    /// The ledger does not answer for now.
    #[error("the ledger is away: {why}")]
    Away {
        /// What is known of the cause.
        why: String,
        /// The ledger's own word on when to ask again.
        retry_after: Option<Duration>,
        /// Others may fare better.
        of_one_run: bool,
    },
    /// Somebody has started the run, and the ledger can't say yet whether that one still works.
    #[error("the read tables are behind run {run}")]
    Unclear {
        /// Which run.
        run: RunId,
    },
    /// The ledger says no, and will say so again.
    #[error("{status} {problem}")]
    Refused {
        /// The answer's status.
        status: u16,
        /// Its reason.
        problem: Problem,
    },
    /// A setting is missing or makes no sense.
    #[error("{0}")]
    Setting(String),
    /// Nothing can be written to the spool, or the sender can't be started.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

impl Error {
    pub(crate) fn away(why: impl ToString) -> Self {
        Self::Away { why: why.to_string(), retry_after: None, of_one_run: false }
    }

    /// Not about what was sent: the token is not taken.
    pub(crate) fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403, .. })
    }
}

/// The ledger's reason, in the form of `docs/errors.md`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Problem(pub Map<String, Value>);

impl Problem {
    pub(crate) fn new(code: &str, detail: impl Into<String>) -> Self {
        let member = |name: &str, value: String| (name.to_owned(), Value::String(value));
        Self([member("code", code.to_owned()), member("detail", detail.into())].into_iter().collect())
    }

    /// The stable code; empty where the answer had none.
    #[must_use]
    pub fn code(&self) -> &str {
        self.text("code")
    }

    /// What people are told.
    #[must_use]
    pub fn detail(&self) -> &str {
        self.text("detail")
    }

    fn text(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code(), self.detail())
    }
}

/// What did not reach the ledger, as `Builder::on_trouble` is told.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// Of which sort.
    pub kind: TroubleKind,
    /// For people.
    pub detail: String,
    /// Which run, where that is known.
    pub run: Option<RunId>,
    /// The event that was refused, or the start.
    pub event: Option<Value>,
    /// How many events.
    pub count: u64,
}

/// The sorts of [`Trouble`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TroubleKind {
    /// The ledger, or the form of events, said no; the event is in `refused.log` of the spool.
    Refused,
    /// Another worker has the run, so nothing of this one is reported.
    Taken,
    /// The spool is full or can't be written; told once a second, with a count.
    Dropped,
    /// The token is not taken; everything waits until one is.
    Unauthorized,
}
