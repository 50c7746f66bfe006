//! Looking through all events of the cluster for ours, page by page: whatever is found out is kept, so that a
//! log of which others use the most is looked through once, however long that takes.

use std::time::Duration;

use eventstore::{Error, Position as Theirs, ReadAllOptions, StreamPosition, SubscriptionFilter};

use super::Inner;
use super::drain::{Over, Then, drain};
use super::link::failure;
use super::options::CallOptions;
use super::wire::recorded;
use crate::error::LogError;
use crate::port::{Position, RecordedEvent};

/// Bytes of the log up to which the server looks for our events. It says nothing while it finds none, and what
/// it has looked through is lost when it takes too long; so what is further away is read as it is.
const NEAR: u64 = 16 * 1024 * 1024;

/// Events that the server looks through in one turn. Left to itself it takes 32.
const WINDOW: u32 = 2_000;

/// Events of one page, with a filter and without.
const FILTERED: usize = 1_000;
const UNFILTERED: usize = 4_000;

/// How many bytes of ours a page has, but for an event more, and what is read of all events at once, but for a
/// page more: a reader that catches up has bounded memory.
const MOST_BYTES: usize = 16 << 20;

/// How long a page may take. What has come by then is a page as well.
const FILTERED_WITHIN: Duration = Duration::from_secs(1);
const WITHIN: Duration = Duration::from_secs(3);

/// Pages without any progress before it is called a failure.
const FRUITLESS: u32 = 3;

/// An event at the end of the log, whosever it is.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) at: Theirs,
    /// The event's stream.
    stream: String,
}

/// What was looked through.
#[derive(Debug, Default)]
pub(super) struct Page {
    /// Ours among it.
    pub(super) events: Vec<RecordedEvent>,
    /// The first event that was looked at.
    pub(super) first: Option<Theirs>,
    /// The last one.
    pub(super) at: Option<Theirs>,
    /// Nobody had enough: the server ended it.
    pub(super) ended: bool,
}

/// A look forwards, from page to page.
#[derive(Debug)]
pub(super) struct Look {
    /// The last event of ours that is known.
    after: Position,
    /// Nothing of ours is up to here but what was given.
    from: Option<Theirs>,
    /// As far as it goes at least.
    goal: Option<End>,
    fruitless: u32,
}

impl Look {
    /// Begins after a position of ours.
    pub(super) fn after(inner: &Inner, after: Position) -> Self {
        let from = (after.0 > 0).then_some(Theirs { commit: after.0, prepare: after.0 });
        // Somebody may have looked further already and found nothing.
        let from = inner.scan().nothing_after(after).max(from);
        Self { after, from, goal: None, fruitless: 0 }
    }

    /// Begins at a place up to which everything is known, and goes to the end.
    pub(super) fn between(after: Position, from: Theirs, end: End) -> Self {
        Self { after, from: Some(from), goal: Some(end), fruitless: 0 }
    }

    fn reached(&self, end: &End) -> bool {
        self.from >= Some(end.at)
    }

    /// The next events of ours, at most so many, which may be none; or None where everything up to the end was
    /// looked through. Nothing is awaited while it changes: it can be dropped at any time.
    pub(super) async fn page(
        &mut self,
        inner: &Inner,
        most: usize,
    ) -> Result<Option<Vec<RecordedEvent>>, LogError> {
        // First the end, then what is before it: whatever comes meanwhile is found now or next time.
        let end = match &self.goal {
            Some(goal) if !self.reached(goal) => Some(goal.clone()),
            _ => inner.end().await?,
        };
        let Some(end) = end.filter(|end| !self.reached(end)) else { return Ok(None) };
        self.goal = Some(end.clone());
        let page = inner.forwards(self.from, &end, most).await?;
        if page.at <= self.from {
            self.fruitless += 1;
            if self.fruitless >= FRUITLESS {
                (self.fruitless, self.goal) = (0, None);
                return Err(LogError::Unavailable("a read ends before the end of the log".to_owned()));
            }
            return Ok(Some(Vec::new()));
        }
        let mut events = page.events;
        events.retain(|event| event.position > self.after);
        let last = events.last().map(|event| event.position);
        inner.scan().looked_through(self.from, page.at, last);
        self.after = last.unwrap_or(self.after);
        self.from = page.at;
        self.fruitless = 0;
        Ok(Some(events))
    }

    /// Whether it has come to where the log ended when that was asked last.
    pub(super) fn done(&self) -> bool {
        self.goal.as_ref().is_some_and(|end| self.reached(end))
    }
}

fn weight(event: &RecordedEvent) -> usize {
    event.data.len() + event.metadata.len()
}

impl Inner {
    pub(super) async fn read_all(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<RecordedEvent>, LogError> {
        let (mut events, mut bytes) = (Vec::new(), 0);
        let mut look = Look::after(self, after);
        while events.len() < limit && bytes < MOST_BYTES && !look.done() {
            let Some(page) = look.page(self, limit - events.len()).await? else { break };
            bytes += page.iter().map(weight).sum::<usize>();
            events.extend(page);
        }
        Ok(events)
    }

    /// The last event of all; none of a log without events.
    pub(super) async fn end(&self) -> Result<Option<End>, LogError> {
        let options = ReadAllOptions::default().position(StreamPosition::End).max_count(1);
        let options = options.to_leader(self.link.user());
        let call = |client: eventstore::Client| {
            let options = options.clone();
            async move {
                let mut end = None;
                let over = drain(client.read_all(&options), WITHIN, |event| {
                    let event = event.get_original_event();
                    end = Some(End { at: event.position, stream: event.stream_id().to_owned() });
                    Then::On
                });
                match over.await? {
                    Over::Cut if end.is_none() => Err(Error::DeadlineExceeded),
                    _ => Ok(end),
                }
            }
        };
        self.link.call(call).await.result.map_err(|error| failure(&error))
    }

    /// A page forwards from behind a place, at most up to the event that fills `most`.
    async fn forwards(&self, from: Option<Theirs>, end: &End, most: usize) -> Result<Page, LogError> {
        let start = from.map_or(StreamPosition::Start, StreamPosition::Position);
        let options = ReadAllOptions::default().position(start).forwards();
        let distance = end.at.commit.saturating_sub(from.map_or(0, |from| from.commit));
        if distance <= NEAR {
            // The end's own stream is asked for as well: its last event tells that nothing was left out.
            let filter = self.ours().add_prefix(&end.stream).max(WINDOW);
            let page = self.look(options.clone(), Some(filter), from, most).await?;
            if page.at > from {
                return Ok(page);
            }
        }
        self.look(options, None, from, most).await
    }

    /// A page backwards from before a place, or from the end, up to one of ours.
    pub(super) async fn backwards(&self, from: Option<Theirs>) -> Result<Page, LogError> {
        let start = from.map_or(StreamPosition::End, StreamPosition::Position);
        let options = ReadAllOptions::default().position(start).backwards();
        self.look(options, None, None, 1).await
    }

    /// A page of which the event at `known` is not new. With a filter it is empty where nothing came in time;
    /// without one, that is a failure.
    async fn look(
        &self,
        options: ReadAllOptions,
        filter: Option<SubscriptionFilter>,
        known: Option<Theirs>,
        most: usize,
    ) -> Result<Page, LogError> {
        let filtered = filter.is_some();
        let (count, within) = if filtered { (FILTERED, FILTERED_WITHIN) } else { (UNFILTERED, WITHIN) };
        // The known one is given again.
        let count = count + usize::from(known.is_some());
        let options = options.max_count(count).to_leader(self.link.user());
        let options = match filter {
            Some(filter) => options.filter(filter),
            None => options,
        };
        let call = |client: eventstore::Client| {
            let options = options.clone();
            async move {
                let (mut page, mut seen, mut bytes, mut wrong) = (Page::default(), 0, 0, None);
                let over = drain(client.read_all(&options), within, |event| {
                    seen += 1;
                    let at = event.get_original_event().position;
                    let is_new = known.is_none_or(|known| at > known);
                    if is_new {
                        let ours = self.is_ours(event.get_original_event().stream_id());
                        match ours.then(|| recorded(event, &self.prefix)).transpose() {
                            Ok(Some(Some((ours, _)))) => {
                                bytes += weight(&ours);
                                page.events.push(ours);
                            }
                            Ok(_) => {}
                            Err(error) => wrong = Some(error),
                        }
                        page.first = page.first.or(Some(at));
                        page.at = Some(at);
                    }
                    // Without a filter the server knows by itself that this was the last one.
                    let full = page.events.len() >= most || bytes >= MOST_BYTES;
                    let enough = full || (filtered && seen >= count);
                    match () {
                        () if wrong.is_some() || enough => Then::Stop,
                        () if is_new => Then::On,
                        () => Then::Known,
                    }
                });
                let over = over.await?;
                page.ended = over == Over::Ended;
                if over == Over::Cut && page.at.is_none() && !filtered {
                    return Err(Error::DeadlineExceeded);
                }
                Ok(wrong.map_or(Ok(page), Err))
            }
        };
        let page = self.link.call(call).await.result.map_err(|error| failure(&error))??;
        if let Some(highest) = page.events.iter().map(|event| event.position).max() {
            self.hear(highest);
        }
        Ok(page)
    }

    /// Whether a stream is one of ours. Without a prefix of our own, others may have streams beside.
    fn is_ours(&self, stream: &str) -> bool {
        if self.prefix.is_empty() {
            return crate::streams::PREFIXES.iter().any(|kind| stream.starts_with(kind));
        }
        stream.starts_with(&self.prefix)
    }

    /// What our streams are called, for the server.
    fn ours(&self) -> SubscriptionFilter {
        let filter = SubscriptionFilter::on_stream_name();
        if self.prefix.is_empty() {
            return crate::streams::PREFIXES.into_iter().fold(filter, SubscriptionFilter::add_prefix);
        }
        filter.add_prefix(&self.prefix)
    }
}
