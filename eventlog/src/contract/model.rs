//! Sequences of appends, right and wrong ones, against a model.

use std::collections::HashSet;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use super::{Log, after, events, stream, whole};
use crate::error::AppendError;
use crate::port::{Appended, NewEvent, Position, StreamAppend};

const SEQUENCES: u64 = 12;
const STEPS: usize = 40;

/// Any mix of appends, wrong expectations, repeats and ids used again is answered as a list per stream would answer
/// it, and leaves just what the lists hold.
pub async fn any_sequence_of_appends_is_as_the_model_says(log: Log) {
    for seed in 0..SEQUENCES {
        let mut random = StdRng::seed_from_u64(seed);
        let mut model = Model::new();
        for step in 0..STEPS {
            let append = model.propose(&mut random);
            let wanted = model.expected_answer(&append);
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
    streams: Vec<(String, Vec<Kept>)>,
    last: Position,
}

/// What the log must answer.
#[derive(Debug, PartialEq)]
enum Wanted {
    New,
    Repeat,
    /// What was expected, and what is there.
    Conflict(Option<u64>, Option<u64>),
}

impl Model {
    fn new() -> Self {
        Self { streams: (0..4).map(|_| (stream(), Vec::new())).collect(), last: Position(0) }
    }

    fn head(&self, name: &str) -> Option<u64> {
        (self.kept(name).len() as u64).checked_sub(1)
    }

    fn kept(&self, name: &str) -> &[Kept] {
        self.streams.iter().find(|(stream, _)| stream == name).map_or(&[][..], |(_, kept)| kept)
    }

    /// The events behind the revision that the append expects: where it has its own, if it is a repeat.
    fn there(&self, append: &StreamAppend) -> Option<&[Kept]> {
        let first = usize::try_from(append.expected.next()?).ok()?;
        self.kept(&append.stream).get(first..)?.get(..append.events.len())
    }

    /// Events that are new or that are there, wholly or in part, to any of the streams.
    fn propose(&self, random: &mut StdRng) -> StreamAppend {
        let repeats = random.random_bool(0.25);
        let (name, kept) = self.streams.choose(random).unwrap();
        let mut given: Vec<NewEvent> = events(random.random_range(1..4));
        // Where they were appended, if they are there.
        let mut before = None;
        if repeats && !kept.is_empty() && random.random_bool(0.9) {
            let from = random.random_range(0..kept.len());
            let until = random.random_range(from + 1..=kept.len().min(from + 3));
            given = kept[from..until].iter().map(|kept| kept.event.clone()).collect();
            before = Some((from as u64).checked_sub(1));
            match random.random_range(0..8) {
                0 => given.reverse(),
                1 => given.extend(events(1)),
                2 => given.insert(0, events(1).remove(0)),
                _ => {}
            }
        } else if random.random_bool(0.1) {
            // Somebody's id, of this stream or another.
            let all: Vec<_> = self.streams.iter().flat_map(|(_, kept)| kept).collect();
            if let Some(other) = all.choose(random) {
                let at = random.random_range(0..given.len());
                given[at].id = other.event.id;
            }
        }
        // A stream may have an id twice, where the expectation held; an append may not.
        let mut used = HashSet::new();
        if !given.iter().all(|event| used.insert(event.id)) {
            (given, before) = (events(1), None);
        }
        let expected = match before {
            Some(before) if random.random_bool(0.8) => before,
            None if random.random_bool(0.8) => self.head(name),
            _ => random.random_range(0u64..8).checked_sub(1),
        };
        StreamAppend { stream: name.clone(), expected: after(expected), events: given }
    }

    fn expected_answer(&self, append: &StreamAppend) -> Wanted {
        let (expected, actual) = (append.expected.last(), self.head(&append.stream));
        let ids = append.events.iter().map(|event| event.id);
        let repeated = self.there(append).is_some_and(|there| there.iter().map(|kept| kept.event.id).eq(ids));
        match expected == actual {
            true => Wanted::New,
            false if repeated => Wanted::Repeat,
            false => Wanted::Conflict(expected, actual),
        }
    }

    /// Checks the answer and takes over what was appended.
    fn check(
        &mut self,
        append: &StreamAppend,
        wanted: &Wanted,
        answer: Result<Appended, AppendError>,
        at: &str,
    ) {
        match (wanted, answer) {
            (Wanted::New, Ok(appended)) if !appended.duplicate => self.keep(append, appended, at),
            (Wanted::Repeat, Ok(appended)) if appended.duplicate => {
                let last = append.expected.next().unwrap() + append.events.len() as u64 - 1;
                let known = self.there(append).unwrap().last().unwrap().at;
                assert_eq!(appended.revision, last, "{at}");
                assert!(known.is_none_or(|known| known == appended.position), "{at}");
            }
            (Wanted::Conflict(wanted, there), Err(AppendError::Conflict { stream, expected, actual })) => {
                assert_eq!((&stream, expected, actual), (&append.stream, *wanted, *there), "{at}");
            }
            (wanted, answer) => panic!("{at}: {answer:?}, not {wanted:?}"),
        }
    }

    fn keep(&mut self, append: &StreamAppend, appended: Appended, at: &str) {
        assert!(appended.position > self.last, "{at}: {:?} after {:?}", appended.position, self.last);
        self.last = appended.position;
        let (_, kept) = self.streams.iter_mut().find(|(name, _)| *name == append.stream).unwrap();
        kept.extend(append.events.iter().map(|event| Kept { event: event.clone(), at: None }));
        let last = kept.len() - 1;
        kept[last].at = Some(appended.position);
        assert_eq!(appended.revision, last as u64, "{at}");
    }
}
