//! What starting a run costs, counted in appends: of its key's reservation and of its first event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use commands::{Commands, Keys, StartRequest};
use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{EventLog, ExpectedRevision, StreamAppend};
use serde_json::json;
use uuid::Uuid;

use crate::Failure;
use crate::appends::{event, rate};
use crate::report::{Figure, Rounds};
use crate::rig::Rig;

/// How many start at once.
const WIDTHS: [usize; 3] = [1, 8, 64];

/// What a start appends.
const APPENDS: usize = 2;

/// Starts of work that nobody has asked for before, beside bare appends to new streams.
pub async fn measure(rig: &Rig, rounds: usize, length: Duration) -> Result<Vec<Figure>, Failure> {
    let pool = rig.pool(1).await?;
    let keys = Keys::load(&pool).await?;
    pool.close().await;
    let log = Arc::new(PostgresLog::connect(rig.options(), PostgresLogConfig::default()).await?);
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
                    bare = appends(&log, *width, length).await?;
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
        rounds.figure(name, "bare appends to new streams").at_least(0.8)
    };
    Ok(measured.into_iter().map(figure).collect())
}

/// Appends a second of starts.
async fn starts(commands: &Arc<Commands>, width: usize, length: Duration) -> Result<f64, Failure> {
    rate(width, APPENDS, length, |until| {
        let commands = commands.clone();
        async move {
            let mut starts = 0;
            while Instant::now() < until {
                let (tenant, actor, kind) = ("demo".parse()?, "bench".parse()?, "bench.start".parse()?);
                let request = StartRequest::new(tenant, actor, kind, json!({"work": Uuid::new_v4()}));
                if commands.start(request).await?.reused {
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
async fn appends(log: &Arc<PostgresLog>, width: usize, length: Duration) -> Result<f64, Failure> {
    rate(width, 1, length, |until| {
        let log = log.clone();
        async move {
            let mut appends = 0;
            while Instant::now() < until {
                let stream = format!("run-demo-{}", Uuid::now_v7());
                let expected = ExpectedRevision::NoStream;
                log.append(StreamAppend { stream, expected, events: vec![event()] }).await?;
                appends += 1;
            }
            Ok(appends)
        }
    })
    .await
}
