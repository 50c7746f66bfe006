//! Which runs hold keys and references, as far as this process has heard. What is here was so once: a key may be
//! another run's since, which its stream tells by refusing what is expected of it; a reference never is.

use std::fmt;

use domain::RunId;
use domain::key::IdempotencyKey;
use moka::future::Cache;

/// How many keys are kept in memory, and how many references.
const KEPT: u64 = 50_000;

/// The last reservation of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reservation {
    /// Its place in the key's stream.
    pub revision: u64,
    /// The run that it names.
    pub run: RunId,
}

/// What a reference stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Named {
    /// The run.
    pub run: RunId,
    /// The work that was asked for under it.
    pub key: IdempotencyKey,
}

/// Both, by the names of their streams. Cheap to clone; clones share it.
#[derive(Clone)]
pub(super) struct Names {
    pub keys: Cache<String, Reservation>,
    pub references: Cache<String, Named>,
}

impl Default for Names {
    fn default() -> Self {
        Self { keys: Cache::new(KEPT), references: Cache::new(KEPT) }
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}
