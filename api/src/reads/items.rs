//! `GET /v1/tenants/{tenant}/runs/{run}/items`.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::{Outcome, RunId, TenantId};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::answer::{LONGEST_PAGE, USUAL_PAGE, answer, cut, link_next, rows_for};
use super::asked::{Asked, AskedQuery, RunInPath};
use super::corrupt::{Corrupt, count, word};
use super::cursor::{self, Fingerprint};
use super::params::Params;
use super::runs::must_exist;
use crate::problem::Problem;
use crate::state::ApiState;

const TABLE: &str = "projection.run_items";

/// A page of items.
#[derive(Debug)]
pub(super) struct ItemsQuery {
    status: Option<Outcome>,
    limit: u64,
    after: Option<ItemKey>,
    list: Fingerprint,
}

/// Where a page of items ended. A revision has one item, so this is exact.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct ItemKey {
    outcome: Outcome,
    revision: i64,
}

impl AskedQuery for ItemsQuery {
    const ALLOWED: &'static [&'static str] = &["status", "cursor", "limit"];

    fn take(params: &mut Params) -> Result<Self, Problem> {
        let status = params.word("status", "failed, skipped, succeeded", Outcome::parse)?;
        let limit = params.number("limit", 1, LONGEST_PAGE)?.unwrap_or(USUAL_PAGE);
        let list = Fingerprint::of("items", &status);
        let after = cursor::take(params, &list)?;
        Ok(Self { status, limit, after, list })
    }
}

/// A page of a run's items.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ItemPage {
    /// The items: the failed first, then the skipped, then the succeeded, each in the order of events.
    items: Vec<ItemView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
    /// The position that the page reflects.
    position: u64,
}

/// What last became of an item.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunItem)]
pub(super) struct ItemView {
    /// Which item.
    item: String,
    /// The name people know it by.
    label: Option<String>,
    /// Its last outcome.
    #[schema(value_type = ItemStatus)]
    status: Outcome,
    /// Why it failed or was skipped, for machines.
    reason_code: Option<String>,
    /// Why it failed, for people.
    message: Option<String>,
    /// When, by the producer's clock.
    occurred_at: DateTime<Utc>,
    /// The revision of the event that said so.
    revision: u64,
}

/// The outcome of an item, by name.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "it is there for the OpenAPI document")]
pub(super) enum ItemStatus {
    Failed,
    Skipped,
    Succeeded,
}

struct ItemRow {
    item: String,
    label: Option<String>,
    outcome: String,
    reason_code: Option<String>,
    message: Option<String>,
    occurred_at: DateTime<Utc>,
    revision: i64,
}

/// Lists a run's items by their last outcome, the failed ones first.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}/items",
    tag = "runs",
    params(
        ("tenant" = String, Path, description = "The tenant's short name"),
        ("run" = uuid::Uuid, Path, description = "The run's id"),
        ("status" = Option<ItemStatus>, Query, description = "Only items with this last outcome"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
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
    must_exist(read.conn(), tenant, run).await?;
    let rows = fetch(read.conn(), tenant, run, &asked.query).await?;
    let mut items = rows.into_iter().map(|row| view(row, run)).collect::<Result<Vec<_>, _>>()?;
    let next_cursor = match cut(&mut items, asked.query.limit) {
        None => None,
        Some(last) => {
            let revision = i64::try_from(last.revision).unwrap_or(i64::MAX);
            Some(cursor::encode(&asked.query.list, ItemKey { outcome: last.status, revision })?)
        }
    };
    let page = ItemPage { items, next_cursor: next_cursor.clone(), position: read.position.0 };
    let mut response = answer(&state, read.position, page);
    if let Some(cursor) = next_cursor {
        link_next(response.headers_mut(), &asked.address, &cursor)?;
    }
    Ok(response)
}

async fn fetch(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run: RunId,
    query: &ItemsQuery,
) -> Result<Vec<ItemRow>, sqlx::Error> {
    // Within one outcome the index is entered by the revision; the pair alone would enter it at the
    // outcome's beginning.
    sqlx::query_as!(
        ItemRow,
        "SELECT item, label, outcome, reason_code, message, occurred_at, revision
         FROM projection.run_items
         WHERE tenant = $1 AND run_id = $2
           AND ($3::text IS NULL OR outcome = $3)
           AND ($4::text IS NULL OR (outcome, revision) > ($4, $5::bigint))
           AND ($3::text IS NULL OR $5::bigint IS NULL OR revision > $5)
         ORDER BY outcome, revision LIMIT $6",
        tenant.as_str(),
        run.uuid(),
        query.status.map(Outcome::as_str),
        query.after.as_ref().map(|key| key.outcome.as_str()),
        query.after.as_ref().map(|key| key.revision),
        rows_for(query.limit)
    )
    .fetch_all(conn)
    .await
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
