//! When a row's run was queued, started and ended.

use chrono::{DateTime, Datelike, TimeDelta, Utc};

use super::{AHEAD, Planner};
use crate::choice::Columns;
use crate::report::Finding;
use crate::row::{Row, number};
use crate::status::Is;
use crate::times::{NoTime, time};

/// The times of a run, in their order.
pub(super) struct Course {
    pub queued: DateTime<Utc>,
    /// None where it was never started, as far as the source says.
    pub started: Option<DateTime<Utc>>,
    /// None where it goes on.
    pub ended: Option<DateTime<Utc>>,
}

impl Planner {
    pub(super) fn course(&self, row: &Row, is: Is, notes: &mut Vec<Finding>) -> Result<Course, Finding> {
        let times = &self.mapping.times;
        let said = self.time(row, &times.queued)?;
        let mut queued = said.ok_or_else(|| {
            let columns = times.queued.0.join(", ");
            Finding::new("no_time", format!("none of {columns} is set: nothing says when it was queued"))
        })?;
        let mut started = if is == Is::Queued { None } else { self.time(row, &times.started)? };
        if let Some(at) = started
            && at < queued
        {
            notes.push(Finding::new(
                "start_before_queued",
                format!("started {at}, queued {queued}: queued then"),
            ));
            queued = at;
        }
        // What is running or done has been started, whether or not the source says when.
        if matches!(is, Is::Running | Is::Succeeded | Is::PartiallySucceeded) {
            started = Some(started.unwrap_or(queued));
        }
        let last = started.unwrap_or(queued);
        let ended = match is {
            Is::Queued | Is::Running if self.unfinished == crate::Unfinished::FailStale => Some(last),
            Is::Queued | Is::Running | Is::Skip => None,
            _ => Some(self.end(row, last, notes)?),
        };
        Ok(Course { queued, started, ended })
    }

    /// When it ended. Where that is not said, or can't be, its last time that is known: nothing was later.
    fn end(
        &self,
        row: &Row,
        last: DateTime<Utc>,
        notes: &mut Vec<Finding>,
    ) -> Result<DateTime<Utc>, Finding> {
        let times = &self.mapping.times;
        let took = row.first(&times.took).and_then(|took| number(&took));
        let took = took.and_then(|took| took.checked_mul(times.unit.micros())).map(TimeDelta::microseconds);
        let ended = match self.time(row, &times.ended)? {
            Some(ended) => Some(ended),
            None => took.and_then(|took| last.checked_add_signed(took)),
        };
        match ended {
            Some(ended) if ended < last => {
                notes.push(Finding::new(
                    "end_before_start",
                    format!("ended {ended}, before {last}: ended then"),
                ));
                Ok(last)
            }
            Some(ended) => self.plausible(ended),
            None => {
                notes.push(Finding::new(
                    "missing_end",
                    format!("it has ended, and not when: {last} is taken"),
                ));
                Ok(last)
            }
        }
    }

    fn time(&self, row: &Row, columns: &Columns) -> Result<Option<DateTime<Utc>>, Finding> {
        let Some(column) = columns.0.iter().find(|column| row.get(column).is_some()) else { return Ok(None) };
        let Some(value) = row.get(column) else { return Ok(None) };
        let wrong = |error: NoTime| {
            let code = if matches!(error, NoTime::NoZone(_)) { "no_zone" } else { "unreadable_time" };
            Finding::new(code, format!("{column}: {error}"))
        };
        let time = time(&value, self.zone, self.mapping.times.unit).map_err(wrong)?;
        self.plausible(time).map(Some)
    }

    /// As far as the ledger takes times.
    fn plausible(&self, time: DateTime<Utc>) -> Result<DateTime<Utc>, Finding> {
        if time.year() < 2000 || time > self.settings.now + AHEAD {
            let why = "is before the year 2000 or in the future; `unit` in [times] says what numbers count";
            return Err(Finding::new("implausible_time", format!("{time} {why}")));
        }
        Ok(time)
    }
}
