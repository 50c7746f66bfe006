//! What the named items of a run come to, beside what its producer counted.

use std::collections::HashMap;

use crate::event::{EventBody, ItemName};
use crate::run::{Counts, Outcome, Run};

/// The items of a run by their last outcome, some events further than its fold. Nothing of the fold is copied: it may
/// hold a hundred thousand items.
pub(crate) struct Named<'a> {
    run: &'a Run,
    counts: Counts,
    /// Last outcomes that the fold does not know yet.
    since: HashMap<&'a ItemName, Outcome>,
}

impl<'a> Named<'a> {
    /// As the run has them.
    pub(crate) fn of(run: &'a Run) -> Self {
        Self { run, counts: run.counts, since: HashMap::new() }
    }

    /// After another event, which may follow.
    pub(crate) fn take(&mut self, body: &'a EventBody) {
        let (item, outcome) = match body {
            EventBody::ItemSucceeded(e) => (&e.item, Outcome::Succeeded),
            EventBody::ItemFailed(e) => (&e.item, Outcome::Failed),
            EventBody::ItemSkipped(e) => (&e.item, Outcome::Skipped),
            _ => return,
        };
        let before = self.since.insert(item, outcome).or_else(|| self.run.items.get(item).copied());
        if let Some(before) = before {
            let count = self.counts.of(before);
            *count = count.saturating_sub(1);
        }
        *self.counts.of(outcome) += 1;
    }

    /// How many there are.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }
}
