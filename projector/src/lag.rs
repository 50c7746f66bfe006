//! How far the projection is behind, for the metrics. Measured aside, so that it grows while nothing is
//! projected.

use std::sync::Arc;
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
#[derive(Debug, Clone, Default)]
pub(crate) struct Reached(Arc<AtomicU64>);

impl Reached {
    pub fn set(&self, position: Position) {
        self.0.store(position.0, Ordering::Relaxed);
    }

    fn get(&self) -> Position {
        Position(self.0.load(Ordering::Relaxed))
    }
}

/// Exports the lag every second until it is stopped.
pub(crate) async fn export(log: Arc<dyn EventLog>, reached: Reached, stop: CancellationToken) {
    let events = metrics::gauge!("runledger_projector_lag_events");
    let seconds = metrics::gauge!("runledger_projector_lag_seconds");
    loop {
        match measure(&*log, reached.get()).await {
            Ok((behind, age)) => {
                #[expect(clippy::cast_precision_loss, reason = "a gauge")]
                events.set(behind as f64);
                seconds.set(age);
            }
            // The appends and the projector itself say louder what is wrong.
            Err(error) => tracing::debug!(%error, "the projector's lag is not known"),
        }
        if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}

/// How many positions are not projected, and the age of the oldest of them in seconds.
async fn measure(log: &dyn EventLog, reached: Position) -> Result<(u64, f64), LogError> {
    let behind = log.head().await?.0.saturating_sub(reached.0);
    if behind == 0 {
        return Ok((0, 0.0));
    }
    let waiting = log.read_all(reached, LOOK).await?;
    let oldest = waiting.iter().find_map(recorded_at);
    let age = oldest.map_or(0.0, |oldest| (Utc::now() - oldest).as_seconds_f64().max(0.0));
    Ok((behind, age))
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
