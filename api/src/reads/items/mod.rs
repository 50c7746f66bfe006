//! `GET /v1/tenants/{tenant}/runs/{run}/items`.

mod past;
mod query;

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::{Outcome, RunId, TenantId};
use serde::Serialize;
use utoipa::ToSchema;

use super::answer::{answer, cut, link_next};
use super::asked::{Asked, RunInPath};
use super::corrupt::{Corrupt, count, word};
use super::pool::TenantRead;
use super::runs::{past_run, revision_of};
use crate::problem::Problem;
use crate::state::ApiState;

pub(crate) use past::PastItems;
pub(crate) use query::ItemsQuery;
use query::{ItemRow, changed_since, fetch};

const TABLE: &str = "projection.run_items";

/// A page of a run's items.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ItemPage {
    /// The items: the failed first, then the skipped, then the succeeded, each in the order of events;
    /// found by the beginnings of their names, in the order of these.
    pub(crate) items: Vec<ItemView>,
    /// For the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
    /// The revision of the run that the page shows. All pages of a list show that of its first, whatever has
    /// happened meanwhile: every item is on one of them, once.
    pub(crate) revision: u64,
    /// The position that the page reflects.
    pub(crate) position: u64,
}

/// What last became of an item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunItem)]
pub(crate) struct ItemView {
    /// Which item.
    pub(crate) item: String,
    /// The name people know it by.
    pub(crate) label: Option<String>,
    /// Its last outcome.
    #[schema(value_type = ItemStatus)]
    pub(crate) status: Outcome,
    /// Why it failed or was skipped, for machines.
    pub(crate) reason_code: Option<String>,
    /// Why it failed, for people.
    pub(crate) message: Option<String>,
    /// When, by the producer's clock.
    pub(crate) occurred_at: DateTime<Utc>,
    /// The revision of the event that said so.
    pub(crate) revision: u64,
}

/// The outcome of an item, by name.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it is there for the OpenAPI document")]
pub(crate) enum ItemStatus {
    Failed,
    Skipped,
    Succeeded,
}

/// Lists a run's items by their last outcome, the failed ones first. All pages show the run as it was when the
/// first was made.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}/items",
    tag = "runs",
    params(
        ("tenant" = String, Path, description = "The tenant's short name"),
        ("run" = uuid::Uuid, Path, description = "The run's id"),
        ("status" = Option<ItemStatus>, Query, description = "Only items with this last outcome"),
        ("reason_code" = Option<String>, Query, description = "Only failed items with this reason"),
        ("item" = Option<String>, Query,
         description = "The beginning of the items' names; they come in the order of their names then"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before, with its filters"),
        ("limit" = Option<u64>, Query, description = "Items in a page, 1 to 200; usually 50"),
        ("after" = Option<u64>, Query, description = "Wait until the projection has reached this position"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = ItemPage),
        (status = 401, description = "No valid token", body = Problem),
        (status = 404, description = "No such run of this tenant", body = Problem),
        (status = 422, description = "A parameter is wrong", body = Problem),
        (status = 503, description = "The projection is behind, or the database away", body = Problem),
    )
)]
pub(super) async fn list_items(
    State(state): State<ApiState>,
    asked: Asked<ItemsQuery>,
    RunInPath(run): RunInPath,
) -> Result<Response, Problem> {
    let mut read = asked.begin(&state).await?;
    let tenant = &asked.caller.tenant;
    let page = page_of_items(&mut read, tenant, run, &asked.query).await?;
    let next_cursor = page.next_cursor.clone();
    let mut response = answer(&state, read.position, page)?;
    if let Some(cursor) = next_cursor {
        link_next(response.headers_mut(), &asked.address, &cursor)?;
    }
    Ok(response)
}

/// A page of a run's items: as they are, or, on a later page, as they were when the first one was made.
///
/// # Errors
/// 404 when the tenant has no such run, 422 when the cursor is of another, or the database's.
pub(crate) async fn page_of_items(
    read: &mut TenantRead,
    tenant: &TenantId,
    run: RunId,
    query: &ItemsQuery,
) -> Result<ItemPage, Problem> {
    let last = revision_of(read.conn(), tenant, run).await?;
    let revision = query.shown(run, last)?;
    // The table holds the last outcomes only. What has been replaced since is folded from the events.
    if revision < last && changed_since(read.conn(), tenant, run, revision).await? {
        let (_, items) = past_run(read, tenant, run, revision).await?;
        return items.page(read, tenant, run, query).await;
    }
    let rows = fetch(read.conn(), tenant, run, query).await?;
    let mut items = rows.into_iter().map(|row| view(row, run)).collect::<Result<Vec<_>, _>>()?;
    let next_cursor =
        cut(&mut items, query.limit).map(|last| query.cursor_after(run, revision, last)).transpose()?;
    Ok(ItemPage { items, next_cursor, revision, position: read.position.0 })
}

fn view(row: ItemRow, run: RunId) -> Result<ItemView, Corrupt> {
    let key = format!("{run} {:?}", row.item);
    Ok(ItemView {
        status: word(TABLE, "outcome", &key, &row.outcome, Outcome::parse)?,
        revision: count(TABLE, "revision", &key, row.revision)?,
        item: row.item,
        label: row.label,
        reason_code: row.reason_code,
        message: row.message,
        occurred_at: row.occurred_at,
    })
}
