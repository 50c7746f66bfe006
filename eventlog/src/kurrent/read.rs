//! Reading: a stream, everything, the end.

use std::sync::atomic::Ordering;

use eventstore::{
    Error, Position as Theirs, ReadAllOptions, ReadStreamOptions, StreamPosition, SubscriptionFilter,
};

use super::Inner;
use super::attempt::Attempt;
use super::link::failure;
use super::wire::recorded;
use crate::error::LogError;
use crate::port::{Position, RecordedEvent};

/// An event with the word of the attempt that wrote it.
pub(super) type Signed = (RecordedEvent, Option<Attempt>);

/// Events of a stream that are read at once.
const PAGE: usize = 1_000;

/// How many bytes of events of the whole log are gathered, but for a page more: a reader that catches up has
/// bounded memory.
const MOST_BYTES: usize = 16 << 20;

/// How far everything was looked through for our events.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// The last event there was, of whatever stream.
    upto: Option<Theirs>,
    /// The last one of ours.
    ours: Position,
}

fn place(event: &RecordedEvent) -> Theirs {
    Theirs { commit: event.position.0, prepare: event.position.0 }
}

/// What there is after a position.
pub(super) struct News {
    pub(super) events: Vec<RecordedEvent>,
    /// From where to look on: nothing of ours is before it that was not given.
    pub(super) from: Option<Theirs>,
}

impl Inner {
    pub(super) async fn read_stream(
        &self,
        stream: &str,
        from: u64,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let mut events: Vec<RecordedEvent> = Vec::new();
        // Page by page: a call has a limit in time, and one that fails is repeated whole. A page that is short
        // may have been broken off, so it is looked once more; not until there is nothing, for others append.
        let mut short = 0;
        while events.len() < limit && short < 2 {
            let next = from.saturating_add(events.len() as u64);
            let asked = PAGE.min(limit - events.len());
            let page = self.page(stream, StreamPosition::Position(next), asked).await?;
            short += usize::from(page.len() < asked);
            for (event, expected) in page.iter().zip(next..) {
                if event.0.revision != expected {
                    let found = event.0.revision;
                    return Err(LogError::Corrupt(format!(
                        "{stream} goes on with revision {found}, not {expected}"
                    )));
                }
            }
            events.extend(page.into_iter().map(|(event, _)| event));
        }
        Ok(events)
    }

    pub(super) async fn last_event(&self, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
        Ok(self.page(stream, StreamPosition::End, 1).await?.pop().map(|(event, _)| event))
    }

    /// A page of a stream: forwards from a revision, or backwards from the end.
    pub(super) async fn page(
        &self,
        stream: &str,
        from: StreamPosition<u64>,
        limit: usize,
    ) -> Result<Vec<Signed>, LogError> {
        if limit == 0 || matches!(from, StreamPosition::Position(from) if i64::try_from(from).is_err()) {
            return Ok(Vec::new());
        }
        let name = format!("{}{stream}", self.prefix);
        let options = ReadStreamOptions::default().position(from).max_count(limit).requires_leader(true);
        let call = |client: eventstore::Client| {
            let (name, options) = (name.clone(), options.clone());
            async move {
                let mut read = match client.read_stream(name, &options).await {
                    Ok(read) => read,
                    Err(Error::ResourceNotFound | Error::ResourceDeleted) => return Ok(Vec::new()),
                    Err(error) => return Err(error),
                };
                let mut events = Vec::new();
                loop {
                    match read.next().await {
                        Ok(Some(event)) => events.push(event),
                        Ok(None) | Err(Error::ResourceNotFound | Error::ResourceDeleted) => {
                            return Ok(events);
                        }
                        Err(error) => return Err(error),
                    }
                }
            }
        };
        let events = self.link.call(call).await.result.map_err(|error| failure(&error))?;
        let events: Vec<Signed> = events
            .into_iter()
            .filter_map(|event| recorded(event, &self.prefix).transpose())
            .collect::<Result<_, _>>()?;
        if let Some((last, _)) = events.last() {
            self.hear(last.position);
        }
        Ok(events)
    }

    pub(super) async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        if limit == 0 || i64::try_from(after.0).is_err() {
            return Ok(Vec::new());
        }
        let from = (after.0 > 0).then_some(Theirs { commit: after.0, prepare: after.0 });
        Ok(self.scan(from, after, limit).await?.0)
    }

    /// Our events from a place on that are after a position, and whether these are all that there are.
    async fn scan(
        &self,
        from: Option<Theirs>,
        after: Position,
        limit: usize,
    ) -> Result<(Vec<RecordedEvent>, bool), LogError> {
        let mut bytes = 0;
        let mut events: Vec<RecordedEvent> = Vec::new();
        let mut from = from;
        // As with streams: what is short is looked for once more.
        let mut short = 0;
        while events.len() < limit && bytes < MOST_BYTES && short < 2 {
            // The one at `from` is given again.
            let count = (limit - events.len()).min(PAGE).saturating_add(1);
            let start = from.map_or(StreamPosition::Start, StreamPosition::Position);
            let page = self.all(start, true, count).await?;
            short += usize::from(page.len() < count);
            let known = events.last().map_or(after, |event| event.position);
            let page = page.into_iter().filter(|event| event.position > known);
            events.extend(page.inspect(|event| bytes += event.data.len() + event.metadata.len()));
            from = events.last().map(place).or(from);
        }
        events.truncate(limit);
        Ok((events, short == 2))
    }

    /// Ours among all events: forwards from a place, or backwards from the end.
    async fn all(
        &self,
        from: StreamPosition<Theirs>,
        forwards: bool,
        count: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let mut filter = SubscriptionFilter::on_stream_name();
        if self.prefix.is_empty() {
            for kind in crate::streams::PREFIXES {
                filter = filter.add_prefix(kind);
            }
        } else {
            filter = filter.add_prefix(&self.prefix);
        }
        let options =
            ReadAllOptions::default().position(from).filter(filter).max_count(count).requires_leader(true);
        let options = if forwards { options.forwards() } else { options.backwards() };
        let events = self.read_whole(&options).await?;
        let ours = events.into_iter().filter_map(|event| recorded(event, &self.prefix).transpose());
        let events: Vec<RecordedEvent> =
            ours.map(|event| event.map(|(event, _)| event)).collect::<Result<_, _>>()?;
        if let Some(highest) = events.iter().map(|event| event.position).max() {
            self.hear(highest);
        }
        Ok(events)
    }

    async fn read_whole(&self, options: &ReadAllOptions) -> Result<Vec<eventstore::ResolvedEvent>, LogError> {
        let call = |client: eventstore::Client| {
            let options = options.clone();
            async move {
                let mut read = client.read_all(&options).await?;
                let mut events = Vec::new();
                while let Some(event) = read.next().await? {
                    events.push(event);
                }
                Ok(events)
            }
        };
        self.link.call(call).await.result.map_err(|error| failure(&error))
    }

    /// The place of the last event of all, whosever it is.
    async fn end(&self) -> Result<Option<Theirs>, LogError> {
        let options =
            ReadAllOptions::default().position(StreamPosition::End).max_count(1).requires_leader(true);
        let last = self.read_whole(&options).await?.pop();
        Ok(last.map(|event| event.get_original_event().position))
    }

    /// The position of our last event. What lies between two calls is looked through once.
    pub(super) async fn head(&self) -> Result<Position, LogError> {
        let mut scan = self.scan.lock().await;
        let end = self.end().await?;
        if end.map(|at| at.commit) == scan.upto.map(|at| at.commit) {
            return Ok(scan.ours);
        }
        if let Some(upto) = scan.upto {
            let mut from = upto;
            loop {
                let (events, whole) = self.scan(Some(from), scan.ours, usize::MAX).await?;
                if let Some(last) = events.last() {
                    (from, scan.ours) = (place(last), last.position);
                }
                if whole {
                    break;
                }
            }
        } else if let Some(last) = self.all(StreamPosition::End, false, 1).await?.pop() {
            // Backwards, as far as the last one of ours is away.
            scan.ours = scan.ours.max(last.position);
        }
        scan.upto = end;
        Ok(scan.ours)
    }

    /// What of ours is after a position, looked for from a place on, at most `limit` events. Where nothing
    /// has happened at all, one event is read; where others append, only what they appended is looked through.
    pub(super) async fn news(
        &self,
        after: Position,
        from: Option<Theirs>,
        limit: usize,
    ) -> Result<News, LogError> {
        // First the end, then what is before it: whatever comes meanwhile is given or comes next time.
        let end = self.end().await?;
        if end.map(|at| at.commit) <= from.map(|at| at.commit) {
            return Ok(News { events: Vec::new(), from });
        }
        let start = from.or((after.0 > 0).then_some(Theirs { commit: after.0, prepare: after.0 }));
        let (events, whole) = self.scan(start, after, limit).await?;
        let last = events.last().map(place);
        let from = if whole { end.max_by_commit(last) } else { last };
        Ok(News { events, from })
    }

    /// Takes note of a position that is certain.
    pub(super) fn hear(&self, position: Position) {
        self.known.fetch_max(position.0, Ordering::SeqCst);
    }
}

trait Later {
    fn max_by_commit(self, other: Self) -> Self;
}

impl Later for Option<Theirs> {
    fn max_by_commit(self, other: Self) -> Self {
        if self.map(|at| at.commit) >= other.map(|at| at.commit) { self } else { other }
    }
}
