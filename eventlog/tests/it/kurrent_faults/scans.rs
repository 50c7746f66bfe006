//! A cluster that others use as well, far more than we do.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use eventlog::{EventLog, Position, Subscription};
use futures::FutureExt;
use kurrent_server::Cluster;

use super::{append, begun, ids, log, prefixed, soon, whole};

/// So many events of others make a scan with a filter take longer than any call may: 250 turns of 30 ms.
const FOREIGN: usize = 8_000;
const TURN_MILLIS: u64 = 30;

/// More bytes of the log than the server is asked to look through.
const FAR: u64 = 10_000;
/// Fewer.
const NEAR: u64 = 200;

#[tokio::test]
async fn what_is_behind_the_events_of_others_is_found_however_many_these_are() {
    for bytes in [FAR, NEAR] {
        let cluster = Cluster::start(1).await;
        let (ours, other) = (log(&cluster), log(&cluster));
        let first = begun(&ours, "run-a", 3).await;
        cluster.append_foreign("others-a", FOREIGN, bytes);
        let then = append(&ours, "run-b", None).await.position;
        cluster.append_foreign("others-b", FOREIGN, bytes);
        cluster.nodes[0].faults.filter_millis.store(TURN_MILLIS, SeqCst);
        assert_eq!(soon(other.head()).await.unwrap(), then);
        let mut followed = other.subscribe(Position(0)).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 4 {
            seen.extend(soon(followed.next_batch(10)).await.unwrap().into_iter().map(|event| event.id));
        }
        assert_eq!(seen[..3], ids(&first));
        let all = soon(other.read_all(Position(0), usize::MAX)).await.unwrap();
        assert_eq!(all.iter().map(|event| event.id).collect::<Vec<_>>(), seen);
        // It has come to the end meanwhile and hears what comes.
        append(&ours, "run-b", Some(0)).await;
        assert_eq!(soon(followed.next_batch(10)).await.unwrap()[0].revision, 1);
    }
}

#[tokio::test]
async fn a_read_is_over_when_it_has_what_it_wants() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let events = begun(&log, "run-a", 3).await;
    cluster.append_foreign("others-a", FOREIGN, NEAR);
    cluster.nodes[0].faults.filter_millis.store(TURN_MILLIS, SeqCst);
    let scans = cluster.nodes[0].faults.scans.load(SeqCst);
    for limit in 1..3 {
        let read = log.read_all(Position(0), limit).await.unwrap();
        assert_eq!(read.iter().map(|event| event.id).collect::<Vec<_>>(), ids(&events[..limit]));
    }
    assert_eq!(cluster.nodes[0].faults.scans.load(SeqCst), scans + 2, "at the first try");
}

#[tokio::test]
async fn a_head_that_is_not_waited_for_is_found_all_the_same() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let first = append(&log, "run-a", None).await.position;
    // Ten pages and more.
    cluster.append_foreign("others-a", 50_000, FAR);
    let other = super::log(&cluster);
    let scans = || cluster.nodes[0].faults.scans.load(SeqCst);
    let (before, mut tries) = (scans(), 0);
    let head = loop {
        // Given up as soon as it has begun with another page, as a health check gives up.
        let (asked, begun) = (other.head(), scans());
        let next = async {
            while scans() < begun + 2 {
                tokio::task::yield_now().await;
            }
        };
        tries += 1;
        assert!(tries < 100, "no try gets any further than the one before");
        tokio::select! {
            head = asked => break head.unwrap(),
            () = next => {}
        }
    };
    assert_eq!(head, first);
    assert!(tries > 1 && scans() - before < 50, "{tries} tries, {} pages", scans() - before);
    // That it answers was told at once.
    other.check().await.unwrap();
}

#[tokio::test]
async fn a_log_with_nothing_of_ours_has_no_head() {
    let cluster = Cluster::start(1).await;
    let (ours, same) = (log(&cluster), log(&cluster));
    assert_eq!(ours.head().await.unwrap(), Position(0));
    cluster.append_foreign("others-a", FOREIGN, FAR);
    assert_eq!(ours.head().await.unwrap(), Position(0));
    // Nothing of it is looked through again, by whoever follows from there.
    let scans = cluster.nodes[0].faults.scans.load(SeqCst);
    let mut followed = ours.subscribe(Position(0)).await.unwrap();
    assert!(followed.next_batch(1).now_or_never().is_none());
    assert_eq!(ours.head().await.unwrap(), Position(0));
    assert_eq!(cluster.nodes[0].faults.scans.load(SeqCst), scans);
    let place = append(&same, "run-a", None).await.position;
    assert_eq!(soon(followed.next_batch(1)).await.unwrap()[0].position, place);
    assert_eq!(ours.head().await.unwrap(), place);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_follower_of_a_busy_log_of_others_keeps_up() {
    let cluster = Arc::new(Cluster::start(1).await);
    let log = log(&cluster);
    let mut followed = log.subscribe(Position(0)).await.unwrap();
    for n in 0..20u64 {
        cluster.append_foreign("others-a", 500, NEAR);
        append(&log, "run-a", n.checked_sub(1)).await;
        cluster.append_foreign("others-b", 500, NEAR);
        assert_eq!(soon(followed.next_batch(10)).await.unwrap()[0].revision, n);
    }
    assert_eq!(whole(&log, "run-a").await.len(), 20);
}

#[tokio::test]
async fn a_quiet_log_is_not_looked_through_again_and_again() {
    let cluster = Cluster::start(1).await;
    let ours = log(&cluster);
    let theirs = prefixed(&cluster, "others-");
    append(&ours, "run-a", None).await;
    let mut followed = ours.subscribe(Position(0)).await.unwrap();
    assert_eq!(followed.next_batch(10).await.unwrap().len(), 1);
    begun(&theirs, "run-b", 50).await;
    let last = ours.head().await.unwrap();
    let scans = || cluster.nodes[0].faults.scans.load(SeqCst);
    let idle = async |followed: &mut Box<dyn Subscription>| {
        // However many turns that are: none of them may find anything, nor look for it.
        assert!(tokio::time::timeout(Duration::from_millis(400), followed.next_batch(10)).await.is_err());
        assert_eq!(ours.head().await.unwrap(), last);
    };
    // A look that was cut off may be done once more.
    let mut before = scans();
    soon(async {
        loop {
            idle(&mut followed).await;
            if scans() == before {
                break;
            }
            before = scans();
        }
    })
    .await;
    // And it still hears of what comes.
    append(&ours, "run-a", Some(0)).await;
    assert_eq!(followed.next_batch(10).await.unwrap()[0].revision, 1);
}

/// Positions are places in bytes, with other people's events between.
#[tokio::test]
async fn events_that_follow_a_position_are_counted_and_not_subtracted() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let first = append(&log, "run-a", None).await.position;
    cluster.append_foreign("somebody", 10, 100_000);
    begun(&log, "run-b", 6).await;
    assert!(log.head().await.unwrap().0 - first.0 > 1_000_000);
    let count = async |after, most| log.count_after(after, most).await.unwrap();
    assert_eq!(count(Position(0), 1_000).await, 7);
    assert_eq!(count(first, 1_000).await, 6);
    assert_eq!(count(first, 4).await, 4, "no further than asked");
    assert_eq!(count(log.head().await.unwrap(), 1_000).await, 0);
}
