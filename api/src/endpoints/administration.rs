//! `GET /v1/tenants/{tenant}/admin/events`.

use axum::extract::State;
use axum::response::Response;
use reads::administration::{AdminPage, AdminQuery, page_of_administration};
use reads::forms;

use crate::answer::answer_page;
use crate::extract::Overseer;
use crate::problem::Problem;
use crate::request::ReadRequest;
use crate::state::ApiState;

/// Lists what was done to the tenant's administration: its tokens, its policies, itself.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/admin/events",
    tag = "administration",
    params(
        ("type" = Option<forms::AdminEventType>, Query, description = "What was done"),
        ("actor" = Option<forms::SearchText>, Query, description = "By whom, as `actor` says it"),
        ("since" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "Done then or later"),
        ("until" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "Done before"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = AdminPage),
        (status = 403, description = "The token's role is neither owner nor auditor", body = Problem),
    )
)]
pub async fn list_admin_events(
    State(state): State<ApiState>,
    _: Overseer,
    request: ReadRequest<AdminQuery>,
) -> Result<Response, Problem> {
    let mut read = request.begin(&state).await?;
    let page = page_of_administration(&mut read, &request.caller.tenant, &request.query).await?;
    answer_page(&state, &request.address, read.position, &page, page.next_cursor.as_deref())
}
