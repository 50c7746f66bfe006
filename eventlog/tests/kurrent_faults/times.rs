//! When an event was taken in: to the microsecond, though the client cuts the cluster's own time to seconds.

use chrono::{DateTime, Utc};

use domain::{Event, EventBody, Started};
use eventlog::streams::{record, run_event};
use eventlog::{EventLog, ExpectedRevision};
use eventstore::{Client, ReadStreamOptions};
use kurrent_server::Cluster;
use uuid::Uuid;

use super::{log, to};

#[tokio::test]
async fn times_keep_their_microseconds() {
    let cluster = Cluster::start(1).await;
    let log = log(&cluster);
    let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let given = Event {
        id: Uuid::new_v4(),
        schema_version: 1,
        tenant: "acme".parse().unwrap(),
        run: Uuid::now_v7().try_into().unwrap(),
        revision: 0,
        occurred_at: at("2026-05-04T03:02:01.000002Z"),
        recorded_at: at("2026-05-04T03:02:01.987654Z"),
        actor: "worker".parse().unwrap(),
        correlation_id: None,
        causation_id: None,
        body: EventBody::Started(Started { worker: None, heartbeat_seconds: None }),
    };
    let recorded = record(&given).unwrap();
    log.append(to("run-a", ExpectedRevision::NoStream, &[recorded])).await.unwrap();
    let read = log.last_event("run-a").await.unwrap().unwrap();
    assert_eq!(run_event(&read).unwrap(), given);

    // Why our own time is in the metadata.
    let client = Client::new(cluster.url().parse().unwrap()).unwrap();
    let mut read = client.read_stream("run-a", &ReadStreamOptions::default()).await.unwrap();
    let event = read.next().await.unwrap().unwrap();
    assert_eq!(event.get_original_event().created.timestamp_subsec_nanos(), 0);
}
