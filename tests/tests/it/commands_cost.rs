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
    proposed(EventBody::ItemSucceeded(ItemSucceeded { item, label: None }))
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

#[tokio::test]
async fn another_process_reads_the_run_once() {
    let log = CountingLog::new(Arc::new(MemoryLog::new()));
    let run = started(&Commands::new(log.clone(), tests::keys())).await;
    let elsewhere = Commands::new(log.clone(), tests::keys());
    for n in 0..2_500 {
        elsewhere.append(append(run, vec![item(n)])).await.unwrap();
    }
    let counted = log.take();
    // One start, one Started, the items; one look at the key, one at the new run, one cold read.
    assert_eq!((counted.appends, counted.reads, counted.events_read), (2 + 1 + 2_500, 3, 2));

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
