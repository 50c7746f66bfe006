//! Validating an append: what every adapter checks before it looks at any stream.

use std::collections::HashSet;

use crate::error::AppendError;
use crate::port::StreamAppend;

/// The longest name of a stream or an event type, in bytes. A unique index of Postgres takes no more
/// than 2,700 bytes in an entry; no name of ours comes near.
const LONGEST_NAME: usize = 512;

/// Refuses an append that no log could take.
///
/// # Errors
/// [`AppendError::Malformed`] that says what is wrong.
pub(crate) fn append(append: &StreamAppend) -> Result<(), AppendError> {
    let malformed = |what| Err(AppendError::Malformed(what));
    let StreamAppend { stream, events, .. } = append;
    if !is_name(stream) {
        return malformed("a stream's name has 1 to 512 bytes and no NUL");
    }
    if events.is_empty() {
        return malformed("it has no events");
    }
    let mut ids = HashSet::with_capacity(events.len());
    for event in events {
        if !is_name(&event.event_type) {
            return malformed("an event's type has 1 to 512 bytes and no NUL");
        }
        if !ids.insert(event.id) {
            return malformed("it has an event id twice");
        }
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    (1..=LONGEST_NAME).contains(&text.len()) && !text.contains('\0')
}
