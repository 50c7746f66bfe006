//! The streams' heads, as far as the writer knows them.

use std::num::NonZeroUsize;

use lru::LruCache;

/// The last revision of streams, those used least recently forgotten first. Right as long as the log's
/// position is the one that the writer knows, which every commit checks: an append of another process
/// moves the position.
pub(super) struct StreamHeads {
    known: LruCache<String, Option<u64>>,
}

impl StreamHeads {
    pub fn new(streams: usize) -> Self {
        Self { known: LruCache::new(NonZeroUsize::new(streams).unwrap_or(NonZeroUsize::MIN)) }
    }

    /// The last revision of a stream (none: it has no events), if it is known.
    pub fn get(&mut self, stream: &str) -> Option<Option<u64>> {
        self.known.get(stream).copied()
    }

    pub fn put(&mut self, stream: &str, revision: Option<u64>) {
        match self.known.get_mut(stream) {
            Some(known) => *known = revision,
            None => drop(self.known.put(stream.to_owned(), revision)),
        }
    }

    /// Takes in what another process has appended to a stream.
    pub fn moved(&mut self, stream: &str, revision: u64) {
        if let Some(known) = self.known.peek_mut(stream) {
            *known = Some(revision);
        }
    }

    pub fn clear(&mut self) {
        self.known.clear();
    }
}
