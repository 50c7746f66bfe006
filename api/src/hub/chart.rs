//! Runs and failures per hour, as a strip of bars.

use chrono::{SecondsFormat, TimeDelta};

use super::words;
use crate::reads::stats::Hour;

/// The height of the drawing, in its own units. Each hour is [`STEP`] wide.
const HEIGHT: u64 = 60;
const STEP: usize = 10;

/// A strip of bars, one an hour.
pub(super) struct Chart {
    pub(super) width: usize,
    pub(super) height: u64,
    pub(super) bars: Vec<Bar>,
    /// What it shows in a sentence, for who does not see it.
    pub(super) summary: String,
    pub(super) from: String,
    pub(super) most: String,
}

/// An hour.
pub(super) struct Bar {
    pub(super) x: usize,
    pub(super) runs_y: u64,
    pub(super) runs: u64,
    pub(super) failed_y: u64,
    pub(super) failed: u64,
    /// In words.
    pub(super) text: String,
    /// The runs that were queued in it.
    pub(super) href: String,
}

impl Chart {
    pub(super) fn new(base: &str, hours: &[Hour]) -> Self {
        let failures = |hour: &Hour| hour.failed + hour.partially_succeeded;
        let most = hours.iter().map(|hour| hour.queued.max(failures(hour))).max().unwrap_or(0);
        // One run is seen among thousands.
        let height = |n: u64| if n == 0 { 0 } else { (n * HEIGHT / most.max(1)).max(2) };
        let bars = hours.iter().enumerate().map(|(index, hour)| {
            let until = hour.hour + TimeDelta::hours(1);
            let time = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
            let (runs, failed) = (height(hour.queued), height(failures(hour)));
            Bar {
                x: index * STEP,
                runs_y: HEIGHT - runs,
                runs,
                failed_y: HEIGHT - failed,
                failed,
                text: format!(
                    "{} UTC: {}, {} failed, {} partially",
                    hour.hour.format("%-d %b %H:00"),
                    words::counted(hour.queued, "run"),
                    words::number(hour.failed),
                    words::number(hour.partially_succeeded)
                ),
                href: format!(
                    "{base}{}",
                    words::query([("since", time(hour.hour).as_str()), ("until", time(until).as_str())])
                ),
            }
        });
        let sum = |of: &dyn Fn(&Hour) -> u64| hours.iter().map(of).sum::<u64>();
        Self {
            width: hours.len() * STEP,
            height: HEIGHT,
            bars: bars.collect(),
            summary: format!(
                "The last {} hours: {}, {} failed, {} partially succeeded",
                hours.len(),
                words::counted(sum(&|hour| hour.queued), "run"),
                words::number(sum(&|hour| hour.failed)),
                words::number(sum(&|hour| hour.partially_succeeded)),
            ),
            from: hours.first().map(|hour| hour.hour.format("%-d %b %H:00").to_string()).unwrap_or_default(),
            most: words::number(most),
        }
    }
}
