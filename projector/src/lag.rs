//! How far the projection is behind, for the metrics. Measured aside, so that it grows while nothing is
//! projected.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use eventlog::streams::{NotificationRead, StreamKind, run_event, stream_kind};
use eventlog::{EventLog, LogError, Position, RecordedEvent};
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(1);

/// How many events are looked at for one that says when it was recorded: reservations do not.
const LOOK: usize = 16;

/// The position that the projection has reached, shared with the one who measures.
#[derive(Debug, Default)]
pub(crate) struct Reached(AtomicU64);

impl Reached {
    pub fn set(&self, position: Position) {
        self.0.store(position.0, Ordering::Relaxed);
    }

    fn get(&self) -> Position {
        Position(self.0.load(Ordering::Relaxed))
    }
}

/// What waits to be projected.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    /// How many positions.
    pub behind: u64,
    /// When the oldest event that waits was recorded.
    pub since: Option<DateTime<Utc>>,
}

/// Exports the lag every second until it is stopped. The first time is a second after the start: by then
/// a healthy projector knows its checkpoint.
pub(crate) async fn export(log: &dyn EventLog, reached: &Reached, stop: &CancellationToken) {
    let events = metrics::gauge!("runledger_projector_lag_events");
    let seconds = metrics::gauge!("runledger_projector_lag_seconds");
    let mut lag = Lag::default();
    while stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        let Some(measured) = stop.run_until_cancelled(measure(log, reached.get())).await else { return };
        match measured {
            Ok(now) => lag = now,
            // What waited a second ago still waits, and grows older. The projector says what is wrong.
            Err(error) => tracing::debug!(%error, "the projector's lag is not known"),
        }
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        events.set(lag.behind as f64);
        seconds.set(lag.seconds(Utc::now()));
    }
}

impl Lag {
    fn seconds(self, now: DateTime<Utc>) -> f64 {
        self.since.map_or(0.0, |since| (now - since).as_seconds_f64().max(0.0))
    }
}

/// What waits in the log after the position that is reached.
pub(crate) async fn measure(log: &dyn EventLog, reached: Position) -> Result<Lag, LogError> {
    let behind = log.head().await?.0.saturating_sub(reached.0);
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
        StreamKind::Reservation | StreamKind::Foreign => None,
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
