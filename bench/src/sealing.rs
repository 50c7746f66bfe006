//! What sealing costs appends, and how fast a log that is there already is sealed and audited.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::Role;
use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{EventLog, Position};
use sealer::{Audit, KeyFile, Sealer, SealerConfig};
use sqlx::postgres::PgPool;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::appends::through;
use crate::child::{self, Server, caller, projected};
use crate::cpu::CpuClock;
use crate::http_appends::over_http;
use crate::report::{Figure, Rounds, median};
use crate::rig::{Rig, connect};
use crate::{Args, Failure, sealed, workload};

/// How many events the follower reads at once.
const FOLLOWED: usize = 1_000;

/// How many runs are interleaved in the log that is sealed.
const INTERLEAVED: usize = 64;

/// Microseconds of CPU an event: a hundred million events in ten minutes of it.
const AUDIT_COST: f64 = 600.0 / 100.0;

/// What sealing costs appends, and how soon they are sealed.
pub async fn measure(rig: &Rig, rounds: usize, length: Duration) -> Result<Vec<Figure>, Failure> {
    let folder = TempDir::new()?;
    let key = folder.path().join("appends.key");
    KeyFile::create(&key, "bench.example")?;
    let mut figures = beside_appends(rig, rounds, length, &key).await?;
    figures.extend(beside_http(rig, rounds, length, &key).await?);
    figures.push(sealed::measure(rig, &folder.path().join("sealed.key")).await?);
    Ok(figures)
}

async fn sealer(pool: &PgPool, key: &Path) -> Result<(Arc<PostgresLog>, Sealer), Failure> {
    let log = PostgresLog::connect((*pool.connect_options()).clone(), PostgresLogConfig::default()).await?;
    let log = Arc::new(log);
    let sealer = Sealer::new(log.clone(), pool.clone(), key.to_owned(), SealerConfig::default())?;
    Ok((log, sealer))
}

/// Appends with a sealer at work in the same process, as in the server, beside the same without. Both have a follower, as
/// the projector is one in the server: what was appended is kept in memory for followers, whatever they do with it.
async fn beside_appends(
    rig: &Rig,
    rounds: usize,
    length: Duration,
    key: &Path,
) -> Result<Vec<Figure>, Failure> {
    let pool = connect(rig.options(), 4).await?;
    let (mut single, mut batched) = (Rounds::default(), Rounds::default());
    for round in 1..=rounds {
        for (producers, batch, rounds_of) in [(64, 1, &mut single), (8, 25, &mut batched)] {
            // What others have left is not sealed within a round.
            let (log, sealing) = sealer(&pool, key).await?;
            sealing.seal_now().await?;
            let following = tokio::spawn(follow(log.clone(), log.head().await?));
            let (mut with, mut without) = ((0.0, 0.0), (0.0, 0.0));
            // Neither is always the first: what the one leaves to be written, the next one waits for.
            for sealed in [round % 2 == 0, round % 2 == 1] {
                if !sealed {
                    without = costing(&log, producers, batch, length).await?;
                    sealing.seal_now().await?;
                    continue;
                }
                let stop = CancellationToken::new();
                let at_work =
                    Sealer::new(log.clone(), pool.clone(), key.to_owned(), SealerConfig::default())?;
                let at_work = tokio::spawn(at_work.run(stop.clone()));
                with = costing(&log, producers, batch, length).await?;
                stop.cancel();
                at_work.await?;
            }
            log.shutdown().await;
            // It ends with the log.
            following.await??;
            println!(
                "sealing, round {round}/{rounds}, batches of {batch}: without {:.0}/s ({:.1} us of CPU each), \
                 with {:.0}/s ({:.1} us)",
                without.0, without.1, with.0, with.1
            );
            rounds_of.push(with.0, without.0);
        }
    }
    pool.close().await;
    let single = single.figure("single events, 64 producers, being sealed", "the same without a sealer");
    let batched = batched.figure("batches of 25, 8 producers, being sealed", "the same without a sealer");
    Ok(vec![single.at_least(0.95), batched.at_least(0.95)])
}

/// Appends over HTTP to a server that projects, with a key and without.
async fn beside_http(rig: &Rig, rounds: usize, length: Duration, key: &Path) -> Result<Vec<Figure>, Failure> {
    let pool = connect(rig.options(), 4).await?;
    let producer = Arc::new(caller(&pool, "bench", Role::Producer).await?);
    child::skip_to_head(rig).await?;
    let with_key = ["--seal-key", key.to_str().ok_or("a path that is no text")?];
    let (mut single, mut batched) = (Rounds::default(), Rounds::default());
    for round in 1..=rounds {
        for (producers, batch, rounds_of) in [(64, 1, &mut single), (8, 25, &mut batched)] {
            let (mut with, mut without) = (0.0, 0.0);
            for sealed in [round % 2 == 0, round % 2 == 1] {
                let (log, sealing) = sealer(&pool, key).await?;
                sealing.seal_now().await?;
                log.shutdown().await;
                let server = Server::start(rig, if sealed { &with_key } else { &[] }).await?;
                let rate = over_http(server.address, &producer, (producers, batch), length).await?;
                projected(&pool).await?;
                server.stop().await?;
                *(if sealed { &mut with } else { &mut without }) = rate;
            }
            println!(
                "sealing, round {round}/{rounds}, over HTTP, batches of {batch}: without {without:.0}/s, \
                 with {with:.0}/s"
            );
            rounds_of.push(with, without);
        }
    }
    pool.close().await;
    let single =
        single.figure("single events over HTTP, 64 producers, being sealed", "the same without a key");
    let batched =
        batched.figure("batches of 25 over HTTP, 8 producers, being sealed", "the same without a key");
    Ok(vec![single.at_least(0.95), batched.at_least(0.95)])
}

/// Events a second, and what each costs the processors.
async fn costing(
    log: &Arc<PostgresLog>,
    producers: usize,
    batch: usize,
    length: Duration,
) -> Result<(f64, f64), Failure> {
    let clock = CpuClock::start()?;
    let rate = through(log, producers, batch, length).await?;
    Ok((rate, clock.per_event(rate * length.as_secs_f64())?))
}

/// Reads whatever is appended, until the log is shut down.
async fn follow(log: Arc<PostgresLog>, after: Position) -> Result<(), eventlog::LogError> {
    let mut subscription = log.subscribe(after).await?;
    loop {
        match subscription.next_batch(FOLLOWED).await {
            Ok(events) => drop(events),
            Err(eventlog::LogError::Unavailable(_)) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Sealing a log from its beginning, and auditing it, beside reading it.
pub async fn catch_up(rig: &Rig, args: &Args) -> Result<Vec<Figure>, Failure> {
    let folder = TempDir::new()?;
    let key = folder.path().join("seal.key");
    KeyFile::create(&key, "bench.example")?;
    let name = "sealing";
    let database = rig.make_database(name).await?;
    workload::append(&database, args.events.div_ceil(workload::RUN_EVENTS), INTERLEAVED).await?;
    let pool = connect(database, 4).await?;
    sqlx::query("VACUUM ANALYZE log.events").execute(&pool).await?;
    let (log, _) = sealer(&pool, &key).await?;
    let head = log.head().await?;
    let (mut sealed, mut audited, mut costs) = (Rounds::default(), Rounds::default(), Vec::new());
    for round in 1..=args.rounds {
        sqlx::raw_sql(
            "TRUNCATE seal.logs, seal.runs, seal.tiles, seal.checkpoints, seal.continues, seal.time_stamps, seal.findings; UPDATE seal.progress SET position = 0",
        )
        .execute(&pool)
        .await?;
        let kept = key.with_extension("key.checkpoint");
        if kept.exists() {
            std::fs::remove_file(&kept)?;
        }
        rig.checkpoint().await?;
        let read = timed(head, read_all(&log)).await?;
        let (_, sealing) = sealer(&pool, &key).await?;
        let seal = timed(head, async { Ok(sealing.seal_now().await?) }).await?;
        let clock = CpuClock::start()?;
        let audit = timed(head, async {
            let found = Audit::new(log.clone(), pool.clone(), None).run(None, &|_| {}).await?;
            if found.findings.is_empty() { Ok(()) } else { Err("the audit found something".into()) }
        })
        .await?;
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
        let cost = clock.per_event(head.0 as f64)?;
        println!(
            "sealing, round {round}/{}: read {read:.0}/s, sealed {seal:.0}/s, audited {audit:.0}/s \
             ({cost:.2} us of CPU each)",
            args.rounds
        );
        costs.push(cost);
        sealed.push(seal, read);
        audited.push(audit, read);
    }
    log.shutdown().await;
    pool.close().await;
    rig.drop_database(name).await?;
    let sealed = sealed.figure(format!("sealing {} events that are there", head.0), "reading them");
    let audited = audited.figure(format!("auditing {} events", head.0), "reading them");
    let fast = sealed.value >= 100_000.0;
    let cost = Figure::plain("CPU time of an audit, the database's too, for an event", median(costs), "us");
    Ok(vec![sealed.target("over 100000 events/s", fast), audited, cost.under(AUDIT_COST)])
}

async fn timed(head: Position, work: impl Future<Output = Result<(), Failure>>) -> Result<f64, Failure> {
    let begun = Instant::now();
    work.await?;
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    Ok(head.0 as f64 / begun.elapsed().as_secs_f64())
}

async fn read_all(log: &PostgresLog) -> Result<(), Failure> {
    let mut at = Position(0);
    while let Some(last) = log.read_all(at, 5_000).await?.last() {
        at = last.position;
    }
    Ok(())
}
