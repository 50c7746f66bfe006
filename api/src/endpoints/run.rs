//! `GET /v1/tenants/{tenant}/runs/{run}`.

use axum::extract::State;
use axum::response::Response;
use reads::forms;
use reads::runs::{OneQuery, RunView, one_run};

use crate::answer::answer_tagged;
use crate::etag;
use crate::problem::Problem;
use crate::request::{ReadRequest, RunInPath};
use crate::state::ApiState;

/// Shows a run: as it is, or as it was at a time or revision.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}",
    tag = "runs",
    params(
        ("at" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "As the ledger knew it at this time"),
        ("revision" = Option<forms::Revision>, Query, description = "As it was after the event of this revision"),
    ),
    responses(
        (status = 200, description = "The run. The header ETag names its revision, for If-Match", body = RunView),
        (status = 404, description = "No such run of this tenant, or not yet at that time or revision",
         body = Problem),
    )
)]
pub async fn get_run(
    State(state): State<ApiState>,
    request: ReadRequest<OneQuery>,
    RunInPath(run): RunInPath,
) -> Result<Response, Problem> {
    let mut read = request.begin(&state).await?;
    let tenant = &request.caller.tenant;
    let view = one_run(&mut read, tenant, run, request.query.0).await?.under(&request.base);
    let tag = etag::of_view(&view)?;
    answer_tagged(&state, read.position, view, tag)
}
