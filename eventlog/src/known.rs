//! Events of an append that the log has already: is it a repeat?

use std::collections::HashMap;

use uuid::Uuid;

use crate::port::{Appended, AppendedStream, Position, StreamAppend};

/// Where the log has an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub stream: String,
    pub revision: u64,
    pub position: Position,
}

/// What the ids of an append's events say of it.
pub(crate) enum Repeat {
    /// The log has none of them.
    New,
    /// The log has all of them, in their streams and in this order.
    Whole(Appended),
    /// Something else; the first id that is in use.
    Taken(Uuid),
}

/// Judges an append by the places of those of its events that the log has.
pub(crate) fn judge(streams: &[StreamAppend], places: &HashMap<Uuid, Place>) -> Repeat {
    let ids = || streams.iter().flat_map(|append| &append.events).map(|event| event.id);
    let Some(first) = ids().find(|id| places.contains_key(id)) else { return Repeat::New };
    let ends: Option<Vec<AppendedStream>> = streams.iter().map(|append| end_of(append, places)).collect();
    match ends {
        Some(streams) => Repeat::Whole(Appended { streams, duplicate: true }),
        None => Repeat::Taken(first),
    }
}

/// Where the last event is, if all of the stream's events are there one after another.
fn end_of(append: &StreamAppend, places: &HashMap<Uuid, Place>) -> Option<AppendedStream> {
    let mut last: Option<&Place> = None;
    for event in &append.events {
        let place = places.get(&event.id).filter(|place| place.stream == append.stream)?;
        if last.is_some_and(|last| last.revision + 1 != place.revision) {
            return None;
        }
        last = Some(place);
    }
    last.map(|place| AppendedStream { revision: place.revision, position: place.position })
}
