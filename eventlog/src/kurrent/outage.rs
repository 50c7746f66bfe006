//! One word when the cluster goes away and one when it is back, whatever its client says of each call.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Whether the cluster answers, as its calls find out.
#[derive(Debug, Default)]
pub(super) struct Outage {
    now: Mutex<Option<Away>>,
}

/// What is known of an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Away {
    since: Instant,
    /// Tries that were not answered.
    tries: u64,
    /// Calls that were given up.
    calls: u64,
}

impl Outage {
    /// A try was not answered.
    pub(super) fn no_answer(&self, error: &dyn std::fmt::Display) {
        if self.note(Instant::now()) {
            tracing::warn!(%error, "the event log's cluster does not answer; trying again");
        }
    }

    /// A call was given up.
    pub(super) fn given_up(&self) {
        if let Some(away) = &mut *self.now.lock().unwrap_or_else(PoisonError::into_inner) {
            away.calls += 1;
        }
    }

    /// The cluster has answered.
    pub(super) fn answered(&self) {
        if let Some((lasted, away)) = self.end(Instant::now()) {
            let (seconds, tries, failed) = (lasted.as_secs_f64(), away.tries, away.calls);
            tracing::warn!(
                seconds,
                tries,
                failed_calls = failed,
                "the event log's cluster answers again after {seconds:.1} s; {failed} calls failed meanwhile"
            );
        }
    }

    /// Whether this is how the outage begins.
    fn note(&self, at: Instant) -> bool {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        let begins = now.is_none();
        now.get_or_insert(Away { since: at, tries: 0, calls: 0 }).tries += 1;
        begins
    }

    fn end(&self, at: Instant) -> Option<(Duration, Away)> {
        let away = self.now.lock().unwrap_or_else(PoisonError::into_inner).take()?;
        Some((at.saturating_duration_since(away.since), away))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_many_calls_fail_it_begins_once_and_ends_once() {
        let (outage, began) = (Outage::default(), Instant::now());
        let at = |seconds| began + Duration::from_secs(seconds);
        assert_eq!(outage.end(at(0)), None);
        assert!(outage.note(at(1)));
        for n in 2..=12 {
            assert!(!outage.note(at(n)), "it has begun already");
            outage.given_up();
        }
        let away = Away { since: at(1), tries: 12, calls: 11 };
        assert_eq!(outage.end(at(13)), Some((Duration::from_secs(12), away)));
        assert_eq!(outage.end(at(14)), None, "it is told once");
        outage.given_up();
        assert!(outage.note(at(20)), "the next one is another");
    }
}
