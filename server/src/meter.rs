//! How far a long command has come: a bar on a terminal, a line now and then elsewhere.

use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use projector::Progress;

/// How often a line is written where there is no terminal.
const BETWEEN_LINES: Duration = Duration::from_secs(5);

/// Positions are places, and on some logs bytes: they tell the share, and the events are counted.
const LAYOUT: &str = "{msg} [{elapsed_precise}] {wide_bar} {percent} %, {prefix}, {eta} left";

/// Shows progress with rate and time left on standard error.
pub struct Meter {
    what: &'static str,
    of: Of,
    kind: Kind,
}

enum Kind {
    Bar(ProgressBar),
    Lines(Mutex<Lines>),
}

/// What is counted.
#[derive(Debug, Clone, Copy, Default)]
enum Of {
    /// Events of a log, which has positions.
    #[default]
    Events,
    /// Rows of a source. How far that is read is a number that nobody else knows.
    Rows,
}

impl Of {
    fn unit(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Rows => "rows",
        }
    }
}

/// What has been told.
#[derive(Default)]
struct Lines {
    of: Of,
    /// Where it began, and when.
    first: Option<(u64, Instant)>,
    last_line: Option<Instant>,
}

impl Meter {
    /// Begins to measure how events of a log are worked on.
    pub fn new(what: &'static str) -> Self {
        Self::begin(what, Of::Events)
    }

    /// The same of rows.
    pub fn of_rows(what: &'static str) -> Self {
        Self::begin(what, Of::Rows)
    }

    fn begin(what: &'static str, of: Of) -> Self {
        if !std::io::stderr().is_terminal() {
            return Self { what, of, kind: Kind::Lines(Mutex::new(Lines { of, ..Lines::default() })) };
        }
        let bar = ProgressBar::new(0).with_message(what);
        if let Ok(style) = ProgressStyle::with_template(LAYOUT) {
            bar.set_style(style);
        }
        Self { what, of, kind: Kind::Bar(bar) }
    }

    /// Shows how far it is.
    pub fn show(&self, progress: Progress) {
        let (reached, goal) = (progress.reached.0, progress.goal.0.max(progress.reached.0));
        match &self.kind {
            Kind::Bar(bar) => {
                if bar.length() == Some(0) && reached > 0 {
                    // It goes on from where an earlier one was: that is no speed of this one.
                    bar.set_position(reached);
                    bar.reset_eta();
                }
                bar.set_length(goal);
                bar.set_position(reached);
                bar.set_prefix(format!("{} {}", HumanCount(progress.events), self.of.unit()));
            }
            Kind::Lines(lines) => {
                let now = Instant::now();
                let line = lines.lock().unwrap_or_else(PoisonError::into_inner).line(
                    now,
                    reached,
                    goal,
                    progress.events,
                );
                if let Some(line) = line {
                    self.write(&line);
                }
            }
        }
    }

    /// Says what it is at now.
    pub fn say(&self, what: &str) {
        match &self.kind {
            Kind::Bar(bar) => bar.set_message(what.to_owned()),
            Kind::Lines(_) => self.write(what),
        }
    }

    /// Leaves the terminal as it was.
    pub fn done(self) {
        if let Kind::Bar(bar) = self.kind {
            bar.finish_and_clear();
        }
    }

    fn write(&self, line: &str) {
        // A reader that went away is no reason to fail.
        drop(writeln!(std::io::stderr(), "{}: {line}", self.what));
    }
}

impl Lines {
    /// The next line, when it is time for one.
    fn line(&mut self, now: Instant, reached: u64, goal: u64, events: u64) -> Option<String> {
        let (from, began) = *self.first.get_or_insert((reached, now));
        if reached < goal && self.last_line.is_some_and(|last| now - last < BETWEEN_LINES) {
            return None;
        }
        self.last_line = Some(now);
        let (position, of, counted) = (HumanCount(reached), HumanCount(goal), HumanCount(events));
        let percent = if goal == 0 { 100 } else { u128::from(reached) * 100 / u128::from(goal) };
        let place = match self.of {
            Of::Events => format!("{percent} %, at position {position} of {of}"),
            Of::Rows => format!("{percent} %"),
        };
        let seconds = (now - began).as_secs_f64();
        // By positions, which are all that is known of what is left; how many events that is nobody has counted.
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let pace = (reached - from.min(reached)) as f64 / seconds;
        if !pace.is_normal() {
            return Some(place);
        }
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let rate = events as f64 / seconds;
        #[expect(clippy::cast_precision_loss, reason = "a time left for people")]
        let left = HumanDuration(Duration::try_from_secs_f64((goal - reached) as f64 / pace).ok()?);
        let unit = self.of.unit();
        Some(format!("{place}; {counted} {unit}, {rate:.0} {unit}/s, {left} left"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_tell_rate_and_time_left_of_this_one_alone() {
        let mut lines = Lines::default();
        let began = Instant::now();
        let mut line = |seconds, reached, goal, events| {
            lines.line(began + Duration::from_secs(seconds), reached, goal, events)
        };
        // It goes on from where an earlier one was: that is no speed of this one.
        let told = "40 %, at position 40,000 of 100,000";
        assert_eq!(line(0, 40_000, 100_000, 0).as_deref(), Some(told));
        assert_eq!(line(4, 44_000, 100_000, 4_000), None);
        let told = "50 %, at position 50,000 of 100,000; 10,000 events, 1000 events/s, 50 seconds left";
        assert_eq!(line(10, 50_000, 100_000, 10_000).as_deref(), Some(told));
        assert_eq!(line(14, 99_000, 100_000, 59_000), None);
        // The goal moves on.
        let told = "42 %, at position 60,000 of 140,000; 20,000 events, 1000 events/s, 80 seconds left";
        assert_eq!(line(20, 60_000, 140_000, 20_000).as_deref(), Some(told));
        // The end is told at once.
        let told = "100 %, at position 140,000 of 140,000; 100,000 events, 4762 events/s, 0 seconds left";
        assert_eq!(line(21, 140_000, 140_000, 100_000).as_deref(), Some(told));
    }

    #[test]
    fn positions_that_are_bytes_are_no_events() {
        let mut lines = Lines::default();
        let began = Instant::now();
        lines.line(began, 0, 189_964_864, 0);
        let line = lines.line(began + Duration::from_secs(10), 94_982_432, 189_964_864, 2_500);
        let told = "50 %, at position 94,982,432 of 189,964,864; 2,500 events, 250 events/s, 10 seconds left";
        assert_eq!(line.as_deref(), Some(told));
    }

    #[test]
    fn rows_have_no_positions() {
        let mut lines = Lines { of: Of::Rows, ..Lines::default() };
        let began = Instant::now();
        lines.line(began, 0, 1_000, 0);
        let line = lines.line(began + Duration::from_secs(10), 500, 1_000, 20);
        assert_eq!(line.as_deref(), Some("50 %; 20 rows, 2 rows/s, 10 seconds left"));
    }

    #[test]
    fn nothing_to_do_has_no_rate() {
        let mut lines = Lines::default();
        let now = Instant::now();
        assert_eq!(lines.line(now, 0, 0, 0).as_deref(), Some("100 %, at position 0 of 0"));
        assert_eq!(lines.line(now, 0, 0, 0).as_deref(), Some("100 %, at position 0 of 0"));
    }
}
