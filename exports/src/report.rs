//! `report.html`: what happened, for people, on a page that prints well.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use askama::Template;
use domain::{Event, EventBody, Outcome, Run, evolve};

use crate::error::ExportError;
use crate::prepare::Export;
use crate::snapshot::RunRow;

/// How many runs the page shows, and how many failures.
const MOST_RUNS: usize = 1_000;
const MOST_FAILURES: usize = 1_000;

/// Filled as the events come.
pub(crate) struct Report {
    current: Folded,
    hashes: RandomState,
    runs: Vec<RunLine>,
    failures: Vec<FailureLine>,
    failures_not_shown: u64,
}

/// The run that is folded. Of its items only what is needed to count them is kept: a run may have a million.
#[derive(Default)]
struct Folded {
    run: Run,
    outcomes: HashMap<u64, Outcome>,
    failures: Vec<(u64, FailureLine)>,
    unread: u64,
}

struct RunLine {
    number: u64,
    id: String,
    title: String,
    kind: String,
    initiator: String,
    status: String,
    began: String,
    ended: String,
    events: u64,
    succeeded: u64,
    failed: u64,
    skipped: u64,
    why: String,
    unread: u64,
}

struct FailureLine {
    number: u64,
    item: String,
    reason: String,
    message: String,
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    tenant: &'a str,
    selection: String,
    exported_at: &'a str,
    origin: &'a str,
    size: u64,
    root: String,
    total: u64,
    selected: u64,
    events: u64,
    administration: bool,
    runs: &'a [RunLine],
    failures: &'a [FailureLine],
    failures_not_shown: u64,
    differences: &'a [String],
    /// Where the history was restored, in words.
    restorations: Vec<String>,
}

impl Report {
    pub fn new() -> Self {
        Self {
            current: Folded::default(),
            hashes: RandomState::new(),
            runs: Vec::new(),
            failures: Vec::new(),
            failures_not_shown: 0,
        }
    }

    fn is_full(&self) -> bool {
        self.runs.len() >= MOST_RUNS
    }

    /// Folds the next event of a run that is told whole; none where it can't be read.
    pub fn add(&mut self, number: u64, event: Option<&Event>) {
        if self.is_full() {
            return;
        }
        let current = &mut self.current;
        let Some(event) = event else {
            current.unread += 1;
            return;
        };
        let item = match &event.body {
            EventBody::ItemSucceeded(told) => Some(&told.item),
            EventBody::ItemFailed(told) => Some(&told.item),
            EventBody::ItemSkipped(told) => Some(&told.item),
            _ => None,
        };
        let key = item.map(|item| self.hashes.hash_one(item.as_str()));
        // The fold needs no more than what was known of the item that the event touches.
        current.run.items.clear();
        current.run.event_ids.clear();
        if let (Some(item), Some(outcome)) = (item, key.and_then(|key| current.outcomes.get(&key))) {
            current.run.items.insert(item.clone(), *outcome);
        }
        current.run = evolve(std::mem::take(&mut current.run), event);
        let (Some(item), Some(key)) = (item, key) else { return };
        if let Some(outcome) = current.run.items.get(item) {
            current.outcomes.insert(key, *outcome);
        }
        if let EventBody::ItemFailed(told) = &event.body {
            if self.failures.len() + current.failures.len() >= MOST_FAILURES {
                self.failures_not_shown += 1;
                return;
            }
            let line = FailureLine {
                number,
                item: item.as_str().to_owned(),
                reason: told.reason_code.to_string(),
                message: told.message.to_string(),
            };
            current.failures.push((key, line));
        }
    }

    /// The run has no more events.
    pub fn end(&mut self, row: &RunRow) {
        if self.is_full() {
            return;
        }
        let Folded { run, outcomes, failures, unread } = std::mem::take(&mut self.current);
        // Of an item that failed several times the last time is shown, and none where it succeeded later.
        let last: HashMap<u64, usize> = failures.iter().zip(0..).map(|((key, _), at)| (*key, at)).collect();
        let failed = |key: &u64| outcomes.get(key) == Some(&Outcome::Failed);
        let failures = failures.into_iter().zip(0..).filter(|((key, _), at)| failed(key) && last[key] == *at);
        self.failures.extend(failures.map(|((_, line), _)| line));
        let queued = run.queued.as_deref();
        let moment = |at: Option<chrono::DateTime<chrono::Utc>>| {
            at.map(|at| at.format("%Y-%m-%d %H:%M:%S").to_string()).unwrap_or_default()
        };
        let mut status = run.status.map_or("unknown", |status| status.as_str()).replace('_', " ");
        if run.presumed {
            status.push_str(" (presumed)");
        }
        let why =
            [run.reason_code.map(|code| code.to_string()), run.message.map(|message| message.to_string())];
        self.runs.push(RunLine {
            number: row.number,
            id: row.id.to_string(),
            title: queued
                .and_then(|queued| queued.title.as_ref())
                .map(ToString::to_string)
                .unwrap_or_default(),
            kind: queued.map(|queued| queued.kind.to_string()).unwrap_or_default(),
            initiator: queued
                .and_then(|queued| queued.initiator.as_ref())
                .map(|by| by.name.as_ref().map_or_else(|| by.id.to_string(), ToString::to_string))
                .unwrap_or_default(),
            status,
            began: moment(row.began_at),
            ended: moment(run.ended_recorded_at),
            events: row.count,
            succeeded: run.counts.succeeded,
            failed: run.counts.failed,
            skipped: run.counts.skipped,
            why: why.into_iter().flatten().collect::<Vec<_>>().join(": "),
            unread,
        });
    }

    /// The page.
    pub fn page(&self, export: &Export, events: u64, differences: &[String]) -> Result<String, ExportError> {
        let manifest = &export.manifest;
        let page = Page {
            tenant: &manifest.tenant,
            selection: crate::texts::selection(&manifest.selection),
            exported_at: &manifest.exported_at,
            origin: &export.proofs.origin,
            size: export.sealed.size,
            root: export.sealed.root.to_string(),
            total: manifest.runs.total,
            selected: export.selected(),
            events,
            administration: manifest.administration,
            runs: &self.runs,
            failures: &self.failures,
            failures_not_shown: self.failures_not_shown,
            differences,
            restorations: crate::texts::restorations(export),
        };
        page.render().map_err(|error| ExportError::Io(std::io::Error::other(error)))
    }
}
