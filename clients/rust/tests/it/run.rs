//! A run: see `clients/behaviours.md`.

use std::fmt::{Display, Formatter};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::Child;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use runledger_client::{Reasons, Start, TroubleKind, event};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::harness::{FLUSH, World, events, get, id, kind, only_events, only_run, runs, types, until};
use crate::proxy::{Mode, Proxy};
use crate::worker::hanging;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

#[tokio::test]
async fn a_run_is_told_in_full() {
    let (world, kind) = (World::new(), kind());
    let ledger = world.ledger();
    let start = Start::new(&kind, json!({"tenant": "acme"}))
        .title("Drift of acme")
        .labels([("language", "rust")])
        .initiator("ann")
        .items_total(4)
        .heartbeat(Duration::from_secs(30));
    let work = ledger.begin(start).work(async |run| {
        assert_eq!(run.item("daily").label("Daily policy").record(Ok::<_, AnyError>(5)), Some(5));
        run.item("weekly").skipped(Some("unsupported"));
        run.failed("monthly", "permission_denied", "may not read it");
        run.progress("nearly there");
        run.succeeded(7);
        Ok::<_, AnyError>("acme")
    });
    assert_eq!(work.await.unwrap(), "acme");
    let run = only_run(&kind, "partially_succeeded").await;
    assert_eq!((&run["title"], &run["context"]), (&json!("Drift of acme"), &json!({"tenant": "acme"})));
    assert_eq!((&run["labels"], &run["initiator"]["id"]), (&json!({"language": "rust"}), &json!("ann")));
    let counts = json!({"total": 4, "succeeded": 2, "failed": 1, "skipped": 1, "tallied": false});
    assert_eq!(run["items"], counts);
    assert_eq!((&run["heartbeat_seconds"], &run["worker"]), (&json!(30), &json!(ledger.worker())));
    let told = events(id(&run)).await;
    let order = [
        "Queued",
        "Started",
        "ItemSucceeded",
        "ItemSkipped",
        "ItemFailed",
        "Progressed",
        "ItemSucceeded",
        "Completed",
    ];
    assert_eq!(types(&told), order);
    assert_eq!(told[2]["data"]["label"], "Daily policy");
}

#[tokio::test]
async fn an_exception_fails_the_run_and_is_raised_again() {
    let (world, failing, panicking) = (World::new(), kind(), kind());
    let ledger = world.ledger();
    let work = ledger.run(&failing, json!({}), async |_| {
        Err::<(), _>(io::Error::new(io::ErrorKind::NotFound, "no such backup"))
    });
    assert_eq!(work.await.unwrap_err().to_string(), "no such backup");
    let run = only_run(&failing, "failed").await;
    let told = (&run["ended_as"], &run["reason_code"], &run["message"]);
    assert_eq!(told, (&json!("failed"), &json!("not_found"), &json!("no such backup")));

    // A panic is an end as well, and goes on.
    let (inner, name) = (ledger.clone(), panicking.clone());
    let work = tokio::spawn(async move {
        inner.run(&name, json!({}), async |_| -> Result<(), AnyError> { panic!("out of {}", "paper") }).await
    });
    assert!(work.await.unwrap_err().is_panic());
    let run = only_run(&panicking, "failed").await;
    assert_eq!(
        (&run["reason_code"], &run["message"]),
        (&json!("internal"), &json!("the work panicked: out of paper"))
    );

    // So it does of programs that are not asynchronous.
    let (inner, name) = (ledger.clone(), kind());
    let named = name.clone();
    let thread = std::thread::spawn(move || {
        let _open = inner.begin(Start::new(&named, json!({})));
        panic!("out of ink")
    });
    assert!(thread.join().is_err());
    assert_eq!(only_run(&name, "failed").await["ended_as"], "failed");
}

#[tokio::test]
async fn an_exception_in_an_item_fails_the_item_alone() {
    let (world, kind) = (World::new(), kind());
    let ledger = world.ledger();
    let work = ledger.run(&kind, json!({}), async |run| {
        for item in ["a", "b", "c"] {
            let denied = io::Error::new(io::ErrorKind::PermissionDenied, "not yours");
            run.item(item).record(if item == "b" { Err(denied) } else { Ok(()) });
        }
        Ok::<_, AnyError>(())
    });
    work.await.unwrap();
    let run = only_run(&kind, "partially_succeeded").await;
    assert_eq!((&run["items"]["succeeded"], &run["items"]["failed"]), (&json!(2), &json!(1)));
    let failed = get(&format!("/runs/{}/items?status=failed", id(&run))).await.unwrap();
    let failed: Vec<_> = failed["items"].as_array().unwrap().iter().collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((&failed[0]["item"], &failed[0]["reason_code"]), (&json!("b"), &json!("permission_denied")));

    let work = ledger.run("test.passes", json!({"n": kind}), async |run| {
        run.item("a").pass(Err::<(), _>(io::Error::other("x")))?;
        unreachable!("the error went on")
    });
    let went: Result<(), io::Error> = work.await;
    assert_eq!(went.unwrap_err().to_string(), "x");
}

#[tokio::test]
async fn cancellation_aborts_the_run() {
    let (world, dropped, told) = (World::new(), kind(), kind());
    let ledger = world.ledger();
    let work = ledger.run(&dropped, json!({}), async |run| {
        run.succeeded("a");
        std::future::pending::<()>().await;
        Ok::<_, AnyError>(())
    });
    assert!(tokio::time::timeout(Duration::from_millis(50), work).await.is_err());
    let run = only_run(&dropped, "failed").await;
    assert_eq!((&run["ended_as"], &run["reason_code"]), (&json!("aborted"), &json!("cancelled")));
    assert_eq!(run["items"]["succeeded"], 1);

    // As the error of a task that was aborted says.
    let work = ledger.run(&told, json!({}), async |_| {
        let task = tokio::spawn(std::future::pending::<()>());
        task.abort();
        task.await
    });
    assert!(work.await.unwrap_err().is_cancelled());
    assert_eq!(only_run(&told, "failed").await["ended_as"], "aborted");
}

async fn ends(mut worker: Child) {
    let began = Instant::now();
    kill_process(Pid::from_child(&worker), Signal::TERM).unwrap();
    let status = tokio::task::spawn_blocking(move || worker.wait().unwrap()).await.unwrap();
    assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_ends_the_run_in_time() {
    let (between, world, name, later) = (Proxy::start().await, World::new(), kind(), kind());
    ends(hanging(&between.url, world.spool(), &name, 3).await).await;
    let run = only_run(&name, "failed").await;
    assert_eq!((&run["ended_as"], &run["reason_code"]), (&json!("aborted"), &json!("cancelled")));
    assert_eq!(run["items"]["succeeded"], 3);

    between.set(Mode::Hang);
    ends(hanging(&between.url, world.spool(), &later, 3).await).await;
    between.set(Mode::Pass);
    let ledger = world.ledger_at(&between.url);
    until(async || (ledger.send_left(FLUSH).await == 0 && !runs(&later).await.is_empty()).then_some(()))
        .await;
    assert_eq!(only_run(&later, "failed").await["ended_as"], "aborted");
}

#[tokio::test]
async fn nothing_follows_the_end() {
    let (world, kind) = (World::new(), kind());
    let ledger = world.ledger();
    let start = Start::new(&kind, json!({})).heartbeat(Duration::from_secs(1));
    let work = ledger.begin(start).work(async |run| {
        run.fail("conflict", "somebody else has it");
        run.succeeded("late");
        run.progress("later");
        tokio::time::sleep(Duration::from_millis(400)).await;
        run.tick();
        run.complete();
        Ok::<_, AnyError>(())
    });
    work.await.unwrap();
    assert!(ledger.flush(FLUSH).await);
    assert_eq!(types(&only_events(&kind, "failed").await), ["Queued", "Started", "Failed"]);
    assert_eq!(world.told(), [], "nothing came that the ledger had to refuse");
}

#[tokio::test]
async fn a_start_brings_its_first_events() {
    let (between, world, name) = (Proxy::start().await, World::new(), kind());
    let ledger = world.ledger_at(&between.url);
    let whole = [
        event::started("w-1", Some(Duration::from_secs(30))),
        event::succeeded("a", None).within("policies"),
        event::completed(Some("all of it")),
    ];
    between.set(Mode::Away);
    let start = Start::new(&name, json!({"n": 1})).title("Told when it was over").events(whole.clone());
    ledger.start(start);
    assert!(!ledger.flush(Duration::from_millis(200)).await);
    between.set(Mode::Lost);
    assert!(!ledger.flush(Duration::from_secs(1)).await);
    between.set(Mode::Pass);
    assert!(ledger.flush(FLUSH).await);
    let run = only_run(&name, "succeeded").await;
    assert_eq!((&run["title"], &run["heartbeat_seconds"]), (&json!("Told when it was over"), &json!(30)));
    let told = events(id(&run)).await;
    let times: Vec<DateTime<Utc>> =
        told.iter().skip(1).map(|event| event["occurred_at"].as_str().unwrap().parse().unwrap()).collect();
    assert_eq!(times, whole.map(|event| event.occurred_at));
    assert_eq!(told[2]["data"]["namespace"], "policies");
    assert!(between.appended().is_empty() && world.told().is_empty(), "with the start, and once");

    // All of it or nothing.
    let name = kind();
    let bad = event::succeeded("a", None).within("No Namespace");
    let first = [event::started("w-1", None), bad, event::completed(None)];
    ledger.start(Start::new(&name, json!({})).events(first));
    assert!(ledger.flush(FLUSH).await);
    assert!(runs(&name).await.is_empty());
    assert_eq!(world.told(), [(TroubleKind::Refused, 1)]);
    let refused = world.troubles().remove(0).event.unwrap();
    assert_eq!(refused["start"]["events"].as_array().unwrap().len(), 3);

    // Another start has made the run: it keeps its own. What is worked on here tells its first events by itself.
    let start = Start::new(&name, json!({}));
    let open = ledger.begin(start.clone().events([event::succeeded("b", None)]));
    until(async || open.id()).await;
    ledger.start(start.events([event::started("w-2", None), event::completed(None)]));
    until(async || (world.told().len() == 2).then_some(())).await;
    open.succeeded("a");
    open.complete();
    assert!(ledger.flush(FLUSH).await);
    let told = only_events(&name, "succeeded").await;
    assert_eq!(types(&told), ["Queued", "Started", "ItemSucceeded", "ItemSucceeded", "Completed"]);
    let refused = world.troubles().remove(1);
    assert!(refused.detail.starts_with("already_taken: run"), "{}", refused.detail);
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_of_life_follow_the_work() {
    let (world, busy, hangs) = (World::new(), kind(), kind());
    let ledger = world.ledger();
    let state = async |kind: &str| {
        runs(kind).await.first().map(|run| run["liveness"]["state"].clone()).filter(|state| !state.is_null())
    };
    let start = |kind: &str| Start::new(kind, json!({})).heartbeat(Duration::from_secs(1));
    let (silent, open) = (ledger.begin(start(&hangs)), ledger.begin(start(&busy)));
    until(async || state(&hangs).await.and(state(&busy).await)).await;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(1_500) {
        open.tick();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(
        (state(&busy).await.unwrap(), state(&hangs).await.unwrap()),
        (json!("alive"), json!("stalled"))
    );
    silent.complete();
    open.complete();
    let told = only_events(&busy, "succeeded").await;
    let signs = types(&told).into_iter().filter(|name| *name == "Progressed").count();
    assert!((3..=6).contains(&signs), "some more than promised, and not one a tick: {signs}");
    assert_eq!(types(&only_events(&hangs, "succeeded").await), ["Queued", "Started", "Completed"]);
}

#[derive(Debug)]
struct Quota;

#[derive(Debug)]
struct Caused(Quota);

#[derive(Debug)]
struct Vendor(&'static str);

macro_rules! error {
    ($name:ty, $source:expr) => {
        impl Display for $name {
            fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
                f.write_str("it is so")
            }
        }

        impl std::error::Error for $name {
            fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                let source: fn(&Self) -> Option<&(dyn std::error::Error + 'static)> = $source;
                source(self)
            }
        }
    };
}
error!(Quota, |_| None);
error!(Caused, |caused| Some(&caused.0));
error!(Vendor, |_| None);

#[tokio::test]
async fn reason_codes_are_mapped_and_extended() {
    let (world, kind) = (World::new(), kind());
    let ledger = world.ledger();
    ledger.reasons().set::<Quota>("quota_exceeded").see::<Caused>(|error| error);
    ledger.reasons().rule::<Vendor>(|error| Some(format!("vendor.{}", error.0)));
    let elapsed = tokio::time::timeout(Duration::ZERO, std::future::pending::<()>()).await.unwrap_err();
    let refused = reqwest::get("http://127.0.0.1:9/").await.unwrap_err();
    let answers = async |status: u16| {
        let between = Proxy::start().await;
        between.set(Mode::Says(status));
        reqwest::get(&between.url).await.unwrap().error_for_status().unwrap_err()
    };
    let cases: Vec<(AnyError, &str)> = vec![
        (Box::new(elapsed), "timeout"),
        (Box::new(io::Error::from(io::ErrorKind::TimedOut)), "timeout"),
        (Box::new(refused), "unavailable"),
        (Box::new(answers(404).await), "not_found"),
        (Box::new(answers(503).await), "unavailable"),
        (Box::new(serde_json::from_str::<Value>("{").unwrap_err()), "data_corrupt"),
        (Box::new("x".parse::<u8>().unwrap_err()), "validation_failed"),
        (Box::new(Quota), "quota_exceeded"),
        (Box::new(Caused(Quota)), "quota_exceeded"),
        (Box::new(io::Error::other(Quota)), "quota_exceeded"),
        (Box::new(Vendor("license_missing")), "vendor.license_missing"),
        ("a text".into(), "internal"),
    ];
    for (error, code) in &cases {
        assert_eq!(&ledger.reasons().of(error), code, "{error:?}");
    }
    assert_eq!(ledger.reasons().of(&Caused(Quota)), "quota_exceeded", "by its own type as well");
    assert_eq!(Reasons::default().of(&Quota), "internal");
    assert_eq!(ledger.reasons().of(&"any that can be shown"), "internal");
    let codes: Vec<&str> = cases.iter().map(|(_, code)| *code).collect();
    let open = ledger.begin(Start::new(&kind, json!({})));
    for (index, (error, _)) in cases.into_iter().enumerate() {
        open.item(index).record(Err::<(), _>(error));
    }
    open.complete();
    let told = only_events(&kind, "failed").await;
    let told: Vec<&str> =
        told[2..told.len() - 1].iter().map(|event| event["data"]["reason_code"].as_str().unwrap()).collect();
    assert_eq!(told, codes);
}

#[tokio::test]
async fn messages_are_cut() {
    let (world, kind) = (World::new(), kind());
    let ledger = world.ledger();
    let open = ledger.begin(Start::new(&kind, json!({})));
    open.failed("long", "unknown", format!("two\nlines {}", "\u{1f600}".repeat(5_000)));
    open.failed("empty", "unknown", "");
    open.failed("blank", "unknown", " \n\t\u{0}");
    open.failed("secret", "unknown", "password=hunter2");
    let spooled = world.files().iter().map(|path| std::fs::read_to_string(path).unwrap()).collect::<String>();
    assert!(!spooled.contains(&"\u{1f600}".repeat(300)), "before it is spooled");
    assert!(spooled.contains("secret") && !spooled.contains("hunter2"));
    open.complete();
    let told = only_events(&kind, "failed").await;
    let message = |item: &str| {
        let event = told.iter().find(|event| event["data"]["item"] == item).unwrap();
        event["data"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(message("long").chars().count(), 300);
    assert!(message("long").starts_with("two lines \u{1f600}"));
    assert_eq!((message("empty"), message("blank")), ("no message".to_owned(), "no message".to_owned()));
}
