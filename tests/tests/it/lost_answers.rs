//! Appends whose answer was lost: nothing is doubled, nothing is refused wrongly.

use std::sync::Arc;

use commands::{AppendRequest, CommandError, Commands, StartRequest};
use domain::{Completed, EventBody, Progressed, ProposedEvent, RunId, Started, Status};
use eventlog::memory::MemoryLog;
use eventlog::{EventLog, LogError};
use serde_json::json;
use tests::{Fault, FaultyLog};
use uuid::Uuid;

fn proposed(body: EventBody) -> ProposedEvent {
    ProposedEvent { id: Uuid::new_v4(), occurred_at: None, correlation_id: None, causation_id: None, body }
}

fn began() -> ProposedEvent {
    proposed(EventBody::Started(Started { worker: None, heartbeat_seconds: None }))
}

fn progressed() -> ProposedEvent {
    proposed(EventBody::Progressed(Progressed { message: None, items_total: None }))
}

fn append(run: RunId, events: Vec<ProposedEvent>) -> AppendRequest {
    let (tenant, actor) = ("demo".parse().unwrap(), "producer".parse().unwrap());
    AppendRequest { tenant, run, actor, origin: None, expected_revision: None, events }
}

async fn queued(commands: &Commands) -> RunId {
    let request = StartRequest::new(
        "demo".parse().unwrap(),
        "producer".parse().unwrap(),
        "bulk".parse().unwrap(),
        json!({}),
    );
    commands.start(request).await.unwrap().run
}

#[tokio::test]
async fn what_follows_an_append_without_an_answer_is_decided_on_what_the_log_has() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let plan = [Fault::None, Fault::None, Fault::Unanswered];
    let commands = Commands::new(FaultyLog::new(log.clone(), plan), tests::keys());
    let run = queued(&commands).await;
    let start = began();
    let lost = commands.append(append(run, vec![start.clone()])).await.unwrap_err();
    assert!(matches!(lost, CommandError::Log(LogError::Unavailable(_))), "{lost}");

    // The cache does not know of Started; the log does. Progressed must not be refused.
    let answer = commands.append(append(run, vec![progressed()])).await.unwrap();
    assert_eq!((answer.revision, answer.status), (2, Status::Running));
    let again = commands.append(append(run, vec![start])).await.unwrap();
    assert!(!again.events[0].created);
    assert_eq!(again.events[0].revision, 1);
}

#[tokio::test]
async fn what_was_lost_before_the_log_is_appended_by_the_repeat() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let plan = [Fault::None, Fault::None, Fault::Lost, Fault::None, Fault::Unanswered];
    let commands = Commands::new(FaultyLog::new(log.clone(), plan), tests::keys());
    let run = queued(&commands).await;
    let start = began();
    commands.append(append(run, vec![start.clone()])).await.unwrap_err();
    let repeat = commands.append(append(run, vec![start])).await.unwrap();
    assert!(repeat.events[0].created);

    let end = proposed(EventBody::Completed(Completed { message: None, tally: None }));
    commands.append(append(run, vec![end.clone()])).await.unwrap_err();
    let repeat = commands.append(append(run, vec![end])).await.unwrap();
    assert_eq!((repeat.events[0].created, repeat.revision, repeat.status), (false, 2, Status::Succeeded));
    let refused = commands.append(append(run, vec![progressed()])).await.unwrap_err();
    assert!(matches!(refused, CommandError::Rejected { revision: Some(2), .. }), "{refused}");
}

#[tokio::test]
async fn a_request_that_is_dropped_halfway_harms_nobody() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let commands = Commands::new(log.clone(), tests::keys());
    let run = queued(&commands).await;
    commands.append(append(run, vec![began()])).await.unwrap();
    for _ in 0..20 {
        // Polled once and dropped, wherever it may be by then.
        let abandoned = commands.append(append(run, vec![progressed()]));
        let _ = futures::FutureExt::now_or_never(abandoned);
    }
    let answer = commands.append(append(run, vec![progressed()])).await.unwrap();
    let stream = eventlog::streams::run_stream(&"demo".parse().unwrap(), run);
    let all = log.read_stream(&stream, 0, 1_000).await.unwrap();
    assert_eq!(answer.revision, all.len() as u64 - 1);
    assert!(all.iter().enumerate().all(|(n, event)| event.revision == n as u64));
}
