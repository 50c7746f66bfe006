//! How soon an event that was acknowledged is under a signed checkpoint.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{EventLog, ExpectedRevision, StreamAppend};
use futures::future::try_join_all;
use sealer::{KeyFile, Sealer, SealerConfig};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Failure;
use crate::appends::event;
use crate::report::{Figure, Times};
use crate::rig::{Rig, connect};

const PRODUCERS: u32 = 40;
/// Time between two appends of a producer: 40 of them with batches of 25 make 10,000 events a second.
const PACE: Duration = Duration::from_millis(100);
const BATCH: usize = 25;
/// Three times the pause between two signatures, so that every age of an event has its part.
const LENGTH: Duration = Duration::from_secs(30);
/// How often it is looked for new checkpoints.
const LOOK: Duration = Duration::from_millis(50);

/// Paced appends beside a sealer with its usual settings.
pub async fn measure(rig: &Rig, key: &Path) -> Result<Figure, Failure> {
    KeyFile::create(key, "bench.example")?;
    let name = "sealed";
    let database = rig.make_database(name).await?;
    let pool = connect(database.clone(), 4).await?;
    let log = Arc::new(PostgresLog::connect(database, PostgresLogConfig::default()).await?);
    let sealing = Sealer::new(log.clone(), pool.clone(), key.to_owned(), SealerConfig::default())?;
    let stop = CancellationToken::new();
    let at_work = tokio::spawn(sealing.run(stop.clone()));
    println!("sealed: {PRODUCERS} producers, 10,000 events/s for {} s", LENGTH.as_secs());
    let begin = Instant::now();
    let producers = (0..PRODUCERS).map(|number| {
        // The producers take turns evenly within the pace.
        tokio::spawn(produce(log.clone(), begin + PACE * number / PRODUCERS, begin + LENGTH))
    });
    let producers = try_join_all(producers);
    let last = begin + LENGTH + 2 * SealerConfig::default().sign_every;
    let (acknowledged, signed) = tokio::join!(producers, watch(&pool, last));
    let mut acknowledged: Vec<_> =
        acknowledged?.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    acknowledged.sort_unstable();
    let signed = signed?;
    stop.cancel();
    at_work.await?;
    log.shutdown().await;
    pool.close().await;
    rig.drop_database(name).await?;
    figure(&acknowledged, &signed)
}

/// The first checkpoint over each append's last event, and how long after its acknowledgment it was seen.
fn figure(acknowledged: &[(u64, Instant)], signed: &[(u64, Instant)]) -> Result<Figure, Failure> {
    let mut waited = Times::default();
    for (position, at) in acknowledged {
        let over = signed.partition_point(|(reached, _)| reached < position);
        let (_, seen) = signed.get(over).ok_or("an event was not sealed at all")?;
        waited.push(seen.saturating_duration_since(*at));
    }
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    let rate = (acknowledged.len() * BATCH) as f64 / LENGTH.as_secs_f64();
    let name = format!("acknowledged to sealed, p99 at {rate:.0} events/s");
    let figure = Figure::plain(name, waited.percentile(99), "ms").under(12_000.0);
    // A slower rate would be an easier test.
    Ok(Figure { met: figure.met.map(|met| met && rate >= 9_900.0), ..figure })
}

/// Appends at its pace; where each append ended, and when that was acknowledged.
async fn produce(
    log: Arc<PostgresLog>,
    first: Instant,
    until: Instant,
) -> Result<Vec<(u64, Instant)>, Failure> {
    let stream = format!("run-demo-{}", Uuid::now_v7());
    let (mut expected, mut acknowledged) = (ExpectedRevision::NoStream, Vec::new());
    let mut due = first;
    while due < until {
        tokio::time::sleep_until(due.into()).await;
        let events = (0..BATCH).map(|_| event()).collect();
        let appended = log.append(StreamAppend { stream: stream.clone(), expected, events }).await?;
        acknowledged.push((appended.position.0, Instant::now()));
        expected = ExpectedRevision::Exact(appended.revision);
        due += PACE;
    }
    Ok(acknowledged)
}

/// The tenant's signed checkpoints, by the position that they reach, and when each was seen first.
async fn watch(pool: &PgPool, last: Instant) -> Result<Vec<(u64, Instant)>, Failure> {
    let (mut signed, mut reached) = (Vec::new(), 0);
    while Instant::now() < last {
        let newest: i64 = sqlx::query_scalar(
            "SELECT COALESCE(max(c.position), 0) FROM seal.checkpoints AS c JOIN seal.logs AS l USING (log_id)
             WHERE l.tenant = 'demo' AND c.note IS NOT NULL",
        )
        .fetch_one(pool)
        .await?;
        if newest > reached {
            reached = newest;
            signed.push((u64::try_from(newest)?, Instant::now()));
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(signed)
}
