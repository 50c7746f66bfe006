//! Which appends of a batch are taken. Pure: heads in, rows and answers out.

use std::collections::HashMap;

use super::queue::Request;
use crate::error::AppendError;
use crate::port::{Appended, StreamAppend};
use crate::repeat::{self, There};

/// What becomes of one request.
pub(super) enum Verdict {
    /// Its events are among the rows.
    Accept {
        /// The revision of the last one.
        last: u64,
    },
    /// The stream is not where it expected. It may still be a repeat, see [`Plan::wanted`].
    Mismatch(AppendError),
    /// It is a repeat, of events that are there.
    Repeat(Appended),
    /// This batch moves the stream, which is not where it expected: it is checked when that is done.
    Defer,
}

/// Where an append has its events if it is a repeat.
pub(super) struct Wanted<'a> {
    /// Which of the requests it is.
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
    for Request { append, .. } in requests {
        let stream = append.stream.as_str();
        let moved = plan.moved.get(stream).copied();
        let (expected, actual) = (append.expected.last(), moved.or_else(|| heads.get(stream).copied()));
        let verdict = if expected == actual {
            Verdict::Accept { last: plan.accept(append) }
        } else if moved.is_some() {
            // Perhaps by the very events that it has.
            Verdict::Defer
        } else {
            Verdict::Mismatch(AppendError::Conflict { stream: stream.to_owned(), expected, actual })
        };
        plan.verdicts.push(verdict);
    }
    plan
}

impl<'a> Plan<'a> {
    /// Takes an append in; gives the revision of its last event.
    fn accept(&mut self, append: &'a StreamAppend) -> u64 {
        let first = append.expected.last().map_or(0, |last| last + 1);
        let last = first + append.events.len() as u64 - 1;
        self.rows.push((append, first));
        self.moved.insert(&append.stream, last);
        self.events += append.events.len();
        last
    }

    /// Where the mismatches have their events if they are repeats; only of those whose streams reach so far.
    pub fn wanted(&self, requests: &'a [Request], heads: &HashMap<&str, u64>) -> Vec<Wanted<'a>> {
        let mismatched = |request: &usize| matches!(self.verdicts.get(*request), Some(Verdict::Mismatch(_)));
        let place = |request: usize| {
            let append = &requests[request].append;
            let first = append.expected.next()?;
            let end = first.checked_add(append.events.len() as u64)?;
            // Of a stream that was expected to be new, perhaps nothing was read yet.
            let unread = append.expected.last().is_none();
            let reached = heads.get(append.stream.as_str()).map_or(unread, |last| end <= last + 1);
            reached.then_some(Wanted { request, append, first })
        };
        (0..requests.len()).filter(mismatched).filter_map(place).collect()
    }

    /// Answers those mismatches that are repeats, given what the streams have where these would be.
    pub fn resolve_repeats(&mut self, requests: &[Request], wanted: &[Wanted<'_>], found: &[Vec<There>]) {
        for (at, there) in wanted.iter().zip(found) {
            if let Some((revision, position)) = repeat::end_of(at.append, at.first, there) {
                // What a lost commit of our own has left is no repeat to the caller.
                let duplicate = !requests[at.request].in_doubt;
                self.verdicts[at.request] = Verdict::Repeat(Appended { revision, position, duplicate });
            }
        }
    }
}
