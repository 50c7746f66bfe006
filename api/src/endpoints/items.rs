//! `GET /v1/tenants/{tenant}/runs/{run}/items`.

use axum::extract::State;
use axum::response::Response;
use reads::forms;
use reads::items::{ItemPage, ItemStatus, ItemsQuery, page_of_items};

use crate::answer::answer_page;
use crate::problem::Problem;
use crate::request::{ReadRequest, RunInPath};
use crate::state::ApiState;

/// Lists a run's items by their last outcome, the failed ones first: as they are, or as they were at a time or revision.
/// All pages show the run as it was when the first was made.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}/items",
    tag = "runs",
    params(
        ("status" = Option<ItemStatus>, Query, description = "Only items with this last outcome"),
        ("reason_code" = Option<forms::ReasonCode>, Query, description = "Only failed items with this reason"),
        ("item" = Option<forms::SearchText>, Query,
         description = "The beginning of the items' names; they come in the order of their names then"),
        ("at" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "As the ledger knew them at this time"),
        ("revision" = Option<forms::Revision>, Query, description = "As they were after the event of this revision"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = ItemPage),
        (status = 404, description = "No such run of this tenant, or not yet at that time or revision",
         body = Problem),
    )
)]
pub async fn list_items(
    State(state): State<ApiState>,
    request: ReadRequest<ItemsQuery>,
    RunInPath(run): RunInPath,
) -> Result<Response, Problem> {
    let mut read = request.begin(&state).await?;
    let tenant = &request.caller.tenant;
    let page = page_of_items(&mut read, tenant, run, &request.query).await?;
    answer_page(&state, &request.address, read.position, &page, page.next_cursor.as_deref())
}
