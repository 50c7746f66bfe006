//! Appending, and finding out what became of it.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{MutexGuard, PoisonError};
use std::time::Duration;

use eventstore::{
    AppendToStreamOptions, CurrentRevision, Error, EventData, StreamPosition, StreamState, WriteResult,
};
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
use crate::repeat::{There, end_of};
use crate::validate;

/// Positions that were answered as new. An answer that names one of them again is a repeat.
const ANSWERED: usize = 16_384;

/// A stream that has no events and gets none, called like those that do.
const TRIAL: &str = "run-trial";

/// A revision that no stream comes to.
const NEVER: u64 = 1 << 40;

/// Pauses between looks for events that may be there in a moment.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LONGEST_LOOK: Duration = Duration::from_millis(160);

/// What became of a call.
enum Sent {
    /// The server has answered it.
    Written(WriteResult),
    /// Its events are there.
    Found(Appended),
}

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
        // What another call has sent is answered as soon as it is there, by whichever way that is seen first.
        let turn = tokio::select! {
            biased;
            turn = self.in_hand.turn(first) => turn,
            found = self.wait_for(self.link.client(), &append, &attempt) => return Ok(found),
        };
        let in_doubt = turn.waited || self.answered().doubtful.contains(&first);
        // Where an earlier try may have been done, it is looked for before another one is sent.
        let sent_before = AtomicBool::new(in_doubt);
        let call = |client: eventstore::Client| {
            let (name, options, events) = (name.clone(), options.clone(), events.clone());
            let sent_before = sent_before.swap(true, Ordering::SeqCst);
            let (append, attempt) = (&append, &attempt);
            async move {
                let send = client.clone();
                let send =
                    async move { send.append_to_stream(name, &options, events).await.map(Sent::Written) };
                if !sent_before {
                    return send.await;
                }
                if let Some(found) = self.find(&client, append, attempt).await? {
                    return Ok(Sent::Found(found));
                }
                tokio::select! {
                    sent = send => sent,
                    found = self.wait_for(client.clone(), append, attempt) => Ok(Sent::Found(found)),
                }
            }
        };
        let done = self.link.call(call).await;
        drop(turn);
        self.appended.notify_waiters();
        match done.result {
            Ok(Sent::Found(appended)) => {
                self.hear(appended.position);
                self.answered().positions.put(appended.position.0, ());
                Ok(appended)
            }
            Ok(Sent::Written(written)) => {
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

    /// Where the append has its events, if they are there: by their ids and in this order, just behind the revision that
    /// it expects.
    async fn find(
        &self,
        client: &eventstore::Client,
        append: &StreamAppend,
        attempt: &Attempt,
    ) -> Result<Option<Appended>, Error> {
        let Some(first) = append.expected.next() else { return Ok(None) };
        let found = self.look_once(client, &append.stream, first, append.events.len()).await?;
        let there: Vec<There> = found.iter().map(|(event, _)| (event.id, event.position)).collect();
        let in_place = found.first().is_some_and(|(event, _)| event.revision == first);
        let Some((revision, position)) = end_of(append, first, &there).filter(|_| in_place) else {
            return Ok(None);
        };
        let by = found.last().and_then(|(_, by)| by.as_ref());
        Ok(Some(Appended { revision, position, duplicate: by != Some(attempt) }))
    }

    /// Looks for the append's events until they are there.
    async fn wait_for(
        &self,
        client: eventstore::Client,
        append: &StreamAppend,
        attempt: &Attempt,
    ) -> Appended {
        let mut pause = FIRST_LOOK;
        loop {
            tokio::time::sleep(pause).await;
            // Where that fails, sending does as well, and says why.
            if let Ok(Some(found)) = self.find(&client, append, attempt).await {
                return found;
            }
            pause = (pause * 2).min(LONGEST_LOOK);
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
