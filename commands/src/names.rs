//! Which runs hold keys and references, as far as this process has heard. What is here was so once: a key may be
//! another run's since, which its stream tells by refusing what is expected of it; a reference never is.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::RunId;
use domain::key::IdempotencyKey;
use lru::LruCache;

/// How many keys are kept in memory, and how many references.
const KEPT: usize = 50_000;

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
#[derive(Clone, Default)]
pub(super) struct Names {
    pub keys: Arc<Known<Reservation>>,
    pub references: Arc<Known<Named>>,
}

/// What was heard last, by the name of a stream.
pub(super) struct Known<V>(Mutex<LruCache<String, V>>);

impl<V> Default for Known<V> {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(KEPT).unwrap_or(NonZeroUsize::MIN))))
    }
}

impl<V: Copy> Known<V> {
    pub fn get(&self, stream: &str) -> Option<V> {
        self.lock().get(stream).copied()
    }

    pub fn insert(&self, stream: String, what: V) {
        self.lock().put(stream, what);
    }

    pub fn forget(&self, stream: &str) {
        self.lock().pop(stream);
    }

    fn lock(&self) -> MutexGuard<'_, LruCache<String, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names").finish_non_exhaustive()
    }
}
