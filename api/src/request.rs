//! A read's request: its caller, its parameters, and how current the answer must be.

use access::Caller;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, StatusCode};
use domain::{RunId, TenantId};
use eventlog::Position;
use reads::freshness::{Crowded, MOST_OF_A_TOKEN, Unseen};
use reads::{BasePath, Params, ReadError, ReadQuery, TenantRead};

use crate::command_problem::unreadable_problem;
use crate::csv;
use crate::extract::{Viewer, path_param};
use crate::outside::Outside;
use crate::permit::AdmissionPermit;
use crate::preconditions::{self, EPOCH_PARAM, Preconditions};
use crate::problem::Problem;
use crate::problem_code::ProblemCode;
use crate::state::ApiState;

/// The parameter that says in which form a list is answered, and counts more than `Accept`.
const FORMAT: &str = "format";

/// A read that may be answered: the caller may view, and the parameters are right.
#[derive(Debug)]
pub struct ReadRequest<Q> {
    /// The caller.
    pub caller: Caller,
    /// The parameters.
    pub query: Q,
    /// The address that was requested, for links to further pages.
    pub address: Address,
    /// Under which path the caller sees the server, for all links.
    pub base: BasePath,
    after: Option<After>,
    permit: Option<AdmissionPermit>,
}

/// A position that a view is to show, for which token, and the permit of the request that waits for it.
#[derive(Debug, Clone)]
pub struct After {
    position: Position,
    token_id: uuid::Uuid,
    permit: Option<AdmissionPermit>,
}

/// The address of a read.
#[derive(Debug, Clone)]
pub struct Address {
    /// The path as the caller sees it.
    pub path: String,
    /// All parameters, decoded, but `after` and `epoch`.
    pub pairs: Vec<(String, String)>,
}

impl<Q: ReadQuery> FromRequestParts<ApiState> for ReadRequest<Q> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        // The caller first: nobody without access learns which parameters are right.
        let Viewer(caller) = Viewer::from_request_parts(parts, state).await?;
        let base = Outside::of_parts(parts).base;
        let mut params = Params::of(parts.uri.query())?;
        let preconditions = Preconditions::from_request(&parts.headers, &mut params)?;
        preconditions::check(state.freshness.ledger(), preconditions)?;
        let after = preconditions.after.map(|position| After::new(position, &caller, &parts.extensions));
        let address = Address { path: base.to(parts.uri.path()), pairs: params.pairs().to_vec() };
        if Q::ALLOWED.contains(&FORMAT) && !params.has(FORMAT) && csv::is_preferred(&parts.headers) {
            params.add(FORMAT, "csv");
        }
        let query = Q::from_params(&mut params)?;
        let allowed: Vec<&str> = Q::ALLOWED.iter().copied().chain(["after", EPOCH_PARAM]).collect();
        params.end(&allowed)?;
        Ok(Self { caller, query, address, base, after, permit: parts.extensions.get().cloned() })
    }
}

impl After {
    /// The caller's request for a view that shows `position`.
    pub fn new(position: Position, caller: &Caller, request: &Extensions) -> Self {
        Self { position, token_id: caller.token_id, permit: request.get().cloned() }
    }

    /// Waits until the projection shows the position, aside, so that it takes no room from requests that wait for
    /// nothing.
    ///
    /// # Errors
    /// At once: 412 `position_ahead` where the log ends before it, 429 or 503 `too_many_waiting` where as many wait as
    /// may. Later: 503 `projection_behind`, or `overloaded` where there is no room by then.
    pub async fn shown(&self, state: &ApiState) -> Result<(), Problem> {
        if state.freshness.shows(self.position) {
            return Ok(());
        }
        let limit = state.config.max_after_wait;
        self.aside(state, state.freshness.reach(self.position, self.token_id, limit)).await
    }

    /// Makes sure that the log has the position, whether or not the projection shows it.
    ///
    /// # Errors
    /// As [`After::shown`], at once.
    pub async fn in_log(&self, state: &ApiState) -> Result<(), Problem> {
        if state.freshness.has(self.position) {
            return Ok(());
        }
        let limit = state.config.max_after_wait;
        self.aside(state, state.freshness.find(self.position, self.token_id, limit)).await
    }

    async fn aside(
        &self,
        state: &ApiState,
        seen: impl Future<Output = Result<(), Unseen>>,
    ) -> Result<(), Problem> {
        let seen = match &self.permit {
            Some(permit) => permit.aside(seen).await?,
            None => seen.await,
        };
        seen.map_err(|unseen| match unseen {
            Unseen::Ahead(head) => preconditions::ahead(state.freshness.ledger(), self.position, head),
            Unseen::Crowded(crowded) => too_many_waiting(crowded),
            Unseen::Behind(behind) => {
                Problem::unavailable(ProblemCode::ProjectionBehind, format!("Not yet: {behind}."), 1)
                    .with("current_position", behind.projected.0)
            }
        })
    }
}

/// The problem with one more that waits.
pub(crate) fn too_many_waiting(crowded: Crowded) -> Problem {
    let (status, whose) = match crowded {
        Crowded::Token => (
            StatusCode::TOO_MANY_REQUESTS,
            format!("{MOST_OF_A_TOKEN} requests of this token wait for a position already"),
        ),
        Crowded::All => {
            (StatusCode::SERVICE_UNAVAILABLE, "As many requests wait for a position as may".to_owned())
        }
    };
    let detail = format!("{whose}. Ask without it, or again when others were answered.");
    Problem::new(ProblemCode::TooManyWaiting, detail).with_status(status).retry_after(1)
}

impl<Q: ReadQuery> ReadRequest<Q> {
    /// The position that the caller has, once it is sure that the log has it, whether or not the read tables show it.
    ///
    /// # Errors
    /// Those of [`After::in_log`].
    pub async fn in_log(&self, state: &ApiState) -> Result<Option<Position>, Problem> {
        let Some(after) = &self.after else { return Ok(None) };
        after.in_log(state).await?;
        Ok(Some(after.position))
    }

    /// Another position that this request speaks of.
    pub fn after(&self, position: Position) -> After {
        After { position, token_id: self.caller.token_id, permit: self.permit.clone() }
    }

    /// Opens the caller's view of the read tables, once they have reached the position that was asked for.
    ///
    /// # Errors
    /// Those of [`After::shown`], or the database's.
    pub async fn begin(&self, state: &ApiState) -> Result<TenantRead, Problem> {
        if let Some(after) = &self.after {
            after.shown(state).await?;
        }
        Ok(state.reads.begin_with(&self.caller.tenant, self.query.plans()).await?)
    }
}

/// A request that changes something, and whose preconditions on the ledger hold: 412 before anything is done where
/// the epoch is another one, or the log does not reach a position that the caller has.
#[derive(Debug, Clone, Copy)]
pub struct PreconditionsMet;

impl FromRequestParts<ApiState> for PreconditionsMet {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let preconditions = Preconditions::from_request(&parts.headers, &mut Params::of(parts.uri.query())?)?;
        preconditions::check(state.freshness.ledger(), preconditions)?;
        if let Some(position) = preconditions.after {
            let caller = Caller::from_request_parts(parts, state).await?;
            After::new(position, &caller, &parts.extensions).in_log(state).await?;
        }
        Ok(Self)
    }
}

/// The run in the path. What is no run id names no run, so that is 404 too. A run of which nothing can be read is
/// answered with a problem that says so. To be extracted after the caller: nobody without access learns of the run.
#[derive(Debug, Clone, Copy)]
pub struct RunInPath(pub RunId);

impl FromRequestParts<ApiState> for RunInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let text = path_param(parts, state, "run").await?;
        let run: RunId = text.parse().map_err(|_| ReadError::no_such_run(&text))?;
        if !parts.method.is_safe() {
            // An append asks the log itself: the stream may have been mended.
            return Ok(Self(run));
        }
        let tenant = path_param(parts, state, "tenant").await?;
        let broken = tenant
            .parse()
            .ok()
            .and_then(|tenant: TenantId| state.commands.unreadable().without_beginning(&tenant, run));
        match broken {
            Some(broken) => Err(unreadable_problem(Some(run), broken.revision)),
            None => Ok(Self(run)),
        }
    }
}
