//! Whether the database holds what was acknowledged, once, and shows it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::str::FromStr;

use eventlog::streams::{RESERVED, StreamKind, stream_kind};
use eventlog::{EventLog, Position, RecordedEvent};
use server::event_log::LogLocation;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use uuid::Uuid;

use super::counts::say;
use super::fold::{Expected, fold};
use super::load::Seen;
use super::program::{runledger, until};

/// The superuser's eyes on a database.
pub async fn connect(url: &str) -> PgPool {
    let options = PgConnectOptions::from_str(url.trim()).unwrap().application_name("audit");
    PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap()
}

/// Waits until the projector has caught up, then checks everything. Nothing may be appended meanwhile.
pub async fn audit(url: &str, event_log: &str, seen: &Seen) {
    let db = &connect(url).await;
    let location = LogLocation::parse(event_log).unwrap();
    let log = location.open(&PgConnectOptions::from_str(url.trim()).unwrap()).await.unwrap();
    let head = caught_up(db, log.as_ref()).await;
    let mut records: Vec<RecordedEvent> = Vec::new();
    loop {
        let after = records.last().map_or(Position(0), |record| record.position);
        let page = log.read_all(after, usize::MAX).await.unwrap();
        if page.is_empty() {
            break;
        }
        records.extend(page);
    }
    log.shutdown().await;
    assert_eq!(records.last().map(|record| record.position), Some(head), "the head is the last event");
    let dense = matches!(location, LogLocation::Postgres);
    in_order(&records, dense);
    acknowledged(&records, seen, dense);
    let expected = fold(&records);
    assert!(expected.runs.len() <= seen.operations, "one run for an operation");
    runs_and_notifications(db, &expected).await;
    db.close().await;
    let mut verify = runledger();
    verify.env("DATABASE_URL", url).env("RUNLEDGER_EVENT_LOG", event_log).args(["projector", "verify"]);
    let verify = verify.output().await.unwrap();
    let said = String::from_utf8_lossy(&verify.stdout).into_owned();
    assert!(verify.status.success(), "{said}{}", String::from_utf8_lossy(&verify.stderr));
    say(said.trim());
    say(format!(
        "audited {} events of {} runs, {} acknowledged, {} lost answers, refused {:?}, {} notifications",
        records.len(),
        expected.runs.len(),
        seen.acks.len(),
        seen.lost,
        seen.refusals,
        expected.notifications.len()
    ));
}

/// Waits until the projection has reached the head of the log; gives the head.
async fn caught_up(db: &PgPool, log: &dyn EventLog) -> Position {
    until("the projector to catch up", async || {
        let reached =
            sqlx::query_scalar("SELECT position FROM projection.checkpoints WHERE name = 'monitoring'");
        let reached: i64 = reached.fetch_one(db).await.unwrap();
        let head = log.head().await.unwrap();
        (head.0 == reached.cast_unsigned()).then_some(head)
    })
    .await
}

/// Positions grow, without gaps where the log is Postgres; revisions have none anywhere.
fn in_order(records: &[RecordedEvent], dense: bool) {
    let mut next: HashMap<&str, u64> = HashMap::new();
    let mut last = 0;
    for (record, position) in records.iter().zip(1..) {
        assert!(record.position.0 > last, "{} after {last}", record.position.0);
        assert!(!dense || record.position.0 == position, "positions are dense");
        last = record.position.0;
        let revision = next.entry(&record.stream).or_default();
        assert_eq!(record.revision, *revision, "revisions of {} are dense", record.stream);
        *revision += 1;
    }
}

fn acknowledged(records: &[RecordedEvent], seen: &Seen, dense: bool) {
    let mut streams: HashMap<Uuid, Vec<&RecordedEvent>> = HashMap::new();
    let mut reserved: BTreeSet<&str> = BTreeSet::new();
    for record in records {
        match stream_kind(&record.stream) {
            StreamKind::Run => {
                let run = record.stream[record.stream.len() - 36..].parse().unwrap();
                streams.entry(run).or_default().push(record);
            }
            // No operation ever gives its key to a second run: contexts are used once.
            StreamKind::Reservation => {
                assert_eq!(record.event_type, RESERVED);
                assert!(reserved.insert(&record.stream), "{} was reserved twice", record.stream);
            }
            // Tenants and tokens, as the setup made them.
            StreamKind::Admin => {}
            StreamKind::Reference
            | StreamKind::Notification
            | StreamKind::Directory
            | StreamKind::Foreign => panic!("{record:?}"),
        }
    }
    let mut known: BTreeMap<Uuid, u64> = BTreeMap::new();
    for ack in &seen.acks {
        let found = streams.get(&ack.run).and_then(|run| run.get(usize::try_from(ack.revision).unwrap()));
        let found = found.unwrap_or_else(|| panic!("lost: {ack:?}"));
        assert!(ack.event.is_none_or(|event| event == found.id), "{ack:?} is {found:?}");
        let in_place =
            // Of an append only the last position is told; where they have gaps the others are not known.
            if ack.exact && dense { found.position.0 == ack.position } else { found.position.0 <= ack.position };
        assert!(in_place, "{ack:?} is at {:?}", found.position);
        known.entry(ack.run).and_modify(|last| *last = ack.revision.max(*last)).or_insert(ack.revision);
    }
    // A run holds what its producer said, in that order, each word once.
    for (run, records) in &streams {
        assert_eq!(records[0].event_type, "Queued", "{run}");
        let sent = seen.sent.get(run).map_or(&[][..], Vec::as_slice);
        let held: Vec<Uuid> = records[1..].iter().map(|record| record.id).collect();
        assert!(sent.starts_with(&held), "run {run} holds {held:?} of {sent:?}");
    }
}

/// What the domain alone makes of the log, beside the rows and notifications.
async fn runs_and_notifications(db: &PgPool, expected: &Expected) {
    let found = sqlx::query_as("SELECT run_id, status, revision FROM projection.runs");
    let found: Vec<(Uuid, String, i64)> = found.fetch_all(db).await.unwrap();
    let found = found.into_iter().map(|(run, status, revision)| (run, (status, revision))).collect();
    same("projection.runs", &found, &expected.runs);
    let found = sqlx::query_as("SELECT run_id, transition, recipient FROM projection.notifications");
    let found: Vec<(Uuid, String, String)> = found.fetch_all(db).await.unwrap();
    assert_eq!(found.len(), expected.notifications.len(), "no notification twice");
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), expected.notifications);
}

fn same<K, V>(what: &str, found: &BTreeMap<K, V>, expected: &BTreeMap<K, V>)
where
    K: Ord + std::fmt::Debug,
    V: PartialEq + std::fmt::Debug,
{
    for (key, value) in expected {
        assert_eq!(found.get(key), Some(value), "{what} at {key:?}");
    }
    for key in found.keys() {
        assert!(expected.contains_key(key), "{what} has a row too many: {key:?}");
    }
}
