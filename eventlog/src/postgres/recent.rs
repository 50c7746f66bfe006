//! The events that this process has appended last, for subscribers that follow the log closely: these need not read
//! them back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::port::{NewEvent, Position, RecordedEvent, StreamAppend};

/// How many bytes of events are kept.
const MOST_BYTES: usize = 4 << 20;

/// What an event takes beside its data and metadata.
const EACH: usize = 128;

/// Shared by the writer and all followers.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    tail: Arc<Mutex<Tail>>,
}

/// Appends without a gap between their positions. The writer only moves them here: what followers want to have of them,
/// they make themselves.
#[derive(Debug, Default)]
struct Tail {
    appends: VecDeque<Arc<Kept>>,
    bytes: usize,
}

/// An append, with where its first event is.
#[derive(Debug)]
struct Kept {
    append: StreamAppend,
    position: u64,
    revision: u64,
    bytes: usize,
}

impl Kept {
    /// The position of the last event.
    fn last(&self) -> u64 {
        self.position + self.append.events.len() as u64 - 1
    }

    fn events(&self) -> impl Iterator<Item = RecordedEvent> {
        (0..).zip(&self.append.events).map(|(n, event)| {
            let NewEvent { id, event_type, data, metadata } = event.clone();
            RecordedEvent {
                position: Position(self.position + n),
                stream: self.append.stream.clone(),
                revision: self.revision + n,
                id,
                event_type,
                data,
                metadata,
            }
        })
    }
}

fn bytes(append: &StreamAppend) -> usize {
    append.events.iter().map(|event| EACH + event.data.len() + event.metadata.len()).sum()
}

impl Recent {
    /// Adds appends that are durable, in order, each with the revision of its last event; the first event is at the
    /// position after `before`. Where others have appended in between, there is a gap, and what was there is forgotten.
    pub fn add(&self, appends: impl IntoIterator<Item = (StreamAppend, u64)>, before: u64) {
        let mut tail = self.tail();
        if tail.appends.back().is_some_and(|last| last.last() != before) {
            *tail = Tail::default();
        }
        let mut position = before + 1;
        for (append, last) in appends {
            let (events, bytes) = (append.events.len() as u64, bytes(&append));
            tail.bytes += bytes;
            tail.appends.push_back(Arc::new(Kept { position, revision: last + 1 - events, bytes, append }));
            position += events;
            while tail.bytes > MOST_BYTES {
                let Some(oldest) = tail.appends.pop_front() else { break };
                tail.bytes -= oldest.bytes;
            }
        }
    }

    /// At most so many events after a position; none where the next one is not here.
    pub fn after(&self, position: Position, limit: usize) -> Vec<RecordedEvent> {
        let next = position.0 + 1;
        let tail = self.tail();
        if tail.appends.front().is_none_or(|first| first.position > next) {
            return Vec::new();
        }
        let mut events = 0;
        let first = tail.appends.partition_point(|append| append.last() < next);
        let enough = |append: &&Arc<Kept>| {
            let more = events < limit;
            events += (append.last() + 1 - append.position.max(next)) as usize;
            more
        };
        let appends: Vec<_> = tail.appends.range(first..).take_while(enough).cloned().collect();
        // Copied when the writer need not wait for it.
        drop(tail);
        let events = appends.iter().flat_map(|append| append.events());
        events.skip_while(|event| event.position.0 < next).take(limit).collect()
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
    use crate::port::ExpectedRevision;

    /// An append of so many events, of that size each; each position is the revision too.
    fn append(events: usize, size: usize) -> StreamAppend {
        let event = NewEvent {
            id: Uuid::nil(),
            event_type: "Tried".to_owned(),
            data: vec![b'x'; size],
            metadata: Vec::new(),
        };
        let events = vec![event; events];
        StreamAppend { stream: "run-a".to_owned(), expected: ExpectedRevision::NoStream, events }
    }

    fn add(recent: &Recent, before: u64, sizes: &[usize]) {
        let appends = sizes.iter().scan(before, |last, events| {
            *last += *events as u64;
            Some((append(*events, 1), *last))
        });
        recent.add(appends, before);
    }

    fn after(recent: &Recent, position: u64, limit: usize) -> Vec<u64> {
        let events = recent.after(Position(position), limit);
        events.iter().for_each(|event| assert_eq!(event.revision, event.position.0));
        events.iter().map(|event| event.position.0).collect()
    }

    #[test]
    fn what_comes_after_a_position_that_is_known() {
        let recent = Recent::default();
        assert_eq!(after(&recent, 0, 10), [0; 0]);
        add(&recent, 4, &[1, 3, 1]);
        assert_eq!(after(&recent, 4, 10), [5, 6, 7, 8, 9]);
        assert_eq!(after(&recent, 6, 2), [7, 8]);
        assert_eq!(after(&recent, 5, 1), [6]);
        assert_eq!(after(&recent, 7, 2), [8, 9]);
        assert_eq!(after(&recent, 9, 10), [0; 0]);
        assert_eq!(after(&recent, 3, 10), [0; 0], "5 is not the next one");
        assert_eq!(after(&recent, 20, 10), [0; 0]);
        assert_eq!(after(&recent, 4, 0), [0; 0]);
    }

    #[test]
    fn there_is_never_a_gap() {
        let recent = Recent::default();
        add(&recent, 0, &[1, 2]);
        add(&recent, 3, &[1]);
        assert_eq!(after(&recent, 2, 10), [3, 4]);
        add(&recent, 6, &[1, 1]);
        assert_eq!(after(&recent, 3, 10), [0; 0], "somebody else has appended 5 and 6");
        assert_eq!(after(&recent, 6, 10), [7, 8]);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_bytes() {
        let recent = Recent::default();
        recent.add((1..=10).map(|last| (append(1, MOST_BYTES / 4), last)), 0);
        assert_eq!(after(&recent, 7, 10), [8, 9, 10]);
        assert_eq!(after(&recent, 6, 10), [0; 0]);
        recent.add([(append(1, MOST_BYTES), 11)], 10);
        assert_eq!((after(&recent, 10, 10), recent.tail().bytes), (vec![], 0));
        add(&recent, 11, &[1]);
        assert_eq!(after(&recent, 11, 10), [12]);
    }
}
