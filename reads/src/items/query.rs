//! Which items of a run, and the queries behind their list.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::reason::ReasonCode;
use domain::{Outcome, RunId, TenantId};
use redaction::CleanText;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use super::ItemView;
use crate::cursor::{self, Fingerprint};
use crate::directory::key_of;
use crate::error::ReadError;
use crate::page::{LONGEST_PAGE, USUAL_PAGE, rows_for};
use crate::params::ReadQuery;
use crate::params::{LONGEST_ASKED, Params, wrong};
use crate::runs::AsOf;

/// How the ids begin of the items that are asked for by their names as they were sent, or by a beginning: what
/// is asked is cleaned as it was when the name was kept.
fn begins(asked: &str) -> Result<String, ReadError> {
    let begins = CleanText::beginning(asked);
    if begins.is_empty() || asked.chars().count() > LONGEST_ASKED {
        let says = format!("must have 1 to {LONGEST_ASKED} characters, and one that can be seen");
        return Err(wrong("item", says));
    }
    Ok(begins)
}

/// A page of items.
#[derive(Debug)]
pub struct ItemsQuery {
    filter: Filter,
    /// The point of the run's life whose items are shown; none for today's.
    pub(super) as_of: Option<AsOf>,
    pub(super) limit: u64,
    after: Option<ItemKey>,
    list: Fingerprint,
}

/// Which items. What is not given does not filter.
#[derive(Debug, Default)]
struct Filter {
    status: Option<Outcome>,
    /// Of failed items only.
    reason: Option<String>,
    /// How the item begins.
    begins: Option<String>,
    /// How the key of its name in the directory begins, which will do as well.
    named: Option<String>,
}

/// Where a page of items ended, and of which run as it was when: all pages after the first show the same items.
/// A revision has one item, so the place is exact; found by name, the name is.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ItemKey {
    run: Uuid,
    /// The revision of the run that the pages show.
    shown: u64,
    outcome: Outcome,
    revision: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<String>,
}

impl ReadQuery for ItemsQuery {
    const ALLOWED: &'static [&'static str] =
        &["status", "reason_code", "item", "at", "revision", "cursor", "limit"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let status = params.parse_enum("status", "failed, skipped, succeeded", Outcome::parse)?;
        let reason = params.parsed::<ReasonCode>("reason_code")?.map(|code| code.as_str().to_owned());
        if reason.is_some() && status.is_some_and(|status| status != Outcome::Failed) {
            return Err(wrong("reason_code", "finds failed items only: leave status out, or give failed"));
        }
        let asked = params.one("item")?;
        let begins = asked.as_deref().map(begins).transpose()?;
        let named = asked.as_deref().map(key_of);
        // Only what failed is found by its reason.
        let status = if reason.is_some() { Some(Outcome::Failed) } else { status };
        let filter = Filter { status, reason, begins, named };
        let as_of = AsOf::from_params(params)?;
        let limit = params.number("limit", 1, LONGEST_PAGE)?.unwrap_or(USUAL_PAGE);
        let list = Fingerprint::of("items", &(&filter, as_of));
        let after: Option<ItemKey> = cursor::take(params, &list)?;
        Ok(Self { filter, as_of, limit, after, list })
    }
}

impl ItemsQuery {
    /// Whether the order is that of the names.
    pub(super) fn by_name(&self) -> bool {
        self.filter.begins.is_some()
    }

    /// How the keys of the names begin that are asked for.
    pub(super) fn named(&self) -> Option<&str> {
        self.filter.named.as_deref()
    }

    /// Whether an item that last came to this lies on the page or beyond it. `named` are the items that the directory's
    /// names find.
    pub(super) fn takes(
        &self,
        (item, named): (&str, &HashSet<String>),
        outcome: Outcome,
        reason: Option<&str>,
        revision: u64,
    ) -> bool {
        let Filter { status, reason: wanted, begins, named: _ } = &self.filter;
        let place = (outcome.as_str(), i64::try_from(revision).unwrap_or(i64::MAX));
        status.is_none_or(|status| status == outcome)
            && wanted.as_deref().is_none_or(|wanted| Some(wanted) == reason)
            && begins.as_deref().is_none_or(|begins| item.starts_with(begins) || named.contains(item))
            && self.after.as_ref().is_none_or(|after| match &after.item {
                Some(name) => item > name.as_str(),
                None => place > (after.outcome.as_str(), after.revision),
            })
    }

    /// The revision of the run that the page shows: the one that the pages before it have shown, or the `first` one
    /// shows. Its `last` is the one that it has reached.
    ///
    /// # Errors
    /// [`ReadError::Invalid`] when the cursor is of another run, or of a revision that this one has not reached.
    pub(super) fn shown(&self, run: RunId, first: u64, last: u64) -> Result<u64, ReadError> {
        match &self.after {
            None => Ok(first),
            Some(key) if key.run == run.uuid() && key.shown <= last => Ok(key.shown),
            Some(_) => Err(wrong(
                "cursor",
                "goes on with items of another run, or of a revision that this one has not reached: begin without",
            )),
        }
    }

    /// The cursor that goes on after an item of a run as it was at a revision.
    ///
    /// # Errors
    /// When it can't be written, which no item causes.
    pub(super) fn cursor_after(&self, run: RunId, shown: u64, last: &ItemView) -> Result<String, ReadError> {
        let key = ItemKey {
            run: run.uuid(),
            shown,
            outcome: last.status,
            revision: i64::try_from(last.revision).unwrap_or(i64::MAX),
            item: self.filter.begins.is_some().then(|| last.item.clone()),
        };
        cursor::encode(&self.list, key)
    }
}

/// A row of `projection.run_items`.
pub(super) struct ItemRow {
    pub(super) item: String,
    pub(super) label: Option<String>,
    pub(super) namespace: Option<String>,
    pub(super) outcome: String,
    pub(super) reason_code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) occurred_at: DateTime<Utc>,
    pub(super) revision: i64,
}

/// Whether any item of a run has come to something else since a revision.
///
/// # Errors
/// The database's.
pub(super) async fn changed_since(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run: RunId,
    revision: u64,
) -> Result<bool, sqlx::Error> {
    let found = sqlx::query_scalar!(
        r#"SELECT true AS "found!" FROM projection.run_events
           WHERE tenant = $1 AND run_id = $2 AND revision > $3
             AND event_type IN ('ItemSucceeded', 'ItemFailed', 'ItemSkipped')
           LIMIT 1"#,
        tenant.as_str(),
        run.uuid(),
        i64::try_from(revision).unwrap_or(i64::MAX)
    );
    Ok(found.fetch_optional(conn).await?.is_some())
}

/// The rows of a page, and one more where there is a next page.
///
/// # Errors
/// The database's.
pub(super) async fn fetch(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run: RunId,
    query: &ItemsQuery,
) -> Result<Vec<ItemRow>, sqlx::Error> {
    let (tenant, run, limit) = (tenant.as_str(), run.uuid(), rows_for(query.limit));
    let Filter { status, reason, begins, named } = &query.filter;
    let after = query.after.as_ref();
    // Revisions begin with 0.
    let revision = after.map_or(-1, |key| key.revision);
    let rows = match (begins, reason) {
        // The beginning of an id is a range of the primary key, which gives the order as well. That of a name in the
        // directory is a range of another index; no index answers an OR of the two. OFFSET 0 has the planner begin with
        // the names: there may be none, and 100,000 items. They come in the order of their ids, so that no more items
        // are looked up than the page has, where all names are of this run.
        (Some(begins), reason) => {
            sqlx::query_as!(
                ItemRow,
                r#"SELECT item AS "item!", label, namespace, outcome AS "outcome!", reason_code, message,
                       occurred_at AS "occurred_at!", revision AS "revision!"
                   FROM (
                       (SELECT item, label, namespace, outcome, reason_code, message, occurred_at, revision
                        FROM projection.run_items
                        WHERE tenant = $1 AND run_id = $2 AND item >= $3 AND item < $3 || chr(1114111)
                          AND item > $4
                          AND ($5::text IS NULL OR outcome = $5)
                          AND ($6::text IS NULL OR reason_code = $6)
                        ORDER BY item LIMIT $7)
                       UNION
                       (SELECT i.item, i.label, i.namespace, i.outcome, i.reason_code, i.message, i.occurred_at,
                               i.revision
                        FROM (
                            SELECT namespace, entry_id FROM projection.directory
                            WHERE tenant = $1 AND name_key >= $8 AND name_key < $8 || chr(1114111)
                              AND entry_id > $4
                            ORDER BY entry_id OFFSET 0
                        ) AS d
                        CROSS JOIN LATERAL (
                            SELECT * FROM projection.run_items
                            WHERE tenant = $1 AND run_id = $2 AND item = d.entry_id AND namespace = d.namespace
                              AND ($5::text IS NULL OR outcome = $5)
                              AND ($6::text IS NULL OR reason_code = $6)
                            LIMIT 1
                        ) AS i
                        ORDER BY d.entry_id LIMIT $7)
                   ) AS found
                   ORDER BY item LIMIT $7"#,
                tenant,
                run,
                begins,
                after.and_then(|key| key.item.as_deref()).unwrap_or_default(),
                status.map(Outcome::as_str),
                reason.as_deref(),
                limit,
                named.as_deref()
            )
            .fetch_all(conn)
            .await?
        }
        (None, Some(reason)) => {
            sqlx::query_as!(
                ItemRow,
                "SELECT item, label, namespace, outcome, reason_code, message, occurred_at, revision
                 FROM projection.run_items
                 WHERE tenant = $1 AND run_id = $2 AND outcome = 'failed' AND reason_code = $3
                   AND revision > $4
                 ORDER BY revision LIMIT $5",
                tenant,
                run,
                reason,
                revision,
                limit
            )
            .fetch_all(conn)
            .await?
        }
        (None, None) => match status {
            Some(status) => {
                sqlx::query_as!(
                    ItemRow,
                    "SELECT item, label, namespace, outcome, reason_code, message, occurred_at, revision
                     FROM projection.run_items
                     WHERE tenant = $1 AND run_id = $2 AND outcome = $3 AND revision > $4
                     ORDER BY revision LIMIT $5",
                    tenant,
                    run,
                    status.as_str(),
                    revision,
                    limit
                )
                .fetch_all(conn)
                .await?
            }
            None => {
                sqlx::query_as!(
                    ItemRow,
                    "SELECT item, label, namespace, outcome, reason_code, message, occurred_at, revision
                     FROM projection.run_items
                     WHERE tenant = $1 AND run_id = $2 AND (outcome, revision) > ($3, $4::bigint)
                     ORDER BY outcome, revision LIMIT $5",
                    tenant,
                    run,
                    after.map_or("", |key| key.outcome.as_str()),
                    revision,
                    limit
                )
                .fetch_all(conn)
                .await?
            }
        },
    };
    Ok(rows)
}
