//! Subscriptions.

use std::collections::HashMap;

use futures::FutureExt;
use futures::future::join_all;

use super::{Log, after, events, soon, stream, to};
use crate::port::{Position, RecordedEvent, Subscription};

/// Reads until the events of these streams, so many each, have all come; checks order and that each came
/// once.
pub(super) async fn follow(
    subscription: &mut dyn Subscription,
    limit: usize,
    mut wanted: HashMap<String, u64>,
) {
    let mut last = Position(0);
    let mut seen: HashMap<String, u64> = HashMap::new();
    while !wanted.is_empty() {
        let batch = soon(subscription.next_batch(limit)).await.unwrap();
        assert!(!batch.is_empty() && batch.len() <= limit);
        for RecordedEvent { position, stream, revision, .. } in batch {
            assert!(position > last, "{position:?} after {last:?}");
            last = position;
            let Some(count) = wanted.get(&stream).copied() else { continue };
            let next = seen.entry(stream.clone()).or_default();
            assert_eq!(revision, *next, "of {stream}");
            *next += 1;
            if *next == count {
                wanted.remove(&stream);
            }
        }
    }
}

/// Followers that begin before, amid and after the writing, with pages of any size.
pub async fn a_follower_sees_each_event_once_while_writers_are_busy(log: Log) {
    let start = log.head().await.unwrap();
    let streams: Vec<String> = (0..16).map(|_| stream()).collect();
    let wanted: HashMap<String, u64> = streams.iter().map(|name| (name.clone(), 60)).collect();
    let follower = |limit| {
        let (log, wanted) = (log.clone(), wanted.clone());
        tokio::spawn(async move {
            let mut subscription = log.subscribe(start).await.unwrap();
            follow(&mut *subscription, limit, wanted).await;
        })
    };
    let mut followers = vec![follower(1), follower(7)];
    let writers: Vec<_> = (streams.iter().cloned())
        .map(|name| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut last = None;
                for _ in 0..30 {
                    let appended = log.append(to(&name, after(last), events(2))).await.unwrap();
                    last = Some(appended.revision);
                }
            })
        })
        .collect();
    // Some begin when a part is written.
    let mut amid = log.subscribe(start).await.unwrap();
    for limit in [3, 100, 1_000] {
        soon(amid.next_batch(50)).await.unwrap();
        followers.push(follower(limit));
    }
    soon(join_all(writers)).await.into_iter().for_each(Result::unwrap);
    followers.push(follower(13));
    soon(join_all(followers)).await.into_iter().for_each(Result::unwrap);
}

/// It gets what is appended later, and begins where it is told to.
pub async fn a_follower_waits_for_the_next_event(log: Log) {
    let (mut one, mut two) = {
        let head = log.head().await.unwrap();
        (log.subscribe(head).await.unwrap(), log.subscribe(head).await.unwrap())
    };
    for _ in 0..20 {
        let name = stream();
        let append = log.append(to(&name, after(None), events(1)));
        let (appended, ()) =
            futures::join!(append, follow(&mut *one, 10, HashMap::from([(name.clone(), 1)])));
        follow(&mut *two, 10, HashMap::from([(name, 1)])).await;
        // A subscription from there on does not see it again.
        let place = appended.unwrap().position;
        let mut later = log.subscribe(place).await.unwrap();
        let next = stream();
        log.append(to(&next, after(None), events(1))).await.unwrap();
        let batch = soon(later.next_batch(10)).await.unwrap();
        assert!(batch.iter().all(|event| event.position > place));
    }
}

/// One that has found nothing and waits is woken by what comes.
pub async fn a_follower_that_already_waits_is_woken(log: Log) {
    let head = log.head().await.unwrap();
    let mut subscription = log.subscribe(head).await.unwrap();
    for _ in 0..20 {
        let name = stream();
        let mut batch = {
            let mut asked = subscription.next_batch(10);
            // Far enough to wait, on a log that nobody else uses; if not, it is still right.
            let mut early = None;
            for _ in 0..50 {
                if early.is_none() {
                    early = (&mut asked).now_or_never();
                }
                tokio::task::yield_now().await;
            }
            log.append(to(&name, after(None), events(1))).await.unwrap();
            match early {
                Some(batch) => batch,
                None => soon(asked).await,
            }
        };
        while !batch.unwrap().iter().any(|event| event.stream == name) {
            batch = soon(subscription.next_batch(10)).await;
        }
    }
}

/// Futures that are dropped before they are done.
pub async fn a_follower_that_is_cut_off_loses_nothing(log: Log) {
    let head = log.head().await.unwrap();
    let name = stream();
    let mut subscription = log.subscribe(head).await.unwrap();
    let writer = tokio::spawn({
        let (log, name) = (log.clone(), name.clone());
        async move {
            let mut last = None;
            for _ in 0..100 {
                let appended = log.append(to(&name, after(last), events(1))).await.unwrap();
                last = Some(appended.revision);
            }
        }
    });
    let mut next = 0;
    let mut polls = 0u32;
    let all = async {
        while next < 100 {
            polls += 1;
            // Polled once and dropped; or after some turns of the runtime; or not at all.
            let batch = match polls % 3 {
                0 => subscription.next_batch(3).now_or_never(),
                1 => tokio::select! {
                    biased;
                    batch = subscription.next_batch(3) => Some(batch),
                    () = async { for _ in 0..polls % 64 { tokio::task::yield_now().await } } => None,
                },
                _ => Some(subscription.next_batch(3).await),
            };
            for event in batch.map(Result::unwrap).unwrap_or_default() {
                if event.stream == name {
                    assert_eq!(event.revision, next);
                    next += 1;
                }
            }
            tokio::task::yield_now().await;
        }
    };
    soon(all).await;
    soon(writer).await.unwrap();
}
