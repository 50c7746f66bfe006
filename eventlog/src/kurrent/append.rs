//! Appending, and finding out what became of it.

use std::num::NonZeroUsize;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use eventstore::{AppendToStreamOptions, CurrentRevision, Error, EventData, StreamPosition, StreamState};
use lru::LruCache;
use uuid::Uuid;

use super::Inner;
use super::attempt::Attempt;
use super::link::failure;
use super::options::CallOptions;
use super::size::{MAX_APPEND_BYTES, size, taken_at_most, too_large};
use super::wire::proposed;
use crate::error::{AppendError, LogError};
use crate::port::{Appended, ExpectedRevision, Position, StreamAppend};
use crate::validate;

/// Positions that were answered as new. An answer that names one of them again is a repeat.
const ANSWERED: usize = 16_384;

/// A stream that has no events and gets none, called like those that do.
const TRIAL: &str = "run-trial";

/// A revision that no stream comes to.
const NEVER: u64 = 1 << 40;

/// What was answered of late.
pub(super) struct Answered {
    /// Positions that were answered as new.
    positions: LruCache<u64, ()>,
    /// First events of appends of which nobody knows what became of them.
    doubtful: LruCache<Uuid, ()>,
}

impl Default for Answered {
    fn default() -> Self {
        let size = NonZeroUsize::new(ANSWERED).unwrap_or(NonZeroUsize::MIN);
        Self { positions: LruCache::new(size), doubtful: LruCache::new(size) }
    }
}

impl Inner {
    pub(super) async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        validate::append(&append)?;
        if size(&append.events) > MAX_APPEND_BYTES {
            return Err(too_large(&append.events, MAX_APPEND_BYTES));
        }
        let _room = self.room.try_acquire().map_err(|_| AppendError::Overloaded)?;
        let expected = match append.expected {
            ExpectedRevision::NoStream => StreamState::NoStream,
            // The protocol has no way to say a revision that a stream can't have.
            ExpectedRevision::Exact(revision) if i64::try_from(revision).is_err() => {
                let actual = self.last_event(&append.stream).await?.map(|event| event.revision);
                return Err(conflict(append, actual));
            }
            ExpectedRevision::Exact(revision) => StreamState::StreamRevision(revision),
        };
        self.send(append, expected).await
    }

    async fn send(&self, append: StreamAppend, expected: StreamState) -> Result<Appended, AppendError> {
        let attempt = Attempt::new();
        let events: Vec<EventData> = append.events.iter().map(|event| proposed(event, &attempt)).collect();
        let options = AppendToStreamOptions::default().stream_state(expected).to_leader(self.link.user());
        let name = format!("{}{}", self.prefix, append.stream);
        let heard_before = self.known.load(Ordering::SeqCst);
        let first = append.events.first().map(|event| event.id).unwrap_or_default();
        let in_doubt = self.answered().doubtful.contains(&first);
        let call = |client: eventstore::Client| {
            let (name, options, events) = (name.clone(), options.clone(), events.clone());
            async move { client.append_to_stream(name, &options, events).await }
        };
        let done = self.link.call(call).await;
        self.appended.notify_waiters();
        match done.result {
            Ok(written) => {
                let answered = Appended {
                    revision: written.next_expected_version,
                    position: Position(written.position.commit),
                    duplicate: false,
                };
                let alone = append.events.len() == 1 && !done.repeated && !in_doubt;
                let sure = alone && heard_before > 0 && answered.position.0 > heard_before;
                self.believe(&append, &attempt, answered, sure).await
            }
            // The server has looked whether it is a repeat, just behind the expected revision.
            Err(Error::WrongExpectedVersion { current, .. }) => {
                let actual = match current {
                    CurrentRevision::Current(revision) => Some(revision),
                    CurrentRevision::NoStream => None,
                };
                Err(conflict(append, actual))
            }
            Err(Error::ResourceDeleted) => Err(AppendError::Malformed("the stream was ended for good")),
            Err(error) => {
                if let Error::Grpc { message, .. } = &error
                    && let Some(max) = taken_at_most(message)
                {
                    return Err(too_large(&append.events, max));
                }
                self.answered().doubtful.put(first, ());
                self.untried.store(true, Ordering::SeqCst);
                Err(failure(&error).into())
            }
        }
    }

    /// Whether an append would be taken: one that expects a revision that the stream can't have, so that nothing is
    /// left behind.
    pub(super) async fn try_append(&self) -> Result<(), LogError> {
        let options = AppendToStreamOptions::default().stream_state(StreamState::StreamRevision(NEVER));
        let options = options.to_leader(self.link.user());
        let name = format!("{}{TRIAL}", self.prefix);
        let call = |client: eventstore::Client| {
            let (name, options) = (name.clone(), options.clone());
            let event = EventData::binary("Tried", bytes::Bytes::new());
            async move { client.append_to_stream(name, &options, event).await }
        };
        match self.link.call(call).await.result {
            Ok(_) | Err(Error::WrongExpectedVersion { .. }) => Ok(()),
            Err(error) => Err(failure(&error)),
        }
    }

    fn answered(&self) -> MutexGuard<'_, Answered> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The append is there. Whether it is new is certain only where it is alone, was sent once, and is after
    /// whatever we had heard of before; otherwise the event tells who wrote it.
    async fn believe(
        &self,
        append: &StreamAppend,
        attempt: &Attempt,
        answered: Appended,
        sure: bool,
    ) -> Result<Appended, AppendError> {
        self.hear(answered.position);
        let first_time = self.answered().positions.put(answered.position.0, ()).is_none();
        if sure && first_time {
            return Ok(answered);
        }
        let revision = answered.revision;
        let last = self.part(&append.stream, StreamPosition::Position(revision), 1).await?.events.pop();
        let wanted = append.events.last().map(|event| event.id);
        match last {
            Some((event, by)) if Some(event.id) == wanted => {
                let duplicate = by.as_ref() != Some(attempt);
                Ok(Appended { revision: event.revision, position: event.position, duplicate })
            }
            _ => {
                let what = format!("revision {revision} of {} is not what was appended", append.stream);
                Err(LogError::Corrupt(what).into())
            }
        }
    }
}

fn conflict(append: StreamAppend, actual: Option<u64>) -> AppendError {
    AppendError::Conflict { expected: append.expected.last(), stream: append.stream, actual }
}
