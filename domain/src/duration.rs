//! How long a run took: by its producers' clocks, unless the ledger's contradicts them.
//!
//! What a producer says of the time of an event is believed as far as it can be: an event may be reported late, so
//! it may have occurred long before it was recorded. It can't have occurred after that, nor before the ledger knew of
//! the run, and nothing ends before it starts. Where one of that is said, and the ledger's own times make another
//! duration of it, these are taken.

use chrono::{DateTime, TimeDelta, Utc};

use crate::run::Run;

/// How far a producer's clock may be from the ledger's before it is contradicted. Clocks that are kept by NTP differ
/// by much less; between the moment at which a request is sent and that at which it is taken in lie a queue and a
/// retry at most.
pub const TOLERANCE: TimeDelta = TimeDelta::seconds(5);

/// A moment by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// By the producer's.
    pub occurred_at: DateTime<Utc>,
    /// By the ledger's; none where it is not known, and contradicts nothing.
    pub recorded_at: Option<DateTime<Utc>>,
}

impl Stamp {
    /// A moment of which at least the producer's time is known.
    #[must_use]
    pub fn new(occurred_at: Option<DateTime<Utc>>, recorded_at: Option<DateTime<Utc>>) -> Option<Self> {
        occurred_at.map(|occurred_at| Self { occurred_at, recorded_at })
    }

    /// Whether it can't be that it occurred then, in a run that was queued at that time of the ledger.
    #[must_use]
    pub fn is_contradicted(self, queued_at: DateTime<Utc>) -> bool {
        self.recorded_at.is_some_and(|recorded_at| {
            self.occurred_at - recorded_at > TOLERANCE || queued_at - self.occurred_at > TOLERANCE
        })
    }

    fn by_ledger(self) -> DateTime<Utc> {
        self.recorded_at.unwrap_or(self.occurred_at)
    }
}

/// From when until when a run went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Course {
    /// When it was started; when it was queued, where it never was.
    pub from: DateTime<Utc>,
    /// When it ended; none while it goes on.
    pub until: Option<DateTime<Utc>>,
    /// What the producers said can't be: both times are the ledger's.
    pub clock_skew: bool,
}

impl Course {
    /// The course of a run that was queued, started and ended then. It is queued by the ledger's clock.
    #[must_use]
    pub fn new(queued_at: DateTime<Utc>, started: Option<Stamp>, ended: Option<Stamp>) -> Self {
        let from = started.map_or(queued_at, |started| started.occurred_at);
        let until = ended.map(|ended| ended.occurred_at);
        let said = Self { from, until, clock_skew: false };
        let recorded = Self {
            from: started.map_or(queued_at, Stamp::by_ledger),
            until: ended.map(Stamp::by_ledger),
            clock_skew: true,
        };
        let impossible = started.into_iter().chain(ended).any(|stamp| stamp.is_contradicted(queued_at))
            || until.is_some_and(|until| until < from);
        // Two times that are off by the same have the same between them.
        let apart = match (said.took(), recorded.took()) {
            (Some(said), Some(recorded)) => said - recorded,
            _ => said.from - recorded.from,
        };
        if impossible && apart.abs() > TOLERANCE { recorded } else { said }
    }

    /// The course of a folded run; none before it was queued.
    #[must_use]
    pub fn of(run: &Run) -> Option<Self> {
        let started = Stamp::new(run.started_at, run.started_recorded_at);
        let ended = Stamp::new(run.ended_at, run.ended_recorded_at);
        Some(Self::new(run.queued_at?, started, ended))
    }

    /// How long it took, once it has ended.
    #[must_use]
    pub fn took(&self) -> Option<TimeDelta> {
        self.until.map(|until| until - self.from)
    }
}
