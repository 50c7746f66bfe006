//! How far the projection is behind and what it holds, for the metrics. Measured aside, so that the lag grows
//! while nothing is projected, and from the tables alone, so that a projector on standby says the same as
//! the one at work, and what an operator has mended is seen.

use std::time::Duration;

use chrono::{DateTime, Utc};
use eventlog::streams::{NotificationRead, StreamKind, admin_event, named, run_event, stream_kind};
use eventlog::{EventLog, LogError, Position, RecordedEvent};
use tokio_util::sync::CancellationToken;

use crate::tables::Tables;

const EVERY: Duration = Duration::from_secs(1);

/// Every how many times the dead letters are counted: there may be many.
const LETTERS_EVERY: u32 = 5;

/// How many events are looked at for one that says when it was recorded: reservations do not.
const LOOK: usize = 16;

/// How far events that wait are counted where positions do not tell how many they are.
const COUNTED: usize = 10_000;

/// What waits to be projected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    /// How many events; on a log whose positions do not tell, [`COUNTED`] stands for that many and more.
    pub behind: u64,
    /// When the oldest event that waits was recorded.
    pub since: Option<DateTime<Utc>>,
}

/// Exports the lag every second, and every few seconds the dead letters, until it is stopped. The first time
/// is a second after the start: by then a healthy projector is at work.
pub(crate) async fn export(log: &dyn EventLog, tables: &Tables, stop: &CancellationToken) {
    let events = metrics::gauge!("runledger_projector_lag_events");
    let seconds = metrics::gauge!("runledger_projector_lag_seconds");
    let mut lag = Lag::default();
    let mut reached = None;
    for time in (0..LETTERS_EVERY).cycle() {
        if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
        let now = async {
            if time == 0 {
                export_dead_letters(tables).await;
            }
            match tables.checkpoint().await {
                Ok(checkpoint) => reached = Some(checkpoint),
                // What was projected stays projected: the lag is measured from there.
                Err(error) => tracing::debug!(%error, "the checkpoint is not known"),
            }
            match reached {
                Some(reached) => measure(log, reached).await,
                None => Ok(Lag::default()),
            }
        };
        match stop.run_until_cancelled(now).await {
            None => return,
            Some(Ok(now)) => lag = now,
            // What waited a second ago still waits, and grows older. The projector says what is wrong.
            Some(Err(error)) => tracing::debug!(%error, "the projector's lag is not known"),
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        events.set(lag.behind as f64);
        seconds.set(lag.seconds(Utc::now()));
    }
}

/// Exports how many events are quarantined, and how many runs they hold back.
pub(crate) async fn export_dead_letters(tables: &Tables) {
    match tables.dead_letters().await {
        Ok((events, streams)) => {
            #[expect(clippy::cast_precision_loss, reason = "gauges")]
            let (events, streams) = (events as f64, streams as f64);
            metrics::gauge!("runledger_dead_letters").set(events);
            metrics::gauge!("runledger_held_runs").set(streams);
        }
        Err(error) => tracing::debug!(%error, "the number of dead letters is not known"),
    }
}

impl Lag {
    fn seconds(self, now: DateTime<Utc>) -> f64 {
        self.since.map_or(0.0, |since| (now - since).as_seconds_f64().max(0.0))
    }
}

/// What waits in the log after the position that is reached.
pub(crate) async fn measure(log: &dyn EventLog, reached: Position) -> Result<Lag, LogError> {
    let behind = log.count_after(reached, COUNTED).await?;
    if behind == 0 {
        return Ok(Lag::default());
    }
    let waiting = log.read_all(reached, LOOK).await?;
    Ok(Lag { behind, since: waiting.iter().find_map(recorded_at) })
}

fn recorded_at(record: &RecordedEvent) -> Option<DateTime<Utc>> {
    match stream_kind(&record.stream) {
        StreamKind::Run => run_event(record).ok().map(|event| event.recorded_at),
        StreamKind::Notification => {
            serde_json::from_slice(&record.data).ok().map(|read: NotificationRead| read.read_at)
        }
        StreamKind::Admin => admin_event(record).ok().map(|event| event.recorded_at),
        StreamKind::Directory => named(record).ok().map(|named| named.recorded_at),
        StreamKind::Reservation | StreamKind::Reference | StreamKind::Foreign => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_grows_while_it_waits_and_is_never_below_zero() {
        let since: DateTime<Utc> = "2026-03-01T12:00:00Z".parse().unwrap();
        let lag = Lag { behind: 3, since: Some(since) };
        let after = |seconds| lag.seconds(since + chrono::TimeDelta::seconds(seconds));
        assert_eq!([after(2), after(60), after(-5)], [2.0, 60.0, 0.0]);
        assert_eq!(Lag::default().seconds(since), 0.0);
    }
}
