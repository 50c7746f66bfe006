//! The log that catch-up folds: runs of 25 events, so many of them interleaved.

use chrono::{DateTime, TimeDelta, Utc};
use domain::key::{IdempotencySecret, idempotency_key};
use domain::reason::ReasonCode;
use domain::{
    Completed, Event, EventBody, Initiator, ItemFailed, ItemSucceeded, Labels, Queued, RunId, Started,
    TenantId,
};
use eventlog::fact::Fact;
use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::streams::run_stream;
use eventlog::{EventLog, ExpectedRevision, StreamAppend};
use futures::{StreamExt, TryStreamExt, stream};
use redaction::CleanText;
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use uuid::{Builder, Uuid};

use crate::Failure;

/// Events of a run: `Queued`, `Started`, 20 `ItemSucceeded`, 2 `ItemFailed`, `Completed`.
pub const RUN_EVENTS: usize = 25;

/// Appends that wait for the log at a time: it commits them together.
const AT_ONCE: usize = 1_000;

const TENANTS: [&str; 3] = ["acme", "demo", "northwind"];
const KINDS: [&str; 4] = ["backup.nightly", "drift.check", "import.volumes", "policy.apply"];

/// Appends `runs` runs, `interleaved` of them at a time: the first event of each, the second of each and
/// so on.
pub async fn append(database: &PgConnectOptions, runs: usize, interleaved: usize) -> Result<(), Failure> {
    let log = PostgresLog::connect(database.clone(), PostgresLogConfig::default()).await?;
    let begin = DateTime::from_timestamp(1_772_323_200, 0).ok_or("no such moment")?;
    let mut first = 0;
    while first < runs {
        let group = first..(first + interleaved).min(runs);
        for revision in 0..RUN_EVENTS {
            let appends =
                group.clone().map(|run| one(run, revision, begin)).collect::<Result<Vec<_>, _>>()?;
            let appended = stream::iter(appends).map(|append| log.append(append)).buffered(AT_ONCE);
            appended.try_for_each(async |_| Ok(())).await?;
        }
        first = group.end;
    }
    log.shutdown().await;
    Ok(())
}

/// A run's next event, as an append.
fn one(run: usize, revision: usize, begin: DateTime<Utc>) -> Result<StreamAppend, Failure> {
    let event = event(run, revision, begin)?;
    let expected = match event.revision {
        0 => ExpectedRevision::NoStream,
        next => ExpectedRevision::Exact(next - 1),
    };
    let stream = run_stream(&event.tenant, event.run);
    Ok(StreamAppend { stream, expected, events: vec![Fact::Run(&event).record()?] })
}

/// The event of a run at a revision. Everything but the ids follows from the two numbers.
fn event(run: usize, revision: usize, begin: DateTime<Utc>) -> Result<Event, Failure> {
    let tenant: TenantId = TENANTS[run % TENANTS.len()].parse()?;
    // A run a second, an event a second.
    let seconds = i64::try_from(run + revision)?;
    let at = begin + TimeDelta::seconds(seconds);
    let millis = u64::try_from(begin.timestamp_millis())? + run as u64;
    let mut random = [0; 10];
    random[2..].copy_from_slice(&(run as u64).to_be_bytes());
    Ok(Event {
        id: Uuid::new_v4(),
        schema_version: domain::wire::SCHEMA_VERSION,
        run: RunId::new(Builder::from_unix_timestamp_millis(millis, &random).into_uuid())?,
        revision: revision as u64,
        occurred_at: at,
        recorded_at: at + TimeDelta::milliseconds(3),
        actor: format!("worker-{}", run % 16).parse()?,
        correlation_id: None,
        causation_id: None,
        origin: None,
        body: body(tenant.as_str(), run, revision)?,
        tenant,
    })
}

fn body(tenant: &str, run: usize, revision: usize) -> Result<EventBody, Failure> {
    Ok(match revision {
        0 => EventBody::Queued(Box::new(queued(tenant, run)?)),
        1 => EventBody::Started(Started {
            worker: Some(CleanText::new(&format!("worker-{}", run % 16))),
            heartbeat_seconds: Some(60.try_into()?),
        }),
        24 => EventBody::Completed(Completed {
            message: Some(CleanText::new("went through all volumes")),
            tally: None,
        }),
        8 | 16 => EventBody::ItemFailed(ItemFailed {
            item: format!("volume-{revision:04}").try_into()?,
            label: Some(CleanText::new(&format!("Volume {revision}"))),
            namespace: None,
            reason_code: ReasonCode::parse("permission_denied")?,
            message: CleanText::new("the volume may not be read by this worker"),
        }),
        _ => EventBody::ItemSucceeded(ItemSucceeded {
            item: format!("volume-{revision:04}").try_into()?,
            label: Some(CleanText::new(&format!("Volume {revision}"))),
            namespace: None,
        }),
    })
}

fn queued(tenant: &str, run: usize) -> Result<Queued, Failure> {
    let kind = KINDS[run % KINDS.len()];
    let context = json!({"set": format!("set-{run}"), "volumes": 22, "dry": false});
    let labels: Labels = serde_json::from_value(json!({"env": "prod", "region": format!("r{}", run % 8)}))?;
    Ok(Queued {
        kind: kind.parse()?,
        initiator: Some(Initiator {
            id: format!("user-{}", run % 100).parse()?,
            name: Some(CleanText::new(&format!("User {}", run % 100))),
        }),
        idempotency_key: Some(idempotency_key(
            &IdempotencySecret::from([7; 32]),
            tenant,
            kind,
            &context,
            &[],
        )?),
        context,
        items_total: Some(22.try_into()?),
        labels,
        title: Some(CleanText::new(&format!("Nightly set {run}"))),
        reference: None,
        parent: None,
        retry_of: None,
        resumes: None,
    })
}
