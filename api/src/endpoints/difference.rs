//! `GET /v1/tenants/{tenant}/runs/{run}/difference`.

use axum::extract::State;
use axum::response::Response;
use reads::difference::{Difference, DifferenceQuery, difference};
use reads::forms;
use reads::items::ItemStatus;

use crate::answer::answer_page;
use crate::problem::Problem;
use crate::request::{ReadRequest, RunInPath};
use crate::state::ApiState;

/// Shows what became of a run between two points of its life: how it stood at both, and the items that differ. All pages
/// of items are between the same revisions.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}/difference",
    tag = "audit",
    params(
        ("from" = forms::PointOfRun, Query,
         description = "A revision, or a time: as the ledger knew the run then"),
        ("to" = Option<forms::PointOfRun>, Query, description = "The same; as it is, where it is left out"),
        ("status" = Option<ItemStatus>, Query, description = "Only items that have come to this"),
    ),
    responses(
        (status = 200, description = "Both, and a page of items. The header Link names the next one",
         body = Difference),
        (status = 404, description = "No such run of this tenant, or not yet at that time or revision",
         body = Problem),
    )
)]
pub async fn get_difference(
    State(state): State<ApiState>,
    request: ReadRequest<DifferenceQuery>,
    RunInPath(run): RunInPath,
) -> Result<Response, Problem> {
    let mut read = request.begin(&state).await?;
    let tenant = &request.caller.tenant;
    let page = difference(&mut read, tenant, run, &request.query).await?.under(&request.base);
    answer_page(&state, &request.address, read.position, &page, page.next_cursor.as_deref())
}
