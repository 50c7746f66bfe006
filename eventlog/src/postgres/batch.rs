//! Which appends of a batch are taken. Pure: heads in, rows and answers out.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::queue::Request;
use crate::error::AppendError;
use crate::known::{Place, Repeat, judge};
use crate::port::{Appended, AppendedStream, Position, RecordedEvent, StreamAppend};

/// What becomes of one request.
pub(super) enum Verdict {
    /// Its events are among the rows.
    Accept,
    /// A stream is not where it expected. It may still be a repeat: ask for its events' ids.
    Mismatch(AppendError),
    /// The answer, whatever else the batch does.
    Settled(Result<Appended, AppendError>),
    /// It shares an event id with an accepted request of this batch: it comes after that.
    Defer,
}

/// A batch as it would be committed.
pub(super) struct Plan<'a> {
    /// One for each request, in order.
    pub verdicts: Vec<Verdict>,
    /// The accepted appends, in order, with the revision of each one's first event.
    pub rows: Vec<(&'a StreamAppend, u64)>,
    /// How many events the rows have.
    pub events: usize,
    /// Where the streams stand that the rows move.
    pub moved: HashMap<&'a str, u64>,
}

/// Judges each request by itself, as if those before it had happened. `heads` has the last revisions of
/// the streams that have events; `places` has the events that were looked up.
pub(super) fn plan<'a>(
    requests: &'a [Request],
    heads: &HashMap<&'a str, u64>,
    places: &HashMap<Uuid, Place>,
) -> Plan<'a> {
    let verdicts = Vec::with_capacity(requests.len());
    let mut plan = Plan { verdicts, rows: Vec::new(), events: 0, moved: HashMap::new() };
    let mut ids: HashSet<Uuid> = HashSet::new();
    for request in requests {
        let verdict = if ids_of(request).any(|id| ids.contains(&id)) {
            Verdict::Defer
        } else if let Some(settled) = settled(request, places) {
            Verdict::Settled(settled)
        } else if let Some(conflict) = plan.conflict(request, heads) {
            Verdict::Mismatch(conflict)
        } else {
            ids.extend(ids_of(request));
            plan.accept(request);
            Verdict::Accept
        };
        plan.verdicts.push(verdict);
    }
    plan
}

/// The answer to a request some of whose events the log has already.
fn settled(request: &Request, places: &HashMap<Uuid, Place>) -> Option<Result<Appended, AppendError>> {
    match judge(&request.streams, places) {
        Repeat::New => None,
        // What a lost commit of our own has left is no repeat to the caller: it is where it was to go.
        Repeat::Whole(appended) => {
            let duplicate = !(request.in_doubt && is_as_expected(&request.streams, &appended));
            Some(Ok(Appended { duplicate, ..appended }))
        }
        Repeat::Taken(id) => Some(Err(AppendError::EventIdTaken(id))),
    }
}

fn is_as_expected(streams: &[StreamAppend], appended: &Appended) -> bool {
    streams.iter().zip(&appended.streams).all(|(append, at)| {
        let first = append.expected.last().map_or(Some(0), |last| last.checked_add(1));
        first.and_then(|first| first.checked_add(append.events.len() as u64)) == Some(at.revision + 1)
    })
}

/// The ids of a request's events.
pub(super) fn ids_of(request: &Request) -> impl Iterator<Item = Uuid> {
    request.streams.iter().flat_map(|append| &append.events).map(|event| event.id)
}

impl<'a> Plan<'a> {
    /// The first of the request's streams that is not where it expects.
    fn conflict(&self, request: &Request, heads: &HashMap<&str, u64>) -> Option<AppendError> {
        request.streams.iter().find_map(|append| {
            let stream = append.stream.as_str();
            let actual = self.moved.get(stream).or_else(|| heads.get(stream)).copied();
            let expected = append.expected.last();
            (expected != actual).then(|| AppendError::Conflict {
                stream: stream.to_owned(),
                expected,
                actual,
            })
        })
    }

    fn accept(&mut self, request: &'a Request) {
        for append in &request.streams {
            let first = append.expected.last().map_or(0, |last| last + 1);
            self.rows.push((append, first));
            self.moved.insert(&append.stream, first + append.events.len() as u64 - 1);
        }
        self.events += request.events;
    }

    /// Answers those mismatches that are repeats, or that use ids of other events.
    pub fn settle_mismatches(&mut self, requests: &[Request], places: &HashMap<Uuid, Place>) {
        for (verdict, request) in self.verdicts.iter_mut().zip(requests) {
            if !matches!(verdict, Verdict::Mismatch(_)) {
                continue;
            }
            if let Some(settled) = settled(request, places) {
                *verdict = Verdict::Settled(settled);
            }
        }
    }

    /// The accepted events as the log has them, given the position before the first.
    pub fn recorded(&self, before: u64) -> impl Iterator<Item = RecordedEvent> {
        let events = self.rows.iter().flat_map(|(append, first)| {
            append
                .events
                .iter()
                .zip(*first..)
                .map(|(event, revision)| (append.stream.as_str(), revision, event))
        });
        events.zip(before + 1..).map(|((stream, revision, event), position)| RecordedEvent {
            position: Position(position),
            stream: stream.to_owned(),
            revision,
            id: event.id,
            event_type: event.event_type.clone(),
            data: event.data.clone(),
            metadata: event.metadata.clone(),
        })
    }

    /// The answer to an accepted request, given the position before its first event.
    pub fn appended(
        request: &Request,
        firsts: &mut impl Iterator<Item = u64>,
        mut position: u64,
    ) -> Appended {
        let streams = request
            .streams
            .iter()
            .zip(firsts)
            .map(|(append, first)| {
                let events = append.events.len() as u64;
                position += events;
                AppendedStream { revision: first + events - 1, position: Position(position) }
            })
            .collect();
        Appended { streams, duplicate: false }
    }
}
