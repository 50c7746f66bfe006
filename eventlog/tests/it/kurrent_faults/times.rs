//! When an event was taken in: to the microsecond, though the client cuts the cluster's own time to seconds.

use chrono::{DateTime, Utc};

use domain::{Event, EventBody, Started, wire};
use eventlog::fact::Fact;
use eventlog::streams::{run_event, run_stream};
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
        schema_version: wire::SCHEMA_VERSION,
        tenant: "acme".parse().unwrap(),
        run: Uuid::now_v7().try_into().unwrap(),
        revision: 0,
        occurred_at: at("2026-05-04T03:02:01.000002Z"),
        recorded_at: at("2026-05-04T03:02:01.987654Z"),
        actor: "worker".parse().unwrap(),
        correlation_id: None,
        causation_id: None,
        origin: None,
        body: EventBody::Started(Started { worker: None, heartbeat_seconds: None }),
    };
    let recorded = Fact::Run(&given).record().unwrap();
    let stream = run_stream(&given.tenant, given.run);
    log.append(to(&stream, ExpectedRevision::NoStream, &[recorded])).await.unwrap();
    let read = log.last_event(&stream).await.unwrap().unwrap();
    assert_eq!(run_event(&read).unwrap(), given);

    // Why our own time is in the metadata.
    let client = Client::new(cluster.url().parse().unwrap()).unwrap();
    let mut read = client.read_stream(stream.as_str(), &ReadStreamOptions::default()).await.unwrap();
    let event = read.next().await.unwrap().unwrap();
    assert_eq!(event.get_original_event().created.timestamp_subsec_nanos(), 0);
}
