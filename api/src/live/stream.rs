//! `GET /v1/tenants/{tenant}/stream` and `GET /v1/tenants/{tenant}/runs/{run}/stream`.

use std::convert::Infallible;
use std::time::Instant;

use access::Caller;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::RunId;
use reads::Params;
use reads::live::{Changes, RunChange, changes};
use reads::runs::must_exist;
use reads::{ReadError, ReadQuery};

use super::listener::{Audience, Listener, Sources, Why};
use super::seen::Seen;
use crate::preconditions;
use crate::problem::Problem;
use crate::problem_code::ProblemCode;
use crate::request::{ReadRequest, RunInPath};
use crate::state::ApiState;

/// The header that a browser sends when it comes back (HTML standard, section 9.2.4).
const LAST_EVENT_ID: &str = "last-event-id";

/// How long a browser waits before it comes back, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";

/// Where a stream goes on.
#[derive(Debug)]
pub(super) struct StreamQuery {
    last_event_id: Option<Seen>,
}

impl ReadQuery for StreamQuery {
    const ALLOWED: &'static [&'static str] = &["last_event_id"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        Ok(Self { last_event_id: params.parsed("last_event_id")? })
    }
}

/// Tells what happens to the tenant's runs, as server-sent events. The first is `position`, or whatever
/// has happened since the last one seen; `run` says that a run has changed; `reset` that what was shown
/// must be read anew. The `id` of each is a position, a hyphen and the ledger's epoch. A client that comes
/// from another epoch, or from a position that the log does not have, is told `reset` with the `code` of the reason.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/stream",
    tag = "live",
    responses(
        (status = 200, description = "The stream; the data of `run` is JSON", content_type = "text/event-stream",
         body = RunChange),
    )
)]
pub(super) async fn stream_tenant(
    State(state): State<ApiState>,
    headers: HeaderMap,
    request: ReadRequest<StreamQuery>,
) -> Result<Response, Problem> {
    open(&state, &headers, request, None).await
}

/// Tells what happens to one run, as server-sent events.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}/stream",
    tag = "live",
    responses(
        (status = 200, description = "The stream; the data of `run` is JSON", content_type = "text/event-stream",
         body = RunChange),
    )
)]
pub(super) async fn stream_run(
    State(state): State<ApiState>,
    headers: HeaderMap,
    request: ReadRequest<StreamQuery>,
    RunInPath(run): RunInPath,
) -> Result<Response, Problem> {
    open(&state, &headers, request, Some(run)).await
}

async fn open(
    state: &ApiState,
    headers: &HeaderMap,
    request: ReadRequest<StreamQuery>,
    run: Option<RunId>,
) -> Result<Response, Problem> {
    let Caller { tenant, principal, token_id, .. } = &request.caller;
    // A browser that comes back asks for the address that it began with, and says in the header how far it
    // has come since.
    let seen = header_of(headers)?.or(request.query.last_event_id);
    // First listen, then look: what comes between the two is seen in both, and told once.
    let sources = Sources {
        turns: state.live.subscribe(tenant).await?,
        ended: state.tokens.ended(),
        stop: state.live.stop().clone(),
    };
    let mut read = request.begin(state).await?;
    if let Some(run) = run {
        must_exist(read.conn(), tenant, run).await?;
    }
    let (ledger, config) = (state.freshness.ledger(), &state.config);
    let audience =
        Audience { principal: principal.clone(), token_id: *token_id, run, base: request.base.clone() };
    // A stream ends with the right to it.
    let right = request.caller.ends.map(|end| end.saturating_duration_since(Instant::now()));
    let lasts = right.map_or(config.stream_lasts, |right| right.min(config.stream_lasts));
    let times = (config.stream_heartbeat, lasts);
    let mut listener = Listener::new(ledger, audience, sources, read.position, times);
    // A browser can't be refused: it would never come back, and its script could not tell why. So a client from another
    // epoch is let in, and told first.
    let position = read.position;
    match seen {
        Some(seen) if seen.epoch.is_some_and(|epoch| epoch != ledger.epoch) => {
            listener.say_reset(Some(Why::EpochChanged));
        }
        Some(seen) if seen.position <= position => {
            match changes(read.conn(), &[(tenant.clone(), seen.position)]).await?.remove(tenant) {
                Some(Changes::Runs(runs)) => listener.say_runs(&runs),
                Some(Changes::TooMany) => listener.say_reset(None),
                None => {}
            }
        }
        // These tables have not reached it: they are behind, or the log is.
        Some(seen) => {
            drop(read);
            let ahead = match request.after(seen.position).in_log(state).await {
                Ok(()) => None,
                Err(problem) if problem.code == ProblemCode::PositionAhead => Some(Why::PositionAhead),
                Err(problem) => return Err(problem),
            };
            listener.say_reset(ahead);
        }
        None => {}
    }
    listener.say_position();
    let mut answer = answer(listener);
    preconditions::mark(ledger, answer.headers_mut(), position);
    Ok(answer)
}

fn header_of(headers: &HeaderMap) -> Result<Option<Seen>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let seen = value.to_str().ok().and_then(|text| text.trim().parse().ok());
    seen.map(Some).ok_or_else(|| {
        Problem::invalid("header Last-Event-ID", "must be the id of a message of this stream, or a position")
    })
}

fn answer(listener: Listener) -> Response {
    let begin = futures::stream::iter([Ok::<_, Infallible>(RETRY.to_owned())]);
    let rest = futures::stream::unfold(listener, |mut listener| async move {
        let part = listener.next().await?;
        Some((Ok(part), listener))
    });
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-store")),
        // Proxies that collect answers before they pass them on are told not to.
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    (headers, Body::from_stream(futures::StreamExt::chain(begin, rest))).into_response()
}
