//! `GET /v1/tenants/{tenant}/notifications`.

use axum::extract::State;
use axum::response::Response;
use reads::notifications::{NotificationPage, NotificationsQuery, page_of_notifications};

use crate::answer::answer_page;
use crate::problem::Problem;
use crate::request::ReadRequest;
use crate::state::ApiState;

/// Lists the caller's own notifications: those of runs that the token's principal started.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/notifications",
    tag = "notifications",
    params(
        ("unread" = Option<bool>, Query, description = "Only unread ones, or only read ones"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = NotificationPage),
    )
)]
pub async fn list_notifications(
    State(state): State<ApiState>,
    request: ReadRequest<NotificationsQuery>,
) -> Result<Response, Problem> {
    let mut read = request.begin(&state).await?;
    let page = page_of_notifications(&mut read, &request.caller, &request.query).await?.under(&request.base);
    answer_page(&state, &request.address, read.position, &page, page.next_cursor.as_deref())
}
