//! How far the projections have come, and how far they are behind the log.
//!
//! Requests only look at numbers in memory. Two tasks keep these up to date: one follows the
//! checkpoint, one samples the head of the log. Only for a caller that brings a position beyond the known head
//! is the log asked (`asking`), and requests that wait for the projection wait aside (`waiting`).

mod asking;
mod head_samples;
mod tasks;
mod waiting;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use eventlog::{EventLog, LogError, Position};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ledger::Ledger;
use asking::LastAnswer;
use head_samples::HeadSamples;
use waiting::Waiting;

pub use waiting::{Crowded, MOST_OF_A_TOKEN, WaitingSlot};

/// How far the projections are behind the log.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Lag {
    /// Events between the projection and the head. On a log whose positions do not tell, those that were counted,
    /// of 10,000 at most.
    pub events: u64,
    /// For how long the oldest event that is not projected has been known; 0 when there is none.
    pub seconds: f64,
    /// The last position of the log that we know of.
    pub head: Position,
    /// The position that the projection has reached.
    pub projected: Position,
}

/// What the projection has quarantined: events that it could not fold, and those that wait behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quarantine {
    /// How many streams; nearly all are runs.
    pub runs: u64,
    /// How many events, or [`Quarantine::COUNTED`] where there are more.
    pub events: u64,
}

impl Quarantine {
    /// How far quarantined events are counted.
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

/// Why a read did not get to see a position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unseen {
    /// The log ends before it, at this position.
    Ahead(Position),
    /// As many wait as may.
    Crowded(Crowded),
    /// The projection did not reach it in time.
    Behind(Behind),
}

/// Knows how current the read tables are. Cheap to clone.
#[derive(Clone)]
pub struct Freshness {
    shared: Arc<Shared>,
}

struct Shared {
    log: Arc<dyn EventLog>,
    ledger: Ledger,
    projected: watch::Sender<Position>,
    heads: Mutex<HeadSamples>,
    quarantine: Mutex<Quarantine>,
    waiting: Waiting,
    last_answer: LastAnswer,
    /// Cancelled when the ledger is not the one any more that this process began with.
    restored: CancellationToken,
}

impl fmt::Debug for Freshness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Freshness").field("lag", &self.lag()).finish_non_exhaustive()
    }
}

impl Freshness {
    /// Begins to follow the projection's checkpoint and the log's head, until `shutdown`. Must be
    /// called within a Tokio runtime. `pool` gives one connection away to listen on.
    #[must_use]
    pub fn start(pool: PgPool, log: Arc<dyn EventLog>, ledger: Ledger, shutdown: CancellationToken) -> Self {
        let freshness = Self::unfed(log, ledger);
        tokio::spawn(tasks::follow_checkpoint(freshness.clone(), pool, shutdown.clone()));
        tokio::spawn(tasks::sample_head(freshness.clone(), shutdown));
        freshness
    }

    fn unfed(log: Arc<dyn EventLog>, ledger: Ledger) -> Self {
        Self {
            shared: Arc::new(Shared {
                log,
                ledger,
                projected: watch::Sender::new(Position(0)),
                heads: Mutex::default(),
                quarantine: Mutex::default(),
                waiting: Waiting::default(),
                last_answer: LastAnswer::default(),
                restored: CancellationToken::new(),
            }),
        }
    }

    /// The ledger that this process serves, in the epoch that it began with.
    #[must_use]
    pub fn ledger(&self) -> Ledger {
        self.shared.ledger
    }

    /// Resolves when the ledger is in another epoch than the one that this process began with, or is another one:
    /// whatever the process remembers of runs and positions is not to be trusted any more.
    pub async fn restored(&self) {
        self.shared.restored.cancelled().await;
    }

    fn note_ledger(&self, ledger: Ledger) {
        if ledger != self.shared.ledger && !self.shared.restored.is_cancelled() {
            tracing::error!(
                began_with = self.shared.ledger.epoch,
                epoch = ledger.epoch,
                "the ledger was restored while this process ran: what it remembers is of another epoch"
            );
            self.shared.restored.cancel();
        }
    }

    /// Whether the log ends before what it is known to have had, or the tables show.
    #[must_use]
    pub fn is_log_behind(&self) -> bool {
        self.heads().is_behind()
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
            events: heads.events_beyond(position),
            seconds: heads.age_beyond(position, Instant::now()).as_secs_f64(),
            head: heads.head().max(position),
            projected: position,
        }
    }

    /// Says that the log holds an event at `position`: a process that appends knows so before any sample does.
    pub fn note_appended(&self, position: Position) {
        self.heads().note(position, Instant::now());
    }

    /// Whether the projection has reached `position`, so that a read need not wait for it.
    pub fn shows(&self, position: Position) -> bool {
        position <= self.projected() && !self.is_log_behind()
    }

    /// Whether the log is known to have `position`, so that it need not be asked.
    pub fn has(&self, position: Position) -> bool {
        position <= self.heads().known()
    }

    /// A place among the requests that wait, for one that waits for something else.
    ///
    /// # Errors
    /// [`Crowded`] where that token, or all together, have as many as may wait.
    pub fn wait_slot(&self, token_id: Uuid) -> Result<WaitingSlot<'_>, Crowded> {
        self.shared.waiting.enter(token_id)
    }

    /// Makes sure that the log has `position`, for a request of that token's holder.
    ///
    /// # Errors
    /// [`Unseen::Ahead`] or [`Unseen::Crowded`].
    pub async fn find(&self, position: Position, token_id: Uuid, limit: Duration) -> Result<(), Unseen> {
        let _place = self.shared.waiting.enter(token_id).map_err(Unseen::Crowded)?;
        self.head_beyond(position, limit).await.map_err(Unseen::Ahead)
    }

    /// Waits until the projection shows `position` to a request of that token's holder. A position that the log does
    /// not have is not waited for.
    ///
    /// # Errors
    /// [`Unseen`], at once but for [`Unseen::Behind`].
    pub async fn reach(&self, position: Position, token_id: Uuid, limit: Duration) -> Result<(), Unseen> {
        let until = Instant::now() + limit;
        let _place = self.shared.waiting.enter(token_id).map_err(Unseen::Crowded)?;
        self.head_beyond(position, limit).await.map_err(Unseen::Ahead)?;
        self.wait_for(position, until.saturating_duration_since(Instant::now())).await.map_err(Unseen::Behind)
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
    pub fn watch(&self) -> watch::Receiver<Position> {
        self.shared.projected.subscribe()
    }

    /// What is quarantined, as of the last look.
    #[must_use]
    pub fn quarantine(&self) -> Quarantine {
        *self.shared.quarantine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_quarantine(&self, quarantine: Quarantine) {
        *self.shared.quarantine.lock().unwrap_or_else(PoisonError::into_inner) = quarantine;
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

    /// Counts what waits where positions do not tell: reads each event once that comes while others wait.
    async fn count(&self) -> Result<(), LogError> {
        let log = &*self.shared.log;
        if log.guarantees().dense_positions {
            return Ok(());
        }
        loop {
            let wanted = self.heads().uncounted();
            let Some((after, most)) = wanted else { return Ok(()) };
            let page = log.read_all(after, most).await?;
            let positions: Vec<Position> = page.iter().map(|event| event.position).collect();
            if !self.heads().counted(&positions) {
                return Ok(());
            }
        }
    }

    fn heads(&self) -> std::sync::MutexGuard<'_, HeadSamples> {
        self.shared.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
