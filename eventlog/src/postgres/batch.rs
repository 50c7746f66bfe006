//! Which appends of a batch are taken. Pure: heads in, rows and answers out.

use std::collections::HashMap;

use super::queue::Request;
use crate::error::AppendError;
use crate::port::{Appended, AppendedStream, Position, RecordedEvent, StreamAppend};
use crate::repeat::{self, There};

/// What becomes of one request.
pub(super) enum Verdict {
    /// Its events are among the rows.
    Accept,
    /// A stream is not where it expected. It may still be a repeat, see [`Plan::wanted`].
    Mismatch(AppendError),
    /// It is a repeat, of events that are there.
    Repeat(Appended),
    /// This batch moves a stream that is not where it expected: it is checked when that is done.
    Defer,
}

/// Where an append has its events if it is a repeat.
pub(super) struct Wanted<'a> {
    /// Which of the requests it belongs to.
    request: usize,
    pub append: &'a StreamAppend,
    /// The revision of its first event.
    pub first: u64,
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
/// the streams that have events.
pub(super) fn plan<'a>(requests: &'a [Request], heads: &HashMap<&'a str, u64>) -> Plan<'a> {
    let verdicts = Vec::with_capacity(requests.len());
    let mut plan = Plan { verdicts, rows: Vec::new(), events: 0, moved: HashMap::new() };
    for request in requests {
        let verdict = match plan.conflict(request, heads) {
            None => {
                plan.accept(request);
                Verdict::Accept
            }
            // Perhaps by the very events that it has.
            Some(_) if plan.moves(request) => Verdict::Defer,
            Some(conflict) => Verdict::Mismatch(conflict),
        };
        plan.verdicts.push(verdict);
    }
    plan
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

    /// Whether the rows move a stream of the request.
    fn moves(&self, request: &Request) -> bool {
        request.streams.iter().any(|append| self.moved.contains_key(append.stream.as_str()))
    }

    fn accept(&mut self, request: &'a Request) {
        for append in &request.streams {
            let first = append.expected.last().map_or(0, |last| last + 1);
            self.rows.push((append, first));
            self.moved.insert(&append.stream, first + append.events.len() as u64 - 1);
        }
        self.events += request.events;
    }

    /// Where the mismatches have their events if they are repeats; only of those whose streams reach so far.
    pub fn wanted(&self, requests: &'a [Request], heads: &HashMap<&str, u64>) -> Vec<Wanted<'a>> {
        let mismatched = |request: &usize| matches!(self.verdicts.get(*request), Some(Verdict::Mismatch(_)));
        let places = |request: usize| {
            let appends = requests[request].streams.iter();
            let places: Option<Vec<Wanted<'a>>> = appends
                .map(|append| {
                    let first = append.expected.next()?;
                    let end = first.checked_add(append.events.len() as u64)?;
                    // Of a stream that was expected to be new, perhaps nothing was read yet.
                    let unread = append.expected.last().is_none();
                    let reached = heads.get(append.stream.as_str()).map_or(unread, |last| end <= last + 1);
                    reached.then_some(Wanted { request, append, first })
                })
                .collect();
            places.unwrap_or_default()
        };
        (0..requests.len()).filter(mismatched).flat_map(places).collect()
    }

    /// Answers those mismatches that are repeats, given what the streams have where these would be.
    pub fn resolve_repeats(&mut self, requests: &[Request], wanted: &[Wanted<'_>], found: &[Vec<There>]) {
        let places: Vec<_> = wanted.iter().zip(found).collect();
        for of_one in places.chunk_by(|(one, _), (next, _)| one.request == next.request) {
            let ends = of_one.iter().map(|(at, there)| repeat::end_of(at.append, at.first, there));
            if let (Some(streams), Some((at, _))) = (ends.collect::<Option<_>>(), of_one.first()) {
                // What a lost commit of our own has left is no repeat to the caller.
                let duplicate = !requests[at.request].in_doubt;
                self.verdicts[at.request] = Verdict::Repeat(Appended { streams, duplicate });
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
