//! `GET /v1/tenants/{tenant}/runs`.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::TenantId;
use serde::Serialize;
use utoipa::ToSchema;

use super::filter::{ListQuery, RunKey};
use super::query::fetch;
use super::row::RunRow;
use super::view::{RunStatus, RunView};
use crate::outside::BasePath;
use crate::problem::Problem;
use crate::reads::answer::{answer, cut, link_next};
use crate::reads::asked::Asked;
use crate::reads::cursor;
use crate::reads::pool::TenantRead;
use crate::state::ApiState;

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunPage {
    /// The runs, without their contexts.
    pub(crate) runs: Vec<RunView>,
    /// For the next page; null on the last.
    pub(crate) next_cursor: Option<String>,
    /// For the page before; none on the first. Pages for people have a way back, programs need none.
    #[serde(skip)]
    #[schema(ignore)]
    pub(crate) previous_cursor: Option<String>,
    /// The position that the page reflects.
    pub(crate) position: u64,
}

impl RunPage {
    /// It with its links as they are seen from outside.
    pub(crate) fn under(self, base: &BasePath) -> Self {
        Self { runs: self.runs.into_iter().map(|run| run.under(base)).collect(), ..self }
    }
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
        ("liveness" = Option<String>, Query,
         description = "stalled: a heartbeat is overdue, or it is queued for longer than its kind may be"),
        ("held" = Option<bool>, Query,
         description = "true: the projection could not fold an event of the run, and holds it back"),
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
    let page = page_of_runs(&mut read, &asked.caller.tenant, &asked.query, Utc::now()).await?;
    let page = page.under(&asked.base);
    let next_cursor = page.next_cursor.clone();
    let mut response = answer(&state, read.position, page)?;
    if let Some(cursor) = next_cursor {
        link_next(response.headers_mut(), &asked.address, &cursor)?;
    }
    Ok(response)
}

/// A page of the tenant's runs as they stand at `now`, which is one moment for the filter and for what is
/// shown.
///
/// # Errors
/// The database's.
pub(crate) async fn page_of_runs(
    read: &mut TenantRead,
    tenant: &TenantId,
    query: &ListQuery,
    now: DateTime<Utc>,
) -> Result<RunPage, Problem> {
    let mut rows = fetch(read.conn(), tenant, query, now).await?;
    let more = cut(&mut rows, query.limit).is_some();
    if query.backwards {
        rows.reverse();
    }
    let cursor = |row: Option<&RunRow>| {
        let key = row.map(|row| RunKey::new(row.queued_at, row.run_id));
        key.map(|key| cursor::encode(&query.list, key)).transpose()
    };
    // Whoever goes back has come from somewhere, and whoever goes on as well.
    let next_cursor = if more || query.backwards { cursor(rows.last())? } else { None };
    let previous = if query.backwards { more } else { query.after.is_some() };
    let previous_cursor = if previous { cursor(rows.first())? } else { None };
    let runs = rows.into_iter().map(|row| row.into_view(tenant, now)).collect::<Result<_, _>>()?;
    Ok(RunPage { runs, next_cursor, previous_cursor, position: read.position.0 })
}
