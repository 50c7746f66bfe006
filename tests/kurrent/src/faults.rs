//! What a node is told to do wrong. Each counts down by the calls that it spoils.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

/// What a node does wrong. Nothing at first.
#[derive(Debug, Default)]
pub struct Faults {
    /// So many appends are done, and their answers are lost.
    pub lose_answers: AtomicUsize,
    /// So many appends are answered twice as late: only when [`Self::let_go`] is called.
    pub hold_answers: AtomicUsize,
    /// So many calls are refused as by a node that is starting.
    pub refuse: AtomicUsize,
    /// So many reads break off after their first event.
    pub break_reads: AtomicUsize,
    /// So many reads end well after their first event, though there is more.
    pub end_reads: AtomicUsize,
    /// Reads and appends never answer.
    pub stall: AtomicBool,
    /// How many appends it was asked for.
    pub appends: AtomicUsize,
    /// How many reads of everything it was asked for, other than for the last event alone.
    pub scans: AtomicUsize,
    /// The headers `authorization` that it was shown.
    pub shown: Mutex<Vec<String>>,
    released: Notify,
}

impl Faults {
    /// Lets all answers go that are held.
    pub fn let_go(&self) {
        self.hold_answers.store(0, Ordering::SeqCst);
        self.released.notify_waiters();
    }

    /// Whether this call is one of those to spoil.
    pub(crate) fn takes(count: &AtomicUsize) -> bool {
        count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }

    pub(crate) async fn hold(&self) {
        let released = self.released.notified();
        if Self::takes(&self.hold_answers) {
            released.await;
        }
    }

    pub(crate) async fn stall(&self) {
        if self.stall.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) fn note(&self, authorization: &str) {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).push(authorization.to_owned());
    }
}
