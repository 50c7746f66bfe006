//! Samples of the log's head: which position was known when.

use std::collections::VecDeque;
use std::time::Duration;

use eventlog::Position;
use tokio::time::Instant;

/// Samples closer together than this become one, with the earlier time.
const GRAIN: Duration = Duration::from_millis(10);

/// When there are more samples than this, every second one goes.
const MOST: usize = 4_096;

/// For how long the log must be seen to end before what it had until that is believed: a cluster's former leader
/// that does not know yet that it is none may say so for a moment.
const CERTAIN: Duration = Duration::from_secs(5);
/// How many events that wait are counted at most.
const COUNTED: usize = 10_000;

/// The samples that are not projected yet, positions and times both growing.
#[derive(Debug, Default)]
pub(super) struct HeadSamples {
    head: Position,
    projected: Position,
    samples: VecDeque<(Position, Instant)>,
    /// Since when the log is seen to end before what it had.
    short_since: Option<Instant>,
    /// That is believed. What this process knows of the log is wrong then, and stays so.
    behind: bool,
    /// On a log whose positions do not tell how many events lie between them: those that wait, as far as they were
    /// counted.
    waiting: Option<VecDeque<Position>>,
}

impl HeadSamples {
    pub(super) fn head(&self) -> Position {
        self.head
    }

    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    /// Where the log is known to end at least.
    pub(super) fn known(&self) -> Position {
        if self.behind { self.head } else { self.head.max(self.projected) }
    }

    /// Takes in an answer of the log, and what was known of its end before it was asked. Says whether that the log
    /// is behind is new.
    pub(super) fn answered(&mut self, known: Position, head: Position, now: Instant) -> bool {
        if head >= known {
            self.short_since = None;
            self.note(head, now);
            return false;
        }
        let since = *self.short_since.get_or_insert(now);
        if self.behind || now.saturating_duration_since(since) < CERTAIN {
            return false;
        }
        self.behind = true;
        self.head = head;
        self.samples.clear();
        self.waiting = None;
        true
    }

    /// How many events are known beyond a position.
    pub(super) fn events_beyond(&self, position: Position) -> u64 {
        match &self.waiting {
            None => self.head.0.saturating_sub(position.0),
            // That one was appended may be known before it is counted.
            Some(waiting) => {
                let counted = waiting.len() - waiting.partition_point(|event| *event <= position);
                (counted as u64).max(u64::from(self.head > position))
            }
        }
    }

    /// Behind which position is to be counted on, and how many events at most. None where all are counted, or so
    /// many that it is enough.
    pub(super) fn uncounted(&mut self) -> Option<(Position, usize)> {
        let (head, projected) = (self.head, self.projected);
        let waiting = self.waiting.get_or_insert_default();
        let after = waiting.back().copied().unwrap_or_default().max(projected);
        let room = COUNTED.saturating_sub(waiting.len());
        (after < head && room > 0).then_some((after, room))
    }

    /// Takes in events that follow those that are counted. Says whether there were any.
    pub(super) fn counted(&mut self, events: &[Position]) -> bool {
        let projected = self.projected;
        let waiting = self.waiting.get_or_insert_default();
        waiting.extend(events.iter().filter(|event| **event > projected));
        !events.is_empty()
    }

    /// For how long a position beyond `position` has been known.
    pub(super) fn age_beyond(&self, position: Position, now: Instant) -> Duration {
        let first = self.samples.partition_point(|(sample, _)| *sample <= position);
        self.samples.get(first).map_or(Duration::ZERO, |(_, at)| now.saturating_duration_since(*at))
    }

    pub(super) fn note(&mut self, position: Position, now: Instant) {
        if position <= self.head {
            return;
        }
        self.head = position;
        if position <= self.projected {
            return;
        }
        match self.samples.back_mut() {
            Some((last, at)) if now.saturating_duration_since(*at) < GRAIN => *last = position,
            _ => self.samples.push_back((position, now)),
        }
        if self.samples.len() > MOST {
            // The oldest stays: it is the one that tells the lag.
            let mut index = 0;
            self.samples.retain(|_| {
                index += 1;
                index % 2 == 1
            });
            // The newest stays too, or the head would seem projected too early.
            if self.samples.back().is_some_and(|(last, _)| *last < position) {
                self.samples.push_back((position, now));
            }
        }
    }

    pub(super) fn forget_up_to(&mut self, position: Position) {
        // After a rebuild it may be lower than before: then what waits is counted anew.
        if let Some(waiting) = self.waiting.as_mut().filter(|_| position < self.projected) {
            waiting.clear();
        }
        self.projected = position;
        if !self.behind {
            self.head = self.head.max(position);
        }
        let gone = self.samples.partition_point(|(sample, _)| *sample <= position);
        self.samples.drain(..gone);
        if let Some(waiting) = &mut self.waiting {
            let gone = waiting.partition_point(|event| *event <= position);
            waiting.drain(..gone);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_lag_is_the_age_of_the_oldest_sample_beyond_the_position() {
        let mut heads = HeadSamples::default();
        let start = Instant::now();
        heads.note(Position(10), start);
        heads.note(Position(20), start + SECOND);
        heads.note(Position(15), start + SECOND * 2);
        let now = start + SECOND * 3;
        assert_eq!(heads.head(), Position(20));
        assert_eq!(heads.age_beyond(Position(0), now), SECOND * 3);
        assert_eq!(heads.age_beyond(Position(9), now), SECOND * 3);
        assert_eq!(heads.age_beyond(Position(10), now), SECOND * 2);
        assert_eq!(heads.age_beyond(Position(20), now), Duration::ZERO);
    }

    #[test]
    fn a_log_that_ends_before_what_it_had_is_believed_after_a_while_and_for_good() {
        let mut heads = HeadSamples::default();
        let start = Instant::now();
        heads.note(Position(10), start);
        heads.forget_up_to(Position(12));
        assert_eq!(heads.known(), Position(12));
        // Once, and then as it was: a leader that was none any more.
        assert!(!heads.answered(Position(12), Position(9), start + SECOND));
        assert!(!heads.answered(Position(12), Position(12), start + SECOND * 2));
        assert!(!heads.answered(Position(12), Position(9), start + SECOND * 3));
        assert!(!heads.answered(Position(12), Position(9), start + SECOND * 7));
        assert_eq!((heads.is_behind(), heads.known()), (false, Position(12)));
        assert!(heads.answered(Position(12), Position(9), start + SECOND * 8));
        assert_eq!((heads.is_behind(), heads.known()), (true, Position(9)));
        // It grows past what it had: what came in between is not what was there.
        assert!(!heads.answered(Position(9), Position(20), start + SECOND * 9));
        assert_eq!((heads.is_behind(), heads.known()), (true, Position(20)));
    }

    #[test]
    fn positions_with_gaps_are_counted_and_not_subtracted() {
        let mut heads = HeadSamples::default();
        let now = Instant::now();
        assert_eq!(heads.uncounted(), None);
        heads.note(Position(9_000_000), now);
        assert_eq!(heads.events_beyond(Position(0)), 1, "it is known, and not counted yet");
        assert_eq!(heads.uncounted(), Some((Position(0), COUNTED)));
        assert!(heads.counted(&[Position(1_000), Position(5_000_000), Position(9_000_000)]));
        assert_eq!(heads.uncounted(), None, "that is all");
        assert_eq!(
            [0, 1_000, 6_000_000, 9_000_000].map(|at| heads.events_beyond(Position(at))),
            [3, 2, 1, 0]
        );
        heads.note(Position(9_500_000), now);
        assert_eq!(heads.uncounted(), Some((Position(9_000_000), COUNTED - 3)));
        // The projection comes on meanwhile.
        heads.forget_up_to(Position(9_500_000));
        assert!(heads.counted(&[Position(9_500_000)]));
        assert_eq!((heads.events_beyond(Position(9_500_000)), heads.uncounted()), (0, None));
        // More than are counted are that many.
        heads.note(Position(99_000_000), now);
        let many: Vec<Position> = (0..COUNTED as u64).map(|n| Position(10_000_000 + n * 100)).collect();
        assert!(heads.counted(&many));
        assert_eq!((heads.uncounted(), heads.events_beyond(Position(9_500_000))), (None, COUNTED as u64));
    }

    #[test]
    fn what_is_projected_is_forgotten() {
        let mut heads = HeadSamples::default();
        let start = Instant::now();
        heads.note(Position(10), start);
        heads.forget_up_to(Position(12));
        assert_eq!((heads.head(), heads.samples.len()), (Position(12), 0));
        heads.note(Position(12), start + SECOND);
        assert_eq!(heads.age_beyond(Position(12), start + SECOND * 2), Duration::ZERO);
        heads.note(Position(13), start + SECOND);
        assert_eq!(heads.age_beyond(Position(12), start + SECOND * 2), SECOND);
    }

    #[test]
    fn many_samples_take_little_memory_and_keep_both_ends() {
        let mut heads = HeadSamples::default();
        let start = Instant::now();
        for n in 1..=100_000_u32 {
            heads.note(Position(u64::from(n)), start + GRAIN * n);
        }
        assert!(heads.samples.len() <= MOST + 1);
        assert_eq!(heads.samples.front().unwrap().0, Position(1));
        assert_eq!(heads.samples.back().unwrap().0, Position(100_000));
        assert!(heads.samples.iter().zip(heads.samples.iter().skip(1)).all(|(a, b)| a.0 < b.0 && a.1 <= b.1));
    }

    #[test]
    fn a_burst_is_one_sample_with_the_earlier_time() {
        let mut heads = HeadSamples::default();
        let start = Instant::now();
        for n in 1..=1_000 {
            heads.note(Position(n), start + Duration::from_micros(n));
        }
        assert_eq!(heads.samples.len(), 1);
        assert_eq!(heads.age_beyond(Position(999), start + SECOND), SECOND - Duration::from_micros(1));
    }
}
