//! Is an append whose expectation does not hold one that the log has already?

use uuid::Uuid;

use crate::port::{Position, StreamAppend};

/// An event that a stream has: its id and its place in the log.
pub(crate) type There = (Uuid, Position);

/// Revision and position of the append's last event, if `there` are its events: those that the stream has from
/// `first` on, the place where the append wanted to go. So few have to be looked at, however long the stream is.
pub(crate) fn end_of(append: &StreamAppend, first: u64, there: &[There]) -> Option<(u64, Position)> {
    let there = there.get(..append.events.len())?;
    let same = append.events.iter().zip(there).all(|(event, (id, _))| event.id == *id);
    let (_, position) = there.last().filter(|_| same)?;
    Some((first + there.len() as u64 - 1, *position))
}
