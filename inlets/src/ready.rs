//! In which order the reports of a lane are taken, and which of them now. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::RequestId;

use crate::report::{Report, RunName};

/// A report that waits.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Waiting {
    /// Which of all reports it is: those that came later have a higher one, but for some that came at the same moment.
    pub seq: i64,
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
    threads.sort_by_key(|(_, reports)| reports.iter().map(|one| (one.received_at, one.seq)).min());
    let taken = threads.into_iter().flat_map(|(name, mut reports)| {
        if name.is_some() {
            reports.sort_by_key(|one| {
                let at = one.report.at.unwrap_or(one.received_at);
                (one.report.said.rank(), at, one.received_at, one.seq)
            });
        } else {
            reports.sort_by_key(|one| (one.received_at, one.seq));
        }
        let taken = reports.iter().rposition(|one| one.due_at <= now).map_or(0, |last| last + 1);
        reports.truncate(taken);
        reports
    });
    taken.collect()
}
