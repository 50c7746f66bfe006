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
        assert_eq!(again, Started { reused: true, changes: again.changes.clone(), ..found });
        assert_eq!(events_of_type(&log, "Reserved").await, 1, "{plan:?}");
        assert_eq!(events_of_type(&log, "Queued").await, 1, "{plan:?}");
    }
}

fn named() -> StartRequest {
    let reference = serde_json::from_value(json!({"source": "test", "id": "1"})).unwrap();
    StartRequest { reference: Some(reference), ..request() }
}

/// The name and the key of a start are two streams, and its run is a third.
#[tokio::test]
async fn a_named_start_heals_wherever_it_was_cut_off() {
    use Fault::{Lost, None, Unanswered};
    for (plan, written) in [
        (vec![Lost], [0, 0, 0]),
        (vec![Unanswered], [1, 0, 0]),
        (vec![None, Lost], [1, 0, 0]),
        (vec![None, Unanswered], [1, 1, 0]),
        (vec![None, None, Lost], [1, 1, 0]),
        (vec![None, None, Unanswered], [1, 1, 1]),
    ] {
        // Whether the next one to come is the same start, or another one of the same work.
        for same in [true, false] {
            let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
            process(&log, &plan).start(named()).await.unwrap_err();
            let mut found = Vec::new();
            for event_type in ["Reserved", "Referenced", "Queued"] {
                found.push(events_of_type(&log, event_type).await);
            }
            assert_eq!(found, written, "{plan:?}");

            let next = process(&log, &[]);
            let first = next.start(if same { named() } else { request() }).await.unwrap();
            let (queued, ours) = (written[2] == 1, written[1] == 1);
            assert_eq!(first.reused, queued && !same, "{plan:?} {same}");
            assert_eq!(first.repeated, queued && same, "{plan:?} {same}");
            let again = process(&log, &[]).start(named()).await.unwrap();
            assert_eq!(again.run, first.run, "{plan:?} {same}");
            // The run is another one's where that has queued it.
            assert_eq!(again.reused, !same && !queued, "{plan:?} {same} {ours}");
            for event_type in ["Reserved", "Referenced", "Queued"] {
                assert_eq!(events_of_type(&log, event_type).await, 1, "{plan:?} {same}");
            }
        }
    }
}

/// A name that was reserved for some work is for that work, also where it was never finished.
#[tokio::test]
async fn a_name_is_never_given_to_other_work() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    process(&log, &[Fault::None, Fault::None, Fault::Lost]).start(named()).await.unwrap_err();
    let other = StartRequest { context: json!({"other": "work"}), ..named() };
    let refused = process(&log, &[]).start(other.clone()).await.unwrap_err();
    assert!(matches!(refused, CommandError::StartDiffers { run: None, .. }), "{refused:?}");
    let first = process(&log, &[]).start(named()).await.unwrap();
    assert!(!first.reused);
    let refused = process(&log, &[]).start(other.clone()).await.unwrap_err();
    let CommandError::StartDiffers { run, differences, .. } = refused else { panic!("{refused:?}") };
    assert_eq!((run, differences.len()), (Some(first.run), 2), "{differences:?}");
    // What the other start has left behind is in nobody's way.
    let free = StartRequest { reference: None, ..other };
    assert!(!process(&log, &[]).start(free).await.unwrap().reused);
}

#[tokio::test]
async fn many_processes_with_one_name_make_one_run_while_others_die() {
    for _ in 0..20 {
        let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
        let faults = |n: usize| match n % 4 {
            0 => vec![Fault::Unanswered],
            1 => vec![Fault::None, Fault::Unanswered],
            2 => vec![Fault::None, Fault::None, Fault::Unanswered],
            _ => vec![],
        };
        let processes: Vec<_> = (0..12).map(|n| process(&log, &faults(n))).collect();
        // Half of them by the name, half by the work.
        let starts = processes.iter().enumerate().flat_map(|(n, commands)| {
            (0..4).map(move |_| commands.start(if n % 2 == 0 { named() } else { request() }))
        });
        let found: Vec<Started> = join_all(starts).await.into_iter().filter_map(Result::ok).collect();
        assert!(found.iter().all(|started| started.run == found[0].run));
        assert!(found.iter().filter(|started| !started.reused && !started.repeated).count() <= 1);
        assert_eq!(events_of_type(&log, "Queued").await, 1);
        let last = process(&log, &[]).start(named()).await.unwrap();
        assert_eq!(last.run, found[0].run);
        assert_eq!(events_of_type(&log, "Referenced").await, 1);
    }
}

#[tokio::test]
async fn the_same_process_also_goes_on_after_a_lost_answer() {
    let log: Arc<dyn EventLog> = Arc::new(MemoryLog::new());
    let commands = process(&log, &[Fault::Unanswered, Fault::None, Fault::Unanswered]);
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
