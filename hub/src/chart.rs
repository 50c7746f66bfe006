//! Runs and failures per hour, as a strip of bars: runs that were queued above the line, runs that ended with
//! failures below it, so that the two are told apart without their colours. Each leads to the runs that it counts.

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::Status;
use reads::stats::Hour;

use super::links::Links;
use super::words;

/// The height of the drawing, in its own units. Each hour is [`STEP`] wide.
const HEIGHT: u64 = 64;
const STEP: usize = 10;

/// What a list of queued runs, and one of ended runs, does not take along from the other; nor from lists that are in
/// another order, or of runs that have not ended.
const OF_QUEUED: [&str; 3] = ["ended_since", "ended_until", "sort"];
const OF_ENDED: [&str; 7] = ["since", "until", "sort", "status", "liveness", "held", "late"];

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
    /// The runs that were queued in it.
    pub(super) queued: Part,
    /// Those that ended with failures in it, where any did.
    pub(super) failed: Option<Part>,
    /// The current hour.
    pub(super) last: bool,
}

/// One of the two bars of an hour.
pub(super) struct Part {
    pub(super) height: u64,
    /// In words.
    pub(super) text: String,
    /// The list of these runs.
    pub(super) href: String,
    /// It is the list that is shown.
    pub(super) chosen: bool,
}

impl Chart {
    pub(super) fn new(links: Links<'_>, hours: &[Hour]) -> Self {
        let failures = |hour: &Hour| hour.failed + hour.partially_succeeded;
        let most_queued = hours.iter().map(|hour| hour.queued).max().unwrap_or(0);
        let most_failed = hours.iter().map(failures).max().unwrap_or(0);
        // One scale for both, by the square root: a burst does not flatten the other hours.
        let root = |n: u64| n.saturating_mul(10_000).isqrt();
        let whole = (root(most_queued) + root(most_failed)).max(1);
        // One run is seen among thousands.
        let height = |n: u64| if n == 0 { 0 } else { (root(n) * (HEIGHT - 4) / whole).max(2) };
        let line = HEIGHT - if most_failed == 0 { 1 } else { height(most_failed) + 1 };
        let last = hours.len().saturating_sub(1);
        let bars = hours.iter().enumerate().map(|(index, hour)| {
            let when = hour.hour.format("%-d %b %H:00 UTC");
            let queued = Part::new(
                links,
                height(hour.queued),
                format!("{when}: {}", queued(&[*hour])),
                queued_in(hour.hour),
            );
            let ended = || {
                Part::new(
                    links,
                    height(failures(hour)),
                    format!("{when}: {}", ended(&[*hour])),
                    ended_in(hour.hour),
                )
            };
            Bar {
                x: index * STEP,
                runs_y: line.saturating_sub(queued.height),
                queued,
                failed: (failures(hour) > 0).then(ended),
                last: index == last,
            }
        });
        Self {
            width: hours.len() * STEP,
            height: HEIGHT,
            line,
            bars: bars.collect(),
            summary: format!("The last {} hours: {}; {}", hours.len(), queued(hours), ended(hours)),
            from: hours.first().map(|hour| hour.hour.format("%-d %b %H:00").to_string()).unwrap_or_default(),
            most: words::number(most_queued.max(most_failed)),
        }
    }
}

impl Part {
    fn new(
        links: Links<'_>,
        height: u64,
        text: String,
        (without, more): (&[&str], Vec<(&str, String)>),
    ) -> Self {
        let is = |(name, value): &(&str, String)| links.values(name).any(|given| given == value);
        let chosen = more.iter().filter(|(name, _)| *name != "status").all(is);
        let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut dropped: Vec<_> = without.iter().copied().chain(more.iter().map(|(name, _)| *name)).collect();
        // The statuses are those of the failures that were shown.
        if links.value("ended_since").is_some() {
            dropped.push("status");
        }
        Self { height, text, href: links.with(&dropped, &more), chosen }
    }
}

fn sum(hours: &[Hour], of: fn(&Hour) -> u64) -> u64 {
    hours.iter().map(of).sum()
}

fn queued(hours: &[Hour]) -> String {
    format!("{} queued", words::counted(sum(hours, |hour| hour.queued), "run"))
}

/// A run need not end in the hour in which it was queued.
fn ended(hours: &[Hour]) -> String {
    format!(
        "{} ended failed, {} partially succeeded",
        words::number(sum(hours, |hour| hour.failed)),
        words::number(sum(hours, |hour| hour.partially_succeeded)),
    )
}

/// The filters of the runs that were queued in that hour: what is left out, and what is put in.
fn queued_in(hour: DateTime<Utc>) -> (&'static [&'static str], Vec<(&'static str, String)>) {
    let (since, until) = bounds(hour);
    (&OF_QUEUED, vec![("since", since), ("until", until)])
}

/// The filters of the runs that ended with failures in that hour.
fn ended_in(hour: DateTime<Utc>) -> (&'static [&'static str], Vec<(&'static str, String)>) {
    let (since, until) = bounds(hour);
    let statuses =
        [Status::Failed, Status::PartiallySucceeded].map(|status| ("status", status.as_str().to_owned()));
    (&OF_ENDED, statuses.into_iter().chain([("ended_since", since), ("ended_until", until)]).collect())
}

fn bounds(hour: DateTime<Utc>) -> (String, String) {
    let time = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    (time(hour), time(hour + TimeDelta::hours(1)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hour(n: i64, queued: u64, failed: u64) -> Hour {
        Hour { hour: DateTime::from_timestamp(n * 3600, 0).unwrap(), queued, failed, ..Hour::default() }
    }

    #[test]
    fn runs_stand_on_the_line_and_failures_hang_from_it() {
        let pairs = [("kind".to_owned(), "a".to_owned()), ("cursor".to_owned(), "x".to_owned())];
        let chart = Chart::new(Links::new("/r", &pairs), &[hour(0, 1_000_000, 0), hour(1, 0, 1)]);
        let (first, second) = (&chart.bars[0], &chart.bars[1]);
        assert_eq!(first.runs_y + first.queued.height, chart.line);
        assert!(first.failed.is_none());
        assert!(first.runs_y <= 4, "the tallest fills the drawing");
        let failed = second.failed.as_ref().unwrap();
        assert_eq!((second.queued.height, failed.height), (0, 2), "one is seen among a million");
        assert!(chart.line + failed.height < chart.height);
        assert!(second.last && !first.last);
        assert_eq!(second.queued.text, "1 Jan 01:00 UTC: 0 runs queued");
        assert_eq!(failed.text, "1 Jan 01:00 UTC: 1 ended failed, 0 partially succeeded");
        assert!(Chart::new(Links::new("/r", &[]), &[]).bars.is_empty());
    }

    #[test]
    fn each_leads_to_the_runs_that_it_counts() {
        let pairs = |of: &[(&str, &str)]| {
            of.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>()
        };
        let of = |given: &[(&str, &str)]| {
            Chart::new(Links::new("/r", &pairs(given)), &[hour(0, 1, 0), hour(1, 1, 1)])
        };
        let chart = of(&[("kind", "a"), ("sort", "queued_at"), ("liveness", "stalled")]);
        assert_eq!(
            chart.bars[1].queued.href,
            "/r?kind=a&liveness=stalled&since=1970-01-01T01:00:00Z&until=1970-01-01T02:00:00Z"
        );
        let ended = "/r?kind=a&status=failed&status=partially_succeeded&ended_since=1970-01-01T01:00:00Z&ended_until=1970-01-01T02:00:00Z";
        assert_eq!(chart.bars[1].failed.as_ref().unwrap().href, ended);
        assert!(chart.bars.iter().all(|bar| !bar.queued.chosen));
        // The hour that is shown is known again.
        let chart = of(&[("ended_since", "1970-01-01T01:00:00Z"), ("ended_until", "1970-01-01T02:00:00Z")]);
        assert!(chart.bars[1].failed.as_ref().unwrap().chosen && !chart.bars[1].queued.chosen);
        assert_eq!(chart.bars[0].queued.href, "/r?since=1970-01-01T00:00:00Z&until=1970-01-01T01:00:00Z");
        let chart = of(&[("since", "1970-01-01T00:00:00Z"), ("until", "1970-01-01T01:00:00Z")]);
        assert!(chart.bars[0].queued.chosen && !chart.bars[1].queued.chosen);
    }

    #[test]
    fn a_burst_does_not_flatten_the_other_hours() {
        let chart = Chart::new(Links::new("/r", &[]), &[hour(0, 10_000, 0), hour(1, 100, 0), hour(2, 25, 0)]);
        let heights: Vec<_> = chart.bars.iter().map(|bar| bar.queued.height).collect();
        assert_eq!(heights, [60, 6, 3]);
    }
}
