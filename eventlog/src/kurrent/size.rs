//! How large an append is to the server.

use super::attempt::ROOM;
use crate::error::AppendError;
use crate::port::NewEvent;

/// The most bytes that a server takes in one append where nobody has told it otherwise.
pub(super) const MAX_APPEND_BYTES: usize = 1024 * 1024;

/// What an event has beside its data and metadata, at most: a type of 512 letters, and the attempt's word.
pub(super) const MOST_BESIDE: usize = ROOM + 2 * 512;

/// What an event has beside the data and metadata that we were given. The server counts two bytes for each
/// UTF-16 unit of its type.
fn beside(event: &NewEvent) -> usize {
    ROOM + 2 * event.event_type.encode_utf16().count()
}

fn given(events: &[NewEvent]) -> usize {
    events.iter().map(|event| event.data.len() + event.metadata.len()).sum()
}

/// The bytes of an append as the server counts them.
pub(super) fn size(events: &[NewEvent]) -> usize {
    given(events) + events.iter().map(beside).sum::<usize>()
}

/// That an append is too large for a server that takes so many bytes.
pub(super) fn too_large(events: &[NewEvent], max: usize) -> AppendError {
    let most = max.saturating_sub(events.iter().map(beside).sum());
    AppendError::TooLarge { bytes: given(events), most }
}

/// What the server takes, if that is what it says: of an append, or since 25.1 of one of its events.
pub(super) fn taken_at_most(message: &str) -> Option<usize> {
    let message = message.to_ascii_lowercase();
    let (_, number) = ["maximum append size of ", "maximum append event size of "]
        .iter()
        .find_map(|words| message.split_once(words))?;
    let digits: String = number.chars().take_while(char::is_ascii_digit).collect();
    Some(digits.parse().unwrap_or(MAX_APPEND_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_words_of_servers_are_understood() {
        assert_eq!(taken_at_most("Maximum Append Size of 1048576 Exceeded."), Some(1_048_576));
        let newer = "Event with Id: a, Size: 316, exceeds Maximum Append Event Size of 300.";
        assert_eq!(taken_at_most(newer), Some(300));
        assert_eq!(taken_at_most("the position is not that of an event"), None);
    }
}
