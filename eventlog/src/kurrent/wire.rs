//! Our events as the cluster has them, and back.

use bytes::Bytes;
use eventstore::{EventData, RecordedEvent as Theirs, ResolvedEvent};
use serde_json::value::RawValue;

use super::attempt::{Attempt, unsign};
use crate::error::LogError;
use crate::port::{NewEvent, Position, RecordedEvent};

/// An event as the cluster takes it. Data that is JSON is called so, for people who look at it there.
pub(super) fn proposed(event: &NewEvent, attempt: &Attempt) -> EventData {
    let json = serde_json::from_slice::<&RawValue>(&event.data).ok();
    // It must be the same byte by byte, white space at the ends included.
    let json = json.filter(|json| json.get().as_bytes() == event.data);
    let proposed = json.and_then(|json| EventData::json(&event.event_type, &json).ok());
    let proposed =
        proposed.unwrap_or_else(|| EventData::binary(&event.event_type, Bytes::copy_from_slice(&event.data)));
    proposed.id(event.id).metadata(attempt.sign(&event.metadata).into())
}

/// What the server writes where a stream was ended for good, with a revision that no event has.
const TOMBSTONE: (&str, u64) = ("$streamDeleted", i64::MAX.cast_unsigned());

/// An event of the cluster as ours, with the word of the attempt that wrote it. None where it is not one of
/// the streams that begin like ours, or says that one was ended.
///
/// # Errors
/// [`LogError::Corrupt`] when it has no place that we could name.
pub(super) fn recorded(
    event: ResolvedEvent,
    prefix: &str,
) -> Result<Option<(RecordedEvent, Option<Attempt>)>, LogError> {
    let Some(theirs) = event.event else { return Ok(None) };
    let position = theirs.position.commit;
    let Some(stream) = name_of(&theirs).strip_prefix(prefix).map(str::to_owned) else { return Ok(None) };
    if (theirs.event_type.as_str(), theirs.revision) == TOMBSTONE {
        return Ok(None);
    }
    if i64::try_from(position).is_err() || position == 0 {
        return Err(LogError::Corrupt(format!("an event of {stream} is at position {position}")));
    }
    let (metadata, attempt) = unsign(&theirs.custom_metadata);
    let event = RecordedEvent {
        position: Position(position),
        stream,
        revision: theirs.revision,
        id: theirs.id,
        event_type: theirs.event_type,
        data: theirs.data.to_vec(),
        metadata,
    };
    Ok(Some((event, attempt)))
}

fn name_of(event: &Theirs) -> &str {
    event.stream_id()
}
