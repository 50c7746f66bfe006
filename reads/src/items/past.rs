//! Items as they were: gathered from a run's events while these are folded.
//!
//! The read tables hold each item's last outcome only. What an item came to before is in the run's events,
//! so a past page is made in two steps: the fold keeps of each item what puts it in order and in a group, and
//! the events of those that the page shows are read once more for the rest.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::reason::ReasonCode;
use domain::{Event, EventBody, ItemName, Namespace, Outcome, Run, RunId, TenantId, wire};
use redaction::CleanText;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::query::ItemsQuery;
use super::{ItemPage, ItemView, OutcomeView};
use crate::corrupt::{Corrupt, non_negative};
use crate::difference::ChangeCounts;
use crate::directory::{items_named, name_items};
use crate::error::ReadError;
use crate::failures::{FailureGroup, REASONS};
use crate::page::cut;
use crate::params::wrong;
use crate::pool::TenantRead;

const TABLE: &str = "projection.run_events";

/// The items of a run as they were after some event, by their last outcomes until then.
#[derive(Debug)]
pub struct PastItems {
    /// The revision of that event.
    revision: u64,
    last: HashMap<ItemName, Last>,
}

/// What last became of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Last {
    outcome: Outcome,
    revision: u64,
    reason: Option<ReasonCode>,
    /// The last that was given: an event without one does not take it away.
    label: Option<CleanText>,
    /// The same.
    namespace: Option<Namespace>,
}

/// An item that has come to something else.
pub(crate) struct Change<'a> {
    pub(crate) item: &'a str,
    pub(crate) label: Option<&'a str>,
    pub(crate) namespace: Option<&'a str>,
    /// None where nothing was known of it.
    pub(crate) from: Option<OutcomeView>,
    pub(crate) to: OutcomeView,
}

impl Last {
    fn told(&self) -> OutcomeView {
        OutcomeView {
            status: self.outcome,
            reason_code: self.reason.as_ref().map(|code| code.as_str().to_owned()),
            revision: self.revision,
        }
    }
}

impl PastItems {
    /// None yet, of a run that is folded up to that revision.
    pub fn until(revision: u64) -> Self {
        Self { revision, last: HashMap::new() }
    }

    /// Takes in what an event says of an item. `before` is the run before the event: as in the fold, only a
    /// run that is at work has news of its items.
    pub fn take(&mut self, before: &Run, event: &Event) {
        let (item, (label, namespace), outcome, reason) = match &event.body {
            EventBody::ItemSucceeded(e) => (&e.item, (&e.label, &e.namespace), Outcome::Succeeded, None),
            EventBody::ItemFailed(e) => {
                (&e.item, (&e.label, &e.namespace), Outcome::Failed, Some(e.reason_code.clone()))
            }
            EventBody::ItemSkipped(e) => {
                (&e.item, (&e.label, &e.namespace), Outcome::Skipped, e.reason_code.clone())
            }
            _ => return,
        };
        if before.is_at_work() {
            let known = self.last.get(item);
            let label = label.as_ref().or(known.and_then(|last| last.label.as_ref())).cloned();
            let namespace = namespace.as_ref().or(known.and_then(|last| last.namespace.as_ref())).cloned();
            let last = Last { outcome, revision: event.revision, reason, label, namespace };
            self.last.insert(item.clone(), last);
        }
    }

    /// The failed items by their reasons, the most frequent first.
    pub fn groups(&self) -> Vec<FailureGroup> {
        let mut counts: HashMap<Option<&str>, u64> = HashMap::new();
        for last in self.last.values().filter(|last| last.outcome == Outcome::Failed) {
            *counts.entry(last.reason.as_ref().map(ReasonCode::as_str)).or_default() += 1;
        }
        let group =
            |(code, items): (Option<&str>, u64)| FailureGroup { reason_code: code.map(str::to_owned), items };
        let mut groups: Vec<_> = counts.into_iter().map(group).collect();
        groups.sort_unstable_by(|a, b| b.items.cmp(&a.items).then_with(|| a.reason_code.cmp(&b.reason_code)));
        groups.truncate(usize::try_from(REASONS).unwrap_or(usize::MAX));
        groups
    }

    /// What differs in `later`, which is of the same run at a later revision: the items whose last outcome or reason is
    /// another, or that were not there.
    fn differing<'a>(
        &'a self,
        later: &'a Self,
    ) -> impl Iterator<Item = (&'a ItemName, Option<&'a Last>, &'a Last)> {
        let differs = |from: &Last, to: &Last| (from.outcome, &from.reason) != (to.outcome, &to.reason);
        let pairs = later.last.iter().map(|(item, to)| (item, self.last.get(item), to));
        pairs.filter(move |(_, from, to)| from.is_none_or(|from| differs(from, to)))
    }

    /// How many items differ in `later`, by what they have come to.
    pub(crate) fn change_counts(&self, later: &Self) -> ChangeCounts {
        let mut counts = ChangeCounts::default();
        for (_, _, to) in self.differing(later) {
            match to.outcome {
                Outcome::Failed => counts.failed += 1,
                Outcome::Skipped => counts.skipped += 1,
                Outcome::Succeeded => counts.succeeded += 1,
            }
        }
        counts
    }

    /// The items that differ in `later`, those alone that have come to `status` where it is given: in the order of their
    /// names, behind `after`, as many as that.
    pub(crate) fn changes<'a>(
        &'a self,
        later: &'a Self,
        (status, after): (Option<Outcome>, Option<&str>),
        most: usize,
    ) -> Vec<Change<'a>> {
        let mut changed: Vec<_> = self
            .differing(later)
            .filter(|(item, ..)| after.is_none_or(|after| item.as_str() > after))
            .filter(|(_, _, to)| status.is_none_or(|status| to.outcome == status))
            .map(|(item, from, to)| (item.as_str(), from, to))
            .collect();
        changed.sort_unstable_by_key(|(item, ..)| *item);
        changed.truncate(most);
        changed
            .into_iter()
            .map(|(item, from, to)| Change {
                item,
                label: to.label.as_ref().map(CleanText::as_str),
                namespace: to.namespace.as_ref().map(Namespace::as_str),
                from: from.map(Last::told),
                to: to.told(),
            })
            .collect()
    }

    /// A page of them, as [`super::page_of_items`] makes it of the items of today.
    ///
    /// # Errors
    /// [`ReadError::Invalid`] when the cursor goes on with another run or revision, or the database's.
    pub async fn page(
        &self,
        read: &mut TenantRead,
        tenant: &TenantId,
        run: RunId,
        query: &ItemsQuery,
    ) -> Result<ItemPage, ReadError> {
        if query.shown(run, self.revision, self.revision)? != self.revision {
            return Err(wrong("cursor", "goes on with the items of another revision: begin without"));
        }
        let named = match query.named() {
            Some(key) => items_named(read.conn(), tenant, run, key).await?,
            None => HashSet::new(),
        };
        let wanted = self.wanted(query, &named);
        let revisions: Vec<_> =
            wanted.iter().map(|last| i64::try_from(last.revision).unwrap_or(i64::MAX)).collect();
        let rows = fetch(read.conn(), tenant, run, &revisions).await?;
        let mut told: HashMap<_, _> = rows.into_iter().map(|row| (row.revision, row)).collect();
        let mut items = Vec::with_capacity(wanted.len());
        for (last, revision) in wanted.into_iter().zip(revisions) {
            let row = told.remove(&revision);
            let row =
                row.ok_or_else(|| Corrupt::new(TABLE, "revision", run, format!("{revision} is gone")))?;
            items.push(view(row, last)?);
        }
        let next_cursor = cut(&mut items, query.limit);
        let next_cursor = next_cursor.map(|last| query.cursor_after(run, self.revision, last)).transpose()?;
        name_items(read.conn(), tenant, &mut items).await?;
        Ok(ItemPage { items, next_cursor, revision: self.revision, position: read.position.0 })
    }

    /// The items of a page, and one more where there is a next page, in its order.
    fn wanted(&self, query: &ItemsQuery, named: &HashSet<String>) -> Vec<&Last> {
        let mut fitting: Vec<_> = self
            .last
            .iter()
            .filter(|(item, last)| {
                let reason = last.reason.as_ref().map(ReasonCode::as_str);
                query.takes((item.as_str(), named), last.outcome, reason, last.revision)
            })
            .map(|(item, last)| (item.as_str(), last))
            .collect();
        if query.by_name() {
            fitting.sort_unstable_by_key(|(item, _)| *item);
        } else {
            fitting.sort_unstable_by_key(|(_, last)| (last.outcome.as_str(), last.revision));
        }
        let most = usize::try_from(query.limit.saturating_add(1)).unwrap_or(usize::MAX);
        fitting.into_iter().take(most).map(|(_, last)| last).collect()
    }
}

struct EventRow {
    revision: i64,
    event_id: Uuid,
    event_type: String,
    schema_version: i16,
    occurred_at: DateTime<Utc>,
    data: Json<Box<RawValue>>,
}

/// Those events of a run.
async fn fetch(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run: RunId,
    revisions: &[i64],
) -> Result<Vec<EventRow>, sqlx::Error> {
    sqlx::query_as!(
        EventRow,
        r#"SELECT revision, event_id, event_type, schema_version, occurred_at,
                  data AS "data: Json<Box<RawValue>>"
           FROM projection.run_events
           WHERE tenant = $1 AND run_id = $2 AND revision = ANY ($3)"#,
        tenant.as_str(),
        run.uuid(),
        revisions
    )
    .fetch_all(conn)
    .await
}

/// What an event says of its item, which has its label and its namespace from this event or an earlier one.
fn view(row: EventRow, last: &Last) -> Result<ItemView, Corrupt> {
    let id = row.event_id;
    let version = u16::try_from(row.schema_version);
    let version = version.map_err(|error| Corrupt::new(TABLE, "schema_version", id, error))?;
    let body = wire::decode_body_of(&row.event_type, version, row.data.get().as_bytes());
    let (item, status, reason, message) =
        match body.map_err(|error| Corrupt::new(TABLE, "data", id, error))? {
            EventBody::ItemSucceeded(e) => (e.item, Outcome::Succeeded, None, None),
            EventBody::ItemFailed(e) => (e.item, Outcome::Failed, Some(e.reason_code), Some(e.message)),
            EventBody::ItemSkipped(e) => (e.item, Outcome::Skipped, e.reason_code, None),
            _ => return Err(Corrupt::new(TABLE, "event_type", id, "it tells of no item")),
        };
    Ok(ItemView {
        item: item.as_str().to_owned(),
        label: last.label.as_ref().map(|label| label.as_str().to_owned()),
        namespace: last.namespace.as_ref().map(|namespace| namespace.as_str().to_owned()),
        name: None,
        status,
        reason_code: reason.map(|code| code.as_str().to_owned()),
        message: message.map(CleanText::into_string),
        occurred_at: row.occurred_at,
        revision: non_negative(TABLE, "revision", id, row.revision)?,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::params::Params;
    use crate::params::ReadQuery;

    fn items(of: &[(&str, Outcome, u64, Option<&str>)]) -> PastItems {
        let last = of.iter().map(|(item, outcome, revision, reason)| {
            let reason = reason.map(|code| code.parse().unwrap());
            (
                ItemName::try_from((*item).to_owned()).unwrap(),
                Last { outcome: *outcome, revision: *revision, reason, label: None, namespace: None },
            )
        });
        PastItems { revision: 9, last: last.collect() }
    }

    fn asked(query: &str) -> ItemsQuery {
        ItemsQuery::from_params(&mut Params::of(Some(query)).unwrap()).unwrap()
    }

    #[test]
    fn the_failed_come_first_and_filters_hold() {
        let items = items(&[
            ("a", Outcome::Succeeded, 1, None),
            ("b", Outcome::Failed, 2, Some("x")),
            ("c", Outcome::Skipped, 3, None),
            ("ab", Outcome::Failed, 4, Some("y")),
            ("bb", Outcome::Failed, 5, Some("y")),
        ]);
        let wanted = |query| {
            let wanted = items.wanted(&asked(query), &HashSet::new()).into_iter();
            wanted.map(|last| last.revision).collect::<Vec<_>>()
        };
        assert_eq!(wanted(""), [2, 4, 5, 3, 1]);
        assert_eq!(wanted("limit=1"), [2, 4], "one more than the page has");
        assert_eq!(wanted("status=skipped"), [3]);
        assert_eq!(wanted("reason_code=y"), [4, 5]);
        assert_eq!(wanted("item=a"), [1, 4], "in the order of names");
        let named = HashSet::from(["bb".to_owned()]);
        let found = items.wanted(&asked("item=a"), &named).into_iter().map(|last| last.revision);
        assert_eq!(found.collect::<Vec<_>>(), [1, 4, 5], "by its name in the directory as well");
        let groups = items.groups().into_iter().map(|group| (group.reason_code.unwrap(), group.items));
        assert_eq!(groups.collect::<Vec<_>>(), [("y".to_owned(), 2), ("x".to_owned(), 1)]);
    }
}
