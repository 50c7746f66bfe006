//! One run, judged by the log: races between sweepers, and with the run's producer.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::{AppendRequest, CommandError, Commands, CommandsConfig, StaleLimits, StartRequest};
use domain::{Completed, EventBody, HeartbeatSeconds, ProposedEvent, RunId, Started, Status, TenantId};
use eventlog::contract::Layer;
use eventlog::memory::MemoryLog;
use eventlog::streams::{run_event, run_stream};
use eventlog::{AppendError, Appended, EventLog, StreamAppend};
use futures::future::{BoxFuture, join_all};
use serde_json::json;
use tokio::sync::{Barrier, Mutex};
use uuid::Uuid;

fn noon() -> DateTime<Utc> {
    "2026-03-01T12:00:00Z".parse().unwrap()
}

fn tenant() -> TenantId {
    "demo".parse().unwrap()
}

/// Commands whose clock stands at so many seconds after noon.
fn commands_at(log: Arc<dyn EventLog>, seconds: i64) -> Commands {
    let now = noon() + TimeDelta::seconds(seconds);
    Commands::with_config(
        log,
        tests::keys(),
        CommandsConfig { clock: Arc::new(move || now), ..CommandsConfig::default() },
    )
}

fn proposed(body: EventBody) -> ProposedEvent {
    ProposedEvent { id: Uuid::new_v4(), occurred_at: None, correlation_id: None, causation_id: None, body }
}

async fn append(commands: &Commands, run: RunId, body: EventBody) {
    let (tenant, actor) = (tenant(), "producer".parse().unwrap());
    let request = AppendRequest {
        tenant,
        run,
        actor,
        origin: None,
        expected_revision: None,
        events: vec![proposed(body)],
    };
    commands.append(request).await.unwrap();
}

/// A run queued at noon.
async fn queued(log: &Arc<dyn EventLog>) -> RunId {
    let request = StartRequest::new(
        tenant(),
        "producer".parse().unwrap(),
        "bulk".parse().unwrap(),
        json!({"nonce": Uuid::new_v4()}),
    );
    commands_at(log.clone(), 0).start(request).await.unwrap().run
}

/// A run started at noon that promised a sign of life every 30 s, or none.
async fn running(log: &Arc<dyn EventLog>, promise: Option<u64>) -> RunId {
    let run = queued(log).await;
    let heartbeat_seconds = promise.map(|seconds| HeartbeatSeconds::try_from(seconds).unwrap());
    let started = Started { worker: None, heartbeat_seconds };
    append(&commands_at(log.clone(), 0), run, EventBody::Started(started)).await;
    run
}

fn limits(queued_limit: Option<i64>) -> StaleLimits {
    StaleLimits { queued_limit: queued_limit.map(TimeDelta::seconds), grace: TimeDelta::seconds(60) }
}

async fn events(log: &Arc<dyn EventLog>, run: RunId) -> Vec<domain::Event> {
    let records = log.read_stream(&run_stream(&tenant(), run), 0, 100).await.unwrap();
    records.iter().map(|record| run_event(record).unwrap()).collect()
}

/// Does something before an append.
struct Before<F> {
    inner: Arc<dyn EventLog>,
    first: F,
}

#[async_trait]
impl<F: Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static> Layer for Before<F> {
    fn behind(&self) -> &dyn EventLog {
        &*self.inner
    }

    async fn append(&self, append: StreamAppend) -> Result<Appended, AppendError> {
        (self.first)().await;
        self.inner.append(append).await
    }
}

#[tokio::test]
async fn a_run_is_failed_only_after_heartbeat_and_grace() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let run = running(&log, Some(30)).await;
    for (seconds, expected) in [(0, false), (31, false), (90, false), (91, true), (500, false)] {
        let presumed = commands_at(log.clone(), seconds).presume_failed(&tenant(), run, limits(None)).await;
        assert_eq!(presumed.unwrap(), expected, "{seconds} s");
    }
    let events = events(&log, run).await;
    let [.., failed] = &events[..] else { panic!("no events") };
    assert_eq!((events.len(), failed.actor.as_str()), (3, "system"));
    // Nobody could have used it up.
    assert_eq!(failed.id.get_version_num(), 4);
    let EventBody::Failed(failed) = &failed.body else { panic!("{failed:?}") };
    assert!(failed.presumed);
    assert_eq!(failed.reason_code.as_str(), "stale");
    assert_eq!(failed.message.as_str(), "no sign of life since 2026-03-01T12:00:00Z, promised every 30 s");
}

#[tokio::test]
async fn a_queued_run_is_failed_only_where_it_has_a_limit() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let run = queued(&log).await;
    let late = commands_at(log.clone(), 700);
    assert!(!late.presume_failed(&tenant(), run, limits(None)).await.unwrap());
    assert!(!late.presume_failed(&tenant(), run, limits(Some(640))).await.unwrap());
    assert!(late.presume_failed(&tenant(), run, limits(Some(600))).await.unwrap());
    let EventBody::Failed(failed) = &events(&log, run).await[1].body else { panic!("not Failed") };
    assert_eq!(failed.message.as_str(), "queued since 2026-03-01T12:00:00Z and not started within 600 s");
}

#[tokio::test]
async fn a_run_that_promised_nothing_or_has_ended_or_is_not_there_is_left_alone() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let silent = running(&log, None).await;
    let ended = running(&log, Some(30)).await;
    append(
        &commands_at(log.clone(), 10),
        ended,
        EventBody::Completed(Completed { message: None, tally: None }),
    )
    .await;
    let late = commands_at(log.clone(), 1_000_000);
    let head = log.head().await.unwrap();
    for run in [silent, ended, RunId::new(Uuid::now_v7()).unwrap()] {
        assert!(!late.presume_failed(&tenant(), run, limits(Some(1))).await.unwrap());
    }
    assert_eq!(log.head().await.unwrap(), head);
}

#[tokio::test]
async fn sweepers_that_judge_the_same_moment_append_once() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let run = running(&log, Some(30)).await;
    // Nobody appends before all have judged.
    let all = Arc::new(Barrier::new(3));
    let sweepers = (0..3).map(|n| {
        let (inner, all) = (log.clone(), all.clone());
        let meet = move || -> BoxFuture<'static, ()> {
            let all = all.clone();
            Box::pin(async move {
                all.wait().await;
            })
        };
        // Their clocks differ, as those of processes do.
        let sweeper = commands_at(Arc::new(Before { inner, first: meet }), 200 + n);
        async move { sweeper.presume_failed(&tenant(), run, limits(None)).await.unwrap() }
    });
    let presumed = join_all(sweepers).await;
    assert_eq!(presumed.iter().filter(|presumed| **presumed).count(), 1, "{presumed:?}");
    assert_eq!(events(&log, run).await.len(), 3);
}

#[tokio::test]
async fn a_run_that_moves_on_between_look_and_append_is_not_failed() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let run = running(&log, Some(30)).await;
    let worker = commands_at(log.clone(), 199);
    let once = Arc::new(Mutex::new(Some(worker)));
    let inner = log.clone();
    let news = move || -> BoxFuture<'static, ()> {
        let once = once.clone();
        Box::pin(async move {
            if let Some(worker) = once.lock().await.take() {
                let news = domain::Progressed { message: None, items_total: None };
                append(&worker, run, EventBody::Progressed(news)).await;
            }
        })
    };
    let sweeper = commands_at(Arc::new(Before { inner, first: news }), 200);
    assert!(!sweeper.presume_failed(&tenant(), run, limits(None)).await.unwrap());
    let kinds: Vec<_> = events(&log, run).await.iter().map(|event| event.body.type_name()).collect();
    assert_eq!(kinds, ["Queued", "Started", "Progressed"]);
}

#[tokio::test]
async fn a_cache_that_is_behind_does_not_fail_a_run() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let run = running(&log, Some(30)).await;
    let sweeper = commands_at(log.clone(), 200);
    // It has the run in its cache from here on; then another process hears from the worker.
    assert!(
        !sweeper
            .presume_failed(&tenant(), run, StaleLimits { grace: TimeDelta::days(1), ..limits(None) })
            .await
            .unwrap()
    );
    let news = domain::Progressed { message: None, items_total: None };
    append(&commands_at(log.clone(), 199), run, EventBody::Progressed(news)).await;
    assert!(!sweeper.presume_failed(&tenant(), run, limits(None)).await.unwrap());
    assert_eq!(events(&log, run).await.len(), 3);
}

#[tokio::test]
async fn the_work_of_a_run_presumed_failed_may_be_started_again() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let request = StartRequest::new(
        tenant(),
        "producer".parse().unwrap(),
        "bulk".parse().unwrap(),
        json!({"same": true}),
    );
    let commands = commands_at(log.clone(), 0);
    let first = commands.start(request.clone()).await.unwrap();
    assert!(commands.start(request.clone()).await.unwrap().reused);
    let late = commands_at(log.clone(), 200);
    assert!(late.presume_failed(&tenant(), first.run, limits(Some(10))).await.unwrap());
    let second = commands.start(request).await.unwrap();
    assert!(!second.reused && second.run != first.run && second.status == Status::Queued);
}

#[tokio::test]
async fn a_producer_is_refused_after_the_real_end_only() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let run = running(&log, Some(30)).await;
    assert!(commands_at(log.clone(), 200).presume_failed(&tenant(), run, limits(None)).await.unwrap());
    let worker = commands_at(log.clone(), 201);
    append(&worker, run, EventBody::Completed(Completed { message: None, tally: None })).await;
    let body = EventBody::Completed(Completed { message: None, tally: None });
    let request = AppendRequest {
        tenant: tenant(),
        run,
        actor: "producer".parse().unwrap(),
        origin: None,
        expected_revision: None,
        events: vec![proposed(body)],
    };
    assert!(matches!(worker.append(request).await, Err(CommandError::Rejected { .. })));
    assert!(!commands_at(log.clone(), 9_000).presume_failed(&tenant(), run, limits(None)).await.unwrap());
}
