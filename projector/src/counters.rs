//! Counters that the pages read instead of counting rows. Pure; [`crate::store`] writes them.

use std::collections::HashMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use domain::usual::bucket;
use domain::{Course, Event, Outcome, Run, RunId, Status};

/// What a batch adds to the counters.
#[derive(Default)]
pub(crate) struct Counters<'a> {
    /// How many runs more (or fewer) have a status. A pair that a run only passed through is here with
    /// a change of 0, so that its row does not depend on how the log was cut into batches.
    pub counts: HashMap<(&'a str, Arc<str>, Status), Change>,
    /// The same of the parts of runs.
    pub children: HashMap<(&'a str, RunId, Status), Change>,
    /// What happened in each hour.
    pub hours: HashMap<(&'a str, DateTime<Utc>, Arc<str>), Hour>,
    /// How many runs succeeded, wholly or in part, by kind, day and how long they took.
    pub durations: HashMap<(&'a str, Arc<str>, NaiveDate, i16), i64>,
}

/// A change of one counter.
#[derive(Default)]
pub(crate) struct Change {
    /// How many more.
    pub runs: i64,
    /// The last event that changed it.
    pub position: u64,
}

/// What happened in an hour.
#[derive(Default)]
pub(crate) struct Hour {
    pub queued: i64,
    pub succeeded: i64,
    pub partially_succeeded: i64,
    pub failed: i64,
    pub events: i64,
    pub items_failed: i64,
    /// The last event that was counted.
    pub position: u64,
}

impl<'a> Counters<'a> {
    /// Counts one folded event by the run's status before and after it, and by what it made of an item.
    pub fn count(
        &mut self,
        tenant: &'a str,
        kind: &Arc<str>,
        event: &Event,
        position: u64,
        status: (Option<Status>, Option<Status>),
        outcome: Option<Outcome>,
    ) {
        let (before, after) = status;
        let moved = before != after;
        for (status, runs) in moves(status) {
            self.counts.entry((tenant, kind.clone(), status)).or_default().add(runs, position);
        }
        // What another system has kept is counted when it happened, not when it was taken over.
        let at = if event.is_imported() { event.occurred_at } else { event.recorded_at };
        let seconds = at.timestamp();
        // Rounding down stays within chrono's range but for the very first hour of it.
        let hour = DateTime::from_timestamp(seconds - seconds.rem_euclid(3600), 0).unwrap_or(at);
        let hour = self.hours.entry((tenant, hour, kind.clone())).or_default();
        hour.events += 1;
        hour.items_failed += i64::from(outcome == Some(Outcome::Failed));
        hour.position = position;
        match after.filter(|_| moved) {
            Some(Status::Queued) => hour.queued += 1,
            Some(Status::Succeeded) => hour.succeeded += 1,
            Some(Status::PartiallySucceeded) => hour.partially_succeeded += 1,
            Some(Status::Failed) => hour.failed += 1,
            Some(Status::Running) | None => {}
        }
    }

    /// Counts how long a run took that has just succeeded, and had another status before.
    pub fn count_duration(&mut self, tenant: &'a str, kind: &Arc<str>, run: &Run, before: Option<Status>) {
        let succeeded = matches!(run.status, Some(Status::Succeeded | Status::PartiallySucceeded));
        // Hardly any event is the end of a run.
        if !succeeded || before == run.status {
            return;
        }
        let Some(course) = Course::of(run) else { return };
        let (Some(until), Some(took)) = (course.until, course.took()) else { return };
        let Ok(bucket) = i16::try_from(bucket(took)) else { return };
        *self.durations.entry((tenant, kind.clone(), until.date_naive(), bucket)).or_default() += 1;
    }

    /// Counts a change of the status of a part of a run, before and after an event.
    pub fn count_child(
        &mut self,
        tenant: &'a str,
        parent: RunId,
        position: u64,
        status: (Option<Status>, Option<Status>),
    ) {
        for (status, runs) in moves(status) {
            self.children.entry((tenant, parent, status)).or_default().add(runs, position);
        }
    }
}

/// The statuses of which there is a run fewer, and a run more.
fn moves((before, after): (Option<Status>, Option<Status>)) -> impl Iterator<Item = (Status, i64)> {
    let moved = before != after;
    let both = [(before, -1), (after, 1)].into_iter().filter(move |_| moved);
    both.filter_map(|(status, runs)| Some((status?, runs)))
}

impl Change {
    fn add(&mut self, runs: i64, position: u64) {
        self.runs += runs;
        self.position = position;
    }
}
