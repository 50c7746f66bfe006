//! What an import has found, for people and for scripts.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::Serialize;

/// How many rows are shown of each thing that was found.
const EXAMPLES: usize = 5;

/// Something about a row that its owner should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind of thing: a short name for scripts.
    pub code: &'static str,
    /// What exactly, and how to mend it.
    pub text: String,
}

impl Finding {
    pub(crate) fn new(code: &'static str, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }
}

/// Rows of which the same was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Found {
    /// How many times.
    pub count: u64,
    /// The first of them.
    pub examples: Vec<Example>,
}

/// A row, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Which row of the source, from 1.
    pub row: u64,
    /// Its key, where it has one.
    pub key: Option<String>,
    /// What exactly.
    pub text: String,
}

/// What an import has done, or a dry run would do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Nothing was appended.
    pub dry_run: bool,
    /// Rows that were read.
    pub rows: u64,
    /// Runs that are new.
    pub imported: u64,
    /// Runs that had been imported before they were done, and have gone on since.
    pub further: u64,
    /// Rows whose run was there already.
    pub known: u64,
    /// Rows that were left out, by why: `unfinished`, or `skip` where the mapping says so.
    pub left_out: BTreeMap<&'static str, u64>,
    /// Rows that can't be imported as they are, by what is wrong with them.
    pub refused: BTreeMap<&'static str, Found>,
    /// What is to be known of rows that can.
    pub noted: BTreeMap<&'static str, Found>,
    /// What lists show of these rows: runs by kind and status.
    pub runs: BTreeMap<String, BTreeMap<&'static str, u64>>,
    /// Events of these runs.
    pub events: u64,
    /// When the first of these runs was queued.
    pub earliest: Option<DateTime<Utc>>,
    /// And the last.
    pub latest: Option<DateTime<Utc>>,
}

impl Report {
    /// Rows that could not be imported.
    #[must_use]
    pub fn refused_rows(&self) -> u64 {
        self.refused.values().map(|found| found.count).sum()
    }

    pub(crate) fn refuse(&mut self, row: u64, key: Option<&str>, finding: Finding) {
        add(&mut self.refused, row, key, finding);
    }

    pub(crate) fn note(&mut self, row: u64, key: Option<&str>, finding: Finding) {
        add(&mut self.noted, row, key, finding);
    }

    pub(crate) fn leave_out(&mut self, why: &'static str) {
        *self.left_out.entry(why).or_default() += 1;
    }

    pub(crate) fn show(&mut self, kind: &str, status: &'static str, events: usize, queued_at: DateTime<Utc>) {
        // A kind's name is copied once, not with each run.
        if !self.runs.contains_key(kind) {
            self.runs.insert(kind.to_owned(), BTreeMap::new());
        }
        if let Some(statuses) = self.runs.get_mut(kind) {
            *statuses.entry(status).or_default() += 1;
        }
        self.events += events as u64;
        self.earliest = Some(self.earliest.map_or(queued_at, |it| it.min(queued_at)));
        self.latest = Some(self.latest.map_or(queued_at, |it| it.max(queued_at)));
    }
}

fn add(found: &mut BTreeMap<&'static str, Found>, row: u64, key: Option<&str>, finding: Finding) {
    let found = found.entry(finding.code).or_default();
    found.count += 1;
    if found.examples.len() < EXAMPLES {
        found.examples.push(Example { row, key: key.map(str::to_owned), text: finding.text });
    }
}
