//! `GET /v1/tenants/{tenant}/stream` and `GET /v1/tenants/{tenant}/runs/{run}/stream`.

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use domain::RunId;
use eventlog::Position;

use super::changes::{Changes, RunChange, changes};
use super::listener::{Audience, Listener, Sources};
use crate::access::Caller;
use crate::problem::Problem;
use crate::reads::asked::{Asked, AskedQuery, RunInPath};
use crate::reads::params::Params;
use crate::reads::runs::must_exist;
use crate::state::ApiState;

/// The header that a browser sends when it comes back (HTML standard, section 9.2.4).
const LAST_EVENT_ID: &str = "last-event-id";

/// How long a browser waits before it comes back, in milliseconds.
const RETRY: &str = "retry: 1000\n\n";

/// Where a stream goes on.
#[derive(Debug)]
pub(super) struct StreamQuery {
    last_event_id: Option<u64>,
}

impl AskedQuery for StreamQuery {
    const ALLOWED: &'static [&'static str] = &["last_event_id"];

    fn take(params: &mut Params) -> Result<Self, Problem> {
        Ok(Self { last_event_id: params.number("last_event_id", 0, i64::MAX as u64)? })
    }
}

/// Tells what happens to the tenant's runs, as server-sent events. The first is `position`, or whatever
/// has happened since the last one seen; `run` says that a run has changed; `reset` that what was shown
/// must be read anew. The `id` of each is a position.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/stream",
    tag = "live",
    params(
        ("tenant" = String, Path, description = "The tenant's short name"),
        ("Last-Event-ID" = Option<u64>, Header, description = "Go on after this position"),
        ("last_event_id" = Option<u64>, Query, description = "The same, where no header is sent"),
        ("after" = Option<u64>, Query, description = "Wait until the projection has reached this position"),
    ),
    responses(
        (status = 200, description = "The stream; the data of `run` is JSON", content_type = "text/event-stream",
         body = RunChange),
        (status = 401, description = "No valid token", body = Problem),
        (status = 404, description = "No such tenant for this token", body = Problem),
        (status = 422, description = "A parameter is wrong", body = Problem),
        (status = 503, description = "The projection is behind, or the database away", body = Problem),
    )
)]
pub(super) async fn stream_tenant(
    State(state): State<ApiState>,
    headers: HeaderMap,
    asked: Asked<StreamQuery>,
) -> Result<Response, Problem> {
    open(&state, &headers, asked, None).await
}

/// Tells what happens to one run, as server-sent events.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}/stream",
    tag = "live",
    params(
        ("tenant" = String, Path, description = "The tenant's short name"),
        ("run" = uuid::Uuid, Path, description = "The run's id"),
        ("Last-Event-ID" = Option<u64>, Header, description = "Go on after this position"),
        ("last_event_id" = Option<u64>, Query, description = "The same, where no header is sent"),
        ("after" = Option<u64>, Query, description = "Wait until the projection has reached this position"),
    ),
    responses(
        (status = 200, description = "The stream; the data of `run` is JSON", content_type = "text/event-stream",
         body = RunChange),
        (status = 401, description = "No valid token", body = Problem),
        (status = 404, description = "No such run of this tenant", body = Problem),
        (status = 422, description = "A parameter is wrong", body = Problem),
        (status = 503, description = "The projection is behind, or the database away", body = Problem),
    )
)]
pub(super) async fn stream_run(
    State(state): State<ApiState>,
    headers: HeaderMap,
    asked: Asked<StreamQuery>,
    RunInPath(run): RunInPath,
) -> Result<Response, Problem> {
    open(&state, &headers, asked, Some(run)).await
}

async fn open(
    state: &ApiState,
    headers: &HeaderMap,
    asked: Asked<StreamQuery>,
    run: Option<RunId>,
) -> Result<Response, Problem> {
    let Caller { tenant, principal, token_id, .. } = &asked.caller;
    // A browser that comes back asks for the address that it began with, and says in the header how far it
    // has come since.
    let seen = header_of(headers)?.or(asked.query.last_event_id).map(Position);
    // First listen, then look: what comes between the two is seen in both, and told once.
    let sources = Sources {
        turns: state.live.subscribe(tenant).await?,
        ended: state.tokens.ended(),
        stop: state.live.shared.stop.clone(),
    };
    let mut read = asked.begin(state).await?;
    if let Some(run) = run {
        must_exist(read.conn(), tenant, run).await?;
    }
    let missed = match seen {
        Some(seen) if seen <= read.position => {
            changes(read.conn(), &[(tenant.clone(), seen)]).await?.remove(tenant)
        }
        // It was at a position that these tables have not reached: they are others.
        Some(_) => Some(Changes::TooMany),
        None => None,
    };
    let audience = Audience { principal: principal.clone(), token_id: *token_id, run };
    let config = &state.config;
    let mut listener =
        Listener::new(audience, sources, read.position, config.stream_heartbeat, config.stream_lasts);
    match missed {
        Some(Changes::Runs(runs)) => listener.say_runs(&runs),
        Some(Changes::TooMany) => listener.say_reset(),
        None => {}
    }
    listener.say_position();
    drop(read);
    Ok(answer(listener))
}

fn header_of(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let position = value.to_str().ok().and_then(|text| text.trim().parse::<i64>().ok());
    position.and_then(|position| u64::try_from(position).ok()).map(Some).ok_or_else(|| {
        Problem::invalid("header Last-Event-ID", "must be the id of a message of this stream: a position")
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
