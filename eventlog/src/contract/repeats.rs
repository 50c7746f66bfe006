//! Idempotence by event id.

use futures::future::join_all;

use super::{Log, actual, after, begun, event, events, stream, to, whole};
use crate::port::NewEvent;

/// However late it comes, if it expects what it expected the first time.
pub async fn a_repeat_is_answered_with_the_first_place(log: Log) {
    let name = stream();
    begun(&log, 2).await;
    let (first, second) = (events(2), events(1));
    let one = log.append(vec![to(&name, after(None), first.clone())]).await.unwrap();
    let two = log.append(vec![to(&name, after(Some(1)), second.clone())]).await.unwrap();
    log.append(vec![to(&name, after(Some(2)), events(1))]).await.unwrap();
    for (expected, given, appended) in [(None, &first, &one), (Some(1), &second, &two)] {
        let repeated = log.append(vec![to(&name, after(expected), given.clone())]).await.unwrap();
        assert!(repeated.duplicate, "{expected:?}");
        assert_eq!(repeated.streams, appended.streams);
    }
    assert_eq!(whole(&log, &name).await.len(), 4);
    if log.guarantees().several_streams {
        a_repeat_to_several_streams(log).await;
    }
}

async fn a_repeat_to_several_streams(log: Log) {
    let (one, two) = (stream(), stream());
    let (first, second) = (events(2), events(1));
    let both = || vec![to(&one, after(None), first.clone()), to(&two, after(None), second.clone())];
    let appended = log.append(both()).await.unwrap();
    log.append(vec![to(&one, after(Some(1)), events(1))]).await.unwrap();
    let repeated = log.append(both()).await.unwrap();
    assert!(repeated.duplicate && repeated.streams == appended.streams);
    // One stream of the two is a repeat as well.
    let repeated = log.append(vec![to(&one, after(None), first.clone())]).await.unwrap();
    assert!(repeated.duplicate && repeated.streams == appended.streams[..1]);
    assert_eq!((whole(&log, &one).await.len(), whole(&log, &two).await.len()), (3, 1));
}

/// Whoever has it in another stream is neither told of nor in the way, also not at the same moment.
pub async fn an_id_matters_in_its_own_stream_alone(log: Log) {
    let (name, _) = begun(&log, 2).await;
    let there = whole(&log, &name).await;
    let with = |at: usize| NewEvent { id: there[at].id, ..event("other") };
    for expected in [None, Some(0)] {
        let elsewhere = stream();
        let last = match expected {
            None => None,
            Some(_) => log.append(vec![to(&elsewhere, after(None), events(1))]).await.unwrap().streams.pop(),
        };
        let given = vec![event("x"), with(0), with(1)];
        let appended = log.append(vec![to(&elsewhere, after(expected), given.clone())]).await.unwrap();
        assert!(!appended.duplicate);
        let read = whole(&log, &elsewhere).await;
        let new = &read[usize::from(last.is_some())..];
        assert!(new.iter().map(|event| (event.id, &event.data)).eq(given.iter().map(|e| (e.id, &e.data))));
    }
    let names: Vec<String> = (0..8).map(|_| stream()).collect();
    let appends = names.iter().map(|name| log.append(vec![to(name, after(None), vec![with(0)])]));
    for answer in join_all(appends).await {
        assert!(!answer.unwrap().duplicate);
    }
    if log.guarantees().several_streams {
        let (one, two) = (stream(), stream());
        let both = vec![to(&one, after(None), vec![with(0)]), to(&two, after(None), vec![with(0)])];
        assert!(!log.append(both).await.unwrap().duplicate);
    }
    assert_eq!(whole(&log, &name).await, there);
}

/// Some of its events are there, but not all of them, or not in this order, or not where it wants them: it was
/// never appended like this.
pub async fn a_repeat_of_a_part_is_refused(log: Log) {
    let name = stream();
    let first = events(3);
    log.append(vec![to(&name, after(None), first.clone())]).await.unwrap();
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
        let refused = log.append(vec![to(&name, after(expected), given)]).await;
        assert_eq!(actual(refused), Some(2), "{expected:?}");
    }
    // The beginning alone is a repeat, and so is the end.
    for (expected, given, revision) in [(None, &first[..1], 0), (Some(0), &first[1..], 2)] {
        let repeated = log.append(vec![to(&name, after(expected), given.to_vec())]).await.unwrap();
        assert!(repeated.duplicate && repeated.streams[0].revision == revision, "{expected:?}");
        let position = there[usize::try_from(revision).unwrap()].position;
        assert_eq!(repeated.streams[0].position, position);
    }
    assert_eq!(whole(&log, &name).await, there);
}

/// Over several streams a repeat is a repeat in all of them.
pub async fn a_repeat_in_one_of_several_streams_is_refused(log: Log) {
    if !log.guarantees().several_streams {
        // Then nothing is appended to several streams: the case of several streams says so.
        return;
    }
    let (one, two) = (stream(), stream());
    let (first, second) = (events(3), events(3));
    let both = vec![to(&one, after(None), first.clone()), to(&two, after(None), second.clone())];
    log.append(both).await.unwrap();
    let before = (whole(&log, &one).await, whole(&log, &two).await);

    let fresh = stream();
    for wrong in [
        // There in one stream, new in the other.
        vec![to(&one, after(None), first.clone()), to(&fresh, after(None), events(1))],
        vec![to(&fresh, after(None), events(1)), to(&one, after(None), first.clone())],
        // There in one stream, and the other has gone on with something else.
        vec![to(&one, after(None), first.clone()), to(&two, after(None), events(3))],
        // Each in the other's stream.
        vec![to(&one, after(None), second.clone()), to(&two, after(None), first.clone())],
    ] {
        let refused = log.append(wrong).await;
        assert_eq!(actual(refused), Some(2));
        assert_eq!((whole(&log, &one).await, whole(&log, &two).await), before);
        assert_eq!(whole(&log, &fresh).await, []);
    }
    // What was refused has left nothing behind.
    log.append(vec![to(&fresh, after(None), events(1)), to(&one, after(Some(2)), events(1))]).await.unwrap();
}
