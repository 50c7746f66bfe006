//! A run at a glance: what the list and the head of its page say of it.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{EndedAs, Status};
use reads::failures::LastFailure;
use reads::runs::{InitiatorView, ItemCounts, LivenessState, RunView};

use super::linked::{self, Parts};
use super::words::{self, DisplayTime};

/// A run at a glance.
pub(super) struct Summary {
    pub(super) id: String,
    /// The first characters of the id.
    pub(super) short_id: String,
    pub(super) href: String,
    pub(super) title: String,
    pub(super) kind: String,
    pub(super) status: Badge,
    /// Apart from the status: what is wrong with its signs of life.
    pub(super) stalled: Option<String>,
    /// How late it is.
    pub(super) late: Option<String>,
    /// The projection has quarantined the run.
    pub(super) quarantined: bool,
    pub(super) initiator: Option<Initiator>,
    pub(super) labels: Vec<Label>,
    /// What it is a part of: the list of that one's parts.
    pub(super) siblings: Option<String>,
    /// Its own parts.
    pub(super) parts: Option<Parts>,
    /// How many of them failed: the status is what the run says of itself.
    pub(super) parts_failed: Option<String>,
    pub(super) progress: Progress,
    pub(super) queued: DisplayTime,
    pub(super) started: Option<DisplayTime>,
    pub(super) ended: Option<DisplayTime>,
    /// How long it ran, or has been running, or has been waiting.
    pub(super) duration: String,
    /// What is wrong with the times that the producer gave, where they can't be: then it is by the ledger's.
    pub(super) skew: Option<String>,
    pub(super) failure: Option<Failure>,
}

/// A status in words, colour and shape.
pub(super) struct Badge {
    /// The class that gives it its colour and shape.
    pub(super) class: &'static str,
    pub(super) name: &'static str,
    /// More about it: how it ended.
    pub(super) note: Option<&'static str>,
}

/// A label of a run.
#[derive(Clone)]
pub(super) struct Label {
    /// What filters want.
    pub(super) filter: String,
    /// With the name that the directory has for the value, where it has one.
    pub(super) text: String,
    /// The value then, or that the directory does not know it.
    pub(super) beside: Option<String>,
}

impl Label {
    fn new(run: &RunView, name: &str, value: &str) -> Self {
        let filter = format!("{name}:{value}");
        match run.label_names.get(name) {
            None => Self { text: filter.clone(), filter, beside: None },
            Some(Some(known)) => {
                Self { filter, text: format!("{name}:{known}"), beside: Some(value.to_owned()) }
            }
            Some(None) => Self { text: filter.clone(), filter, beside: Some("not known".to_owned()) },
        }
    }
}

/// The principal that started a run.
pub(super) struct Initiator {
    /// What filters want.
    pub(super) id: String,
    /// What people know, where it is not the id.
    pub(super) name: Option<String>,
}

/// Why something failed.
pub(super) struct Failure {
    pub(super) reason_code: String,
    pub(super) message: String,
}

/// What is there is seen, however small a part it is: this wide at least.
const MARK: u64 = 120;

/// How far a run has come, item by item. Parts are in hundredths of a percent, so that they are attributes
/// of a drawing 10,000 wide: a style would need an exception from the content security policy.
pub(super) struct Progress {
    pub(super) succeeded: u64,
    pub(super) failed_from: u64,
    pub(super) failed: u64,
    pub(super) skipped_from: u64,
    pub(super) skipped: u64,
    /// Where the run itself broke off, though none of its items failed: a mark of [`MARK`].
    pub(super) broke_at: Option<u64>,
    /// In words.
    pub(super) text: String,
    /// Whether there is anything to draw.
    pub(super) known: bool,
}

impl Summary {
    pub(super) fn new(run: &RunView, failure: Option<Failure>, now: DateTime<Utc>) -> Self {
        let own = run
            .reason_code
            .clone()
            .map(|reason_code| Failure { reason_code, message: run.message.clone().unwrap_or_default() });
        let id = run.run_id.to_string();
        Self {
            short_id: id.get(..13).unwrap_or(&id).to_owned(),
            id,
            href: run.links.view.clone(),
            title: run.title.clone().unwrap_or_else(|| run.kind.clone()),
            kind: run.kind.clone(),
            status: Badge::of(run),
            stalled: stalled(run, now),
            late: late(run, now),
            quarantined: run.held.is_some(),
            initiator: run
                .initiator
                .clone()
                .map(|InitiatorView { id, name }| Initiator { name: name.filter(|name| *name != id), id }),
            labels: run.labels.iter().map(|(name, value)| Label::new(run, name, value)).collect(),
            siblings: linked::siblings(run),
            parts: linked::parts(run),
            parts_failed: linked::failed_parts(run),
            progress: Progress::of(run.items, run.status),
            queued: DisplayTime::new(run.queued_at, now),
            started: run.started_at.map(|at| DisplayTime::new(at, now)),
            ended: run.ended_at.map(|at| DisplayTime::new(at, now)),
            duration: duration(run, now),
            skew: skew(run, now),
            failure: own.or(failure),
        }
    }
}

impl Badge {
    pub(super) fn of(run: &RunView) -> Self {
        let note = match (run.presumed, run.superseded, run.ended_as) {
            (true, ..) => Some("presumed"),
            (_, true, _) => Some("was presumed failed before"),
            (_, _, Some(EndedAs::Aborted)) => Some("aborted"),
            _ => None,
        };
        Self { class: run.status.as_str(), name: words::status(run.status), note }
    }
}

/// How long the run ran, or had been running or waiting at that moment, by the clock that is right.
pub(super) fn duration(run: &RunView, moment: DateTime<Utc>) -> String {
    let course = run.course();
    words::span(course.until.unwrap_or(moment) - course.from)
}

/// What the producer's own times would make of it, where they can't be.
pub(super) fn skew(run: &RunView, moment: DateTime<Utc>) -> Option<String> {
    run.clock_skew.then(|| {
        let said = run.ended_at.unwrap_or(moment) - run.started_at.unwrap_or(run.queued_at);
        if said < TimeDelta::zero() {
            "by the ledger’s clock; by the producer’s clock it ended before it began".to_owned()
        } else {
            format!(
                "by the ledger’s clock; {} by the producer’s clock, which is impossible",
                words::span(said)
            )
        }
    })
}

/// How a run that is stalled is so.
pub(super) fn stalled(run: &RunView, now: DateTime<Utc>) -> Option<String> {
    let liveness = run.liveness.filter(|liveness| liveness.state == LivenessState::Stalled)?;
    let overdue = liveness.due_at.map(|due| words::rough(now - due));
    Some(match (run.status, run.heartbeat_seconds) {
        (Status::Running, Some(promised)) => {
            format!(
                "No heartbeat for {} (expected every {promised} s)",
                words::rough(now - run.last_event_at)
            )
        }
        (Status::Queued, _) => format!("Waiting {} past its limit", overdue.unwrap_or_default()),
        (_, _) => format!("Overdue by {}", overdue.unwrap_or_default()),
    })
}

/// How late a run is that is late.
fn late(run: &RunView, now: DateTime<Utc>) -> Option<String> {
    let usual = usual(run).filter(|_| run.late)?;
    Some(format!("Running for {}; usually {usual}", duration(run, now)))
}

/// How long runs of its kind usually take.
pub(super) fn usual(run: &RunView) -> Option<String> {
    run.usual.map(|usual| {
        let [half, most] = [usual.p50_seconds, usual.p95_seconds].map(words::about);
        format!("{half}, 95 of 100 within {most}")
    })
}

impl From<LastFailure> for Failure {
    fn from(last: LastFailure) -> Self {
        let message = match last.message {
            Some(message) => format!("{}: {message}", last.item),
            None => last.item,
        };
        Self { reason_code: last.reason_code.unwrap_or_else(|| "failed".to_owned()), message }
    }
}

impl Progress {
    pub(super) fn of(items: ItemCounts, status: Status) -> Self {
        let done = items.succeeded + items.failed + items.skipped;
        let whole = items.total.unwrap_or(0).max(done);
        let part = |n: u64| match (n, whole) {
            (0, _) | (_, 0) => 0,
            _ => (u128::from(n) * 10_000 / u128::from(whole)).clamp(MARK.into(), 10_000) as u64,
        };
        let (failed, skipped) = (part(items.failed), part(items.skipped));
        let succeeded = part(items.succeeded).min(10_000_u64.saturating_sub(failed + skipped));
        let mut text = match items.total {
            Some(total) if done > total => {
                format!("{}, {} expected", words::counted(done, "item"), words::number(total))
            }
            Some(0) => "no items".to_owned(),
            Some(total) => format!("{} of {}", words::number(done), words::number(total)),
            None if done == 0 && status == Status::Queued => "not started".to_owned(),
            None if done == 0 => "no items".to_owned(),
            None => words::counted(done, "item"),
        };
        if items.failed > 0 {
            text.push_str(&format!(", {} failed", words::number(items.failed)));
        }
        if items.skipped > 0 {
            text.push_str(&format!(", {} skipped", words::number(items.skipped)));
        }
        Self {
            succeeded,
            failed_from: succeeded,
            failed,
            skipped_from: succeeded + failed,
            skipped,
            broke_at: (status == Status::Failed && items.failed == 0)
                .then(|| (succeeded + skipped).min(10_000 - MARK)),
            text,
            known: whole > 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(total: Option<u64>, succeeded: u64, failed: u64) -> Progress {
        Progress::of(ItemCounts { total, succeeded, failed, skipped: 0, tallied: false }, Status::Running)
    }

    #[test]
    fn a_part_is_seen_however_small() {
        let bar = progress(Some(100_000), 99_000, 1);
        assert_eq!((bar.failed, bar.failed_from), (120, 9_880));
        assert_eq!(bar.text, "99,001 of 100,000, 1 failed");
        assert_eq!(progress(Some(10), 5, 5).succeeded, 5_000);
    }

    #[test]
    fn a_run_that_failed_is_never_all_green() {
        let ended = |status, succeeded, failed| {
            let items = ItemCounts { total: Some(4), succeeded, failed, skipped: 0, tallied: false };
            Progress::of(items, status).broke_at
        };
        assert_eq!(ended(Status::Failed, 4, 0), Some(9_880));
        assert_eq!(ended(Status::Failed, 2, 0), Some(5_000));
        assert_eq!(ended(Status::Failed, 0, 0), Some(0));
        assert_eq!((ended(Status::Failed, 3, 1), ended(Status::Succeeded, 4, 0)), (None, None));
    }

    #[test]
    fn a_total_that_was_too_low_or_never_said_is_no_trouble() {
        let bar = progress(Some(2), 5, 0);
        assert_eq!((bar.succeeded, bar.text.as_str()), (10_000, "5 items, 2 expected"));
        assert_eq!(progress(Some(0), 2, 0).text, "2 items, 0 expected");
        assert_eq!(progress(Some(0), 0, 0).text, "no items");
        let bar = progress(None, 3, 0);
        assert_eq!((bar.succeeded, bar.text.as_str()), (10_000, "3 items"));
        assert!(!progress(None, 0, 0).known);
    }
}
