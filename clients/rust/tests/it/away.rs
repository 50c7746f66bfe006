//! The ledger is away, or says no: see `clients/behaviours.md`.

use std::os::unix::fs::PermissionsExt;
use std::sync::Mutex;
use std::time::Duration;

use chrono::{DateTime, Utc};
use runledger_client::{Limits, Start, TroubleKind, event};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{FLUSH, World, kind, only_events, only_run, run, runs, setting, types, until};
use crate::proxy::{Mode, Proxy};
use crate::worker::hanging;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn time(event: &Value, name: &str) -> DateTime<Utc> {
    event[name].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn the_work_goes_on_without_a_ledger() {
    let (between, world, name) = (Proxy::start().await, World::new(), kind());
    between.set(Mode::Hang);
    let pause = Duration::from_secs(5);
    let limits = Limits {
        answer_timeout: Duration::from_millis(300),
        retry_first: pause,
        retry_most: pause,
        ..World::limits()
    };
    let ledger = world.builder(&between.url).limits(limits).build().unwrap();
    let (began, sent) = (Instant::now(), Mutex::new(0));
    for _ in 0..2 {
        let send = async |_| {
            *sent.lock().unwrap() += 1;
            Ok::<_, AnyError>(())
        };
        ledger.dispatch(Start::new(&kind(), json!({})), send).await.unwrap();
    }
    assert!(
        began.elapsed() < Duration::from_millis(600),
        "the ledger was away a moment ago: the second does not wait"
    );
    let open = ledger.begin(Start::new(&name, json!({"n": 1})));
    let working = Instant::now();
    (0..1_000).for_each(|item| open.succeeded(item));
    open.complete();
    assert!(working.elapsed() < Duration::from_millis(500), "{:?}", working.elapsed());
    assert_eq!(*sent.lock().unwrap(), 2);
    assert!(runs(&name).await.is_empty());
}

#[tokio::test]
async fn what_waited_is_told_in_order() {
    let (between, world, name) = (Proxy::start().await, World::new(), kind());
    between.set(Mode::Away);
    let ledger = world.ledger_at(&between.url);
    let open = ledger.begin(Start::new(&name, json!({})));
    (0..2_500).for_each(|item| open.succeeded(item));
    open.complete();
    assert!(!ledger.flush(Duration::from_millis(500)).await);
    between.set(Mode::Pass);
    assert!(ledger.flush(FLUSH).await);
    let told = only_events(&name, "succeeded").await;
    let items: Vec<&str> = told.iter().filter_map(|event| event["data"]["item"].as_str()).collect();
    assert_eq!(items, (0..2_500).map(|item| item.to_string()).collect::<Vec<_>>());
    let reported = &told[1..];
    assert!(reported.iter().map(|event| time(event, "occurred_at")).is_sorted());
    assert!(reported.iter().all(|event| time(event, "occurred_at") < time(event, "recorded_at")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_loses_no_report() {
    let (between, world, name) = (Proxy::start().await, World::new(), kind());
    between.set(Mode::Away);
    let mut worker = hanging(&between.url, world.spool(), &name, 500).await;
    worker.kill().unwrap();
    worker.wait().unwrap();
    between.set(Mode::Pass);
    let ledger = world.ledger_at(&between.url);
    let open = ledger.begin(Start::new(&kind(), json!({})));
    until(async || runs(&name).await.first().filter(|run| run["items"]["succeeded"] == 500).map(|_| ()))
        .await;
    open.complete();
    assert_eq!(only_run(&name, "running").await["ended_as"], Value::Null, "nobody knows how it ended");
}

#[tokio::test]
async fn a_lost_answer_changes_nothing() {
    let (between, world, name) = (Proxy::start().await, World::new(), kind());
    between.set(Mode::Lost);
    let limits = Limits { linger: Duration::from_millis(10), ..World::limits() };
    let ledger = world.builder(&between.url).limits(limits).build().unwrap();
    let open = ledger.begin(Start::new(&name, json!({})));
    until(async || (between.asked().len() >= 2).then_some(())).await;
    between.set(Mode::Pass);
    assert!(ledger.flush(FLUSH).await);
    between.set(Mode::Lost);
    (0..50).for_each(|item| open.succeeded(item));
    let known = open.id().unwrap();
    until(async || (run(known).await["items"]["succeeded"] == 50).then_some(())).await;
    between.set(Mode::Pass);
    open.complete();
    assert!(ledger.flush(FLUSH).await);
    let mut order = vec!["Queued", "Started"];
    order.extend(["ItemSucceeded"; 50]);
    order.push("Completed");
    assert_eq!(types(&only_events(&name, "succeeded").await), order);

    // `Started` with what follows it, of which the ledger has the first try.
    let name = kind();
    between.forget();
    between.set(Mode::LostAppends);
    let open = ledger.begin(Start::new(&name, json!({})));
    open.succeeded("a");
    until(async || (between.appended().len() >= 2).then_some(())).await;
    between.set(Mode::Pass);
    open.complete();
    assert!(ledger.flush(FLUSH).await);
    let told = only_events(&name, "succeeded").await;
    assert_eq!(types(&told), ["Queued", "Started", "ItemSucceeded", "Completed"]);
    assert_eq!(world.told(), []);
}

#[tokio::test]
async fn retry_after_is_honoured() {
    let (between, world) = (Proxy::start().await, World::new());
    between.set(Mode::Busy);
    let ledger = world.ledger_at(&between.url);
    let open = ledger.begin(Start::new(&kind(), json!({})));
    until(async || (!between.asked().is_empty()).then_some(())).await;
    between.set(Mode::Pass);
    until(async || (between.asked().len() > 1).then_some(())).await;
    let asked = between.asked();
    let waited = asked[1].at - asked[0].at;
    assert!((Duration::from_secs(1)..Duration::from_secs(2)).contains(&waited), "{waited:?}");
    open.complete();
    assert!(ledger.flush(FLUSH).await);
}

#[tokio::test]
async fn a_full_spool_drops_signs_of_life_first() {
    let (between, world, name) = (Proxy::start().await, World::new(), kind());
    between.set(Mode::Away);
    let limits = Limits { spool_bytes: 20_000, ..World::limits() };
    let ledger = world.builder(&between.url).limits(limits).build().unwrap();
    let open = ledger.begin(Start::new(&name, json!({})));
    (0..90).for_each(|item| open.succeeded(item));
    assert_eq!(world.told(), []);
    open.progress("dropped");
    assert_eq!(world.told(), [(TroubleKind::Dropped, 1)]);
    open.succeeded("kept");
    (0..200).for_each(|item| open.succeeded(format!("more {item}")));
    until(async || (world.told().iter().map(|(_, count)| count).sum::<u64>() > 50).then_some(())).await;
    open.complete_with("told all the same");
    between.set(Mode::Pass);
    assert!(ledger.flush(FLUSH).await);
    let told = only_events(&name, "succeeded").await;
    assert_eq!(told.last().unwrap()["data"]["message"], "told all the same");
    let has = |item: &str| told.iter().any(|event| event["data"]["item"] == item);
    assert!(has("kept") && !has("more 199"));
    assert!(!types(&told).contains(&"Progressed"));
}

#[tokio::test]
async fn what_is_refused_is_set_aside_and_told() {
    let (between, world, name) = (Proxy::start().await, World::new(), kind());
    let ledger = world.ledger_at(&between.url);
    let open = ledger.begin(Start::new(&name, json!({})));
    open.succeeded("good");
    open.failed("bad", "No Code", "of a form that nobody takes");
    let mut long_before = event::succeeded("worse", None);
    long_before.occurred_at = Utc::now() - Duration::from_secs(7 * 24 * 60 * 60);
    open.report_event(&long_before);
    open.succeeded("better");
    open.complete();
    assert!(ledger.flush(FLUSH).await);
    let found = only_run(&name, "succeeded").await;
    assert_eq!(found["items"]["succeeded"], 2);
    let items = || world.troubles().into_iter().filter_map(|trouble| Some(trouble.event?["item"].clone()));
    assert_eq!(world.told(), [(TroubleKind::Refused, 1), (TroubleKind::Refused, 1)]);
    assert_eq!(items().collect::<Vec<_>>(), ["bad", "worse"]);
    let aside = world.files().into_iter().find(|path| path.ends_with("refused.log")).unwrap();
    let aside = std::fs::read_to_string(aside).unwrap();
    let lines: Vec<Value> = aside.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.iter().map(|line| &line["event"]["item"]).collect::<Vec<_>>(), ["bad", "worse"]);
    assert_eq!(lines[0]["problem"]["code"], "validation_failed");
    assert_eq!(lines[1]["run_id"], found["run_id"]);

    let open = ledger.begin(Start::new("No Kind", json!({})));
    open.succeeded("a");
    open.complete();
    assert!(ledger.flush(FLUSH).await);
    assert_eq!(world.told().len(), 5, "the start, the item and the end");

    // A run that somebody else has ended: all that follows is refused at once.
    let open = ledger.begin(Start::new(&kind(), json!({})));
    let known = until(async || open.id()).await;
    until(async || (run(known).await["status"] == "running").then_some(())).await;
    world.ledger().join(known, None).abort("cancelled", "by an operator");
    until(async || (run(known).await["status"] == "failed").then_some(())).await;
    (0..300).for_each(|item| open.succeeded(item));
    open.complete();
    assert!(ledger.flush(FLUSH).await);
    assert_eq!(world.told().len(), 5 + 301);
    assert!(between.appended().len() < 20, "and not one by one");
}

#[tokio::test]
async fn batches_are_bounded() {
    let (between, world) = (Proxy::start().await, World::new());
    let linger = Duration::from_millis(300);
    let limits = Limits { batch_events: 100, batch_bytes: 8_000, linger, ..World::limits() };
    let ledger = world.builder(&between.url).limits(limits).build().unwrap();
    let open = ledger.begin(Start::new(&kind(), json!({})));
    assert!(ledger.flush(FLUSH).await);
    between.forget();
    for item in 0..1_000 {
        open.item(item).label("x".repeat(if item < 500 { 1 } else { 250 })).succeeded();
    }
    open.complete();
    assert!(ledger.flush(FLUSH).await);
    let batches = between.appended();
    assert_eq!(batches.iter().map(|asked| asked.events().len()).sum::<usize>(), 1_001);
    assert!(batches.iter().all(|asked| asked.events().len() <= 100 && asked.body.len() <= 8_100));
    assert!(batches.len() < 80, "{}", batches.len());

    // What comes within the time goes together.
    let open = ledger.begin(Start::new(&kind(), json!({})));
    assert!(ledger.flush(FLUSH).await);
    between.forget();
    let began = Instant::now();
    (0..10).for_each(|item| open.succeeded(item));
    let first = until(async || between.appended().into_iter().next()).await;
    assert_eq!(first.events().len(), 10);
    assert!(first.at - began >= Duration::from_millis(250));
}

#[tokio::test]
async fn the_token_is_not_spooled() {
    let (between, world) = (Proxy::start().await, World::new());
    between.set(Mode::Away);
    let ledger = world.ledger_at(&between.url);
    let open = ledger.begin(Start::new(&kind(), json!({"a": 1})));
    open.succeeded("a");
    assert!(!ledger.flush(Duration::from_millis(300)).await);
    let files = world.files();
    let spooled: Vec<String> = files.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(spooled.iter().any(|text| text.contains("\"a\"")));
    assert!(!spooled.iter().any(|text| text.contains(&setting("RUNLEDGER_TOKEN"))));
    let modes = files.iter().map(|path| std::fs::metadata(path).unwrap().permissions().mode());
    assert!(modes.into_iter().all(|mode| mode & 0o077 == 0), "nobody else reads it");
}

#[tokio::test]
async fn an_unwritable_spool_breaks_no_work() {
    let world = World::new();
    let file = world.spool().join("file");
    std::fs::write(&file, "no folder").unwrap();
    let ledger = world.builder(&crate::harness::url()).spool(&file).build().unwrap();
    let start = Start::new(&kind(), json!({})).heartbeat(Duration::from_secs(1));
    let work = ledger.begin(start).work(async |run| {
        run.succeeded("a");
        run.progress("b");
        run.item("c").record(Err::<(), AnyError>("x".into()));
        Ok::<_, AnyError>("done")
    });
    assert_eq!(work.await.unwrap(), "done");
    let sent = Mutex::new(0);
    let send = async |_| {
        *sent.lock().unwrap() += 1;
        Ok::<_, AnyError>(())
    };
    ledger.dispatch(Start::new(&kind(), json!({})), send).await.unwrap();
    assert_eq!((*sent.lock().unwrap(), world.troubles()[0].kind), (1, TroubleKind::Dropped));
}
