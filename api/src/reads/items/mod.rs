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
use super::corrupt::{Corrupt, non_negative, parse_enum};
use super::pool::TenantRead;
use super::request::{ReadRequest, RunInPath};
use super::runs::{past_run, revision_of};
use crate::openapi::forms;
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
    #[schema(value_type = forms::Revision)]
    pub(crate) revision: u64,
    /// The position that the page reflects.
    #[schema(value_type = forms::Position)]
    pub(crate) position: u64,
}

/// What last became of an item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunItem)]
pub(crate) struct ItemView {
    /// Which item.
    #[schema(value_type = forms::ShownText)]
    pub(crate) item: String,
    /// The name people know it by.
    #[schema(value_type = Option<forms::ShownText>)]
    pub(crate) label: Option<String>,
    /// Its last outcome.
    #[schema(value_type = ItemStatus)]
    pub(crate) status: Outcome,
    /// Why it failed or was skipped, for machines.
    #[schema(value_type = Option<forms::ReasonCode>)]
    pub(crate) reason_code: Option<String>,
    /// Why it failed, for people.
    #[schema(value_type = Option<forms::ShownText>)]
    pub(crate) message: Option<String>,
    /// When, by the producer's clock.
    pub(crate) occurred_at: DateTime<Utc>,
    /// The revision of the event that said so.
    #[schema(value_type = forms::Revision)]
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
        ("status" = Option<ItemStatus>, Query, description = "Only items with this last outcome"),
        ("reason_code" = Option<forms::ReasonCode>, Query, description = "Only failed items with this reason"),
        ("item" = Option<forms::SearchText>, Query,
         description = "The beginning of the items' names; they come in the order of their names then"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = ItemPage),
    )
)]
pub(super) async fn list_items(
    State(state): State<ApiState>,
    request: ReadRequest<ItemsQuery>,
    RunInPath(run): RunInPath,
) -> Result<Response, Problem> {
    let mut read = request.begin(&state).await?;
    let tenant = &request.caller.tenant;
    let page = page_of_items(&mut read, tenant, run, &request.query).await?;
    let next_cursor = page.next_cursor.clone();
    let mut response = answer(&state, read.position, page)?;
    if let Some(cursor) = next_cursor {
        link_next(response.headers_mut(), &request.address, &cursor)?;
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
        status: parse_enum(TABLE, "outcome", &key, &row.outcome, Outcome::parse)?,
        revision: non_negative(TABLE, "revision", &key, row.revision)?,
        item: row.item,
        label: row.label,
        reason_code: row.reason_code,
        message: row.message,
        occurred_at: row.occurred_at,
    })
}
