//! Events that whoever runs the cluster has let go, and streams that they have ended.

use eventlog::{AppendError, EventLog, ExpectedRevision, Position};
use eventstore::{
    AppendToStreamOptions, Client, DeleteStreamOptions, EventData, StreamState, TombstoneStreamOptions,
};
use kurrent_server::Cluster;
use serde_json::json;

use super::{append, begun, event, ids, log, soon, to, whole};

fn client(cluster: &Cluster) -> Client {
    Client::new(cluster.url().parse().unwrap()).unwrap()
}

/// Lets go what is before a revision, and what is older than a day. Not by the client's own words: it writes the age
/// in milliseconds, which a server takes for seconds.
async fn let_go(cluster: &Cluster, stream: &str, before: u64) {
    let metadata = json!({"$maxAge": 86_400, "$tb": before});
    let event = EventData::json("$metadata", &metadata).unwrap();
    let options = AppendToStreamOptions::default().stream_state(StreamState::Any);
    client(cluster).append_to_stream(format!("$${stream}"), &options, event).await.unwrap();
}

#[tokio::test]
async fn a_stream_whose_oldest_events_are_gone_is_read_from_the_first_that_is_left() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let mut events = begun(&log, "run-a", 10).await;
    let_go(&cluster, "run-a", 3).await;
    for (from, limit, first, count) in
        [(0, 100, 3, 7), (0, 2, 3, 2), (3, 100, 3, 7), (5, 1, 5, 1), (10, 9, 0, 0)]
    {
        let read = log.read_stream("run-a", from, limit).await.unwrap();
        let revisions: Vec<u64> = read.iter().map(|event| event.revision).collect();
        assert_eq!(revisions, (first..first + count).collect::<Vec<u64>>(), "from {from}");
    }
    assert_eq!(log.last_event("run-a").await.unwrap().unwrap().revision, 9);
    // A repeat of events that are left is found where they are.
    let last = vec![events.pop().unwrap()];
    let repeated = log.append(to("run-a", ExpectedRevision::Exact(8), &last)).await.unwrap();
    assert!(repeated.duplicate && repeated.revision == 9);
    // One of an event that is elsewhere is a conflict.
    let gone = vec![events.swap_remove(0)];
    let refused = soon(log.append(to("run-a", ExpectedRevision::Exact(4), &gone))).await;
    assert!(matches!(refused, Err(AppendError::Conflict { actual: Some(9), .. })), "{refused:?}");
    assert_eq!(append(&log, "run-a", Some(9)).await.revision, 10);
}

#[tokio::test]
async fn a_deleted_stream_goes_on_where_it_was() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    begun(&log, "run-a", 4).await;
    client(&cluster).delete_stream("run-a", &DeleteStreamOptions::default()).await.unwrap();
    assert!(whole(&log, "run-a").await.is_empty());
    assert_eq!(log.last_event("run-a").await.unwrap(), None);
    let next = begun(&log, "run-b", 1).await;
    assert_eq!(whole(&log, "run-b").await, ids(&next));
}

#[tokio::test]
async fn a_tombstone_ends_a_stream_and_is_no_event_of_it() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let place = append(&log, "run-a", None).await.position;
    let mut followed = log.subscribe(place).await.unwrap();
    let ended = TombstoneStreamOptions::default().stream_state(StreamState::Any);
    client(&cluster).tombstone_stream("run-a", &ended).await.unwrap();
    assert!(whole(&log, "run-a").await.is_empty());
    assert_eq!(log.last_event("run-a").await.unwrap(), None);
    for expected in [ExpectedRevision::NoStream, ExpectedRevision::Exact(0)] {
        let refused = log.append(to("run-a", expected, &[event()])).await;
        assert!(refused.is_err(), "{refused:?}");
    }
    let all = log.read_all(Position(0), 10).await.unwrap();
    assert_eq!(all.iter().map(|event| event.revision).collect::<Vec<_>>(), [0]);
    assert_eq!(log.head().await.unwrap(), place);
    // Nobody else notices.
    let next = begun(&log, "run-b", 3).await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.extend(soon(followed.next_batch(10)).await.unwrap().into_iter().map(|event| event.id));
    }
    assert_eq!(seen, ids(&next));
}
