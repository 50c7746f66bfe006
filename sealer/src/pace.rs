//! A rate that work of low priority keeps to, so that appends and readers don't feel it.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Work that is held back to a number of events a second, or not at all.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    rate: Option<NonZeroU32>,
    begun: Instant,
    events: u64,
}

impl Pace {
    /// From now on, at most so many events a second; as fast as it goes with none.
    pub fn new(rate: Option<NonZeroU32>) -> Self {
        Self { rate, begun: Instant::now(), events: 0 }
    }

    /// How many of that many events are taken at once: what a second allows, at most.
    pub fn at_once(&self, events: usize) -> usize {
        self.rate.map_or(events, |rate| events.min(usize::try_from(rate.get()).unwrap_or(events)))
    }

    /// Waits after so many events more until they are allowed.
    pub async fn after(&mut self, events: usize) {
        self.events += events as u64;
        if let Some(rate) = self.rate {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
            let allowed = Duration::from_secs_f64(self.events as f64 / f64::from(rate.get()));
            sleep_until(self.begun + allowed).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_held_back_to_its_rate() {
        let begun = Instant::now();
        let mut pace = Pace::new(NonZeroU32::new(1_000));
        pace.after(500).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(500));
        // What took longer by itself is not held back.
        tokio::time::advance(Duration::from_secs(1)).await;
        pace.after(500).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(1_500));
        pace.after(1_000).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
        assert_eq!((pace.at_once(5_000), pace.at_once(500)), (1_000, 500));
        let mut free = Pace::new(None);
        assert_eq!(free.at_once(5_000), 5_000);
        free.after(1_000_000).await;
        assert_eq!(begun.elapsed(), Duration::from_secs(2));
    }
}
