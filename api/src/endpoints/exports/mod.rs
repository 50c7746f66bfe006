//! `GET /v1/tenants/{tenant}/runs/{run}/export`, `.../export` and `.../checkpoint`: sealed history to take away.

mod body;
mod query;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::response::{IntoResponse, Response};
use chrono::Utc;
use domain::{RequestId, RunId, TenantId};
use exports::{ExportError, Exporter, Given, Request, SealState, Sealing, Which};
use reads::{ReadQuery, forms};
use tokio::sync::{Mutex, Semaphore};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::tokens::actor;
use crate::extract::{Overseer, Viewer};
use crate::observe::ThisRequest;
use crate::preconditions::mark;
use crate::problem::Problem;
use crate::problem_code::ProblemCode;
use crate::request::ReadRequest;
use crate::state::ApiState;

pub(crate) use query::{CheckpointQuery, PopulationQuery, RunInExport, RunQuery, Wishes};

/// How many exports are made at once by a process. Each takes a thread and some connections to the log while it lasts.
const AT_ONCE: usize = 4;

/// How many requests' receipts are made at once by a process.
const RECEIPTS_AT_ONCE: usize = 2;

/// How many runs one export may be concerned with: 200,000 take about 32 MB.
const MOST_RUNS: u64 = 200_000;

/// What the handlers share of exports. Cheap to clone.
#[derive(Clone)]
pub struct Exports {
    exporter: Exporter,
    room: Arc<Semaphore>,
    /// One is prepared after another: it holds one of the few connections by which callers are looked up, too.
    turn: Arc<Mutex<()>>,
    sealing: Sealing,
    receipts: Arc<Semaphore>,
}

impl Exports {
    /// With that exporter, and what tells of new checkpoints.
    #[must_use]
    pub fn new(exporter: Exporter, sealing: Sealing) -> Self {
        let (room, receipts) = (Semaphore::new(AT_ONCE), Semaphore::new(RECEIPTS_AT_ONCE));
        Self { exporter, room: room.into(), turn: Arc::default(), sealing, receipts: receipts.into() }
    }

    /// What tells of new checkpoints.
    pub(super) fn sealing(&self) -> &Sealing {
        &self.sealing
    }

    /// Receipts of a run's events, a few requests at a time: each holds a connection for some milliseconds.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) async fn receipts(
        &self,
        tenant: &TenantId,
        run: RunId,
        revisions: &[u64],
    ) -> Result<Vec<Given>, ExportError> {
        // Nobody closes the semaphore.
        let _turn = self.receipts.acquire().await.map_err(|_| ExportError::Gone)?;
        self.exporter.receipts(tenant, run, revisions).await
    }
}

impl Exports {
    /// How far a tenant's history is sealed.
    ///
    /// # Errors
    /// The database's.
    pub async fn state(&self, tenant: &TenantId) -> Result<SealState, ExportError> {
        self.exporter.state(tenant).await
    }
}

/// The routes.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(export_run))
        .routes(routes!(export_runs))
        .routes(routes!(show_checkpoint))
}

/// Exports one run: its sealed history with what proves it, as a zip file.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}/export",
    tag = "sealed history",
    params(
        ("administration" = Option<forms::YesOrNo>, Query, description = "With all events of the tenant's administration; usually false"),
        ("old_size" = Option<Vec<forms::TreeSize>>, Query,
         description = "The size of a checkpoint that was kept: the file proves that nothing was changed since. Repeat it for more"),
    ),
    responses(
        (status = 200, description = "The file: docs/exports.md says what is in it. Its end is missing where it could not be made \
                                      whole. The header Content-Disposition names it",
         content_type = "application/zip", body = forms::ExportFile),
        (status = 403, description = "The token's role is not auditor or owner", body = Problem),
        (status = 404, description = "No such run of this tenant", body = Problem),
    )
)]
pub async fn export_run(
    State(state): State<ApiState>,
    method: Method,
    _: Overseer,
    ThisRequest(request_id): ThisRequest,
    request: ReadRequest<RunQuery>,
    RunInExport(run): RunInExport,
) -> Result<Response, Problem> {
    answer(&state, (&method, request_id), &request, Which::Run(run), &request.query.0).await
}

/// Exports the runs of a period: their sealed history with what proves it, and that none of them was left out, as a zip file.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/export",
    tag = "sealed history",
    params(
        ("since" = Option<chrono::DateTime<Utc>>, Query, description = "Runs that the ledger recorded then or later"),
        ("until" = Option<chrono::DateTime<Utc>>, Query, description = "Runs that it recorded before"),
        ("kind" = Option<forms::Kind>, Query, description = "Runs of this kind"),
        ("administration" = Option<forms::YesOrNo>, Query, description = "With all events of the tenant's administration; usually false"),
        ("old_size" = Option<Vec<forms::TreeSize>>, Query,
         description = "The size of a checkpoint that was kept: the file proves that nothing was changed since. Repeat it for more"),
    ),
    responses(
        (status = 200, description = "The file: docs/exports.md says what is in it. Its end is missing where it could not be made \
                                      whole. The header Content-Disposition names it",
         content_type = "application/zip", body = forms::ExportFile),
        (status = 403, description = "The token's role is not auditor or owner", body = Problem),
    )
)]
pub async fn export_runs(
    State(state): State<ApiState>,
    method: Method,
    _: Overseer,
    ThisRequest(request_id): ThisRequest,
    request: ReadRequest<PopulationQuery>,
) -> Result<Response, Problem> {
    let PopulationQuery { since, until, kind, wishes } = &request.query;
    let which = Which::Population { since: *since, until: *until, kind: kind.clone() };
    answer(&state, (&method, request_id), &request, which, wishes).await
}

/// Shows the newest signed checkpoint of the tenant's log. Kept, it shows later that nothing was changed since.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/checkpoint",
    tag = "sealed history",
    responses(
        (status = 200, description = "A C2SP signed note with a C2SP tlog-checkpoint", content_type = "text/plain", body = String),
    )
)]
pub async fn show_checkpoint(
    State(state): State<ApiState>,
    Viewer(caller): Viewer,
    request: ReadRequest<CheckpointQuery>,
) -> Result<Response, Problem> {
    let after = request.in_log(&state).await?;
    let checkpoint = state.exports.exporter.checkpoint(&caller.tenant, after).await?;
    let mut answer =
        ([(CONTENT_TYPE, "text/plain; charset=utf-8"), NOT_KEPT], checkpoint.note).into_response();
    mark(state.freshness.ledger(), answer.headers_mut(), checkpoint.position);
    Ok(answer)
}

/// It is for this caller alone.
pub(super) const NOT_KEPT: (HeaderName, &str) = (CACHE_CONTROL, "private, no-store");

async fn answer<Q: ReadQuery>(
    state: &ApiState,
    (method, request_id): (&Method, RequestId),
    request: &ReadRequest<Q>,
    which: Which,
    wishes: &Wishes,
) -> Result<Response, Problem> {
    let caller = &request.caller;
    let after = request.in_log(state).await?;
    let exports = &state.exports;
    let room = exports.room.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("{AT_ONCE} exports are being made already. Ask again when one of them is done.");
        Problem::unavailable(ProblemCode::Overloaded, detail, 10)
    })?;
    let wanted = Request {
        tenant: caller.tenant.clone(),
        which,
        administration: wishes.administration,
        old_sizes: wishes.old_sizes.clone(),
        after,
        at: Utc::now(),
        most_runs: MOST_RUNS,
    };
    let turn = exports.turn.lock().await;
    let export = exports.exporter.prepare(wanted).await?;
    drop(turn);
    let disposition = format!("attachment; filename=\"{}\"", export.file_name());
    let position = export.position();
    let mut answer = if method == Method::HEAD {
        // Nothing leaves the ledger.
        ().into_response()
    } else {
        exports.exporter.record(&export, &actor(caller, request_id)).await?;
        body::of(state, caller, export, room).into_response()
    };
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/zip"));
    let disposition = HeaderValue::try_from(disposition).map_err(|error| Problem::internal(&error))?;
    headers.insert(CONTENT_DISPOSITION, disposition);
    headers.insert(NOT_KEPT.0, HeaderValue::from_static(NOT_KEPT.1));
    // Proxies that collect answers before they pass them on are told not to.
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    mark(state.freshness.ledger(), headers, position);
    Ok(answer)
}
