//! Why a read has no answer.

use std::error::Error;
use std::fmt::Display;

use crate::corrupt::Corrupt;

/// Why a read has no answer.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A parameter is wrong.
    #[error("{parameter}: {detail}")]
    Invalid {
        /// Its name.
        parameter: String,
        /// What is wrong, and how to mend it.
        detail: String,
    },
    /// The tenant has nothing of that name, or had nothing then.
    #[error("{0}")]
    NotFound(String),
    /// A read table holds what the projector never writes.
    #[error(transparent)]
    Corrupt(#[from] Corrupt),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// What nothing of ours causes.
    #[error(transparent)]
    Failed(Box<dyn Error + Send + Sync>),
}

impl ReadError {
    /// What nothing of ours causes.
    #[must_use]
    pub fn failed(error: impl Error + Send + Sync + 'static) -> Self {
        Self::Failed(Box::new(error))
    }

    /// The tenant has no such run. The same words for every reason.
    #[must_use]
    pub fn no_such_run(run: impl Display) -> Self {
        Self::NotFound(format!("There is no run {run}."))
    }

    /// The parameter that is wrong, and what is wrong with it.
    #[cfg(test)]
    pub(crate) fn as_invalid(&self) -> Option<(&str, &str)> {
        match self {
            Self::Invalid { parameter, detail } => Some((parameter, detail)),
            _ => None,
        }
    }
}
