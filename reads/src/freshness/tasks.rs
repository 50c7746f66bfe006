//! What keeps [`Freshness`] fed.

use std::time::Duration;

use eventlog::Position;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

use super::{Freshness, Quarantine};
use crate::ledger::Ledger;

/// Where the projector announces the position it has reached.
const CHANNEL: &str = "runledger_projected";

/// How often the checkpoint is read where no announcement comes through.
const POLL: Duration = Duration::from_millis(250);

/// How often the log is asked for its head.
const SAMPLE: Duration = Duration::from_millis(500);

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(5);

pub(super) async fn follow_checkpoint(freshness: Freshness, pool: PgPool, shutdown: CancellationToken) {
    let mut backoff = FIRST_BACKOFF;
    loop {
        let followed = shutdown.run_until_cancelled(listen(&freshness, &pool, &mut backoff)).await;
        let Some(Err(error)) = followed else { return };
        tracing::warn!(%error, ?backoff, "can't follow the projection; trying again");
        if shutdown.run_until_cancelled(sleep(backoff)).await.is_none() {
            return;
        }
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}

/// Follows until the connection fails.
async fn listen(
    freshness: &Freshness,
    pool: &PgPool,
    backoff: &mut Duration,
) -> Result<std::convert::Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    // It ends with `shutdown`; closing the pool must not have to wait for it.
    listener.ignore_pool_close_event(true);
    listener.eager_reconnect(false);
    listener.listen(CHANNEL).await?;
    let mut poll = interval(POLL);
    poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        // Listening comes before the first query, so that no announcement falls between the two. The
        // first tick comes at once.
        tokio::select! {
            heard = listener.try_recv() => match heard? {
                Some(notice) => match notice.payload().parse() {
                    Ok(position) => freshness.raise_projected(Position(position)),
                    Err(error) => {
                        tracing::warn!(%error, payload = notice.payload(), "an announcement is no position");
                    }
                },
                None => return Err(sqlx::Error::Io(std::io::ErrorKind::ConnectionAborted.into())),
            },
            _ = poll.tick() => {
                let (projected, ledger) = checkpoint(pool).await?;
                freshness.note_ledger(ledger);
                freshness.set_projected(projected);
                freshness.set_quarantine(quarantine(pool).await?);
                *backoff = FIRST_BACKOFF;
            }
        }
    }
}

async fn quarantine(pool: &PgPool) -> Result<Quarantine, sqlx::Error> {
    let found = sqlx::query!(
        r#"SELECT count(DISTINCT stream) AS "runs!", count(*) AS "events!"
           FROM (SELECT stream FROM projection.dead_letters LIMIT $1) AS held"#,
        Quarantine::COUNTED.cast_signed()
    )
    .fetch_one(pool)
    .await?;
    // A count is never negative.
    Ok(Quarantine { runs: found.runs.unsigned_abs(), events: found.events.unsigned_abs() })
}

async fn checkpoint(pool: &PgPool) -> Result<(Position, Ledger), sqlx::Error> {
    let row = sqlx::query!(
        "SELECT position, ledger_id, epoch FROM projection.checkpoints, ledger.identity WHERE name = 'monitoring'"
    )
    .fetch_one(pool)
    .await?;
    let position = u64::try_from(row.position).map_err(|error| sqlx::Error::ColumnDecode {
        index: "projection.checkpoints.position".into(),
        source: error.into(),
    })?;
    Ok((Position(position), Ledger::new(row.ledger_id, row.epoch)))
}

pub(super) async fn sample_head(freshness: Freshness, shutdown: CancellationToken) {
    let mut sample = interval(SAMPLE);
    sample.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut failing = false;
    while shutdown.run_until_cancelled(sample.tick()).await.is_some() {
        let sampled = async {
            freshness.sample().await?;
            freshness.count().await
        };
        match sampled.await {
            Ok(()) => failing = false,
            // Said once, not twice a second.
            Err(error) if !failing => {
                tracing::warn!(%error, "can't read the head of the log; the lag may be more than it seems");
                failing = true;
            }
            Err(_) => {}
        }
        let lag = freshness.lag();
        #[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("runledger_read_lag_events").set(lag.events as f64);
        metrics::gauge!("runledger_read_lag_seconds").set(lag.seconds);
        metrics::gauge!("runledger_log_behind").set(if freshness.is_log_behind() { 1.0 } else { 0.0 });
    }
}
