//! Runs and failures per hour, as a strip of bars: runs that were queued above the line, runs that ended with
//! failures below it, so that the two are told apart without their colours.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use reads::stats::Hour;

use super::links::Links;
use super::words;

/// The height of the drawing, in its own units. Each hour is [`STEP`] wide.
const HEIGHT: u64 = 64;
const STEP: usize = 10;

/// A strip of bars, one an hour.
pub(super) struct Chart {
    pub(super) width: usize,
    pub(super) height: u64,
    /// Where the line is that runs stand on and failures hang from.
    pub(super) line: u64,
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
    pub(super) failed: u64,
    /// In words.
    pub(super) text: String,
    /// The runs that were queued in it.
    pub(super) href: String,
    /// The current hour.
    pub(super) last: bool,
}

impl Chart {
    pub(super) fn new(links: Links<'_>, hours: &[Hour]) -> Self {
        let failures = |hour: &Hour| hour.failed + hour.partially_succeeded;
        let most_queued = hours.iter().map(|hour| hour.queued).max().unwrap_or(0);
        let most_failed = hours.iter().map(failures).max().unwrap_or(0);
        // One scale for both.
        let whole = (most_queued + most_failed).max(1);
        // One run is seen among thousands.
        let height = |n: u64| if n == 0 { 0 } else { (n * (HEIGHT - 4) / whole).max(2) };
        let line = HEIGHT - if most_failed == 0 { 1 } else { height(most_failed) + 1 };
        let last = hours.len().saturating_sub(1);
        let bars = hours.iter().enumerate().map(|(index, hour)| {
            let runs = height(hour.queued);
            Bar {
                x: index * STEP,
                runs_y: line.saturating_sub(runs),
                runs,
                failed: height(failures(hour)),
                text: format!("{} UTC: {}", hour.hour.format("%-d %b %H:00"), in_words(&[*hour])),
                href: queued_in(links, hour.hour),
                last: index == last,
            }
        });
        Self {
            width: hours.len() * STEP,
            height: HEIGHT,
            line,
            bars: bars.collect(),
            summary: format!("The last {} hours: {}", hours.len(), in_words(hours)),
            from: hours.first().map(|hour| hour.hour.format("%-d %b %H:00").to_string()).unwrap_or_default(),
            most: words::number(most_queued.max(most_failed)),
        }
    }
}

/// What happened in those hours. A run need not end in the hour in which it was queued.
fn in_words(hours: &[Hour]) -> String {
    let sum = |of: fn(&Hour) -> u64| hours.iter().map(of).sum::<u64>();
    format!(
        "{} queued; {} ended failed, {} partially succeeded",
        words::counted(sum(|hour| hour.queued), "run"),
        words::number(sum(|hour| hour.failed)),
        words::number(sum(|hour| hour.partially_succeeded)),
    )
}

/// The list of the runs that were queued in that hour, with its other filters.
fn queued_in(links: Links<'_>, hour: DateTime<Utc>) -> String {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let (since, until) = (time(hour), time(hour + TimeDelta::hours(1)));
    links.with(&["since", "until"], &[("since", &since), ("until", &until)])
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn runs_stand_on_the_line_and_failures_hang_from_it() {
        let hour = |n: i64, queued, failed| Hour {
            hour: DateTime::from_timestamp(n * 3600, 0).unwrap(),
            queued,
            failed,
            ..Hour::default()
        };
        let pairs = [("kind".to_owned(), "a".to_owned()), ("cursor".to_owned(), "x".to_owned())];
        let chart = Chart::new(Links::new("/r", &pairs), &[hour(0, 1_000_000, 0), hour(1, 0, 1)]);
        let (first, second) = (&chart.bars[0], &chart.bars[1]);
        assert_eq!((first.runs_y + first.runs, first.failed), (chart.line, 0));
        assert!(first.runs_y <= 4, "the tallest fills the drawing");
        assert_eq!((second.runs, second.failed), (0, 2), "one is seen among a million");
        assert!(chart.line + second.failed < chart.height);
        assert_eq!(first.href, "/r?kind=a&since=1970-01-01T00:00:00Z&until=1970-01-01T01:00:00Z");
        assert!(second.last && !first.last);
        assert_eq!(second.text, "1 Jan 01:00 UTC: 0 runs queued; 1 ended failed, 0 partially succeeded");
        assert!(Chart::new(Links::new("/r", &[]), &[]).bars.is_empty());
    }
}
