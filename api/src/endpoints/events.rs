//! `GET /v1/tenants/{tenant}/runs/{run}/events`.

use axum::extract::State;
use axum::response::Response;
use reads::events::{EventPage, EventsQuery, page_of_events};
use reads::forms;
use reads::runs::must_exist;

use crate::answer::answer_page;
use crate::problem::Problem;
use crate::request::{ReadRequest, RunInPath};
use crate::state::ApiState;

/// Lists a run's events. Auditors also get their full metadata.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}/events",
    tag = "runs",
    params(
        ("from" = Option<forms::Revision>, Query, description = "The revision to begin at, included"),
        ("order" = Option<forms::EventOrder>, Query, description = "The oldest first, or the newest"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = EventPage),
    )
)]
pub async fn list_events(
    State(state): State<ApiState>,
    request: ReadRequest<EventsQuery>,
    RunInPath(run): RunInPath,
) -> Result<Response, Problem> {
    let mut read = request.begin(&state).await?;
    let tenant = &request.caller.tenant;
    must_exist(read.conn(), tenant, run).await?;
    let page = page_of_events(&mut read, &request.caller, run, &request.query).await?;
    answer_page(&state, &request.address, read.position, &page, page.next_cursor.as_deref())
}
