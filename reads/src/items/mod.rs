//! `GET /v1/tenants/{tenant}/runs/{run}/items`.

mod past;
#[cfg(test)]
mod plans;
mod query;

use chrono::{DateTime, Utc};
use domain::{Outcome, RunId, TenantId};
use serde::Serialize;
use utoipa::ToSchema;

use crate::corrupt::{Corrupt, non_negative, parse_enum};
use crate::directory::name_items;
use crate::error::ReadError;
use crate::forms;
use crate::page::cut;
use crate::pool::TenantRead;
use crate::runs::{past_run, revision_as_of, revision_of};

pub use past::PastItems;
pub use query::ItemsQuery;
use query::{ItemRow, changed_since, fetch};

const TABLE: &str = "projection.run_items";

/// A page of a run's items.
#[derive(Debug, Serialize, ToSchema)]
pub struct ItemPage {
    /// The items: the failed first, then the skipped, then the succeeded, each in the order of events;
    /// found by the beginnings of their names, in the order of these.
    pub items: Vec<ItemView>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// The revision of the run that the page shows. All pages of a list show that of its first, whatever has
    /// happened meanwhile: every item is on one of them, once.
    #[schema(value_type = forms::Revision)]
    pub revision: u64,
    /// The position that the page reflects.
    #[schema(value_type = forms::Position)]
    pub position: u64,
}

/// What last became of an item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunItem)]
pub struct ItemView {
    /// Which item.
    #[schema(value_type = forms::ShownText)]
    pub item: String,
    /// The name people know it by.
    #[schema(value_type = Option<forms::ShownText>)]
    pub label: Option<String>,
    /// In which namespace of the tenant's directory the item is an id; null where its events say none.
    #[schema(value_type = Option<forms::Namespace>)]
    pub namespace: Option<String>,
    /// What the directory calls it today, whatever it was called when the event came; null where that is not known, or
    /// there is no namespace.
    #[schema(value_type = Option<forms::ShownText>)]
    pub name: Option<String>,
    /// Its last outcome.
    #[schema(value_type = ItemStatus)]
    pub status: Outcome,
    /// Why it failed or was skipped, for machines.
    #[schema(value_type = Option<forms::ReasonCode>)]
    pub reason_code: Option<String>,
    /// Why it failed, for people.
    #[schema(value_type = Option<forms::ShownText>)]
    pub message: Option<String>,
    /// When, by the producer's clock.
    pub occurred_at: DateTime<Utc>,
    /// The revision of the event that said so.
    #[schema(value_type = forms::Revision)]
    pub revision: u64,
}

/// What an item had come to at some revision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = ItemOutcome)]
pub struct OutcomeView {
    /// Its outcome.
    #[schema(value_type = ItemStatus)]
    pub status: Outcome,
    /// Why it failed or was skipped, for machines.
    #[schema(value_type = Option<forms::ReasonCode>)]
    pub reason_code: Option<String>,
    /// The revision of the event that said so.
    #[schema(value_type = forms::Revision)]
    pub revision: u64,
}

/// The outcome of an item, by name.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum ItemStatus {
    Failed,
    Skipped,
    Succeeded,
}

/// A page of a run's items: as they are, or as they were at the moment that is asked for, or, on a later page, when the
/// first one was made.
///
/// # Errors
/// [`ReadError::NotFound`] when the tenant has no such run, or had none then, [`ReadError::Invalid`] when the cursor is
/// of another, or the database's.
pub async fn page_of_items(
    read: &mut TenantRead,
    tenant: &TenantId,
    run: RunId,
    query: &ItemsQuery,
) -> Result<ItemPage, ReadError> {
    let last = revision_of(read.conn(), tenant, run).await?;
    let first = match query.as_of {
        Some(as_of) => revision_as_of(read.conn(), tenant, run, (as_of, last)).await?,
        None => last,
    };
    let revision = query.shown(run, first, last)?;
    // The table holds the last outcomes only. What has been replaced since is folded from the events.
    if revision < last && changed_since(read.conn(), tenant, run, revision).await? {
        let (_, items) = past_run(read, tenant, run, revision).await?;
        return items.page(read, tenant, run, query).await;
    }
    let rows = fetch(read.conn(), tenant, run, query).await?;
    let mut items = rows.into_iter().map(|row| view(row, run)).collect::<Result<Vec<_>, _>>()?;
    let next_cursor =
        cut(&mut items, query.limit).map(|last| query.cursor_after(run, revision, last)).transpose()?;
    name_items(read.conn(), tenant, &mut items).await?;
    Ok(ItemPage { items, next_cursor, revision, position: read.position.0 })
}

fn view(row: ItemRow, run: RunId) -> Result<ItemView, Corrupt> {
    let key = format!("{run} {:?}", row.item);
    Ok(ItemView {
        status: parse_enum(TABLE, "outcome", &key, &row.outcome, Outcome::parse)?,
        revision: non_negative(TABLE, "revision", &key, row.revision)?,
        item: row.item,
        label: row.label,
        namespace: row.namespace,
        name: None,
        reason_code: row.reason_code,
        message: row.message,
        occurred_at: row.occurred_at,
    })
}
