//! In which order the reports of a lane are taken, and which of them now. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::RequestId;

use crate::report::{Report, RunName};

/// A report that waits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Waiting {
    /// Which of the lane's reports it is, as they came.
    pub seq: usize,
    pub report: Report,
    /// By which request it came.
    pub request_id: RequestId,
    pub received_at: DateTime<Utc>,
    /// Until then it is waited for what belongs before it.
    pub due_at: DateTime<Utc>,
}

/// Those whose turn it is, in their order.
///
/// The reports of a run that says its name are ordered by what they say, and then by their own times. Those that leave
/// it to us which run they are of are taken as they came. What is due takes along what belongs before it.
pub(crate) fn ready(waiting: Vec<Waiting>, now: DateTime<Utc>) -> Vec<Waiting> {
    let mut threads: BTreeMap<Option<String>, Vec<Waiting>> = BTreeMap::new();
    for one in waiting {
        let thread = match &one.report.run {
            RunName::Named(name) => Some(name.clone()),
            RunName::New | RunName::Newest => None,
        };
        threads.entry(thread).or_default().push(one);
    }
    let mut threads: Vec<_> = threads.into_iter().collect();
    threads.sort_by_key(|(_, reports)| reports.iter().map(|one| one.seq).min());
    let taken = threads.into_iter().flat_map(|(name, mut reports)| {
        if name.is_some() {
            reports.sort_by_key(|one| {
                let at = one.report.at.unwrap_or(one.received_at);
                (one.report.said.rank(), at, one.seq)
            });
        } else {
            reports.sort_by_key(|one| one.seq);
        }
        let taken = reports.iter().rposition(|one| one.due_at <= now).map_or(0, |last| last + 1);
        reports.truncate(taken);
        reports
    });
    taken.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use chrono::TimeDelta;
    use domain::{Completed, EventBody, Progressed, Started};
    use uuid::Uuid;

    use super::*;
    use crate::report::{About, Said};

    fn start() -> EventBody {
        EventBody::Started(Started { worker: None, heartbeat_seconds: None })
    }

    fn going_on() -> EventBody {
        EventBody::Progressed(Progressed { message: None, items_total: None })
    }

    fn end() -> EventBody {
        EventBody::Completed(Completed { message: None, tally: None })
    }

    /// A report of a run that came after so many milliseconds, tells of so many, and is due after as many.
    fn waiting(seq: usize, run: RunName, body: EventBody, times: (i64, Option<i64>, i64)) -> Waiting {
        let (came, at, due) = times;
        let moment = |millis| DateTime::UNIX_EPOCH + TimeDelta::milliseconds(millis);
        let report = Report {
            event_id: Uuid::from_u128(seq as u128),
            run,
            lane: "lane".to_owned(),
            at: at.map(moment),
            said: Said::Event(body),
            begins: true,
            about: About::default(),
        };
        let request_id = "r".parse().unwrap();
        Waiting { seq, report, request_id, received_at: moment(came), due_at: moment(due) }
    }

    fn order(waiting: Vec<Waiting>, now: i64) -> Vec<usize> {
        let now = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(now);
        ready(waiting, now).iter().map(|one| one.seq).collect()
    }

    fn named() -> RunName {
        RunName::Named("r".to_owned())
    }

    #[test]
    fn a_named_run_is_ordered_by_what_is_said_and_then_by_when_it_happened() {
        let all = vec![
            waiting(1, named(), end(), (0, Some(30), 2_000)),
            waiting(2, named(), going_on(), (10, Some(20), 2_010)),
            waiting(3, named(), going_on(), (20, Some(10), 2_020)),
            waiting(4, named(), start(), (30, Some(99), 30)),
        ];
        assert_eq!(order(all.clone(), 29), [0; 0]);
        assert_eq!(order(all.clone(), 30), [4], "a beginning waits for nothing");
        assert_eq!(order(all.clone(), 1_999), [4], "the rest waits for what may come before it");
        assert_eq!(order(all, 2_000), [4, 3, 2, 1], "what is due takes along what belongs before it");
    }

    #[test]
    fn what_belongs_after_all_that_is_due_waits() {
        let all = vec![
            waiting(1, named(), going_on(), (0, Some(10), 100)),
            waiting(2, named(), end(), (50, Some(20), 150)),
        ];
        assert_eq!(order(all.clone(), 100), [1]);
        assert_eq!(order(all, 150), [1, 2]);
    }

    #[test]
    fn pings_without_a_name_are_taken_as_they_came() {
        let all = vec![
            waiting(2, RunName::New, start(), (10, None, 10)),
            waiting(1, RunName::Newest, end(), (0, None, 2_000)),
            waiting(3, RunName::Newest, end(), (20, None, 2_020)),
        ];
        assert_eq!(order(all.clone(), 10), [1, 2], "an end is not kept for the run that begins after it");
        assert_eq!(order(all, 2_020), [1, 2, 3]);
    }
}
