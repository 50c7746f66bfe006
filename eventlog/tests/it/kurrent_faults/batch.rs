//! Why appends are not batched: what the client makes of a session.

use std::sync::atomic::Ordering::SeqCst;

use eventstore::{BatchAppendOptions, Client, EventData, StreamState};
use futures::future::join_all;
use kurrent_server::Cluster;

use super::{log, soon, whole};

fn one() -> Vec<EventData> {
    vec![EventData::binary("Tried", "{}".into())]
}

async fn session(cluster: &Cluster) -> eventstore::BatchAppendClient {
    let client = Client::new(cluster.url().parse().unwrap()).unwrap();
    client.batch_append(&BatchAppendOptions::default()).await.unwrap()
}

/// The server goes on, and has all but the bad one; the client ends the session, and nobody else hears
/// what became of theirs.
#[tokio::test(flavor = "multi_thread")]
async fn one_refused_append_of_a_batch_session_fails_its_neighbours() {
    let cluster = Cluster::start(1).await;
    let session = session(&cluster).await;
    // The first answer waits until all are asked for, so that the bad one has neighbours.
    let faults = cluster.nodes[0].faults.clone();
    faults.hold_answers.store(1, SeqCst);
    let expected = |n| if n == 0 { StreamState::StreamRevision(7) } else { StreamState::NoStream };
    let appends = join_all((0..5).map(|n| session.append_to_stream(format!("run-{n}"), expected(n), one())));
    let held = async {
        while faults.appends.load(SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        faults.let_go();
    };
    let (answers, ()) = soon(futures::future::join(appends, held)).await;
    assert!(answers.iter().all(Result::is_err), "{answers:?}");
    let log = log(&cluster);
    soon(async {
        for n in 1..5 {
            while whole(&log, &format!("run-{n}")).await.is_empty() {}
        }
    })
    .await;
    assert!(session.append_to_stream("run-later", StreamState::NoStream, one()).await.is_err());
}

#[tokio::test]
async fn an_answer_of_a_session_that_comes_twice_or_late_is_taken_once() {
    let cluster = Cluster::start(1).await;
    let session = session(&cluster).await;
    cluster.nodes[0].faults.double_answers.store(1, SeqCst);
    for revision in 0..3u64 {
        let state = revision.checked_sub(1).map_or(StreamState::NoStream, StreamState::StreamRevision);
        let answer = soon(session.append_to_stream("run-a", state, one())).await.unwrap();
        assert_eq!(answer.current_revision(), Some(revision));
    }
}
