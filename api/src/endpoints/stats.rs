//! `GET /v1/tenants/{tenant}/stats`.

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use reads::stats::{Stats, StatsQuery, stats};

use crate::answer::answer;
use crate::problem::Problem;
use crate::request::ReadRequest;
use crate::state::ApiState;

/// Shows the tenant's runs in numbers.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/stats",
    tag = "runs",
    params(
        ("hours" = Option<u64>, Query, minimum = 1, maximum = 744, description = "How many hours to show; usually 24"),
    ),
    responses(
        (status = 200, description = "The numbers", body = Stats),
    )
)]
pub async fn get_stats(
    State(state): State<ApiState>,
    request: ReadRequest<StatsQuery>,
) -> Result<Response, Problem> {
    let mut read = request.begin(&state).await?;
    let tenant = &request.caller.tenant;
    let stats = stats(&mut read, tenant, &request.query, Utc::now()).await?;
    answer(&state, read.position, stats)
}
