//! The events that this process has appended last, for subscribers that follow the log closely: these need not read
//! them back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::port::{Position, RecordedEvent};

/// How many bytes of events are kept.
const MOST_BYTES: usize = 4 << 20;

/// What an event takes beside its data and metadata.
const EACH: usize = 256;

/// Shared by the writer and all followers.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    tail: Arc<Mutex<Tail>>,
}

/// Events without a gap between their positions.
#[derive(Debug, Default)]
struct Tail {
    events: VecDeque<Arc<RecordedEvent>>,
    bytes: usize,
}

fn bytes(event: &RecordedEvent) -> usize {
    EACH + event.data.len() + event.metadata.len()
}

impl Recent {
    /// Adds events that are durable, in order. Where others have appended before them, there is a gap, and what
    /// was there is forgotten.
    pub fn add(&self, events: impl Iterator<Item = RecordedEvent>) {
        let mut tail = self.tail();
        for event in events {
            if tail.events.back().is_some_and(|last| last.position.0 + 1 != event.position.0) {
                *tail = Tail::default();
            }
            tail.bytes += bytes(&event);
            tail.events.push_back(Arc::new(event));
            while tail.bytes > MOST_BYTES {
                let Some(oldest) = tail.events.pop_front() else { break };
                tail.bytes -= bytes(&oldest);
            }
        }
    }

    /// At most so many events after a position; none where the next one is not here.
    pub fn after(&self, position: Position, limit: usize) -> Vec<RecordedEvent> {
        let tail = self.tail();
        let known = tail.events.front().and_then(|first| (position.0).checked_sub(first.position.0 - 1));
        let Some(known) = known.and_then(|known| usize::try_from(known).ok()) else { return Vec::new() };
        let events: Vec<_> = tail.events.iter().skip(known).take(limit).cloned().collect();
        // Copied when the writer need not wait for it.
        drop(tail);
        events.iter().map(|event| RecordedEvent::clone(event)).collect()
    }

    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn event(position: u64, size: usize) -> RecordedEvent {
        RecordedEvent {
            position: Position(position),
            stream: "run-a".to_owned(),
            revision: position,
            id: Uuid::nil(),
            event_type: "Tried".to_owned(),
            data: vec![b'x'; size],
            metadata: Vec::new(),
        }
    }

    fn after(recent: &Recent, position: u64, limit: usize) -> Vec<u64> {
        recent.after(Position(position), limit).iter().map(|event| event.position.0).collect()
    }

    #[test]
    fn what_comes_after_a_position_that_is_known() {
        let recent = Recent::default();
        assert_eq!(after(&recent, 0, 10), [0; 0]);
        recent.add((5..=9).map(|position| event(position, 1)));
        assert_eq!(after(&recent, 4, 10), [5, 6, 7, 8, 9]);
        assert_eq!(after(&recent, 6, 2), [7, 8]);
        assert_eq!(after(&recent, 9, 10), [0; 0]);
        assert_eq!(after(&recent, 3, 10), [0; 0], "5 is not the next one");
        assert_eq!(after(&recent, 20, 10), [0; 0]);
    }

    #[test]
    fn there_is_never_a_gap() {
        let recent = Recent::default();
        recent.add((1..=3).map(|position| event(position, 1)));
        recent.add([event(4, 1), event(7, 1), event(8, 1)].into_iter());
        assert_eq!(after(&recent, 3, 10), [0; 0], "somebody else has appended 5 and 6");
        assert_eq!(after(&recent, 6, 10), [7, 8]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_bytes() {
        let recent = Recent::default();
        recent.add((1..=10).map(|position| event(position, MOST_BYTES / 4)));
        assert_eq!(after(&recent, 7, 10), [8, 9, 10]);
        assert_eq!(after(&recent, 6, 10), [0; 0]);
        recent.add(std::iter::once(event(11, MOST_BYTES)));
        assert_eq!((after(&recent, 10, 10), recent.tail().bytes), (vec![], 0));
        recent.add(std::iter::once(event(12, 1)));
        assert_eq!(after(&recent, 11, 10), [12]);
    }
}
