//! The places of cached runs, by stream: those used least recently go first, when they weigh too much together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use lru::LruCache;

use super::cache::Folded;

/// What a run weighs beside its items and event ids.
const BASE_WEIGHT: u64 = 16;

/// One run's place. Whoever holds it goes on with it, also when it was forgotten meanwhile.
pub(super) type Slot = tokio::sync::Mutex<Folded>;

/// A list and a map behind one lock, held for no longer than it takes to look something up: a start does that twice, and
/// pays less for it than for a cache without one lock, which has its order kept by tasks of its own.
pub(super) struct Slots {
    most: u64,
    kept: Mutex<Kept>,
}

struct Kept {
    slots: LruCache<String, (Arc<Slot>, u64)>,
    weight: u64,
}

impl Slots {
    /// For runs that weigh no more than `most` together.
    pub fn new(most: u64) -> Self {
        Self { most, kept: Mutex::new(Kept { slots: LruCache::unbounded(), weight: 0 }) }
    }

    /// The place of a stream's run, a new one where there is none.
    pub fn slot(&self, stream: &str) -> Arc<Slot> {
        let mut kept = self.kept();
        if let Some((slot, _)) = kept.slots.get(stream) {
            return slot.clone();
        }
        let slot = Arc::default();
        let gone = kept.put(stream, &slot, BASE_WEIGHT, self.most);
        drop(kept);
        // Large runs take long, and not under the lock.
        drop(gone);
        slot
    }

    /// Whether the stream's run is known to have events.
    pub fn knows(&self, stream: &str) -> bool {
        self.kept().slots.get(stream).is_some_and(|(_, weight)| *weight > BASE_WEIGHT)
    }

    /// Notes how many items and event ids a run has now.
    pub fn weigh(&self, stream: &str, slot: &Arc<Slot>, entries: usize) {
        let weight = BASE_WEIGHT + entries as u64;
        let mut kept = self.kept();
        if kept.slots.get(stream).is_some_and(|(there, was)| *was == weight && Arc::ptr_eq(there, slot)) {
            return;
        }
        let gone = kept.put(stream, slot, weight, self.most);
        drop(kept);
        drop(gone);
    }

    /// Forgets a run.
    pub fn forget(&self, stream: &str) {
        let gone = self.kept().take(stream);
        drop(gone);
    }

    /// How many runs there are.
    pub fn len(&self) -> usize {
        self.kept().slots.len()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // A panic leaves a weight that is off by one run at most.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    /// Puts a run where it is the newest, and gives those that had to go. One that weighs too much alone goes itself.
    fn put(&mut self, stream: &str, slot: &Arc<Slot>, weight: u64, most: u64) -> Vec<Arc<Slot>> {
        let mut gone = Vec::new();
        if weight > most {
            gone.extend(self.take(stream));
            return gone;
        }
        match self.slots.get_mut(stream) {
            Some(there) => {
                self.weight -= there.1;
                *there = (slot.clone(), weight);
            }
            None => drop(self.slots.put(stream.to_owned(), (slot.clone(), weight))),
        }
        self.weight += weight;
        while self.weight > most
            && let Some((_, (oldest, weight))) = self.slots.pop_lru()
        {
            self.weight -= weight;
            gone.push(oldest);
        }
        gone
    }

    fn take(&mut self, stream: &str) -> Option<Arc<Slot>> {
        let (slot, weight) = self.slots.pop(stream)?;
        self.weight -= weight;
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let slots = Slots::new(3 * (BASE_WEIGHT + 4));
        let add = |stream: &str, entries| slots.weigh(stream, &slots.slot(stream), entries);
        add("a", 4);
        add("b", 4);
        add("c", 4);
        let a = slots.slot("a");
        add("d", 4);
        assert_eq!([slots.knows("a"), slots.knows("b"), slots.knows("c")], [true, false, true]);
        assert!(Arc::ptr_eq(&a, &slots.slot("a")));
        assert_eq!((slots.len(), slots.kept().weight), (3, 3 * (BASE_WEIGHT + 4)));
    }

    #[test]
    fn what_has_grown_pushes_others_out_and_what_is_too_large_only_itself() {
        let slots = Slots::new(100);
        let add = |stream: &str, entries| slots.weigh(stream, &slots.slot(stream), entries);
        add("a", 4);
        add("b", 14);
        assert_eq!((slots.len(), slots.kept().weight), (2, 50));
        add("b", 74);
        assert_eq!((slots.knows("a"), slots.knows("b"), slots.kept().weight), (false, true, 90));
        add("b", 200);
        add("c", 10);
        add("d", 200);
        assert_eq!((slots.knows("b"), slots.knows("c"), slots.knows("d")), (false, true, false));
        assert_eq!((slots.len(), slots.kept().weight), (1, 26));
    }

    #[test]
    fn what_was_forgotten_is_put_back_by_the_one_that_still_works_on_it() {
        let slots = Slots::new(100);
        let slot = slots.slot("a");
        assert!(!slots.knows("a"), "nothing is known of it yet");
        slots.forget("a");
        slots.forget("a");
        assert_eq!((slots.len(), slots.kept().weight), (0, 0));
        slots.weigh("a", &slot, 1);
        assert!(slots.knows("a") && Arc::ptr_eq(&slot, &slots.slot("a")));
        assert_eq!(slots.kept().weight, BASE_WEIGHT + 1);
    }
}
