//! `GET /v1/tenants/{tenant}/events`.

use axum::extract::State;
use axum::response::Response;
use reads::events::{EventPage, HistoryQuery, page_of_history};
use reads::forms;

use crate::answer::answer_list;
use crate::extract::{Overseer, for_auditors};
use crate::problem::Problem;
use crate::request::ReadRequest;
use crate::state::ApiState;

/// Lists the events of all of the tenant's runs, page by page. For auditors and owners.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/events",
    tag = "audit",
    params(
        ("actor" = Option<forms::VisibleId>, Query, description = "The principal that appended them"),
        ("type" = Option<forms::EventTypeName>, Query, description = "Only events of this type"),
        ("reason_code" = Option<forms::ReasonCode>, Query,
         description = "Only those that say so: of items and runs, also where a later try succeeded"),
        ("run" = Option<uuid::Uuid>, Query, description = "Only those of this run, in the order of its revisions"),
        ("token" = Option<uuid::Uuid>, Query, description = "By whose token they came: its id. For auditors only"),
        ("since" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "Taken in by the ledger then or later"),
        ("until" = Option<chrono::DateTime<chrono::Utc>>, Query, description = "Taken in by the ledger before"),
        ("sort" = Option<forms::RecordedOrder>, Query, description = "The newest first, or the oldest"),
        ("format" = Option<forms::ListForm>, Query, description = "A page of JSON, or a table; counts more than Accept"),
        ("limit" = Option<forms::ListLimit>, Query, description = "How many: 50 if nobody says, of a table 10,000"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one",
         content((EventPage = "application/json"), (String = "text/csv"))),
        (status = 403, description = "The token's role is neither auditor nor owner", body = Problem),
    )
)]
pub async fn list_history(
    State(state): State<ApiState>,
    Overseer(caller): Overseer,
    request: ReadRequest<HistoryQuery>,
) -> Result<Response, Problem> {
    if request.query.asks_for_a_token() && !caller.role.may_audit() {
        return Err(for_auditors(&caller, "By which token an event came is for auditors"));
    }
    let mut read = request.begin(&state).await?;
    let page = page_of_history(&mut read, &request.caller, &request.query).await?;
    let next_cursor = page.next_cursor.clone();
    let list = (request.query.form, page);
    answer_list(&state, &request.address, read.position, list, next_cursor.as_deref())
}
