//! Idempotence by event id.

use futures::future::join_all;

use super::{Log, actual, after, begun, event, events, place, stream, to, whole};
use crate::port::NewEvent;

/// However late it comes, if it expects what it expected the first time.
pub async fn a_repeat_is_answered_with_the_first_place(log: Log) {
    let name = stream();
    begun(&log, 2).await;
    let (first, second) = (events(2), events(1));
    let one = log.append(to(&name, after(None), first.clone())).await.unwrap();
    let two = log.append(to(&name, after(Some(1)), second.clone())).await.unwrap();
    log.append(to(&name, after(Some(2)), events(1))).await.unwrap();
    for (expected, given, appended) in [(None, &first, &one), (Some(1), &second, &two)] {
        let repeated = log.append(to(&name, after(expected), given.clone())).await.unwrap();
        assert!(repeated.duplicate, "{expected:?}");
        assert_eq!(place(&repeated), place(appended));
    }
    assert_eq!(whole(&log, &name).await.len(), 4);
}

/// A writer that has it in another stream is neither told of nor in the way, also not at the same moment.
pub async fn an_id_matters_in_its_own_stream_alone(log: Log) {
    let (name, _) = begun(&log, 2).await;
    let there = whole(&log, &name).await;
    let with = |at: usize| NewEvent { id: there[at].id, ..event("other") };
    for expected in [None, Some(0)] {
        let elsewhere = stream();
        let last = match expected {
            None => None,
            Some(_) => Some(log.append(to(&elsewhere, after(None), events(1))).await.unwrap()),
        };
        let given = vec![event("x"), with(0), with(1)];
        let appended = log.append(to(&elsewhere, after(expected), given.clone())).await.unwrap();
        assert!(!appended.duplicate);
        let read = whole(&log, &elsewhere).await;
        let new = &read[usize::from(last.is_some())..];
        assert!(new.iter().map(|event| (event.id, &event.data)).eq(given.iter().map(|e| (e.id, &e.data))));
    }
    let names: Vec<String> = (0..8).map(|_| stream()).collect();
    let appends = names.iter().map(|name| log.append(to(name, after(None), vec![with(0)])));
    for answer in join_all(appends).await {
        assert!(!answer.unwrap().duplicate);
    }
    assert_eq!(whole(&log, &name).await, there);
}

/// Some of its events are there, but not all of them, or not in this order, or not where it wants them: it was
/// never appended like this.
pub async fn a_repeat_of_a_part_is_refused(log: Log) {
    let name = stream();
    let first = events(3);
    log.append(to(&name, after(None), first.clone())).await.unwrap();
    let there = whole(&log, &name).await;
    let longer: Vec<NewEvent> = first.iter().cloned().chain(events(1)).collect();
    let turned: Vec<NewEvent> = first.iter().rev().cloned().collect();
    let gap = vec![first[0].clone(), first[2].clone()];
    for (expected, given) in [
        (None, longer),
        (None, turned),
        (None, gap),
        (None, vec![event("new"), first[1].clone()]),
        (None, vec![first[1].clone()]),
        (Some(0), vec![first[0].clone()]),
        (Some(1), vec![first[2].clone(), event("new")]),
        (Some(7), first.clone()),
        (Some(u64::MAX), first.clone()),
    ] {
        let refused = log.append(to(&name, after(expected), given)).await;
        assert_eq!(actual(refused), Some(2), "{expected:?}");
    }
    // The beginning alone is a repeat, and so is the end.
    for (expected, given, revision) in [(None, &first[..1], 0), (Some(0), &first[1..], 2)] {
        let repeated = log.append(to(&name, after(expected), given.to_vec())).await.unwrap();
        assert!(repeated.duplicate && repeated.revision == revision, "{expected:?}");
        let position = there[usize::try_from(revision).unwrap()].position;
        assert_eq!(repeated.position, position);
    }
    assert_eq!(whole(&log, &name).await, there);
}
