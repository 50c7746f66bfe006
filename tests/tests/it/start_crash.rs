//! Starting runs while processes die between any two steps, on the reference log.

use std::sync::Arc;

use commands::{CommandError, Commands, StartRequest, Started};
use eventlog::memory::MemoryLog;
use eventlog::{EventLog, LogError, Position};
use futures::future::join_all;
use serde_json::json;
use tests::{Fault, FaultyLog};

fn request() -> StartRequest {
    StartRequest::new(
        "demo".parse().unwrap(),
        "producer".parse().unwrap(),
        "drift.check".parse().unwrap(),
        json!({"same": "work"}),
    )
}

/// One process: commands with a cache of their own.
fn process(log: &Arc<dyn EventLog>, plan: &[Fault]) -> Commands {
    Commands::new(FaultyLog::new(log.clone(), plan.iter().copied()), tests::keys())
}

async fn events_of_type(log: &Arc<dyn EventLog>, event_type: &str) -> usize {
    let all = log.read_all(Position(0), 10_000).await.unwrap();
    all.iter().filter(|event| event.event_type == event_type).count()
}

#[tokio::test]
async fn whoever_comes_after_a_crash_finishes_the_start() {
    use Fault::{Lost, None, Unanswered};
    // Which append the process dies at, whether it got through, and what is in the log then.
    for (plan, reserved, queued) in [
        (vec![Lost], 0, 0),
        (vec![Unanswered], 1, 0),
        (vec![None, Lost], 1, 0),
        (vec![None, Unanswered], 1, 1),
    ] {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let died = process(&log, &plan).start(request()).await.unwrap_err();
        assert!(matches!(died, CommandError::Log(LogError::Unavailable(_))), "{died}");
        assert_eq!(events_of_type(&log, "Reserved").await, reserved, "{plan:?}");
        assert_eq!(events_of_type(&log, "Queued").await, queued, "{plan:?}");

        let next = process(&log, &[]);
        let found = next.start(request()).await.unwrap();
        assert_eq!(found.reused, queued == 1, "{plan:?}");
        let again = next.start(request()).await.unwrap();
        assert_eq!(again, Started { reused: true, ..found });
        assert_eq!(events_of_type(&log, "Reserved").await, 1, "{plan:?}");
        assert_eq!(events_of_type(&log, "Queued").await, 1, "{plan:?}");
    }
}

#[tokio::test]
async fn the_same_process_also_goes_on_after_a_lost_answer() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let commands = process(&log, &[Fault::Unanswered, Fault::Unanswered, Fault::None]);
    commands.start(request()).await.unwrap_err();
    commands.start(request()).await.unwrap_err();
    let found = commands.start(request()).await.unwrap();
    assert!(found.reused);
    assert_eq!(events_of_type(&log, "Queued").await, 1);
}

#[tokio::test]
async fn many_find_one_half_made_start_and_one_of_them_finishes_it() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    process(&log, &[Fault::Unanswered]).start(request()).await.unwrap_err();
    // Ten processes, ten callers each; every third process dies at its first append.
    let processes: Vec<_> =
        (0..10).map(|n| process(&log, if n % 3 == 0 { &[Fault::Unanswered] } else { &[] })).collect();
    let starts = processes.iter().flat_map(|commands| (0..10).map(move |_| commands.start(request())));
    let answers: Vec<_> = join_all(starts).await;
    let found: Vec<Started> = answers.into_iter().filter_map(Result::ok).collect();
    assert!(found.len() >= 90);
    assert!(found.iter().all(|started| started.run == found[0].run));
    // At most one was told that the run is new; none, if the one that finished it died of it.
    assert!(found.iter().filter(|started| !started.reused).count() <= 1);
    assert_eq!(events_of_type(&log, "Queued").await, 1);
    assert_eq!(events_of_type(&log, "Reserved").await, 1);
}
