//! Where it is told what does not reach the ledger.

use std::fmt::Display;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use domain::RunId;

use crate::error::{Trouble, TroubleKind};
use crate::runfile::lock;

pub(crate) type OnTrouble = Box<dyn Fn(&Trouble) + Send + Sync>;

/// What is lost is told so often at most.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Troubles {
    told: Option<OnTrouble>,
    lost: Mutex<Lost>,
}

/// Events that could not even be written, and of which nobody was told.
#[derive(Default)]
struct Lost {
    count: u64,
    why: String,
    run: Option<RunId>,
    told: Option<Instant>,
}

impl Troubles {
    /// Without somebody to tell it is logged.
    pub fn new(told: Option<OnTrouble>) -> Self {
        Self { told, lost: Mutex::default() }
    }

    /// An event could not even be written. The first is told at once, others once a second.
    pub fn lost(&self, why: &dyn Display, run: Option<RunId>) {
        let mut lost = lock(&self.lost);
        lost.count += 1;
        (lost.why, lost.run) = (why.to_string(), run);
        drop(lost);
        self.tell_lost();
    }

    /// Tells what was lost, where it is time for that.
    pub fn tell_lost(&self) {
        let mut lost = lock(&self.lost);
        let now = Instant::now();
        if lost.count == 0 || lost.told.is_some_and(|at| now < at + EVERY) {
            return;
        }
        let (detail, run, count) = (lost.why.clone(), lost.run, lost.count);
        (lost.count, lost.told) = (0, Some(now));
        drop(lost);
        self.tell(&Trouble { kind: TroubleKind::Dropped, detail, run, event: None, count });
    }

    pub fn tell(&self, trouble: &Trouble) {
        let Some(told) = &self.told else {
            let Trouble { kind, detail, run, count, .. } = trouble;
            tracing::warn!(?kind, ?run, count, "{detail}");
            return;
        };
        if catch_unwind(AssertUnwindSafe(|| told(trouble))).is_err() {
            tracing::warn!("the callback for troubles panicked");
        }
    }
}
