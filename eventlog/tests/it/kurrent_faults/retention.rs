//! Events that were let go, and streams that were ended.

use std::time::Duration;

use eventlog::{AppendError, EventLog, ExpectedRevision, Position, Retention};
use eventstore::{Client, DeleteStreamOptions};
use kurrent_server::Cluster;

use super::{append, begun, event, ids, log, prefixed, soon, to, whole};

const KEPT_A_DAY: Retention =
    Retention { max_age: Some(Duration::from_secs(86_400)), truncate_before: Some(3) };

#[tokio::test]
async fn retention_is_in_the_streams_metadata() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    append(&log, "run-a", None).await;
    log.retain("run-a", KEPT_A_DAY).await.unwrap();
    let metadata = prefixed(&cluster, "$$");
    let written = metadata.read_stream("run-a", 0, 10).await.unwrap();
    let written: serde_json::Value = serde_json::from_slice(&written[0].data).unwrap();
    assert_eq!(written, serde_json::json!({"$maxAge": 86_400, "$tb": 3}));
}

#[tokio::test]
async fn a_stream_whose_oldest_events_are_gone_is_read_from_the_first_that_is_left() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let mut events = begun(&log, "run-a", 10).await;
    log.retain("run-a", KEPT_A_DAY).await.unwrap();
    for (from, limit, first, count) in
        [(0, 100, 3, 7), (0, 2, 3, 2), (3, 100, 3, 7), (5, 1, 5, 1), (10, 9, 0, 0)]
    {
        let read = log.read_stream("run-a", from, limit).await.unwrap();
        let revisions: Vec<u64> = read.iter().map(|event| event.revision).collect();
        assert_eq!(revisions, (first..first + count).collect::<Vec<u64>>(), "from {from}");
    }
    // A repeat of events that are left is found where they are.
    let last = vec![events.pop().unwrap()];
    let repeated = log.append(to("run-a", ExpectedRevision::Exact(8), &last)).await.unwrap();
    assert!(repeated.duplicate && repeated.streams[0].revision == 9);
    // One of an event that is elsewhere is a conflict.
    let gone = vec![events.swap_remove(0)];
    let refused = soon(log.append(to("run-a", ExpectedRevision::Exact(4), &gone))).await;
    assert!(matches!(refused, Err(AppendError::Conflict { actual: Some(9), .. })), "{refused:?}");
    assert_eq!(append(&log, "run-a", Some(9)).await.streams[0].revision, 10);
}

#[tokio::test]
async fn a_deleted_stream_goes_on_where_it_was() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    begun(&log, "run-a", 4).await;
    let client = Client::new(cluster.url().parse().unwrap()).unwrap();
    client.delete_stream("run-a", &DeleteStreamOptions::default()).await.unwrap();
    assert!(whole(&log, "run-a").await.is_empty());
    assert_eq!(log.last_event("run-a").await.unwrap(), None);
    let next = begun(&log, "run-b", 1).await;
    assert_eq!(whole(&log, "run-b").await, ids(&next));
}

#[tokio::test]
async fn a_tombstone_ends_a_stream_and_is_no_event_of_it() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let place = append(&log, "run-a", None).await.streams[0].position;
    log.tombstone("run-a").await.unwrap();
    log.tombstone("run-a").await.unwrap();
    assert!(whole(&log, "run-a").await.is_empty());
    let refused = log.append(to("run-a", ExpectedRevision::Exact(0), &[event()])).await;
    assert!(refused.is_err(), "{refused:?}");
    let all = log.read_all(Position(0), 10).await.unwrap();
    assert_eq!(all.iter().map(|event| event.revision).collect::<Vec<_>>(), [0]);
    assert_eq!(log.head().await.unwrap(), place);
}
