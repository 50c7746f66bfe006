//! `GET /v1/tenants/{tenant}/runs`.

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use reads::forms;
use reads::runs::{ListQuery, RunPage, RunStatus, page_of_runs};

use crate::answer::answer_list;
use crate::problem::Problem;
use crate::request::ReadRequest;
use crate::state::ApiState;

/// Lists the tenant's runs, page by page.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs",
    tag = "runs",
    params(
        ("status" = Option<Vec<RunStatus>>, Query, description = "Any of these; repeat it for more"),
        ("kind" = Option<forms::Kind>, Query, description = "The kind of operation"),
        ("initiator" = Option<forms::VisibleId>, Query, description = "The principal who started it"),
        ("ref" = Option<forms::ReferencePart>, Query, description = "Named by a reference with this id, or by the header Idempotency-Key"),
        ("ref_source" = Option<forms::ReferencePart>, Query, description = "The source of that reference; of any source without"),
        ("idempotency_key" = Option<forms::IdempotencyKey>, Query, description = "That did the same work, as their member idempotency_key says"),
        ("parent" = Option<uuid::Uuid>, Query, description = "Parts of this run"),
        ("label" = Option<Vec<forms::LabelFilter>>, Query, description = "NAME:VALUE; repeat it for more, all must hold"),
        ("since" = Option<chrono::DateTime<Utc>>, Query, description = "Queued then or later"),
        ("until" = Option<chrono::DateTime<Utc>>, Query, description = "Queued before"),
        ("ended_since" = Option<chrono::DateTime<Utc>>, Query, description = "Ended then or later; the list is in the order of ends then"),
        ("ended_until" = Option<chrono::DateTime<Utc>>, Query, description = "Ended before; the list is in the order of ends then"),
        ("q" = Option<forms::SearchText>, Query, description = "The beginning of a run's id (hex) or title (any case)"),
        ("liveness" = Option<forms::OnlyStalled>, Query,
         description = "stalled: a heartbeat is overdue, or it is queued for longer than its kind may be"),
        ("held" = Option<forms::OnlyTrue>, Query,
         description = "true: the projection could not fold an event of the run, and has quarantined it"),
        ("late" = Option<forms::OnlyTrue>, Query,
         description = "true: it has been running for longer than 95 of 100 runs of its kind took"),
        ("sort" = Option<forms::RunOrder>, Query, description = "The newest first, or the oldest: by when they were queued, or by when they ended"),
        ("format" = Option<forms::ListForm>, Query, description = "A page of JSON, or a table; counts more than Accept"),
        ("limit" = Option<forms::ListLimit>, Query, description = "How many: 50 if nobody says, of a table 10,000"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one",
         content((RunPage = "application/json"), (String = "text/csv"))),
    )
)]
pub async fn list_runs(
    State(state): State<ApiState>,
    request: ReadRequest<ListQuery>,
) -> Result<Response, Problem> {
    let mut read = request.begin(&state).await?;
    let page = page_of_runs(&mut read, &request.caller.tenant, &request.query, Utc::now()).await?;
    let page = page.under(&request.base);
    let next_cursor = page.next_cursor.clone();
    let list = (request.query.form, page);
    answer_list(&state, &request.address, read.position, list, next_cursor.as_deref())
}
