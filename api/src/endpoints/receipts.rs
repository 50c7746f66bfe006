//! `GET /v1/tenants/{tenant}/runs/{run}/events/{revision}/receipt`: what proves one event.

use access::Caller;
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_DISPOSITION;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use reads::LAST;
use seal::receipt::Receipt;
use utoipa::ToSchema;

use super::exports::{CheckpointQuery, NOT_KEPT, RunInExport};
use crate::extract::path_param;
use crate::preconditions::mark;
use crate::problem::Problem;
use crate::request::ReadRequest;
use crate::state::ApiState;

/// What a receipt looks like; docs/sealed-history.md says what each part means.
#[derive(ToSchema)]
#[schema(as = Receipt)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct ReceiptForm {
    /// Always `runledger/receipt/1`.
    format: String,
    /// The tenant's short name.
    tenant: String,
    /// The text of the event's entry.
    entry: String,
    /// The stored bytes of its own fields.
    data: Option<String>,
    /// The same in base64, where they are no UTF-8.
    data_base64: Option<String>,
    /// What opens the entry's commitment to them.
    data_salt: Option<String>,
    /// The stored bytes of what is said about it.
    metadata: Option<String>,
    /// The same in base64, where they are no UTF-8.
    metadata_base64: Option<String>,
    /// What opens the entry's commitment to them.
    meta_salt: Option<String>,
    /// A C2SP tlog-proof of the entry, with the checkpoint by which it was sealed.
    proof: String,
    /// When that was there at the latest, where a time stamp covers it.
    #[schema(value_type = Option<TimeStampForm>)]
    time_stamp: Option<TimeStampForm>,
}

/// A time stamp, and what ties the event's checkpoint to it.
#[derive(ToSchema)]
#[schema(as = TimeStamp)]
#[expect(dead_code, reason = "only its schema is used")]
pub struct TimeStampForm {
    /// The entry of the ledger's own log that commits to the checkpoint.
    entry: String,
    /// Size and root of the checkpoint.
    data: String,
    /// What opens the commitment.
    data_salt: String,
    /// That its tree is the beginning of what is proven.
    consistency: Vec<String>,
    /// A C2SP tlog-proof of the entry, with the stamped checkpoint.
    proof: String,
    /// The authority's answer (RFC 3161), in base64.
    response: String,
}

/// A caller that may have receipts: those who append, and those who may export; 403 for the others.
#[derive(Debug, Clone, Copy)]
pub struct Receiving;

impl FromRequestParts<ApiState> for Receiving {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let role = Caller::from_request_parts(parts, state).await?.role;
        if role.may_append() || role.may_oversee() {
            return Ok(Self);
        }
        let detail = format!(
            "Receipts need a token of the role producer, auditor or owner; this one's role is {role}."
        );
        Err(Problem::forbidden(detail).with("role", role.as_str()).with("needed_role", "producer"))
    }
}

/// The revision in the path. What is no revision names no event: 404.
#[derive(Debug, Clone, Copy)]
pub struct RevisionInPath(u64);

impl FromRequestParts<ApiState> for RevisionInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let text = path_param(parts, state, "revision").await?;
        let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        let revision = digits.filter(|revision| *revision <= LAST);
        revision.map(Self).ok_or_else(|| {
            Problem::not_found("The run has no such event: events are named by their revision.")
        })
    }
}

/// Shows the receipt of one event: what proves to anybody, offline, that it was sealed as it stands there.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}/events/{revision}/receipt",
    tag = "sealed history",
    params(
        ("revision" = reads::forms::Revision, Path, description = "The event's revision in its run"),
    ),
    responses(
        (status = 200, description = "The receipt: a file to keep, which runledger-verify checks", body = ReceiptForm),
        (status = 403, description = "The token's role is not producer, auditor or owner", body = Problem),
        (status = 404, description = "No such event of this tenant", body = Problem),
    )
)]
pub async fn get_receipt(
    State(state): State<ApiState>,
    _: Receiving,
    request: ReadRequest<CheckpointQuery>,
    RunInExport(run): RunInExport,
    RevisionInPath(revision): RevisionInPath,
) -> Result<Response, Problem> {
    request.in_log(&state).await?;
    let given = state.exports.receipts(&request.caller.tenant, run, &[revision]).await?.pop();
    let given = given.ok_or_else(|| Problem::not_found("The run has no such event."))?;
    let name = format!("attachment; filename=\"runledger-receipt-{run}-{revision}.json\"");
    let name = HeaderValue::try_from(name).map_err(|error| Problem::internal(&error))?;
    let receipt: Receipt = given.receipt;
    let mut answer = ([(CONTENT_DISPOSITION, name)], [NOT_KEPT], Json(receipt)).into_response();
    mark(state.freshness.ledger(), answer.headers_mut(), given.position);
    Ok(answer)
}
