//! What starting a run costs, counted in appends: of its key's reservation and of its first event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use commands::{Commands, Keys, StartRequest};
use eventlog::memory::MemoryLog;
use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{EventLog, ExpectedRevision, NewEvent, Position, RecordedEvent, StreamAppend};
use serde_json::json;
use uuid::Uuid;

use crate::Failure;
use crate::appends::rate;
use crate::report::{Figure, Rounds};
use crate::rig::Rig;

/// How many start at once.
const WIDTHS: [usize; 3] = [1, 8, 64];

/// What a start appends.
const APPENDS: usize = 2;

/// Starts of work that nobody has asked for before, beside bare appends of the same bytes to new streams.
pub async fn measure(rig: &Rig, rounds: usize, length: Duration) -> Result<Vec<Figure>, Failure> {
    let pool = rig.pool(1).await?;
    let keys = Keys::load(&pool).await?;
    pool.close().await;
    let log = Arc::new(PostgresLog::connect(rig.options(), PostgresLogConfig::default()).await?);
    let appended = Arc::new(appended(keys.clone()).await?);
    let commands = Arc::new(Commands::new(log.clone(), keys));
    let mut measured = WIDTHS.map(|width| (width, Rounds::default()));
    for round in 1..=rounds {
        for (width, rounds_of) in &mut measured {
            let (mut bare, mut started) = (0.0, 0.0);
            // Neither is always the first.
            for starting in [round % 2 == 0, round % 2 == 1] {
                if starting {
                    started = starts(&commands, *width, length).await?;
                } else {
                    bare = appends(&log, &appended, *width, length).await?;
                }
            }
            println!(
                "starts, round {round}/{rounds}, {width} at once: bare appends {bare:.0}/s, of starts {started:.0}/s"
            );
            rounds_of.push(started, bare);
        }
    }
    log.shutdown().await;
    let figure = |(width, rounds): (usize, Rounds)| {
        let name = format!("starting runs, {width} at once, counted in appends");
        rounds.figure(name, "bare appends of the same bytes").at_least(0.8)
    };
    Ok(measured.into_iter().map(figure).collect())
}

/// What a start appends.
async fn appended(keys: Keys) -> Result<Vec<NewEvent>, Failure> {
    let log = Arc::new(MemoryLog::new());
    Commands::new(log.clone(), keys).start(request()?).await?;
    let events = log.read_all(Position(0), APPENDS + 1).await?;
    let event =
        |RecordedEvent { id, event_type, data, metadata, .. }| NewEvent { id, event_type, data, metadata };
    Ok(events.into_iter().map(event).collect())
}

/// New work.
fn request() -> Result<StartRequest, Failure> {
    let (tenant, actor, kind) = ("demo".parse()?, "bench".parse()?, "bench.start".parse()?);
    Ok(StartRequest::new(tenant, actor, kind, json!({"work": Uuid::new_v4()})))
}

/// Appends a second of starts.
async fn starts(commands: &Arc<Commands>, width: usize, length: Duration) -> Result<f64, Failure> {
    rate(width, APPENDS, length, |until| {
        let commands = commands.clone();
        async move {
            let mut starts = 0;
            while Instant::now() < until {
                if commands.start(request()?).await?.reused {
                    return Err("new work was taken for old".into());
                }
                starts += 1;
            }
            Ok(starts)
        }
    })
    .await
}

/// The same of single events, each to a stream of its own.
async fn appends(
    log: &Arc<PostgresLog>,
    appended: &Arc<Vec<NewEvent>>,
    width: usize,
    length: Duration,
) -> Result<f64, Failure> {
    rate(width, APPENDS, length, |until| {
        let (log, appended) = (log.clone(), appended.clone());
        async move {
            let mut appends = 0;
            while Instant::now() < until {
                for event in &*appended {
                    let (stream, id) = (format!("run-demo-{}", Uuid::now_v7()), Uuid::now_v7());
                    let (expected, events) =
                        (ExpectedRevision::NoStream, vec![NewEvent { id, ..event.clone() }]);
                    log.append(StreamAppend { stream, expected, events }).await?;
                }
                appends += 1;
            }
            Ok(appends)
        }
    })
    .await
}
