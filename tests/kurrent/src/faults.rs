//! What a node is told to do wrong. Each counts down by the calls that it spoils.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use tonic::Status;

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
    /// So many answers of a batch session are given twice.
    pub double_answers: AtomicUsize,
    /// So many subscriptions are ended well. [`Self::end_a_subscription`] ends one that waits.
    pub end_subscriptions: AtomicUsize,
    /// How long it looks through 32 events with a filter.
    pub filter_millis: AtomicU64,
    /// How large one event may be; 0 where nothing is said of that, as by servers before 25.1.
    pub most_event_bytes: AtomicUsize,
    /// Whoever does not show this header `authorization` is refused.
    pub expects: Mutex<Option<String>>,
    /// Appends are refused to whoever may read.
    pub readonly: AtomicBool,
    /// Reads and appends never answer.
    pub stall: AtomicBool,
    /// How many appends it was asked for.
    pub appends: AtomicUsize,
    /// How many reads of everything it was asked for, other than for the last event alone.
    pub scans: AtomicUsize,
    released: Notify,
    told: Notify,
}

impl Faults {
    /// Lets all answers go that are held.
    pub fn let_go(&self) {
        self.hold_answers.store(0, Ordering::SeqCst);
        self.released.notify_waiters();
    }

    /// Ends a subscription well.
    pub fn end_a_subscription(&self) {
        self.end_subscriptions.fetch_add(1, Ordering::SeqCst);
        self.told.notify_waiters();
    }

    /// Waits until [`Self::end_a_subscription`] is called.
    pub(crate) async fn spoiled(&self) {
        let told = self.told.notified();
        if self.end_subscriptions.load(Ordering::SeqCst) == 0 {
            told.await;
        }
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

    /// Refuses everybody else than the one that is expected.
    pub(crate) fn let_in(&self, authorization: Option<&str>) -> Result<(), Status> {
        let expects = self.expects.lock().unwrap_or_else(PoisonError::into_inner);
        match expects.as_deref() {
            Some(expected) if authorization != Some(expected) => Err(Status::unauthenticated("")),
            _ => Ok(()),
        }
    }
}
