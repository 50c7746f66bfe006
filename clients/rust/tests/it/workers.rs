//! Who works on a run: see `clients/behaviours.md`.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runledger_client::{Claim, Dispatched, Error, Ledger, Start, Ticket, TroubleKind};
use serde_json::json;
use tempfile::TempDir;

use crate::harness::{FLUSH, World, events, id, kind, only_events, only_run, run, types, until, url};
use crate::proxy::{Mode, Proxy};
use crate::worker::joining;

type AnyError = Box<dyn std::error::Error + Send + Sync>;

const CLAIM: Claim = Claim { heartbeat: Some(Duration::from_secs(30)), fail_if_away: false };

/// Dispatches to a queue that a test reads.
async fn dispatch(ledger: &Ledger, start: Start, queue: &Mutex<Vec<Ticket>>) -> Dispatched {
    let put = ledger.dispatch(start, async |ticket| {
        queue.lock().unwrap().push(ticket);
        Ok::<_, AnyError>(())
    });
    put.await.unwrap()
}

fn ticket(queue: &Mutex<Vec<Ticket>>) -> Ticket {
    queue.lock().unwrap().last().unwrap().clone()
}

#[tokio::test]
async fn a_failed_dispatch_fails_the_run_and_is_raised_again() {
    let (between, world) = (Proxy::start().await, World::new());
    for ledger in [world.ledger(), world.ledger_at(&between.url)] {
        let name = kind();
        between.set(Mode::Away);
        let start = Start::new(&name, json!({"set": "finance"})).initiator("ann");
        let put = ledger.dispatch(start, async |_| Err(io::Error::other("no room")));
        assert_eq!(put.await.unwrap_err().to_string(), "no room");
        between.set(Mode::Pass);
        let run = only_run(&name, "failed").await;
        let told = (&run["ended_as"], &run["reason_code"], &run["message"]);
        assert_eq!(told, (&json!("failed"), &json!("dispatch_failed"), &json!("no room")));
        assert_eq!(types(&events(id(&run)).await), ["Queued", "Failed"]);
    }
    // A panic is no less a failure to dispatch.
    let (ledger, name) = (world.ledger(), kind());
    let (inner, named) = (ledger.clone(), name.clone());
    let put = tokio::spawn(async move {
        let panics = async |_| -> Result<(), AnyError> { panic!("no queue") };
        inner.dispatch(Start::new(&named, json!({})), panics).await
    });
    assert!(put.await.unwrap_err().is_panic());
    assert_eq!(only_run(&name, "failed").await["message"], "the dispatch panicked: no queue");
}

#[tokio::test]
async fn active_work_is_not_dispatched_again() {
    let (world, kind, queue) = (World::new(), kind(), Mutex::default());
    let ledger = world.ledger();
    let start = |ids: [u8; 2]| Start::new(&kind, json!({"ids": ids})).unordered(["/ids"]);
    let first = dispatch(&ledger, start([1, 2]), &queue).await;
    let second = dispatch(&ledger, start([2, 1]), &queue).await;
    assert_eq!((first.reused, second.reused, queue.lock().unwrap().len()), (false, true, 1));
    assert_eq!(first.run, second.run);
    let carried: Ticket = serde_json::from_str(&json!(ticket(&queue)).to_string()).unwrap();
    assert_eq!(carried, ticket(&queue), "for any queue");
    let open = ledger.claim(&carried, Claim::default()).await.unwrap();
    open.work(async |_| Ok::<_, AnyError>(())).await.unwrap();
    assert!(ledger.flush(FLUSH).await);
    assert!(!dispatch(&ledger, start([1, 2]), &queue).await.reused);
}

#[tokio::test]
async fn two_workers_do_not_take_one_run() {
    let (between, world, name, queue) = (Proxy::start().await, World::new(), kind(), Mutex::default());
    let (one, other) = (world.ledger(), world.ledger_at(&between.url));
    dispatch(&one, Start::new(&name, json!({"set": "a"})), &queue).await;
    let queued = ticket(&queue);
    let claims = tokio::join!(one.claim(&queued, CLAIM), other.claim(&queued, CLAIM));
    let (open, refused) = match claims {
        (Ok(open), Err(refused)) | (Err(refused), Ok(open)) => (open, refused),
        (one, other) => panic!("{:?} and {:?}", one.err(), other.err()),
    };
    assert!(matches!(refused, Error::AlreadyTaken { run, .. } if Some(run) == open.id()), "{refused}");
    open.complete();
    assert_eq!(types(&only_events(&name, "succeeded").await), ["Queued", "Started", "Completed"]);

    // It is asked for again where the answer is lost, and then it is this worker's.
    dispatch(&one, Start::new(&name, json!({"set": "b"})), &queue).await;
    between.set(Mode::Lost);
    let open = other.claim(&ticket(&queue), CLAIM).await.unwrap();
    let before = between.appended().len();
    until(async || (between.appended().len() > before).then_some(())).await;
    between.set(Mode::Pass);
    open.complete();
    assert!(other.flush(FLUSH).await);
    let again = ticket(&queue).run_id.unwrap();
    until(async || (run(again).await["status"] == "succeeded").then_some(())).await;
    assert_eq!(types(&events(again).await), ["Queued", "Started", "Completed"]);

    // `exclusive` asks the same of work that nobody dispatched.
    let start = || Start::new(&name, json!({"set": "c"}));
    let open = one.exclusive(start()).await.unwrap();
    assert!(matches!(other.exclusive(start()).await, Err(Error::AlreadyTaken { .. })));
    // Without it the work goes on, and what it reports is set aside.
    let work = other.begin(start()).work(async |run| {
        run.succeeded("a");
        Ok::<_, AnyError>(())
    });
    work.await.unwrap();
    assert!(other.flush(FLUSH).await);
    assert_eq!(world.told(), [(TroubleKind::Taken, 2)]);
    open.complete();
    between.set(Mode::Away);
    assert!(matches!(other.exclusive(start()).await, Err(Error::Away { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_workers_run_is_taken_over() {
    let (world, name, queue) = (World::new(), kind(), Mutex::default());
    let dead = world.ledger();
    dispatch(&dead, Start::new(&name, json!({})), &queue).await;
    let claim = Claim { heartbeat: Some(Duration::from_secs(1)), fail_if_away: false };
    let hangs = dead.claim(&ticket(&queue), claim).await.unwrap();
    hangs.succeeded("a");
    let gone = hangs.id().unwrap();
    assert!(dead.flush(FLUSH).await);
    assert!(matches!(world.ledger().claim(&ticket(&queue), CLAIM).await, Err(Error::AlreadyTaken { .. })));
    until(async || (run(gone).await["liveness"]["state"] == "stalled").then_some(())).await;

    let (took, queued) = (AtomicUsize::new(0), ticket(&queue));
    let take = async || {
        let world = World::new();
        let ledger = world.ledger();
        if let Ok(open) = ledger.claim(&queued, CLAIM).await {
            took.fetch_add(1, Ordering::Relaxed);
            open.succeeded("b");
            open.complete();
            assert!(ledger.flush(FLUSH).await);
        }
    };
    tokio::join!(take(), take(), take());
    assert_eq!(took.into_inner(), 1);
    let found = only_run(&name, "succeeded").await;
    assert_eq!((id(&found), &found["items"]["succeeded"]), (gone, &json!(2)));
    let told = events(gone).await;
    assert_eq!(told[3]["type"], "Resumed");
    assert!(told[3]["data"].to_string().contains(dead.worker()));
    hangs.complete(); // it wakes up, too late
}

#[tokio::test(flavor = "multi_thread")]
async fn parallel_workers_report_to_one_run() {
    let (world, kind) = (World::new(), kind());
    let ledger = world.ledger();
    let work = ledger.run(&kind, json!({}), async |run| {
        let id = until(async || run.id()).await.to_string();
        let child = async |name: &str| {
            let spool = TempDir::new().unwrap();
            assert!(joining(&url(), spool.path(), &id, name).await);
        };
        let task = |name: &'static str| {
            let run = run.clone();
            tokio::spawn(async move {
                for item in 0..50 {
                    run.item(format!("{name} {item}")).record(Ok::<_, AnyError>(()));
                    tokio::task::yield_now().await;
                }
            })
        };
        let thread = std::thread::spawn({
            let run = run.clone();
            move || (0..50).for_each(|item| run.succeeded(format!("thread {item}")))
        });
        let (one, other) = (task("task-0"), task("task-1"));
        tokio::join!(child("child-0"), child("child-1"));
        thread.join().unwrap();
        one.await?;
        other.await
    });
    work.await.unwrap();
    assert!(ledger.flush(FLUSH).await);
    let found = only_run(&kind, "succeeded").await;
    assert_eq!(found["items"]["succeeded"], 250);
    let told = events(id(&found)).await;
    assert_eq!(told.last().unwrap()["type"], "Completed");
    for who in ["child-1", "task-0", "thread"] {
        let items = told.iter().filter_map(|event| event["data"]["item"].as_str());
        let items: Vec<&str> = items.filter(|item| item.starts_with(who)).collect();
        let order: Vec<String> = (0..50).map(|item| format!("{who} {item}")).collect();
        assert_eq!(items, order, "in order");
    }
}
