//! `GET /v1/tenants/{tenant}/runs`.

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use domain::TenantId;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;

use super::filter::{ListQuery, Order, RunKey};
use super::row::RunRow;
use super::view::{RunStatus, RunView};
use crate::problem::Problem;
use crate::reads::answer::{answer, cut, link_next, rows_for};
use crate::reads::asked::Asked;
use crate::reads::cursor;
use crate::state::ApiState;

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::reads) struct RunPage {
    /// The runs, without their contexts.
    runs: Vec<RunView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
    /// The position that the page reflects.
    position: u64,
}

/// Lists the tenant's runs, page by page.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs",
    tag = "runs",
    params(
        ("tenant" = String, Path, description = "The tenant's short name"),
        ("status" = Option<Vec<RunStatus>>, Query, description = "Any of these; repeat it for more"),
        ("kind" = Option<String>, Query, description = "The kind of operation"),
        ("initiator" = Option<String>, Query, description = "The principal who started it"),
        ("label" = Option<Vec<String>>, Query, description = "NAME:VALUE; repeat it for more, all must hold"),
        ("since" = Option<chrono::DateTime<Utc>>, Query, description = "Queued then or later"),
        ("until" = Option<chrono::DateTime<Utc>>, Query, description = "Queued before"),
        ("q" = Option<String>, Query, description = "The beginning of a run's id (hex) or title (any case)"),
        ("sort" = Option<String>, Query, description = "-queued_at (usual: the newest first) or queued_at"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before, with its filters"),
        ("limit" = Option<u64>, Query, description = "Runs in a page, 1 to 200; usually 50"),
        ("after" = Option<u64>, Query, description = "Wait until the projection has reached this position"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = RunPage),
        (status = 401, description = "No valid token", body = Problem),
        (status = 404, description = "No such tenant for this token", body = Problem),
        (status = 422, description = "A parameter is wrong", body = Problem),
        (status = 503, description = "The projection is behind, or the database away", body = Problem),
    )
)]
pub(in crate::reads) async fn list_runs(
    State(state): State<ApiState>,
    asked: Asked<ListQuery>,
) -> Result<Response, Problem> {
    let mut read = asked.begin(&state).await?;
    let mut rows = fetch(read.conn(), &asked.caller.tenant, &asked.query).await?;
    let last = cut(&mut rows, asked.query.limit).map(|row| RunKey::new(row.queued_at, row.run_id));
    let next_cursor = last.map(|key| cursor::encode(&asked.query.list, key)).transpose()?;
    let now = Utc::now();
    let runs =
        rows.into_iter().map(|row| row.into_view(&asked.caller.tenant, now)).collect::<Result<_, _>>()?;
    let page = RunPage { runs, next_cursor: next_cursor.clone(), position: read.position.0 };
    let mut response = answer(&state, read.position, page);
    if let Some(cursor) = next_cursor {
        link_next(response.headers_mut(), &asked.address, &cursor)?;
    }
    Ok(response)
}

/// One text for both orders would hide the order from the planner, so there are two.
macro_rules! page_of_runs {
    ($after:tt, $order:tt, $($argument:expr),*) => {
        sqlx::query_as!(
            RunRow,
            r#"SELECT run_id, kind, title, status, ended_as, items_total, items_succeeded, items_failed,
                      items_skipped, initiator_id, initiator_name, labels AS "labels: Json<Box<RawValue>>",
                      NULL::json AS "context: Json<Box<RawValue>>", idempotency_key, worker,
                      progress_message, reason_code, message, queued_at, started_at, ended_at,
                      last_event_at, heartbeat_seconds, heartbeat_due_at, revision, position
               FROM projection.runs
               WHERE tenant = $1
                 AND ($2::text IS NULL OR status = $2)
                 AND ($3::text[] IS NULL OR status = ANY ($3))
                 AND ($4::text IS NULL OR kind = $4)
                 AND ($5::text IS NULL OR initiator_id = $5)
                 AND ($6::jsonb IS NULL OR labels @> $6)
                 AND ($7::timestamptz IS NULL OR queued_at >= $7)
                 AND ($8::timestamptz IS NULL OR queued_at < $8)
                 AND ($9::text IS NULL OR lower(title) LIKE lower($9)
                      OR ($10::uuid IS NOT NULL AND run_id >= $10 AND run_id <= $11::uuid))
                 AND "# + $after + $order + " LIMIT $14",
            $($argument),*
        )
    };
}

async fn fetch(
    conn: &mut PgConnection,
    tenant: &TenantId,
    query: &ListQuery,
) -> Result<Vec<RunRow>, sqlx::Error> {
    let filter = &query.filter;
    // One status is an equality, by which an index gives the order as well; several are a set.
    let (status, statuses) = match filter.status.as_slice() {
        [] => (None, None),
        [one] => (Some(*one), None),
        several => (None, Some(several.iter().map(|&s| s.to_owned()).collect::<Vec<_>>())),
    };
    let labels = (!filter.labels.is_empty()).then(|| serde_json::json!(filter.labels));
    let ids = filter.search.as_ref().and_then(|search| search.ids);
    let title = filter.search.as_ref().map(|search| search.title.as_str());
    let (first_id, last_id) = (ids.map(|ids| ids.0), ids.map(|ids| ids.1));
    let after_time = query.after.and_then(RunKey::queued_at);
    let after_id = query.after.map(|key| key.run_id);
    let limit = rows_for(query.limit);
    let (kind, initiator) = (filter.kind.as_deref(), filter.initiator.as_deref());
    match query.order {
        Order::NewestFirst => {
            page_of_runs!(
                "($12::timestamptz IS NULL OR (queued_at, run_id) < ($12, $13::uuid))",
                " ORDER BY queued_at DESC, run_id DESC",
                tenant.as_str(),
                status,
                statuses.as_deref(),
                kind,
                initiator,
                labels,
                filter.since,
                filter.until,
                title,
                first_id,
                last_id,
                after_time,
                after_id,
                limit
            )
            .fetch_all(conn)
            .await
        }
        Order::OldestFirst => {
            page_of_runs!(
                "($12::timestamptz IS NULL OR (queued_at, run_id) > ($12, $13::uuid))",
                " ORDER BY queued_at, run_id",
                tenant.as_str(),
                status,
                statuses.as_deref(),
                kind,
                initiator,
                labels,
                filter.since,
                filter.until,
                title,
                first_id,
                last_id,
                after_time,
                after_id,
                limit
            )
            .fetch_all(conn)
            .await
        }
    }
}
