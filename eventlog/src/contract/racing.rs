//! Many callers at once.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use futures::future::join_all;

use super::{Log, after, event, events, place, soon, stream, to, whole};
use crate::error::AppendError;
use crate::port::{Appended, Position};

/// Nobody is in anybody's way.
pub async fn writers_on_streams_of_their_own_all_succeed(log: Log) {
    let writers = (0..64).map(|_| {
        let log = log.clone();
        tokio::spawn(async move {
            let name = stream();
            let mut last = None;
            for n in 0..20 {
                let appended = log.append(to(&name, after(last), events(1 + n % 3))).await.unwrap();
                last = Some(appended.revision);
            }
            (name, last)
        })
    });
    let mut positions = HashSet::new();
    for done in soon(join_all(writers)).await {
        let (name, last) = done.unwrap();
        let read = whole(&log, &name).await;
        assert_eq!(read.last().map(|event| event.revision), last);
        assert!(read.iter().zip(0u64..).all(|(event, revision)| event.revision == revision));
        assert!(read.iter().all(|event| positions.insert(event.position)), "no position twice");
    }
}

/// Each success is in the stream, at its revision, once; each refusal knows at least as much as the caller.
pub async fn writers_on_one_stream_lose_no_update(log: Log) {
    let name = stream();
    let writers = (0..32).map(|writer| {
        let (log, name) = (log.clone(), name.clone());
        tokio::spawn(async move {
            let mut last = None;
            let mut won = Vec::new();
            while won.len() < 10 {
                let mine = event(format!("{writer}-{}", won.len()));
                let id = mine.id;
                match log.append(to(&name, after(last), vec![mine])).await {
                    Ok(appended) => {
                        let revision = appended.revision;
                        assert_eq!(revision, last.map_or(0, |last| last + 1), "it is where it was to go");
                        last = Some(revision);
                        won.push((id, appended));
                    }
                    Err(AppendError::Conflict { expected, actual, .. }) => {
                        assert!(expected == last && actual > last, "{expected:?} {actual:?}");
                        last = actual;
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
            won
        })
    });
    let won: Vec<_> = soon(join_all(writers)).await.into_iter().flat_map(Result::unwrap).collect();
    let read = whole(&log, &name).await;
    assert_eq!(read.len(), 320);
    for (id, appended) in won {
        let at = usize::try_from(appended.revision).unwrap();
        assert_eq!((read[at].id, read[at].position), (id, appended.position));
    }
}

/// Of many that expect no stream.
pub async fn one_writer_begins_a_stream(log: Log) {
    for _ in 0..10 {
        let name = stream();
        let tries = (0..50).map(|_| log.append(to(&name, after(None), events(2))));
        let answers = soon(join_all(tries)).await;
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
        for answer in answers {
            match answer {
                Ok(appended) => assert_eq!(appended.revision, 1),
                Err(AppendError::Conflict { actual, .. }) => assert_eq!(actual, Some(1)),
                Err(other) => panic!("{other:?}"),
            }
        }
        assert_eq!(whole(&log, &name).await.len(), 2);
    }
}

/// All are told the same place, and only one that it is new.
pub async fn the_same_append_many_times_at_once_is_one(log: Log) {
    let name = stream();
    let append = to(&name, after(None), events(3));
    let answers = soon(join_all((0..16).map(|_| log.append(append.clone())))).await;
    let answers: Vec<Appended> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|answer| !answer.duplicate).count(), 1);
    assert!(answers.iter().all(|answer| place(answer) == place(&answers[0])));
    assert_eq!(whole(&log, &name).await.len(), 3);
}

/// A writer that gives an append up may ask again: it is there once, whole, whether or not it had happened. And it is
/// told so as soon as it is there: a log that lets such a repeat wait for a time limit of its own does so each time.
pub async fn an_append_that_is_given_up_can_be_repeated(log: Log) {
    let mut slow = 0;
    for patience in 0..60 {
        let name = stream();
        let append = to(&name, after(None), events(2));
        tokio::select! {
            biased;
            answer = log.append(append.clone()) => assert!(!answer.unwrap().duplicate),
            () = async { for _ in 0..patience { tokio::task::yield_now().await } } => {}
        }
        let since = Instant::now();
        let repeated = soon(log.append(append)).await.unwrap();
        slow += usize::from(since.elapsed() > Duration::from_secs(1));
        let there = whole(&log, &name).await;
        assert_eq!(there.len(), 2);
        assert_eq!(repeated.position, there[1].position);
    }
    assert!(slow < 6, "{slow} of 60 repeats took more than a second");
}

/// An append that is answered before another begins has the lower position.
pub async fn what_was_answered_first_stands_first(log: Log) {
    let noise = (0..4).map(|_| {
        let log = log.clone();
        tokio::spawn(async move {
            for _ in 0..50 {
                log.append(to(&stream(), after(None), events(2))).await.unwrap();
            }
        })
    });
    let noise = join_all(noise);
    let ordered = async {
        let mut last = Position(0);
        for _ in 0..50 {
            let appended = log.append(to(&stream(), after(None), events(1))).await.unwrap();
            let position = appended.position;
            assert!(position > last);
            assert!(log.head().await.unwrap() >= position, "what is answered is there");
            last = position;
        }
    };
    let (noise, ()) = soon(async { futures::join!(noise, ordered) }).await;
    noise.into_iter().for_each(Result::unwrap);
}
