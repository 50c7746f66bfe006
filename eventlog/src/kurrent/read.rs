//! Reading a stream.

use std::sync::atomic::Ordering;
use std::time::Duration;

use eventstore::{Error, ReadStreamOptions, StreamPosition};

use super::Inner;
use super::attempt::Attempt;
use super::drain::{Over, Then, drain};
use super::link::failure;
use super::options::CallOptions;
use super::wire::recorded;
use crate::error::LogError;
use crate::port::{Position, RecordedEvent};

/// An event with the word of the attempt that wrote it.
pub(super) type Signed = (RecordedEvent, Option<Attempt>);

/// Events of a stream that are read at once.
const PAGE: usize = 1_000;

/// How long a page may take. What has come by then is a page as well.
const WITHIN: Duration = Duration::from_secs(3);

/// A part of a stream.
#[derive(Default)]
pub(super) struct Part {
    pub(super) events: Vec<Signed>,
    /// The server said that there is no more.
    ended: bool,
}

impl Inner {
    pub(super) async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let mut events: Vec<RecordedEvent> = Vec::new();
        // Page by page: a call has a limit in time, and one that fails is repeated whole. Where a page has ended
        // early it may have been broken off, so it is looked once more; not until there is nothing, for others
        // append.
        let mut ended = 0;
        while events.len() < limit && ended < 2 {
            let last = events.last().map(|event| event.revision);
            let next = last.map_or(from, |last| last.saturating_add(1));
            let asked = PAGE.min(limit - events.len());
            let part = self.part(stream, StreamPosition::Position(next), asked).await?;
            ended += usize::from(part.ended);
            for (event, _) in part.events {
                // The stream's oldest events may have been let go: it begins with the first that is left.
                let last = events.last().map(|event| event.revision);
                if last.is_some_and(|last| last.checked_add(1) != Some(event.revision)) {
                    let (found, last) = (event.revision, last.unwrap_or_default());
                    return Err(LogError::Corrupt(format!(
                        "{stream} goes on with revision {found} after {last}"
                    )));
                }
                events.push(event);
            }
        }
        Ok(events)
    }

    pub(super) async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        let part = self.part(stream, StreamPosition::End, 1).await?;
        Ok(part.events.into_iter().next().map(|(event, _)| event))
    }

    /// A part of a stream: forwards from a revision, or backwards from the end. Unless it has ended there may
    /// be more, also where it has no events.
    pub(super) async fn part(
        &self,
        stream: &str,
        from: StreamPosition<u64>,
        limit: usize,
    ) -> Result<Part, LogError> {
        if limit == 0 || matches!(from, StreamPosition::Position(from) if i64::try_from(from).is_err()) {
            return Ok(Part { events: Vec::new(), ended: true });
        }
        let name = format!("{}{stream}", self.prefix);
        let options =
            ReadStreamOptions::default().position(from).max_count(limit).to_leader(self.link.user());
        let call = |client: eventstore::Client| {
            let (name, options) = (name.clone(), options.clone());
            async move { events_of(&client, &name, &options).await }
        };
        let (events, ended) = self.link.call(call).await.result.map_err(|error| failure(&error))?;
        let events: Vec<Signed> = events
            .into_iter()
            .filter_map(|event| recorded(event, &self.prefix).transpose())
            .collect::<Result<_, _>>()?;
        if let Some((last, _)) = events.last() {
            self.hear(last.position);
        }
        Ok(Part { events, ended })
    }

    /// The events of a stream from a revision on, asked of that client once.
    pub(super) async fn look_once(
        &self,
        client: &eventstore::Client,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<Signed>, Error> {
        let name = format!("{}{stream}", self.prefix);
        let from = StreamPosition::Position(from);
        let options =
            ReadStreamOptions::default().position(from).max_count(limit).to_leader(self.link.user());
        let (events, _) = events_of(client, &name, &options).await?;
        // What can't be read is none of the events that are looked for.
        Ok(events.into_iter().filter_map(|event| recorded(event, &self.prefix).ok().flatten()).collect())
    }

    /// Takes note of a position that is certain.
    pub(super) fn hear(&self, position: Position) {
        self.known.fetch_max(position.0, Ordering::SeqCst);
    }
}

/// The events that one call gives, and whether the server said that there is no more.
async fn events_of(
    client: &eventstore::Client,
    name: &str,
    options: &ReadStreamOptions,
) -> Result<(Vec<eventstore::ResolvedEvent>, bool), Error> {
    let mut events = Vec::new();
    let over = drain(client.read_stream(name, options), WITHIN, |event| {
        events.push(event);
        Then::On
    });
    match over.await {
        Ok(Over::Cut) if events.is_empty() => Err(Error::DeadlineExceeded),
        Ok(over) => Ok((events, over == Over::Ended)),
        Err(Error::ResourceNotFound | Error::ResourceDeleted) => Ok((Vec::new(), true)),
        Err(error) => Err(error),
    }
}
