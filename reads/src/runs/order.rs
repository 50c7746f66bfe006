//! In which order a list of runs comes, and where a page of it ended.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::error::ReadError;
use crate::params::{Params, wrong};

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    NewestFirst,
    OldestFirst,
}

/// By which of a run's times a list is in order, and what is on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// When they were queued: all runs.
    Queued,
    /// When they ended: those that have.
    Ended,
}

impl By {
    /// The column of that time.
    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Queued => "queued_at",
            Self::Ended => "ended_at",
        }
    }
}

/// Where a page of runs ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunKey {
    /// Of the time that the list is in order by.
    micros: i64,
    pub run_id: Uuid,
}

impl RunKey {
    pub fn new(time: DateTime<Utc>, run_id: Uuid) -> Self {
        Self { micros: time.timestamp_micros(), run_id }
    }

    #[cfg(test)]
    pub(super) fn of_micros(micros: i64, run_id: Uuid) -> Self {
        Self { micros, run_id }
    }

    pub fn time(self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp_micros(self.micros)
    }
}

/// By which time the runs come, and in which order. Where `ended` says that ends are asked for, they can only come by
/// these.
pub(super) fn asked_order(params: &mut Params, ended: bool) -> Result<(By, Order), ReadError> {
    let allowed = "-queued_at (the newest first), queued_at, -ended_at, ended_at";
    let asked = params.parse_enum("sort", allowed, |text| match text {
        "-queued_at" => Some((By::Queued, Order::NewestFirst)),
        "queued_at" => Some((By::Queued, Order::OldestFirst)),
        "-ended_at" => Some((By::Ended, Order::NewestFirst)),
        "ended_at" => Some((By::Ended, Order::OldestFirst)),
        _ => None,
    })?;
    match asked {
        Some((By::Queued, _)) if ended => Err(wrong(
            "sort",
            "must be -ended_at (usual) or ended_at with ended_since or ended_until: such runs come by their ends",
        )),
        Some(asked) => Ok(asked),
        None => Ok((if ended { By::Ended } else { By::Queued }, Order::NewestFirst)),
    }
}
