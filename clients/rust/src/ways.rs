//! The runs on their way to the ledger: when it is whose turn, and what has failed for one alone.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::Limits;
use crate::runfile::{RunFile, lock};

#[derive(Debug)]
struct Way {
    file: Arc<RunFile>,
    /// None while it has nothing to say.
    due: Option<Instant>,
    /// Its turn has come, and is not over.
    busy: bool,
    not_before: Option<Instant>,
    failures: u32,
}

impl Way {
    fn is_waiting(&self) -> bool {
        self.busy || self.due.is_some() || self.file.closed() || self.file.waiting() > 0
    }

    /// When its turn is. `hurry`: somebody waits for the last of it.
    fn turn(&self, hurry: bool, now: Instant) -> Option<Instant> {
        let due = if hurry && self.is_waiting() { Some(now) } else { self.due };
        due.filter(|_| !self.busy).map(|due| self.not_before.map_or(due, |not_before| due.max(not_before)))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Ways(Mutex<HashMap<usize, Way>>);

/// A file is known by its place in memory for as long as there is a way that holds it.
pub(crate) fn key(file: &Arc<RunFile>) -> usize {
    Arc::as_ptr(file).addr()
}

impl Ways {
    /// The run has something to say. Whether that is news to the sender.
    pub fn notice(&self, file: &Arc<RunFile>, linger: Duration, last: bool) -> bool {
        let mut ways = lock(&self.0);
        let way = ways.entry(key(file)).or_insert_with(|| Way {
            file: Arc::clone(file),
            due: None,
            busy: false,
            not_before: None,
            failures: 0,
        });
        if way.due.is_some() && !last {
            return false;
        }
        let now = Instant::now();
        let wanted = if last { now } else { now + linger };
        way.due = Some(way.due.map_or(wanted, |due| due.min(wanted)));
        true
    }

    /// Those whose turn it is.
    pub fn take(&self, hurry: bool) -> Vec<Arc<RunFile>> {
        let now = Instant::now();
        let mut ways = lock(&self.0);
        let turns = ways.values_mut().filter(|way| way.turn(hurry, now).is_some_and(|turn| turn <= now));
        turns
            .map(|way| {
                (way.due, way.busy) = (None, true);
                Arc::clone(&way.file)
            })
            .collect()
    }

    /// When it is somebody's turn next.
    pub fn next(&self, hurry: bool) -> Option<Instant> {
        let now = Instant::now();
        lock(&self.0).values().filter_map(|way| way.turn(hurry, now)).min()
    }

    /// Its turn is over, and all is well. `more`: it has not said all.
    pub fn done(&self, file: &Arc<RunFile>, more: bool) {
        if let Some(way) = lock(&self.0).get_mut(&key(file)) {
            (way.busy, way.failures, way.not_before) = (false, 0, None);
            if more {
                way.due = Some(Instant::now());
            }
        }
    }

    /// Its turn is over, and nothing was said; the next is after `pause`.
    pub fn again(&self, file: &Arc<RunFile>, pause: Duration) {
        if let Some(way) = lock(&self.0).get_mut(&key(file)) {
            way.busy = false;
            way.due = Some(Instant::now() + pause);
        }
    }

    /// The ledger has no answer for this run alone.
    pub fn wait(&self, file: &Arc<RunFile>, limits: &Limits, asked: Option<Duration>) {
        if let Some(way) = lock(&self.0).get_mut(&key(file)) {
            way.busy = false;
            way.failures += 1;
            let at = Instant::now() + limits.pause(way.failures, asked);
            (way.due, way.not_before) = (Some(at), Some(at));
        }
    }

    pub fn remove(&self, file: &Arc<RunFile>) {
        lock(&self.0).remove(&key(file));
        file.remove();
    }

    pub fn len(&self) -> usize {
        lock(&self.0).len()
    }

    /// Whether the ledger does not have it all.
    pub fn are_waiting(&self) -> bool {
        lock(&self.0).values().any(Way::is_waiting)
    }

    /// Bytes that are not sent.
    pub fn bytes(&self) -> u64 {
        lock(&self.0).values().map(|way| way.file.waiting()).sum()
    }

    pub fn folders(&self) -> HashSet<PathBuf> {
        lock(&self.0).values().map(|way| way.file.folder.clone()).collect()
    }
}
