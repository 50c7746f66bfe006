//! Appends of the size that a server takes, and one byte more.

use std::sync::atomic::Ordering::SeqCst;

use eventlog::{AppendError, EventLog, ExpectedRevision, NewEvent};
use kurrent_server::Cluster;

use super::{event, log, to, whole};

/// So many events of one size.
fn of_size(count: usize, bytes: usize) -> Vec<NewEvent> {
    (0..count).map(|_| NewEvent { data: vec![b'x'; bytes], ..event() }).collect()
}

#[tokio::test]
async fn what_the_adapter_lets_through_the_server_takes() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let asked = || cluster.nodes[0].faults.appends.load(SeqCst);
    for count in [1, 2, 100, 500] {
        // The largest that is taken, found by halves; the server must never be the one that refuses.
        let (mut taken, mut refused) = (1, 1024 * 1024 / count + 1);
        while taken + 1 < refused {
            let bytes = usize::midpoint(taken, refused);
            let (stream, before) = (format!("run-{count}-{bytes}"), asked());
            match log.append(to(&stream, ExpectedRevision::NoStream, &of_size(count, bytes))).await {
                Ok(_) => taken = bytes,
                Err(AppendError::TooLarge { bytes: told, most }) => {
                    assert_eq!((told > most, asked()), (true, before), "{count} of {bytes}: {told} {most}");
                    refused = bytes;
                }
                Err(error) => panic!("{count} of {bytes}: {error}"),
            }
        }
        // Type, metadata and the attempt's word are all that an event has beside.
        assert!(taken * count > 1024 * 1024 - 100 * count, "{count} of {taken}");
    }
}

#[tokio::test]
async fn a_server_that_takes_less_says_how_much() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    cluster.nodes[0].faults.most_event_bytes.store(10_000, SeqCst);
    match log.append(to("run-a", ExpectedRevision::NoStream, &of_size(1, 20_000))).await {
        Err(AppendError::TooLarge { bytes: 20_002, most }) => {
            assert!((9_000..10_000).contains(&most), "{most}")
        }
        other => panic!("{other:?}"),
    }
    assert!(whole(&log, "run-a").await.is_empty());
}
