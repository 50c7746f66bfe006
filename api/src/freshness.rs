//! How far the projections have come, and how far they are behind the log.
//!
//! Requests only look at numbers in memory. Two tasks keep these up to date: one follows the
//! checkpoint, one samples the head of the log.

mod heads;
mod tasks;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventlog::{EventLog, Position};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use heads::Heads;

/// How far the projections are behind the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    /// Positions between the projection and the head; on a log with dense positions, events.
    pub events: u64,
    /// For how long the oldest event that is not projected has been known; 0 when there is none.
    pub seconds: f64,
    /// The last position of the log that we know of.
    pub head: Position,
    /// The position that the projection has reached.
    pub projected: Position,
}

/// What the projection holds back: events that it could not fold, and those that wait behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HeldBack {
    /// How many streams; nearly all are runs.
    pub runs: u64,
    /// How many events, or [`HeldBack::COUNTED`] where there are more.
    pub events: u64,
}

impl HeldBack {
    /// How far events that are held are counted.
    pub const COUNTED: u64 = 10_000;
}

/// The projection did not reach a position in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the projection is at position {}, not yet at {}", projected.0, wanted.0)]
pub struct Behind {
    /// The position that was waited for.
    pub wanted: Position,
    /// The position that the projection has reached.
    pub projected: Position,
}

/// Knows how current the read tables are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Freshness {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    projected: watch::Sender<Position>,
    heads: Mutex<Heads>,
    held: Mutex<HeldBack>,
}

impl Freshness {
    /// Begins to follow the projection's checkpoint and the log's head, until `shutdown`. Must be
    /// called within a Tokio runtime. `pool` gives one connection away to listen on.
    #[must_use]
    pub fn start(pool: PgPool, log: Arc<dyn EventLog>, shutdown: CancellationToken) -> Self {
        let freshness = Self::unfed();
        tokio::spawn(tasks::follow_checkpoint(freshness.clone(), pool, shutdown.clone()));
        tokio::spawn(tasks::sample_head(freshness.clone(), log, shutdown));
        freshness
    }

    fn unfed() -> Self {
        let projected = watch::Sender::new(Position(0));
        Self { shared: Arc::new(Shared { projected, heads: Mutex::default(), held: Mutex::default() }) }
    }

    /// The position that the projection has reached, as far as we have heard.
    #[must_use]
    pub fn projected(&self) -> Position {
        *self.shared.projected.borrow()
    }

    /// How far the projection is behind.
    #[must_use]
    pub fn lag(&self) -> Lag {
        self.lag_of(self.projected())
    }

    /// How far an answer that reflects `position` is behind.
    #[must_use]
    pub fn lag_of(&self, position: Position) -> Lag {
        let heads = self.heads();
        Lag {
            events: heads.head().0.saturating_sub(position.0),
            seconds: heads.age_beyond(position, Instant::now()).as_secs_f64(),
            head: heads.head().max(position),
            projected: position,
        }
    }

    /// Says that the log holds an event at `position`: whoever appends knows it before any sample does.
    pub fn note_appended(&self, position: Position) {
        self.heads().note(position, Instant::now());
    }

    /// Waits until the projection has reached `position`, for `limit` at most.
    ///
    /// # Errors
    /// [`Behind`] when it has not by then.
    pub async fn wait_for(&self, position: Position, limit: Duration) -> Result<(), Behind> {
        let mut projected = self.shared.projected.subscribe();
        match tokio::time::timeout(limit, projected.wait_for(|reached| *reached >= position)).await {
            Ok(Ok(_)) => Ok(()),
            // The sender lives as long as we do, so the inner error does not happen.
            Ok(Err(_)) | Err(_) => Err(Behind { wanted: position, projected: self.projected() }),
        }
    }

    /// Follows the position that the projection has reached.
    pub(crate) fn watch(&self) -> watch::Receiver<Position> {
        self.shared.projected.subscribe()
    }

    /// What is held back, as of the last look.
    #[must_use]
    pub fn held(&self) -> HeldBack {
        *self.shared.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_held(&self, held: HeldBack) {
        *self.shared.held.lock().unwrap_or_else(PoisonError::into_inner) = held;
    }

    /// Takes the position over as it is: after a rebuild it may be lower than before.
    fn set_projected(&self, position: Position) {
        self.shared.projected.send_if_modified(|known| std::mem::replace(known, position) != position);
        self.heads().forget_up_to(position);
    }

    /// Takes the position over unless we know better: an announcement may come late.
    fn raise_projected(&self, position: Position) {
        if position > self.projected() {
            self.set_projected(position);
        }
    }

    fn heads(&self) -> std::sync::MutexGuard<'_, Heads> {
        self.shared.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
