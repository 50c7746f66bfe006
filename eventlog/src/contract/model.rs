//! Sequences of appends, right and wrong ones, against a model.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use uuid::Uuid;

use super::{Log, after, events, stream, whole};
use crate::error::AppendError;
use crate::port::{Appended, AppendedStream, Guarantees, NewEvent, Position, StreamAppend};

const SEQUENCES: u64 = 12;
const STEPS: usize = 40;

/// Any mix of appends, wrong expectations, repeats and ids in use, over one stream or several, is answered
/// as a list per stream would answer it, and leaves just what the lists hold.
pub async fn any_sequence_of_appends_is_as_the_model_says(log: Log) {
    for seed in 0..SEQUENCES {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::new(log.guarantees());
        for step in 0..STEPS {
            let append = model.propose(&mut random);
            let wanted = model.judge(&append);
            let answer = log.append(append.clone()).await;
            model.check(&append, &wanted, answer, &format!("seed {seed}, step {step}"));
        }
        for (name, kept) in &model.streams {
            let read = whole(&log, name).await;
            let read: Vec<_> = read.iter().map(|event| (event.id, &event.data, event.position)).collect();
            let kept: Vec<_> = kept.iter().map(|kept| (kept.event.id, &kept.event.data, kept.at)).collect();
            assert_eq!(read.len(), kept.len(), "seed {seed}");
            for (read, (id, data, at)) in read.into_iter().zip(kept) {
                assert_eq!((read.0, read.1), (id, data), "seed {seed}");
                assert!(at.is_none_or(|at| at == read.2), "seed {seed}: {at:?}, not {:?}", read.2);
            }
        }
    }
}

struct Kept {
    event: NewEvent,
    /// Where an answer said that it is. Of the events before the last of an append nothing is said.
    at: Option<Position>,
}

struct Model {
    guarantees: Guarantees,
    streams: Vec<(String, Vec<Kept>)>,
    last: Position,
}

/// What the log must answer.
#[derive(Debug, PartialEq)]
enum Wanted {
    New,
    Repeat,
    /// One of these ids is named.
    Taken(Vec<Uuid>),
    /// One of these streams is named, with what was expected and what is there.
    Conflict(Vec<(String, Option<u64>, Option<u64>)>),
}

impl Model {
    fn new(guarantees: Guarantees) -> Self {
        Self { guarantees, streams: (0..4).map(|_| (stream(), Vec::new())).collect(), last: Position(0) }
    }

    fn head(&self, name: &str) -> Option<u64> {
        (self.kept(name).len() as u64).checked_sub(1)
    }

    fn kept(&self, name: &str) -> &[Kept] {
        self.streams.iter().find(|(stream, _)| stream == name).map_or(&[][..], |(_, kept)| kept)
    }

    /// Where an event is, if it is in any stream.
    fn place(&self, id: Uuid) -> Option<(&str, usize)> {
        self.streams.iter().find_map(|(name, kept)| {
            kept.iter().position(|kept| kept.event.id == id).map(|revision| (name.as_str(), revision))
        })
    }

    /// One to three streams; for each, events that are new or that are there, wholly or in part.
    fn propose(&self, random: &mut StdRng) -> Vec<StreamAppend> {
        let Guarantees { several_streams, unique_event_ids, .. } = self.guarantees;
        let count = if several_streams { *[1, 1, 1, 2, 3].choose(random).unwrap() } else { 1 };
        let repeats = random.random_bool(0.25);
        let chosen: Vec<_> = self.streams.choose_multiple(random, count).collect();
        let mut used: Vec<Uuid> = Vec::new();
        chosen
            .into_iter()
            .map(|(name, kept)| {
                let mut given: Vec<NewEvent> = events(random.random_range(1..4));
                let mut known = false;
                if repeats && !kept.is_empty() && random.random_bool(0.9) {
                    let from = random.random_range(0..kept.len());
                    let until = random.random_range(from + 1..=kept.len().min(from + 3));
                    given = kept[from..until].iter().map(|kept| kept.event.clone()).collect();
                    known = true;
                    match random.random_range(0..8) {
                        0 => given.reverse(),
                        1 => given.extend(events(1)),
                        2 => given.insert(0, events(1).remove(0)),
                        _ => {}
                    }
                } else if unique_event_ids && random.random_bool(0.05) {
                    // Somebody's id, of this stream or another.
                    let all: Vec<_> = self.streams.iter().flat_map(|(_, kept)| kept).collect();
                    if let Some(other) = all.choose(random) {
                        let at = random.random_range(0..given.len());
                        given[at].id = other.event.id;
                    }
                }
                given.retain(|event| !used.contains(&event.id));
                if given.is_empty() {
                    given = events(1);
                }
                used.extend(given.iter().map(|event| event.id));
                // Where the expectation holds, some logs do not look at ids.
                let right = random.random_bool(0.8) && (unique_event_ids || !known);
                let expected =
                    if right { self.head(name) } else { random.random_range(0u64..8).checked_sub(1) };
                let holds = known && !unique_event_ids && expected == self.head(name);
                let expected =
                    if holds { expected.map_or(Some(0), |last| last.checked_sub(1)) } else { expected };
                StreamAppend { stream: name.clone(), expected: after(expected), events: given }
            })
            .collect()
    }

    fn judge(&self, append: &[StreamAppend]) -> Wanted {
        let ids = || append.iter().flat_map(|append| &append.events).map(|event| event.id);
        let taken: Vec<Uuid> = ids().filter(|id| self.place(*id).is_some()).collect();
        if !taken.is_empty() {
            let whole = append.iter().all(|append| {
                let first = self.place(append.events[0].id).map_or(0, |(_, revision)| revision);
                let in_order = (first..).zip(&append.events);
                in_order.into_iter().all(|(at, event)| self.place(event.id) == Some((&append.stream, at)))
            });
            return if whole { Wanted::Repeat } else { Wanted::Taken(taken) };
        }
        let conflicts: Vec<_> = append
            .iter()
            .map(|append| (append.stream.clone(), append.expected.last(), self.head(&append.stream)))
            .filter(|(_, expected, actual)| expected != actual)
            .collect();
        if conflicts.is_empty() { Wanted::New } else { Wanted::Conflict(conflicts) }
    }

    /// Checks the answer and takes over what was appended.
    fn check(
        &mut self,
        append: &[StreamAppend],
        wanted: &Wanted,
        answer: Result<Appended, AppendError>,
        at: &str,
    ) {
        match (wanted, answer) {
            (Wanted::New, Ok(appended)) if !appended.duplicate => self.keep(append, &appended.streams, at),
            (Wanted::Repeat, Ok(appended)) if appended.duplicate => {
                assert_eq!(appended.streams.len(), append.len(), "{at}");
                for (append, answer) in append.iter().zip(&appended.streams) {
                    let (name, revision) = self.place(append.events[append.events.len() - 1].id).unwrap();
                    let known = self.kept(name)[revision].at;
                    assert_eq!(answer.revision, revision as u64, "{at}");
                    assert!(known.is_none_or(|known| known == answer.position), "{at}");
                }
            }
            (Wanted::Taken(ids), Err(AppendError::EventIdTaken(id))) => assert!(ids.contains(&id), "{at}"),
            (Wanted::Conflict(wanted), Err(AppendError::Conflict { stream, expected, actual })) => {
                let found = (stream, expected, actual);
                assert!(wanted.contains(&found), "{at}: {found:?}, not {wanted:?}");
            }
            (wanted, answer) => panic!("{at}: {answer:?}, not {wanted:?}"),
        }
    }

    fn keep(&mut self, append: &[StreamAppend], answers: &[AppendedStream], at: &str) {
        assert_eq!(answers.len(), append.len(), "{at}");
        for (append, answer) in append.iter().zip(answers) {
            assert!(answer.position > self.last, "{at}: {:?} after {:?}", answer.position, self.last);
            self.last = answer.position;
            let (_, kept) = self.streams.iter_mut().find(|(name, _)| *name == append.stream).unwrap();
            kept.extend(append.events.iter().map(|event| Kept { event: event.clone(), at: None }));
            let last = kept.len() - 1;
            kept[last].at = Some(answer.position);
            assert_eq!(answer.revision, last as u64, "{at}");
        }
    }
}
