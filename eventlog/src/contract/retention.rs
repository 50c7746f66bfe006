//! Events that are let go and streams that are ended, on logs that can do that. Others say that they can't,
//! and lose nothing.

use std::collections::HashMap;
use std::time::Duration;

use super::following::follow;
use super::{Log, after, begun, events, stream, to, whole};
use crate::error::LogError;
use crate::port::Retention;

/// What is left is the end of the stream, which goes on as before.
pub async fn what_is_let_go_is_the_oldest(log: Log) {
    let (name, _) = begun(&log, 5).await;
    let a_day = Some(Duration::from_secs(86_400));
    match log.retain(&name, Retention { max_age: a_day, truncate_before: Some(3) }).await {
        Err(LogError::Unsupported(_)) => {
            assert_eq!(whole(&log, &name).await.len(), 5);
            return;
        }
        done => done.unwrap(),
    }
    // Older ones may go: not at once, and perhaps never.
    let revisions: Vec<u64> = whole(&log, &name).await.iter().map(|event| event.revision).collect();
    assert!(revisions[0] <= 3 && revisions == (revisions[0]..5).collect::<Vec<u64>>(), "{revisions:?}");
    let read = log.read_stream(&name, 4, 10).await.unwrap();
    assert_eq!(read.iter().map(|event| event.revision).collect::<Vec<u64>>(), [4]);
    assert_eq!(log.last_event(&name).await.unwrap().unwrap().revision, 4);
    let appended = log.append(vec![to(&name, after(Some(4)), events(1))]).await.unwrap();
    assert_eq!(appended.streams[0].revision, 5);
    let wrong = log.append(vec![to(&name, after(Some(4)), events(1))]).await;
    assert_eq!(super::actual(wrong), Some(5));
}

/// It takes no more, and nobody else notices.
pub async fn a_stream_that_is_ended_takes_no_more(log: Log) {
    let (name, _) = begun(&log, 2).await;
    let head = log.head().await.unwrap();
    match log.tombstone(&name).await {
        Err(LogError::Unsupported(_)) => {
            log.append(vec![to(&name, after(Some(1)), events(1))]).await.unwrap();
            return;
        }
        done => done.unwrap(),
    }
    assert_eq!(whole(&log, &name).await, []);
    assert_eq!(log.last_event(&name).await.unwrap(), None);
    for expected in [None, Some(1)] {
        let refused = log.append(vec![to(&name, after(expected), events(1))]).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    let (mut followed, other) = (log.subscribe(head).await.unwrap(), stream());
    log.append(vec![to(&other, after(None), events(3))]).await.unwrap();
    follow(&mut *followed, 10, HashMap::from([(other, 3)])).await;
}
