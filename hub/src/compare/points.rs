//! The two moments: how they are asked for, and how they are told.

use api::problem::Problem;
use chrono::DateTime;
use reads::TenantRead;
use reads::events::{EventsQuery, page_of_events};
use reads::runs::RunView;

use crate::links::Links;
use crate::texts;
use crate::timeline::in_words;
use crate::visitor::Visitor;
use crate::words::{self, DisplayTime};

/// How many of the last events the fields propose.
const PROPOSED: u64 = 30;

/// The two moments, as they were asked for.
pub(super) struct Form {
    pub(super) from: String,
    pub(super) to: String,
    /// What else is asked for, to be kept.
    pub(super) status: Option<String>,
    pub(super) wrong_from: Option<String>,
    pub(super) wrong_to: Option<String>,
    /// What is wrong and is about neither.
    pub(super) fault: Option<String>,
}

impl Form {
    pub(super) fn new(links: Links<'_>, problem: Option<&Problem>) -> Self {
        let value = |name: &str| links.value(name).unwrap_or_default().to_owned();
        let error = problem.and_then(|problem| problem.errors.first());
        let wrong = |name: &str| {
            let error = error.filter(|error| error.pointer == format!("?{name}"))?;
            Some(match links.value(name) {
                Some(said) if is_point(said) && name == "to" => "This is before the first moment.".to_owned(),
                Some(said) if !is_point(said) => texts::WRITE_A_MOMENT.to_owned(),
                _ => error.detail.clone(),
            })
        };
        let (wrong_from, wrong_to) = (wrong("from"), wrong("to"));
        let said_there = wrong_from.is_some() || wrong_to.is_some();
        Self {
            from: if value("from").is_empty() { "0".to_owned() } else { shown(&value("from")) },
            to: shown(&value("to")),
            status: links.value("status").filter(|_| error.is_none()).map(str::to_owned),
            fault: problem.filter(|_| !said_there).map(|problem| problem.detail.to_string()),
            wrong_from,
            wrong_to,
        }
    }
}

/// A moment as the field has it: times in UTC without their zone, which stands beside it.
pub(crate) fn shown(value: &str) -> String {
    match DateTime::parse_from_rfc3339(value) {
        Ok(time) => time.naive_utc().format("%FT%T%.f").to_string(),
        Err(_) => value.to_owned(),
    }
}

fn is_point(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_digit()) || DateTime::parse_from_rfc3339(value).is_ok()
}

/// One of the two moments.
pub(super) struct Point {
    pub(super) revision: u64,
    pub(super) at: DisplayTime,
    /// The run as it was then.
    pub(super) href: String,
    /// Nothing has happened since.
    pub(super) is_last: bool,
}

impl Point {
    pub(super) fn new(run: &RunView, today: &RunView, href: &str) -> Self {
        let is_last = run.revision == today.revision;
        Self {
            revision: run.revision,
            at: DisplayTime::new(run.last_event_at, today.last_event_at),
            href: if is_last { href.to_owned() } else { format!("{href}?revision={}", run.revision) },
            is_last,
        }
    }
}

/// An event that a field proposes.
pub(super) struct Landmark {
    pub(super) revision: u64,
    pub(super) text: String,
}

/// The last events of the run, and its first.
pub(super) async fn landmarks(
    read: &mut TenantRead,
    visitor: &Visitor,
    run: &RunView,
) -> Result<Vec<Landmark>, Problem> {
    let query = EventsQuery::newest(None, PROPOSED);
    let page = page_of_events(read, &visitor.caller, run.run_id, &query).await?;
    let mut landmarks: Vec<_> = page
        .events
        .into_iter()
        .map(|event| {
            let at = DisplayTime::new(event.recorded_at, event.recorded_at);
            Landmark {
                revision: event.revision,
                text: format!("{}, {}", in_words(&event.event_type), at.brief),
            }
        })
        .collect();
    if landmarks.last().is_some_and(|oldest| oldest.revision > 0) {
        landmarks.push(Landmark { revision: 0, text: "Queued".to_owned() });
    }
    Ok(landmarks)
}

/// Another pair of moments.
pub(super) struct Way {
    pub(super) name: &'static str,
    pub(super) href: String,
    pub(super) chosen: bool,
}

/// The pairs that are asked for most: the whole run, its last event, and as many events before and after those shown.
pub(super) fn ways(here: &str, shown: Option<(u64, u64)>, last: u64) -> Vec<Way> {
    let way = |name, from: u64, to: Option<u64>| {
        let mut pairs = vec![("from", from.to_string())];
        pairs.extend(to.map(|to| ("to", to.to_string())));
        let query = words::query(pairs.iter().map(|(name, value)| (*name, value.as_str())));
        let chosen = shown == Some((from, to.unwrap_or(last)));
        Way { name, href: format!("{here}{query}"), chosen }
    };
    let mut ways = vec![way("The whole run", 0, None)];
    if last > 1 {
        ways.push(way("The last event", last - 1, None));
    }
    if let Some((from, to)) = shown.filter(|(from, to)| from < to) {
        let span = to - from;
        if from > 0 {
            ways.push(way("What came before", from.saturating_sub(span), Some(from)));
        }
        if to < last {
            ways.push(way("What came after", to, Some(to.saturating_add(span).min(last))));
        }
    }
    ways
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_lead_before_and_after() {
        let of = |shown, last| {
            ways("/d", shown, last).into_iter().map(|way| (way.href, way.chosen)).collect::<Vec<_>>()
        };
        assert_eq!(of(Some((0, 9)), 9), [("/d?from=0".into(), true), ("/d?from=8".into(), false)]);
        assert_eq!(
            of(Some((2, 5)), 7)[2..],
            [("/d?from=0&to=2".into(), false), ("/d?from=5&to=7".into(), false)]
        );
        assert_eq!(of(None, 0), [("/d?from=0".into(), false)]);
    }

    #[test]
    fn moments_are_shown_as_they_are_typed() {
        assert_eq!(shown("2026-11-24T11:00:00.5+01:00"), "2026-11-24T10:00:00.500");
        assert_eq!((shown("17"), shown("soon")), ("17".into(), "soon".into()));
    }
}
