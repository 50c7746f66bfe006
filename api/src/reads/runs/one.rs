//! `GET /v1/tenants/{tenant}/runs/{run}`.

use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use domain::{RunId, TenantId};

use super::as_of::{self, AsOf};
use super::row;
use super::view::RunView;
use crate::openapi::forms;
use crate::problem::Problem;
use crate::reads::answer::answer_tagged;
use crate::reads::items::PastItems;
use crate::reads::params::{Params, wrong};
use crate::reads::pool::TenantRead;
use crate::reads::request::{ReadQuery, ReadRequest, RunInPath};
use crate::state::ApiState;

/// Which state of the run: a past one, or the current one.
#[derive(Debug)]
pub(crate) struct OneQuery(pub(crate) Option<AsOf>);

impl ReadQuery for OneQuery {
    const ALLOWED: &'static [&'static str] = &["at", "revision"];

    fn from_params(params: &mut Params) -> Result<Self, Problem> {
        let at = params.time("at")?.map(AsOf::Time);
        let revision = params.number("revision", 0, i64::MAX as u64)?.map(AsOf::Revision);
        match (at, revision) {
            (Some(_), Some(_)) => Err(wrong("revision", "can't be given together with at: one says it all")),
            (at, revision) => Ok(Self(at.or(revision))),
        }
    }
}

/// Shows a run: as it is, or as it was at a time or revision.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}",
    tag = "runs",
    params(
        ("at" = Option<chrono::DateTime<Utc>>, Query, description = "As the ledger knew it at this time"),
        ("revision" = Option<forms::Revision>, Query, description = "As it was after the event of this revision"),
    ),
    responses(
        (status = 200, description = "The run. The header ETag names its revision, for If-Match", body = RunView),
        (status = 404, description = "No such run of this tenant, or not yet at that time or revision",
         body = Problem),
    )
)]
pub(in crate::reads) async fn get_run(
    State(state): State<ApiState>,
    request: ReadRequest<OneQuery>,
    RunInPath(run): RunInPath,
) -> Result<Response, Problem> {
    let mut read = match request.query.0 {
        None => request.begin_by_key(&state).await?,
        Some(_) => request.begin(&state).await?,
    };
    let tenant = &request.caller.tenant;
    let view = one_run(&mut read, tenant, run, request.query.0).await?.under(&request.base);
    let tag = view.tag()?;
    answer_tagged(&state, read.position, view, tag)
}

/// The tenant's run: as it was at a moment, or as it is.
///
/// # Errors
/// 404 when the tenant has no such run or it was not there yet, or the database's.
pub(crate) async fn one_run(
    read: &mut TenantRead,
    tenant: &TenantId,
    run: RunId,
    as_of: Option<AsOf>,
) -> Result<RunView, Problem> {
    match as_of {
        None => Ok(row::find(read.conn(), tenant, run).await?.into_view(tenant, Utc::now())?),
        Some(as_of) => as_of::view(read.conn(), tenant, run, as_of).await,
    }
}

/// The tenant's run as it was after the event of that revision, and its items as they were then.
///
/// # Errors
/// 404 when the tenant has no such run or it has not come so far, or the database's.
pub(crate) async fn past_run(
    read: &mut TenantRead,
    tenant: &TenantId,
    run: RunId,
    revision: u64,
) -> Result<(RunView, PastItems), Problem> {
    as_of::view_with_items(read.conn(), tenant, run, revision).await
}
