//! `/in/{key}`: CloudEvents 1.0 by HTTP, and the handshake of their webhooks. An event comes in binary, structured or
//! batched mode, which the media type says.

use access::Inlet;
use axum::extract::State;
use axum::http::header::ALLOW;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::key::IdempotencySecret;
use inlets::cloudevents::{CloudEvent, batched, structured, translate};
use inlets::{Incoming, Malformed};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{CloudEventsInlet, InletBody, keep, malformed, media_type};
use crate::aside::aside;
use crate::observe::ThisRequest;
use crate::problem::Problem;
use crate::state::ApiState;

const REQUEST_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");

/// How an attribute's header begins.
const ATTRIBUTE: &str = "ce-";

const STRUCTURED: &str = "application/cloudevents+json";
const BATCHED: &str = "application/cloudevents-batch+json";

/// The routes of CloudEvents.
pub(super) fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(cloudevents, handshake))
        .routes(routes!(cloudevents_by_bearer, handshake_by_bearer))
}

/// Takes a CloudEvent in, or a batch of them.
#[utoipa::path(
    post,
    path = "/in/{key}",
    tag = "inlets",
    security(()),
    params(("key" = String, Path, description = "The inlet's key")),
    request_body(content(
        (serde_json::Value = "application/cloudevents+json"),
        (Vec<serde_json::Value> = "application/cloudevents-batch+json"),
        (serde_json::Value = "application/json"),
    )),
    responses((status = 202, description = "All of it is kept")),
)]
async fn cloudevents(
    state: State<ApiState>,
    inlet: CloudEventsInlet,
    this: ThisRequest,
    headers: HeaderMap,
    body: InletBody,
) -> Result<StatusCode, Problem> {
    take(state, inlet, this, headers, body).await
}

/// Takes a CloudEvent in, or a batch of them; the key comes as a bearer.
#[utoipa::path(
    post,
    path = "/in",
    tag = "inlets",
    security(("inlet" = [])),
    request_body(content(
        (serde_json::Value = "application/cloudevents+json"),
        (Vec<serde_json::Value> = "application/cloudevents-batch+json"),
        (serde_json::Value = "application/json"),
    )),
    responses((status = 202, description = "All of it is kept")),
)]
async fn cloudevents_by_bearer(
    state: State<ApiState>,
    inlet: CloudEventsInlet,
    this: ThisRequest,
    headers: HeaderMap,
    body: InletBody,
) -> Result<StatusCode, Problem> {
    take(state, inlet, this, headers, body).await
}

/// Says to a sender of webhooks that it may send.
#[utoipa::path(
    options,
    path = "/in/{key}",
    tag = "inlets",
    security(()),
    params(
        ("key" = String, Path, description = "The inlet's key"),
        ("WebHook-Request-Origin" = Option<String>, Header, description = "Who wants to send"),
    ),
    responses((status = 200, description = "It may: WebHook-Allowed-Origin and WebHook-Allowed-Rate say so")),
)]
async fn handshake(inlet: CloudEventsInlet, headers: HeaderMap) -> Response {
    allowed(&inlet, &headers)
}

/// Says to a sender of webhooks that it may send; the key comes as a bearer.
#[utoipa::path(
    options,
    path = "/in",
    tag = "inlets",
    security(("inlet" = [])),
    params(("WebHook-Request-Origin" = Option<String>, Header, description = "Who wants to send")),
    responses((status = 200, description = "It may: WebHook-Allowed-Origin and WebHook-Allowed-Rate say so")),
)]
async fn handshake_by_bearer(inlet: CloudEventsInlet, headers: HeaderMap) -> Response {
    allowed(&inlet, &headers)
}

/// The key says that its holder may send, whatever it calls itself, and as much as there is room for.
fn allowed(_: &CloudEventsInlet, headers: &HeaderMap) -> Response {
    let mut answer = (StatusCode::OK, [(ALLOW, HeaderValue::from_static("POST, OPTIONS"))]).into_response();
    if let Some(origin) = headers.get(REQUEST_ORIGIN) {
        answer.headers_mut().insert(ALLOWED_ORIGIN, origin.clone());
        answer.headers_mut().insert(ALLOWED_RATE, HeaderValue::from_static("*"));
    }
    answer
}

async fn take(
    State(state): State<ApiState>,
    CloudEventsInlet(inlet): CloudEventsInlet,
    this: ThisRequest,
    headers: HeaderMap,
    InletBody(body): InletBody,
) -> Result<StatusCode, Problem> {
    let (of, secret) = (inlet.clone(), state.commands.secret().clone());
    let incoming = aside(body.len(), move || read(&of, &secret, &headers, &body)).await??;
    keep(&state, &inlet, incoming, &this).await?;
    Ok(StatusCode::ACCEPTED)
}

fn read(
    inlet: &Inlet,
    secret: &IdempotencySecret,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Vec<Incoming>, Problem> {
    let kind = media_type(headers);
    let read = match kind.as_deref() {
        Some(BATCHED) => batched(inlet, secret, body),
        Some(STRUCTURED) => structured(inlet, secret, body).map(|one| vec![one]),
        Some(other) if other.starts_with("application/cloudevents") => {
            return Err(Problem::not_json("Of structured events and batches only those in JSON are taken."));
        }
        other if headers.contains_key("ce-specversion") => {
            let attributes = headers
                .iter()
                .filter_map(|(name, value)| Some((name.as_str().strip_prefix(ATTRIBUTE)?, value.as_bytes())));
            let event: Result<_, Malformed> = CloudEvent::binary(attributes, other, body);
            event.map(|event| vec![translate(inlet, secret, event)])
        }
        _ => {
            return Err(Problem::not_json(
                "Send one event as application/cloudevents+json, many as application/cloudevents-batch+json, or \
                 one in binary mode, with the header ce-specversion: 1.0 and its other attributes.",
            ));
        }
    };
    read.map_err(malformed)
}
