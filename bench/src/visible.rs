//! How soon an event that was appended over HTTP can be read over HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use access::Role;
use tokio::sync::mpsc;

use crate::Failure;
use crate::child::{Caller, Server, caller, projected};
use crate::client::{Connection, position};
use crate::http_appends::{events_path, start_run, succeeded};
use crate::report::{Figure, Times};
use crate::rig::Rig;

const PRODUCERS: usize = 40;
/// Time between two events of a producer: 40 of them make 2,000 events a second.
const PACE: Duration = Duration::from_millis(20);
/// One event in so many is also read; the reads are not to be the load.
const READ_ONE_IN: usize = 10;

/// What is sent before is not counted: connections, caches and plans are made then.
const WARM_UP: Duration = Duration::from_secs(1);

/// What a producer saw.
#[derive(Default)]
struct Seen {
    sent: usize,
    acknowledged: Times,
    visible: Times,
    after: Times,
}

/// An event that was acknowledged.
struct Acknowledged {
    sent: Instant,
    at: Instant,
    position: u64,
    counts: bool,
}

/// A reader of what a producer has sent, and which of its events.
struct Reads {
    connection: Connection,
    viewer: Arc<Caller>,
    /// The first event that is read; then each that is [`READ_ONE_IN`] later.
    turn: usize,
}

/// From append to visible, with paced producers.
pub async fn measure(rig: &Rig, server: &Server, length: Duration) -> Result<Vec<Figure>, Failure> {
    let pool = rig.pool(2).await?;
    let producer = Arc::new(caller(&pool, "bench", Role::Producer).await?);
    let viewer = Arc::new(caller(&pool, "bench", Role::Readonly).await?);
    let mut connections = Vec::with_capacity(PRODUCERS);
    for number in 0..PRODUCERS {
        let mut writes = Connection::open(server.address, &producer.token).await?;
        let run = start_run(&mut writes, &producer, number).await?;
        connections.push((writes, Connection::open(server.address, &viewer.token).await?, run));
    }
    projected(&pool).await?;
    // What an earlier part has left to write is not this part's load.
    sqlx::query("CHECKPOINT").execute(&pool).await?;
    pool.close().await;

    println!("visible: {PRODUCERS} producers, 2,000 events/s for {} s", length.as_secs());
    let begin = Instant::now() + PACE;
    let producers = connections.into_iter().zip(0u32..).map(|((writes, reads, run), number)| {
        let (producer, viewer) = (producer.clone(), viewer.clone());
        // The producers take turns evenly within the pace.
        let first = begin + PACE * number / u32::try_from(PRODUCERS).unwrap_or(u32::MAX);
        // Evenly too: if all read after the same event of theirs, reads would come in bursts.
        let reads = Reads { connection: reads, viewer, turn: number as usize % READ_ONE_IN };
        tokio::spawn(produce(writes, reads, run, producer, first, first + WARM_UP + length))
    });
    let mut metrics = Connection::open(server.address, "none").await?;
    let before = applied(metrics.get("/metrics").await?)?;
    let mut all = Seen::default();
    for seen in futures::future::try_join_all(producers).await? {
        let seen = seen?;
        all.sent += seen.sent;
        all.acknowledged.append(seen.acknowledged);
        all.visible.append(seen.visible);
        all.after.append(seen.after);
    }
    let took = begin.elapsed();
    let after = applied(metrics.get("/metrics").await?)?;
    let batches = after.0 - before.0;
    println!(
        "visible: the projector applied {batches:.0} batches, {:.1} ms and {:.1} events each",
        (after.1 - before.1) * 1_000.0 / batches,
        (after.2 - before.2) / batches
    );
    Ok(figures(all, took))
}

/// How many batches the projector has applied, their seconds and their events, by the server's metrics.
fn applied(metrics: &[u8]) -> Result<(f64, f64, f64), Failure> {
    let metrics = std::str::from_utf8(metrics)?;
    let value = |name: &str| -> Result<f64, Failure> {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(line.ok_or_else(|| format!("no metric {name}"))?.trim().parse()?)
    };
    Ok((
        value("runledger_projector_apply_seconds_count")?,
        value("runledger_projector_apply_seconds_sum")?,
        value("runledger_projector_batch_events_sum")?,
    ))
}

fn figures(mut all: Seen, took: Duration) -> Vec<Figure> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rate = all.sent as f64 / took.as_secs_f64();
    println!("visible: {rate:.0} events/s were appended, {} of them were read", all.visible.len());
    // A slower rate would be an easier test.
    let paced = rate >= 1_950.0;
    let kept = |figure: Figure| match figure.met {
        Some(met) => Figure { met: Some(met && paced), ..figure },
        None => figure,
    };
    let p50 = |times: &mut Times| times.percentile(50);
    let p99 = |times: &mut Times| times.percentile(99);
    let figure = |name: &str, value| Figure::plain(format!("{name} at {rate:.0} events/s"), value, "ms");
    vec![
        figure("append to acknowledged over HTTP, p50", p50(&mut all.acknowledged)),
        figure("append to acknowledged over HTTP, p99", p99(&mut all.acknowledged)),
        figure("append to visible over HTTP, p50", p50(&mut all.visible)),
        kept(figure("append to visible over HTTP, p99", p99(&mut all.visible)).under(20.0)),
        figure("visible minus acknowledged, p50", p50(&mut all.after)),
        kept(figure("visible minus acknowledged, p99", p99(&mut all.after)).under(5.0)),
    ]
}

async fn produce(
    mut writes: Connection,
    reads: Reads,
    run: String,
    producer: Arc<Caller>,
    first: Instant,
    until: Instant,
) -> Result<Seen, Failure> {
    let path = events_path(&producer, &run);
    let (tell, told) = mpsc::unbounded_channel();
    // A read that waits must not hold back the next append.
    let read_path = format!("/v1/tenants/{}/runs/{run}", reads.viewer.tenant);
    let reading = tokio::spawn(read(reads.connection, read_path, told));
    let mut seen = Seen::default();
    let mut due = first;
    while due < until {
        tokio::time::sleep_until(due.into()).await;
        let sent = Instant::now();
        let answer = writes.post(&path, succeeded(seen.sent).as_bytes()).await?;
        let at = Instant::now();
        let counts = due >= first + WARM_UP;
        if counts {
            seen.acknowledged.push(at - sent);
        }
        if seen.sent % READ_ONE_IN == reads.turn {
            tell.send(Acknowledged { sent, at, position: position(answer)?, counts })?;
        }
        seen.sent += 1;
        due += PACE;
    }
    drop(tell);
    (seen.visible, seen.after) = reading.await??;
    Ok(seen)
}

/// Reads each run back from the moment its event is acknowledged. The answer waits for the position.
async fn read(
    mut reads: Connection,
    path: String,
    mut told: mpsc::UnboundedReceiver<Acknowledged>,
) -> Result<(Times, Times), Failure> {
    let (mut visible, mut after) = (Times::default(), Times::default());
    while let Some(Acknowledged { sent, at, position, counts }) = told.recv().await {
        reads.get(&format!("{path}?after={position}")).await?;
        let now = Instant::now();
        if counts {
            visible.push(now - sent);
            after.push(now - at);
        }
    }
    Ok((visible, after))
}
