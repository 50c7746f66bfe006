//! How long runs of a kind usually take, by a histogram that is small enough to be kept for each kind and day.

use chrono::TimeDelta;

/// The upper bounds of all buckets but the last, in milliseconds: each is the square root of two times the one before,
/// from half a second to 17 days. So what a histogram tells is off by less than that, mostly by much less.
pub const BOUNDS: [i64; 44] = bounds();

/// How many buckets there are.
pub const BUCKETS: usize = BOUNDS.len() + 1;

const fn bounds() -> [i64; 44] {
    let mut bounds = [0; 44];
    let mut n = 0;
    while n < bounds.len() {
        // Half a second times 2^(n/2), cut to a whole number.
        let factor = if n % 2 == 0 { 1_000_000 } else { 1_414_213 };
        bounds[n] = (factor << (n / 2)) / 2_000;
        n += 1;
    }
    bounds
}

/// The bucket of a run that took so long. What took less than nothing took nothing.
#[must_use]
pub fn bucket(took: TimeDelta) -> usize {
    BOUNDS.partition_point(|bound| *bound <= took.num_milliseconds())
}

/// How many runs took how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histogram([u64; BUCKETS]);

impl Default for Histogram {
    fn default() -> Self {
        Self([0; BUCKETS])
    }
}

impl Histogram {
    /// Adds so many runs to a bucket; false where there is no such bucket.
    pub fn add(&mut self, bucket: usize, runs: u64) -> bool {
        let Some(counted) = self.0.get_mut(bucket) else { return false };
        *counted = counted.saturating_add(runs);
        true
    }

    /// How many runs it knows.
    #[must_use]
    pub fn runs(&self) -> u64 {
        self.0.iter().fold(0, |all, runs| all.saturating_add(*runs))
    }

    /// How long the quickest so many of a hundred took at most; none where it knows no runs. Within a bucket its runs are
    /// taken to lie evenly. Of those in the last bucket only where it begins is known.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<TimeDelta> {
        let wanted = (u128::from(self.runs()) * u128::from(percent.min(100))).div_ceil(100).max(1);
        let mut before = 0;
        for (n, runs) in self.0.iter().enumerate() {
            let within = before + u128::from(*runs);
            if within >= wanted {
                let from = n.checked_sub(1).map_or(0, |n| BOUNDS[n]);
                let until = BOUNDS.get(n).copied().unwrap_or(from);
                let part = u128::from(until.abs_diff(from)) * (wanted - before) / u128::from(*runs);
                return TimeDelta::try_milliseconds(from.saturating_add(i64::try_from(part).ok()?));
            }
            before = within;
        }
        None
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bounds_grow_by_the_root_of_two() {
        assert_eq!(BOUNDS[..5], [500, 707, 1_000, 1_414, 2_000]);
        assert_eq!(BOUNDS[43], 1_482_909_810);
        assert!(BOUNDS.windows(2).all(|pair| pair[1] * 100 / pair[0] == 141));
    }

    #[test]
    fn a_run_lies_between_the_bounds_of_its_bucket() {
        for (took, wanted) in
            [(-5, 0), (0, 0), (499, 0), (500, 1), (706, 1), (707, 2), (i64::MAX / 1_000_000, 44)]
        {
            assert_eq!(bucket(TimeDelta::milliseconds(took)), wanted, "{took}");
        }
    }

    #[test]
    fn percentiles_lie_within_the_bucket_of_that_run() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.percentile(50), None);
        for minutes in 1..=100 {
            assert!(histogram.add(bucket(TimeDelta::minutes(minutes)), 1));
        }
        assert_eq!(histogram.runs(), 100);
        for percent in [1, 5, 50, 95, 100] {
            let told = histogram.percentile(percent).unwrap();
            // A percentile that is exactly at a bound is told as that bound.
            let exactly = TimeDelta::minutes(percent.into());
            assert!(bucket(told).abs_diff(bucket(exactly)) <= 1, "{percent}: {told} for {exactly}");
        }
        let all = [0, 10, 50, 90, 99, 100].map(|percent| histogram.percentile(percent).unwrap());
        assert!(all.is_sorted(), "{all:?}");
        assert!(!histogram.add(BUCKETS, 1));
    }

    #[test]
    fn the_longest_take_as_long_as_the_last_bound_at_least() {
        let mut histogram = Histogram::default();
        histogram.add(BUCKETS - 1, u64::MAX);
        histogram.add(BUCKETS - 1, 1);
        assert_eq!(histogram.percentile(95).unwrap().num_milliseconds(), BOUNDS[43]);
    }
}
