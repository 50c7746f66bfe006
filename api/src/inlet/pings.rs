//! `/in/{key}/{slug}`: pings, by `HEAD`, `GET` or `POST`.

use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use inlets::Incoming;
use inlets::pings::{Ping, Signal, translate};
use reads::Params;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::{InletBody, PingInlet, keep, malformed, ok};
use crate::extract::path_param;
use crate::observe::ThisRequest;
use crate::problem::Problem;
use crate::state::ApiState;

/// The routes of pings.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(ping_success, post_success)).routes(routes!(ping_signal, post_signal))
}

/// What the address of a ping says.
struct Pinged {
    slug: String,
    signal: Signal,
    rid: Option<String>,
}

impl FromRequestParts<ApiState> for Pinged {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let slug = path_param(parts, state, "slug").await?;
        let signal = match path_param(parts, state, "signal").await {
            Ok(name) => Signal::parse(&name).ok_or_else(|| {
                let detail =
                    "Behind the slug stands start, fail, log, an exit code from 0 to 255, or nothing.";
                Problem::not_found(detail)
            })?,
            Err(_) => Signal::Success,
        };
        // Of parameters that others know and we do not, such as create, nothing hangs on.
        let rid = Params::of(parts.uri.query())?.one("rid")?;
        Ok(Self { slug, signal, rid })
    }
}

/// Reports that a job went well. `HEAD` does the same.
#[utoipa::path(
    get,
    path = "/in/{key}/{slug}",
    tag = "inlets",
    security(()),
    params(
        ("key" = String, Path, description = "The inlet's key"),
        ("slug" = reads::forms::Slug, Path, description = "Which job"),
        ("rid" = Option<Uuid>, Query, description = "Which run of the job: the same as with /start"),
    ),
    responses((status = 200, description = "It is kept", body = String, content_type = "text/plain")),
)]
async fn ping_success(
    state: State<ApiState>,
    inlet: PingInlet,
    pinged: Pinged,
    this: ThisRequest,
) -> Result<Response, Problem> {
    ping(state, inlet, pinged, this, &[]).await
}

/// Reports that a job went well, and what it said last.
#[utoipa::path(
    post,
    path = "/in/{key}/{slug}",
    tag = "inlets",
    security(()),
    params(
        ("key" = String, Path, description = "The inlet's key"),
        ("slug" = reads::forms::Slug, Path, description = "Which job"),
        ("rid" = Option<Uuid>, Query, description = "Which run of the job: the same as with /start"),
    ),
    request_body(content = String, description = "What the job said: the last lines become the message", content_type = "text/plain"),
    responses((status = 200, description = "It is kept", body = String, content_type = "text/plain")),
)]
async fn post_success(
    state: State<ApiState>,
    inlet: PingInlet,
    pinged: Pinged,
    this: ThisRequest,
    InletBody(body): InletBody,
) -> Result<Response, Problem> {
    ping(state, inlet, pinged, this, &body).await
}

/// Reports that a job has begun (`start`), failed (`fail`), says something (`log`), or ended with an exit code. `HEAD`
/// does the same.
#[utoipa::path(
    get,
    path = "/in/{key}/{slug}/{signal}",
    tag = "inlets",
    security(()),
    params(
        ("key" = String, Path, description = "The inlet's key"),
        ("slug" = reads::forms::Slug, Path, description = "Which job"),
        ("signal" = String, Path, description = "start, fail, log, or an exit code from 0 to 255"),
        ("rid" = Option<Uuid>, Query, description = "Which run of the job"),
    ),
    responses((status = 200, description = "It is kept", body = String, content_type = "text/plain")),
)]
async fn ping_signal(
    state: State<ApiState>,
    inlet: PingInlet,
    pinged: Pinged,
    this: ThisRequest,
) -> Result<Response, Problem> {
    ping(state, inlet, pinged, this, &[]).await
}

/// Reports the same, and what the job said last.
#[utoipa::path(
    post,
    path = "/in/{key}/{slug}/{signal}",
    tag = "inlets",
    security(()),
    params(
        ("key" = String, Path, description = "The inlet's key"),
        ("slug" = reads::forms::Slug, Path, description = "Which job"),
        ("signal" = String, Path, description = "start, fail, log, or an exit code from 0 to 255"),
        ("rid" = Option<Uuid>, Query, description = "Which run of the job"),
    ),
    request_body(content = String, description = "What the job said: the last lines become the message", content_type = "text/plain"),
    responses((status = 200, description = "It is kept", body = String, content_type = "text/plain")),
)]
async fn post_signal(
    state: State<ApiState>,
    inlet: PingInlet,
    pinged: Pinged,
    this: ThisRequest,
    InletBody(body): InletBody,
) -> Result<Response, Problem> {
    ping(state, inlet, pinged, this, &body).await
}

async fn ping(
    State(state): State<ApiState>,
    PingInlet(inlet): PingInlet,
    Pinged { slug, signal, rid }: Pinged,
    this: ThisRequest,
    body: &[u8],
) -> Result<Response, Problem> {
    let ping = Ping { slug: &slug, signal, rid: rid.as_deref(), body, fresh: Uuid::new_v4() };
    let report = translate(&inlet, ping).map_err(malformed)?;
    keep(&state, &inlet, vec![Incoming::Report(Box::new(report))], &this).await?;
    Ok(ok().into_response())
}
