//! What every read asks: who, what, and how current it must be.

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use domain::RunId;
use eventlog::Position;

use super::params::Params;
use super::pool::TenantRead;
use crate::access::{Caller, Viewer, path_param};
use crate::problem::Problem;
use crate::state::ApiState;

/// The header that says the same as `?after=`.
const AFTER_HEADER: &str = "runledger-after";

/// The largest position: what a `bigint` holds.
const LAST_POSITION: u64 = i64::MAX as u64;

/// The query parameters of one resource.
pub(crate) trait AskedQuery: Sized + Send {
    /// Their names, for who asks with another. `after` goes without saying.
    const ALLOWED: &'static [&'static str];

    /// Takes its parameters out.
    fn take(params: &mut Params) -> Result<Self, Problem>;
}

/// A read that may be answered: its caller may view, and its parameters are right.
#[derive(Debug)]
pub(crate) struct Asked<Q> {
    /// Who asks.
    pub(crate) caller: Caller,
    /// The parameters.
    pub(crate) query: Q,
    /// The address that was asked, for links to further pages.
    pub(crate) address: Address,
    after: Option<Position>,
}

/// The address of a read.
#[derive(Debug, Clone)]
pub(crate) struct Address {
    /// The path as it came.
    pub(crate) path: String,
    /// All parameters, decoded, but `after`.
    pub(crate) pairs: Vec<(String, String)>,
}

impl<Q: AskedQuery> FromRequestParts<ApiState> for Asked<Q> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        // First who asks: nobody else learns which parameters are right.
        let Viewer(caller) = Viewer::from_request_parts(parts, state).await?;
        let path = match parts.extensions.get::<OriginalUri>() {
            Some(OriginalUri(uri)) => uri.path().to_owned(),
            None => parts.uri.path().to_owned(),
        };
        let mut params = Params::of(&parts.uri)?;
        let asked_after = params.number("after", 0, LAST_POSITION)?;
        let after = match asked_after {
            Some(position) => Some(position),
            None => after_header(&parts.headers)?,
        };
        let address = Address { path, pairs: params.pairs().to_vec() };
        let query = Q::take(&mut params)?;
        let allowed: Vec<&str> = Q::ALLOWED.iter().copied().chain(["after"]).collect();
        params.end(&allowed)?;
        Ok(Self { caller, query, address, after: after.map(Position) })
    }
}

fn after_header(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(AFTER_HEADER) else { return Ok(None) };
    let position = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    match position.filter(|position| *position <= LAST_POSITION) {
        Some(position) => Ok(Some(position)),
        None => Err(Problem::invalid(
            "header Runledger-After",
            format!("must be a position: a whole number from 0 to {LAST_POSITION}"),
        )),
    }
}

impl<Q> Asked<Q> {
    /// Opens the caller's view of the read tables, once they have reached the position that was asked for.
    ///
    /// # Errors
    /// 503 `projection_behind` when they have not within the configured time, or the database's.
    pub(crate) async fn begin(&self, state: &ApiState) -> Result<TenantRead, Problem> {
        self.wait(state).await?;
        state.reads.begin(&self.caller.tenant).await
    }

    /// As [`Asked::begin`], for a row that is looked up by its key.
    ///
    /// # Errors
    /// As there.
    pub(crate) async fn begin_by_key(&self, state: &ApiState) -> Result<TenantRead, Problem> {
        self.wait(state).await?;
        state.reads.begin_by_key(&self.caller.tenant).await
    }

    async fn wait(&self, state: &ApiState) -> Result<(), Problem> {
        if let Some(after) = self.after {
            let reached = state.freshness.wait_for(after, state.config.max_after_wait).await;
            reached.map_err(|behind| {
                Problem::unavailable("projection_behind", format!("Not yet: {behind}."), 1)
                    .with("current_position", behind.projected.0)
            })?;
        }
        Ok(())
    }
}

/// The run in the path. What is no run id names no run, so that is 404 too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunInPath(pub(crate) RunId);

impl FromRequestParts<ApiState> for RunInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let text = path_param(parts, state, "run").await?;
        text.parse().map(Self).map_err(|_| no_such_run(&text))
    }
}

/// 404: this tenant has no such run. The same words for every reason.
pub(crate) fn no_such_run(run: impl std::fmt::Display) -> Problem {
    Problem::not_found(format!("There is no run {run}."))
}
