//! How much at once, and how long.

use std::time::Duration;

/// Sizes, in bytes where nothing else is said, and times. `Limits::default()` has what suits most.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Events of one request; the ledger takes at most 1,000.
    pub batch_events: usize,
    /// What their lines have together at most, unless one alone has more.
    pub batch_bytes: usize,
    /// How long the first event of a batch waits for others. An end waits for none.
    pub linger: Duration,
    /// What may wait to be sent. Beyond half of it signs of life are dropped, beyond all of it all but ends.
    pub spool_bytes: u64,
    /// How long `dispatch`, `claim` and `exclusive` wait for the ledger's answer.
    pub answer_timeout: Duration,
    /// How long the sender waits for it. Nobody waits for the sender.
    pub request_timeout: Duration,
    /// How long the end of the process waits for what is still to be sent.
    pub exit_timeout: Duration,
    /// The first pause where the ledger is away; each is twice the one before.
    pub retry_first: Duration,
    /// The longest pause.
    pub retry_most: Duration,
    /// How often it is looked for what processes that have died have left in the spool.
    pub adopt_every: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            batch_events: 1_000,
            batch_bytes: 1_000_000,
            linger: Duration::from_millis(100),
            spool_bytes: 64 << 20,
            answer_timeout: Duration::from_secs(2),
            request_timeout: Duration::from_secs(15),
            exit_timeout: Duration::from_secs(5),
            retry_first: Duration::from_millis(250),
            retry_most: Duration::from_secs(30),
            adopt_every: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// The pause after so many failures, never the same for all that wait. `asked` is the ledger's own word on it.
    pub(crate) fn pause(&self, failures: u32, asked: Option<Duration>) -> Duration {
        let most =
            self.retry_first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.retry_most);
        asked.unwrap_or(most / 2) + (most / 2).mul_f64(rand::random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_never_undercut_what_was_asked() {
        let limits = Limits::default();
        for failures in 1..200 {
            assert!(limits.pause(failures, None) <= limits.retry_most);
            assert!(limits.pause(failures, Some(Duration::from_secs(7))) >= Duration::from_secs(7));
        }
        assert!(limits.pause(1, None) <= limits.retry_first);
        assert!(limits.pause(20, None) >= limits.retry_most / 2);
    }
}
