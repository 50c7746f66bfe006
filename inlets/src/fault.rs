//! What can't be kept as anything meaningful.

use crate::report::Aside;

/// What came in names no event that could be kept, or none that it could be known by. The emitter has to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pointer}: {detail}")]
pub struct Malformed {
    /// A JSON Pointer to what is wrong, or the name of a header or parameter.
    pub pointer: String,
    /// What is wrong, and how to mend it.
    pub detail: String,
    /// It can't be read at all.
    pub unreadable: bool,
}

impl Malformed {
    pub(crate) fn new(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), detail: detail.into(), unreadable: false }
    }

    pub(crate) fn unreadable(detail: impl Into<String>) -> Self {
        Self { pointer: String::new(), detail: detail.into(), unreadable: true }
    }
}

/// Why there is no report: nothing to keep, or something to keep as it is.
pub(crate) enum Untranslated {
    Malformed(Malformed),
    Aside(Box<Aside>),
}

impl From<Malformed> for Untranslated {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}
