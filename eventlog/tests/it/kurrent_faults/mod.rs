//! What goes wrong with clusters and their client, one test each. Only the double fails on demand, so these
//! do not run on a real cluster.

mod batch;
mod calls;
mod credentials;
mod retention;
mod scans;
mod sizes;
mod sockets;
mod subscription;
mod times;

use std::time::Duration;

use eventlog::kurrent::{KurrentConfig, KurrentLog};
use eventlog::{Appended, EventLog, ExpectedRevision, NewEvent, StreamAppend};
use kurrent_server::Cluster;
use uuid::Uuid;

/// Longer than anything here takes; only a hang meets it.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for something that must happen.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it happens in time")
}

fn config(cluster: &Cluster) -> KurrentConfig {
    KurrentConfig::parse(&cluster.url()).unwrap()
}

fn log(cluster: &Cluster) -> KurrentLog {
    KurrentLog::open(config(cluster)).unwrap()
}

/// One that soon gives up.
fn hasty(cluster: &Cluster) -> KurrentLog {
    let mut config = config(cluster);
    config.patience = Duration::from_millis(50);
    KurrentLog::open(config).unwrap()
}

fn prefixed(cluster: &Cluster, prefix: &str) -> KurrentLog {
    let mut config = config(cluster);
    config.prefix = prefix.to_owned();
    KurrentLog::open(config).unwrap()
}

fn event() -> NewEvent {
    NewEvent {
        id: Uuid::new_v4(),
        event_type: "Tried".into(),
        data: b"{}".to_vec(),
        metadata: b"{}".to_vec(),
    }
}

fn to(stream: &str, expected: ExpectedRevision, events: &[NewEvent]) -> StreamAppend {
    StreamAppend { stream: stream.to_owned(), expected, events: events.to_vec() }
}

async fn append(log: &KurrentLog, stream: &str, last: Option<u64>) -> Appended {
    let expected = last.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
    log.append(to(stream, expected, &[event()])).await.unwrap()
}

async fn begun(log: &KurrentLog, stream: &str, count: usize) -> Vec<NewEvent> {
    let events: Vec<NewEvent> = (0..count).map(|_| event()).collect();
    log.append(to(stream, ExpectedRevision::NoStream, &events)).await.unwrap();
    events
}

async fn whole(log: &KurrentLog, stream: &str) -> Vec<Uuid> {
    log.read_stream(stream, 0, usize::MAX).await.unwrap().into_iter().map(|event| event.id).collect()
}

fn ids(events: &[NewEvent]) -> Vec<Uuid> {
    events.iter().map(|event| event.id).collect()
}
