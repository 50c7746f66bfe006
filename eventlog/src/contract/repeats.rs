//! Idempotence by event id.

use uuid::Uuid;

use super::{Log, after, begun, event, events, stream, to, whole};
use crate::error::AppendError;
use crate::port::{Appended, NewEvent};

fn taken(result: Result<Appended, AppendError>) -> Uuid {
    match result {
        Err(AppendError::EventIdTaken(id)) => id,
        other => panic!("expected an id that is taken, got {other:?}"),
    }
}

/// However late it comes and whatever it expects by then.
pub async fn a_repeat_is_answered_with_the_first_place(log: Log) {
    if !log.guarantees().several_streams {
        return a_repeat_to_one_stream(log).await;
    }
    let (one, two) = (stream(), stream());
    let (first, second) = (events(2), events(1));
    let append = |a, b| vec![to(&one, after(a), first.clone()), to(&two, after(b), second.clone())];
    let appended = log.append(append(None, None)).await.unwrap();
    log.append(vec![to(&one, after(Some(1)), events(1))]).await.unwrap();

    for (a, b) in [(None, None), (Some(2), Some(0)), (Some(7), None), (None, Some(0))] {
        let repeated = log.append(append(a, b)).await.unwrap();
        assert!(repeated.duplicate, "{a:?} {b:?}");
        assert_eq!(repeated.streams, appended.streams);
    }
    assert_eq!((whole(&log, &one).await.len(), whole(&log, &two).await.len()), (3, 1));

    // One stream of the two is a repeat as well.
    let repeated = log.append(vec![to(&one, after(None), first.clone())]).await.unwrap();
    assert!(repeated.duplicate && repeated.streams == appended.streams[..1]);
}

async fn a_repeat_to_one_stream(log: Log) {
    let name = stream();
    let first = events(2);
    let append = |expected| vec![to(&name, after(expected), first.clone())];
    let appended = log.append(append(None)).await.unwrap();
    log.append(vec![to(&name, after(Some(1)), events(1))]).await.unwrap();
    // The stream is at 2: that is where a repeat would not be known as one.
    for expected in [None, Some(0), Some(1), Some(7)] {
        let repeated = log.append(append(expected)).await.unwrap();
        assert!(repeated.duplicate, "{expected:?}");
        assert_eq!(repeated.streams, appended.streams);
    }
    assert_eq!(whole(&log, &name).await.len(), 3);
}

/// In another stream, in another order.
pub async fn an_id_of_another_event_is_refused(log: Log) {
    let (name, _) = begun(&log, 2).await;
    let there = whole(&log, &name).await;
    let reuse = |at: usize| NewEvent { id: there[at].id, ..event("other") };
    if !log.guarantees().unique_event_ids {
        taken(log.append(vec![to(&name, after(None), vec![reuse(1), reuse(0)])]).await);
        assert_eq!(whole(&log, &name).await, there);
        return;
    }
    let elsewhere = stream();
    assert_eq!(taken(log.append(vec![to(&elsewhere, after(None), vec![reuse(0)])]).await), there[0].id);
    assert_eq!(
        taken(log.append(vec![to(&elsewhere, after(None), vec![event("x"), reuse(1)])]).await),
        there[1].id
    );
    assert_eq!(whole(&log, &elsewhere).await, []);
    taken(log.append(vec![to(&name, after(Some(1)), vec![reuse(1), reuse(0)])]).await);
    assert_eq!(whole(&log, &name).await, there);
    // Neighbours of the same moment are not touched.
    let neighbours: Vec<String> = (0..8).map(|_| stream()).collect();
    let right = neighbours.iter().map(|name| log.append(vec![to(name, after(None), events(1))]));
    let wrong = log.append(vec![to(&elsewhere, after(None), vec![reuse(0)])]);
    let (taken_in, refused) = futures::join!(futures::future::join_all(right), wrong);
    assert!(taken_in.iter().all(Result::is_ok));
    taken(refused);
}

/// Some of its events are there, some are not: it was never appended like this.
pub async fn a_repeat_of_a_part_is_refused(log: Log) {
    let name = stream();
    let first = events(2);
    log.append(vec![to(&name, after(None), first.clone())]).await.unwrap();
    let longer: Vec<NewEvent> = first.iter().cloned().chain(events(1)).collect();
    // Where the expectation holds, some logs do not look at ids.
    let holds = log.guarantees().unique_event_ids.then_some(Some(1));
    for expected in [None].into_iter().chain(holds) {
        taken(log.append(vec![to(&name, after(expected), longer.clone())]).await);
    }
    // The beginning alone is a repeat.
    let repeated = log.append(vec![to(&name, after(None), first[..1].to_vec())]).await.unwrap();
    assert!(repeated.duplicate && repeated.streams[0].revision == 0);
    assert_eq!(whole(&log, &name).await.len(), 2);
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
        vec![to(&fresh, after(None), events(1)), to(&one, after(Some(2)), first.clone())],
        // Each in the other's stream.
        vec![to(&one, after(Some(2)), second.clone()), to(&two, after(Some(2)), first.clone())],
        // With one left out between them; backwards.
        vec![to(&one, after(None), vec![first[0].clone(), first[2].clone()])],
        vec![to(&one, after(Some(2)), first.iter().rev().cloned().collect())],
        // New ones before and after.
        vec![to(&two, after(Some(2)), vec![event("new"), second[2].clone(), event("new")])],
    ] {
        let id = taken(log.append(wrong).await);
        assert!(first.iter().chain(&second).any(|event| event.id == id));
        assert_eq!((whole(&log, &one).await, whole(&log, &two).await), before);
        assert_eq!(whole(&log, &fresh).await, []);
    }
    // What was refused has left nothing behind.
    log.append(vec![to(&fresh, after(None), events(1)), to(&one, after(Some(2)), events(1))]).await.unwrap();
}
