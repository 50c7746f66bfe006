//! What an append costs: counted, not timed.

use std::sync::Arc;

use commands::{AppendRequest, Commands, CommandsConfig, StartRequest};
use domain::{EventBody, ItemSucceeded, ProposedEvent, RunId, Started};
use eventlog::EventLog;
use eventlog::memory::MemoryLog;
use serde_json::json;
use tests::{Counted, CountingLog};
use uuid::Uuid;

fn proposed(body: EventBody) -> ProposedEvent {
    ProposedEvent { id: Uuid::new_v4(), occurred_at: None, correlation_id: None, causation_id: None, body }
}

fn item(n: usize) -> ProposedEvent {
    let item = format!("item-{n}").try_into().unwrap();
    proposed(EventBody::ItemSucceeded(ItemSucceeded { item, label: None, namespace: None }))
}

fn append(run: RunId, events: Vec<ProposedEvent>) -> AppendRequest {
    let (tenant, actor) = ("demo".parse().unwrap(), "producer".parse().unwrap());
    AppendRequest { tenant, run, actor, origin: None, expected_revision: None, events }
}

async fn started(commands: &Commands) -> RunId {
    let request = StartRequest::new(
        "demo".parse().unwrap(),
        "producer".parse().unwrap(),
        "bulk".parse().unwrap(),
        json!({"nonce": Uuid::new_v4()}),
    );
    let run = commands.start(request).await.unwrap().run;
    let began = proposed(EventBody::Started(Started { worker: None, heartbeat_seconds: None }));
    commands.append(append(run, vec![began])).await.unwrap();
    run
}

#[tokio::test]
async fn the_hundred_thousandth_item_costs_what_the_tenth_did() {
    let log = CountingLog::new(Arc::new(MemoryLog::new()));
    let commands = Commands::new(log.clone(), tests::keys());
    let run = started(&commands).await;
    for n in 0..9 {
        commands.append(append(run, vec![item(n)])).await.unwrap();
    }
    log.take();
    commands.append(append(run, vec![item(9)])).await.unwrap();
    let tenth = log.take();
    assert_eq!(tenth, Counted { appends: 1, events_appended: 1, reads: 0, events_read: 0 });

    for first in (10..99_999).step_by(1_000) {
        let last = (first + 1_000).min(99_999);
        commands.append(append(run, (first..last).map(item).collect())).await.unwrap();
    }
    log.take();
    let answer = commands.append(append(run, vec![item(99_999)])).await.unwrap();
    assert_eq!(log.take(), tenth);
    assert_eq!(answer.revision, 100_001);
}

fn request(context: &str) -> StartRequest {
    let (tenant, actor) = ("demo".parse().unwrap(), "producer".parse().unwrap());
    StartRequest::new(tenant, actor, "bulk".parse().unwrap(), json!({"work": context}))
}

fn named(context: &str, id: &str) -> StartRequest {
    let reference = serde_json::from_value(json!({"source": "test", "id": id})).unwrap();
    StartRequest { reference: Some(reference), ..request(context) }
}

fn costs(appends: u64, reads: u64) -> impl Fn(Counted) -> bool {
    move |counted| (counted.appends, counted.reads) == (appends, reads)
}

/// What is new costs its appends alone: one for the key, one for the reference, one for the run.
#[tokio::test]
async fn a_start_of_new_work_reads_nothing() {
    let log = CountingLog::new(Arc::new(MemoryLog::new()));
    let commands = Commands::new(log.clone(), tests::keys());
    let start = async |request: StartRequest, cost: &dyn Fn(Counted) -> bool| {
        log.take();
        let started = commands.start(request).await.unwrap();
        let counted = log.take();
        assert!(cost(counted), "{counted:?}");
        started
    };
    let first = start(request("a"), &costs(2, 0)).await;
    start(named("b", "1"), &costs(3, 0)).await;
    let began = proposed(EventBody::Started(Started { worker: None, heartbeat_seconds: None }));
    let with_events = StartRequest { events: vec![began, item(1), item(2)], ..request("c") };
    start(with_events, &costs(2, 0)).await;
    // The parent is known to this process.
    start(StartRequest { parent: Some(first.run), ..request("d") }, &costs(2, 0)).await;

    // The same work, while it goes on: a look whether it still does.
    assert!(start(request("a"), &costs(0, 1)).await.reused);
    // And under a name that is new: a look whether it is.
    assert!(start(named("a", "2"), &costs(1, 2)).await.reused);
    // A repeat: a look at the run, and one at what it says.
    assert!(start(named("b", "1"), &costs(0, 2)).await.repeated);
}

#[tokio::test]
async fn work_that_comes_again_and_again_costs_little_more() {
    let log = CountingLog::new(Arc::new(MemoryLog::new()));
    let commands = Commands::new(log.clone(), tests::keys());
    let end = || {
        let failure = json!({"reason_code": "cancelled", "message": "m"});
        proposed(domain::wire::decode_body("Aborted", failure.to_string().as_bytes()).unwrap())
    };
    for day in 0..3 {
        log.take();
        let started = commands.start(named("nightly", &day.to_string())).await.unwrap();
        let counted = log.take();
        // From the second day on: a look whether the name is new.
        assert_eq!((counted.appends, counted.reads), (3, u64::from(day > 0)), "{day}");
        commands.append(append(started.run, vec![end()])).await.unwrap();
    }
    // A process that knows nothing tries as if the work were new, and looks at the name, the key and the run.
    let elsewhere = Commands::new(log.clone(), tests::keys());
    log.take();
    elsewhere.start(named("nightly", "3")).await.unwrap();
    let counted = log.take();
    assert_eq!((counted.appends, counted.reads), (4, 3));
}

#[tokio::test]
async fn a_ledger_from_before_the_secret_looks_once_where_the_key_was() {
    let log = CountingLog::new(Arc::new(MemoryLog::new()));
    let commands = Commands::new(log.clone(), tests::keys().after_unkeyed());
    commands.start(request("a")).await.unwrap();
    let counted = log.take();
    assert_eq!((counted.appends, counted.reads), (2, 1));
}

#[tokio::test]
async fn another_process_reads_the_run_once() {
    let log = CountingLog::new(Arc::new(MemoryLog::new()));
    let run = started(&Commands::new(log.clone(), tests::keys())).await;
    let elsewhere = Commands::new(log.clone(), tests::keys());
    for n in 0..2_500 {
        elsewhere.append(append(run, vec![item(n)])).await.unwrap();
    }
    let counted = log.take();
    // One start, one Started, the items; one cold read.
    assert_eq!((counted.appends, counted.reads, counted.events_read), (2 + 1 + 2_500, 1, 2));

    let third = Commands::new(log.clone(), tests::keys());
    third.append(append(run, vec![item(0)])).await.unwrap();
    third.append(append(run, vec![item(1)])).await.unwrap();
    // 2,502 events in pages of 1,000.
    assert_eq!(log.take(), Counted { appends: 2, events_appended: 2, reads: 3, events_read: 2_502 });
}

#[tokio::test]
async fn a_run_that_was_forgotten_is_read_again() {
    let log = CountingLog::new(Arc::new(MemoryLog::new()));
    let config = CommandsConfig { cached_entries: 100, ..CommandsConfig::default() };
    let commands = Commands::with_config(log.clone() as Arc<dyn EventLog>, tests::keys(), config);
    let runs = [started(&commands).await, started(&commands).await];
    log.take();
    for n in 0..200 {
        for run in runs {
            let answer = commands.append(append(run, vec![item(n)])).await.unwrap();
            assert_eq!(answer.revision, 2 + n as u64);
        }
    }
    // Too large to be kept for long. It costs reads, and it is right.
    assert!(log.take().reads > 0);
}
