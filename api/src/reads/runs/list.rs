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
use crate::openapi::forms;
use crate::outside::BasePath;
use crate::problem::Problem;
use crate::reads::answer::{answer, cut, link_next};
use crate::reads::cursor;
use crate::reads::pool::TenantRead;
use crate::reads::request::ReadRequest;
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
    #[schema(value_type = forms::Position)]
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
        ("status" = Option<Vec<RunStatus>>, Query, description = "Any of these; repeat it for more"),
        ("kind" = Option<forms::Kind>, Query, description = "The kind of operation"),
        ("initiator" = Option<forms::VisibleId>, Query, description = "The principal who started it"),
        ("label" = Option<Vec<forms::LabelFilter>>, Query, description = "NAME:VALUE; repeat it for more, all must hold"),
        ("since" = Option<chrono::DateTime<Utc>>, Query, description = "Queued then or later"),
        ("until" = Option<chrono::DateTime<Utc>>, Query, description = "Queued before"),
        ("q" = Option<forms::SearchText>, Query, description = "The beginning of a run's id (hex) or title (any case)"),
        ("liveness" = Option<forms::OnlyStalled>, Query,
         description = "stalled: a heartbeat is overdue, or it is queued for longer than its kind may be"),
        ("held" = Option<forms::OnlyTrue>, Query,
         description = "true: the projection could not fold an event of the run, and has quarantined it"),
        ("sort" = Option<forms::RunOrder>, Query, description = "The newest first, or the oldest"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = RunPage),
    )
)]
pub(in crate::reads) async fn list_runs(
    State(state): State<ApiState>,
    request: ReadRequest<ListQuery>,
) -> Result<Response, Problem> {
    let mut read = request.begin(&state).await?;
    let page = page_of_runs(&mut read, &request.caller.tenant, &request.query, Utc::now()).await?;
    let page = page.under(&request.base);
    let next_cursor = page.next_cursor.clone();
    let mut response = answer(&state, read.position, page)?;
    if let Some(cursor) = next_cursor {
        link_next(response.headers_mut(), &request.address, &cursor)?;
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
