//! `/in/{key}/api/v1/lineage`: OpenLineage. Its clients put the path behind `OPENLINEAGE_URL`, and
//! `OPENLINEAGE_API_KEY` into the header `Authorization`: either may hold the key.

use axum::Json;
use axum::extract::State;
use inlets::openlineage::{batch, one};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{InletBody, LineageInlet, keep, malformed};
use crate::aside::aside;
use crate::observe::ThisRequest;
use crate::problem::Problem;
use crate::state::ApiState;

/// The routes of OpenLineage.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(lineage))
        .routes(routes!(lineage_batch))
        .routes(routes!(lineage_by_bearer))
        .routes(routes!(lineage_batch_by_bearer))
        .routes(routes!(lineage_at_the_host))
        .routes(routes!(lineage_batch_at_the_host))
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
struct Lineage {
    /// Always `success`: it is kept.
    status: &'static str,
}

/// What became of many events.
#[derive(Debug, Serialize, ToSchema)]
struct LineageBatch {
    /// `success`, or `partial_success` where some could not be kept.
    status: &'static str,
    summary: LineageSummary,
    /// Those that could not be kept.
    failed_events: Vec<LineageFailure>,
}

/// How many events were kept.
#[derive(Debug, Serialize, ToSchema)]
struct LineageSummary {
    /// How many came.
    received: usize,
    /// How many are kept, now or since before.
    successful: usize,
    /// How many are not.
    failed: usize,
    /// How many of these are worth another try: none.
    retriable: usize,
    /// How many of these are not.
    non_retriable: usize,
}

/// An event that could not be kept.
#[derive(Debug, Serialize, ToSchema)]
struct LineageFailure {
    /// Which, from 0.
    index: usize,
    /// Why not.
    reason: String,
    /// Whether it is worth another try.
    retriable: bool,
}

/// Takes an OpenLineage event in.
#[utoipa::path(
    post,
    path = "/in/{key}/api/v1/lineage",
    tag = "inlets",
    security(()),
    params(("key" = String, Path, description = "The inlet's key")),
    request_body = serde_json::Value,
    responses((status = 200, description = "It is kept", body = Lineage)),
)]
async fn lineage(
    state: State<ApiState>,
    inlet: LineageInlet,
    this: ThisRequest,
    body: InletBody,
) -> Result<Json<Lineage>, Problem> {
    take(state, inlet, this, body).await
}

/// Takes an OpenLineage event in; the key comes as a bearer.
#[utoipa::path(
    post,
    path = "/in/api/v1/lineage",
    tag = "inlets",
    security(("inlet" = [])),
    request_body = serde_json::Value,
    responses((status = 200, description = "It is kept", body = Lineage)),
)]
async fn lineage_by_bearer(
    state: State<ApiState>,
    inlet: LineageInlet,
    this: ThisRequest,
    body: InletBody,
) -> Result<Json<Lineage>, Problem> {
    take(state, inlet, this, body).await
}

/// Takes an OpenLineage event in, where its clients send to that know a host alone; the key comes as a bearer.
#[utoipa::path(
    post,
    path = "/api/v1/lineage",
    tag = "inlets",
    security(("inlet" = [])),
    request_body = serde_json::Value,
    responses((status = 200, description = "It is kept", body = Lineage)),
)]
async fn lineage_at_the_host(
    state: State<ApiState>,
    inlet: LineageInlet,
    this: ThisRequest,
    body: InletBody,
) -> Result<Json<Lineage>, Problem> {
    take(state, inlet, this, body).await
}

/// Takes OpenLineage events in, each by itself, where clients send to that know a host alone; the key comes as a bearer.
#[utoipa::path(
    post,
    path = "/api/v1/lineage/batch",
    tag = "inlets",
    security(("inlet" = [])),
    request_body = Vec<serde_json::Value>,
    responses((status = 200, description = "Those are kept that could be", body = LineageBatch)),
)]
async fn lineage_batch_at_the_host(
    state: State<ApiState>,
    inlet: LineageInlet,
    this: ThisRequest,
    body: InletBody,
) -> Result<Json<LineageBatch>, Problem> {
    take_many(state, inlet, this, body).await
}

/// Takes OpenLineage events in, each by itself.
#[utoipa::path(
    post,
    path = "/in/{key}/api/v1/lineage/batch",
    tag = "inlets",
    security(()),
    params(("key" = String, Path, description = "The inlet's key")),
    request_body = Vec<serde_json::Value>,
    responses((status = 200, description = "Those are kept that could be", body = LineageBatch)),
)]
async fn lineage_batch(
    state: State<ApiState>,
    inlet: LineageInlet,
    this: ThisRequest,
    body: InletBody,
) -> Result<Json<LineageBatch>, Problem> {
    take_many(state, inlet, this, body).await
}

/// Takes OpenLineage events in, each by itself; the key comes as a bearer.
#[utoipa::path(
    post,
    path = "/in/api/v1/lineage/batch",
    tag = "inlets",
    security(("inlet" = [])),
    request_body = Vec<serde_json::Value>,
    responses((status = 200, description = "Those are kept that could be", body = LineageBatch)),
)]
async fn lineage_batch_by_bearer(
    state: State<ApiState>,
    inlet: LineageInlet,
    this: ThisRequest,
    body: InletBody,
) -> Result<Json<LineageBatch>, Problem> {
    take_many(state, inlet, this, body).await
}

async fn take(
    State(state): State<ApiState>,
    LineageInlet(inlet): LineageInlet,
    this: ThisRequest,
    InletBody(body): InletBody,
) -> Result<Json<Lineage>, Problem> {
    let of = inlet.clone();
    let incoming = aside(body.len(), move || one(&of, &body)).await?.map_err(malformed)?;
    keep(&state, &inlet, vec![incoming], &this).await?;
    Ok(Json(Lineage { status: "success" }))
}

async fn take_many(
    State(state): State<ApiState>,
    LineageInlet(inlet): LineageInlet,
    this: ThisRequest,
    InletBody(body): InletBody,
) -> Result<Json<LineageBatch>, Problem> {
    let of = inlet.clone();
    let read = aside(body.len(), move || batch(&of, &body)).await?.map_err(malformed)?;
    let received = read.len();
    let (mut incoming, mut failed_events) = (Vec::new(), Vec::new());
    for (index, one) in read.into_iter().enumerate() {
        match one {
            Ok(one) => incoming.push(one),
            Err(wrong) => {
                failed_events.push(LineageFailure { index, reason: wrong.to_string(), retriable: false });
            }
        }
    }
    keep(&state, &inlet, incoming, &this).await?;
    let failed = failed_events.len();
    let summary = LineageSummary {
        received,
        successful: received - failed,
        failed,
        retriable: 0,
        non_retriable: failed,
    };
    let status = if failed == 0 { "success" } else { "partial_success" };
    Ok(Json(LineageBatch { status, summary, failed_events }))
}
