//! How many items a row's run had.

use std::collections::HashMap;

use domain::{Counts, EventBody, ItemCount, ItemName, Status, Tally};

use super::Planner;
use crate::choice::Either;
use crate::mapping::Count;
use crate::report::Finding;
use crate::row::{Row, number};
use crate::status::Is;

/// What the source has counted.
pub(super) struct Counted {
    /// None where it has not.
    pub tally: Option<Tally>,
    /// The same in words, to stand behind others.
    pub words: String,
}

impl Counted {
    /// Tells where the counts say something else than the status does: the counts are believed.
    pub(super) fn must_fit(&self, is: Is, notes: &mut Vec<Finding>) -> Result<(), Finding> {
        let (said, counts) = match (is, self.tally) {
            (Is::PartiallySucceeded, None) => {
                let why =
                    "it says partially succeeded, and nothing says how many items failed: give [counts]";
                return Err(Finding::new("no_counts", why));
            }
            (_, None) => return Ok(()),
            (Is::PartiallySucceeded, Some(tally)) => (Status::PartiallySucceeded, Counts::from(tally)),
            (_, Some(tally)) => (Status::Succeeded, Counts::from(tally)),
        };
        let becomes = Status::of_completed(counts);
        if becomes != said {
            let Counts { succeeded, failed, .. } = counts;
            notes.push(Finding::new(
                "counts_disagree",
                format!(
                    "the status says {}, the counts {succeeded} succeeded and {failed} failed: it becomes {}",
                    said.as_str(),
                    becomes.as_str()
                ),
            ));
        }
        Ok(())
    }
}

impl Planner {
    pub(super) fn counted(&self, row: &Row) -> Result<Counted, Finding> {
        let counts = &self.mapping.counts;
        let one = |count: &Option<Either<Count>>| count.as_ref().map_or(Ok(None), |Either(it)| of(it, row));
        let (succeeded, failed, skipped) =
            (one(&counts.succeeded)?, one(&counts.failed)?, one(&counts.skipped)?);
        if !counts.any() || (succeeded, failed, skipped) == (None, None, None) {
            return Ok(Counted { tally: None, words: String::new() });
        }
        let or_none = |count: Option<ItemCount>| count.unwrap_or_default();
        let tally =
            Tally { succeeded: or_none(succeeded), failed: or_none(failed), skipped: or_none(skipped) };
        let Counts { succeeded, failed, skipped } = Counts::from(tally);
        let words = format!(": {succeeded} succeeded, {failed} failed, {skipped} skipped");
        Ok(Counted { tally: Some(tally), words })
    }

    /// How many items it expected.
    pub(super) fn total(&self, row: &Row) -> Result<Option<ItemCount>, Finding> {
        self.mapping.counts.total.as_ref().map_or(Ok(None), |Either(total)| of(total, row))
    }

    /// What became of its items, by name. Where they are more than were counted, something is wrong with them, and the
    /// counts are kept.
    pub(super) fn items(
        &self,
        row: &Row,
        counted: &Counted,
        notes: &mut Vec<Finding>,
    ) -> Result<Vec<EventBody>, Finding> {
        let Some(items) = &self.mapping.items else { return Ok(Vec::new()) };
        let found = items.of(row, &self.unknown).map_err(|why| Finding::new("bad_items", why))?;
        let mut last: HashMap<&ItemName, &EventBody> = HashMap::new();
        for body in &found {
            if let EventBody::ItemSucceeded(domain::ItemSucceeded { item, .. })
            | EventBody::ItemFailed(domain::ItemFailed { item, .. })
            | EventBody::ItemSkipped(domain::ItemSkipped { item, .. }) = body
            {
                last.insert(item, body);
            }
        }
        let mut named = Counts::default();
        for body in last.values() {
            match body {
                EventBody::ItemSucceeded(_) => named.succeeded += 1,
                EventBody::ItemFailed(_) => named.failed += 1,
                _ => named.skipped += 1,
            }
        }
        if counted.tally.is_some_and(|tally| !Counts::from(tally).cover(named)) {
            let Counts { succeeded, failed, skipped } = named;
            let said = format!("{succeeded} succeeded, {failed} failed, {skipped} skipped");
            notes.push(Finding::new(
                "items_left_out",
                format!("its items come to {said}, its counts to less"),
            ));
            return Ok(Vec::new());
        }
        Ok(found)
    }
}

/// The number in a column, less others; none where the column is not set.
fn of(count: &Count, row: &Row) -> Result<Option<ItemCount>, Finding> {
    let read = |column: &str| {
        let Some(value) = row.get(column) else { return Ok(None) };
        let wrong = || Finding::new("bad_count", format!("{column} is {value}, which is no whole number"));
        number(&value).map(Some).ok_or_else(wrong)
    };
    let Some(mut number) = read(&count.column)? else { return Ok(None) };
    for less in &count.minus {
        number = number.saturating_sub(read(less)?.unwrap_or(0));
    }
    let counted = u64::try_from(number).ok().and_then(|number| ItemCount::try_from(number).ok());
    counted.map(Some).ok_or_else(|| Finding::new("bad_count", format!("{} comes to {number}", count.column)))
}
