//! The whole HTTP surface: the routes, and the layers that every request passes.

use std::any::Any;
use std::time::Duration;

use api::ProblemCode;
use api::outside::{self, Outside};
use api::problem::Problem;
use api::{ApiConfig, ApiState};
use api::{cors, etag, observe};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, CONTENT_TYPE, ETAG};
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::{Next, from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::Value;
use sqlx::PgPool;
use tower::ServiceExt;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};

use crate::admission::{Admission, admit};
use crate::database_check::DatabaseCheck;
use crate::{head, health};

/// Shorter answers are not packed, in bytes: they are in one packet either way.
const WORTH_PACKING: u16 = 1_024;

/// By which a sender of webhooks says who it is.
const WEBHOOK_ORIGIN: HeaderName = HeaderName::from_static("webhook-request-origin");

/// Every route. `pool` leads to the database as the program's own user; `metrics` gives the text that `/metrics`
/// answers (Prometheus' own format).
pub fn router<M>(state: ApiState, pool: PgPool, metrics: M) -> Router
where
    M: Fn() -> String + Clone + Send + Sync + 'static,
{
    let (routes, document) = api::routes();
    // Written down once: it does not change.
    let document = described(document);
    let document = get(async move || document);
    let database = DatabaseCheck::new(pool);
    let ready = get(async move |State(state): State<ApiState>| health::ready(&state, &database).await);
    let config = state.config.clone();
    let admission = Admission::new(&config, state.tokens.clone());
    let routes = routes
        .merge(hub::routes())
        .layer(from_fn_with_state(admission, admit))
        // Operators of the server are always let in.
        .route("/healthz", get(health::alive))
        .route("/readyz", ready)
        .route("/metrics", get(async move || as_metrics(metrics())))
        .route("/openapi.json", document)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(state);
    entered(layered(routes, &config), &config)
}

/// The description as it is answered, with its tag.
fn described(
    document: Result<Value, serde_json::Error>,
) -> Result<([(HeaderName, HeaderValue); 2], Bytes), Problem> {
    let json = document
        .and_then(|document| serde_json::to_vec(&document))
        .map_err(|error| Problem::internal(&error))?;
    let headers =
        [(CONTENT_TYPE, HeaderValue::from_static("application/json")), (ETAG, etag::of_content(&json)?)];
    Ok((headers, json.into()))
}

/// The page of a process that has no API: `/metrics`, and `/healthz`.
pub fn metrics_router<M>(metrics: M) -> Router
where
    M: Fn() -> String + Clone + Send + Sync + 'static,
{
    Router::new()
        .route("/healthz", get(health::alive))
        .route("/metrics", get(async move || as_metrics(metrics())))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn(head::check))
        .layer(from_fn(observe::observe))
}

fn as_metrics(text: String) -> impl IntoResponse {
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}

fn layered(routes: Router, config: &ApiConfig) -> Router {
    routes
        // From the inside out: a panic is answered like any other failure, and all of it is observed.
        .layer(from_fn(etag::not_modified))
        .layer(from_fn_with_state(config.request_timeout, in_time))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(head::check))
        .layer(from_fn(hub::for_people))
        .layer(compression())
        .layer(map_response(etag::of_packed))
        .layer(from_fn(observe::observe))
}

/// Packs answers by gzip or Brotli for clients that ask for it.
///
/// Events are to be there at once. A page holds its session's word against forgery beside what the address says, and
/// packed together their size would give the word away, byte by byte, to who watches the wire and chooses addresses
/// (the attack known as BREACH). So the word is in other characters on each page (`access::SessionSecret::csrf`): see
/// `docs/decisions/0035-packed-pages.md`.
fn compression() -> CompressionLayer<impl Predicate> {
    let worth_it = SizeAbove::new(WORTH_PACKING)
        .and(NotForContentType::SSE)
        .and(NotForContentType::IMAGES)
        // They are packed already.
        .and(NotForContentType::const_new("application/zip"));
    CompressionLayer::new().gzip(true).br(true).compress_when(worth_it)
}

/// What stands before the routes: a path is known only once it is as we know it, and a browser asks whether another
/// site may come in before it sends a token.
fn entered(routes: Router, config: &ApiConfig) -> Router {
    let base = config.base_path.clone();
    let entered = routes.map_request(move |request| outside::enter(&base, request));
    let entered = Router::new().fallback_service(entered);
    match config.cors_origins.as_slice() {
        [] => entered,
        origins => {
            let open = entered.clone().layer(cors::layer(origins));
            // A sender of webhooks asks by the same method as a browser, and for something else.
            let asks_for_webhooks = |request: &Request| request.headers().contains_key(WEBHOOK_ORIGIN);
            Router::new().fallback(move |request: Request| {
                let routes = if asks_for_webhooks(&request) { entered.clone() } else { open.clone() };
                routes.oneshot(request)
            })
        }
    }
}

async fn in_time(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable(
            ProblemCode::RequestTimeout,
            format!(
                "The request took longer than {} s. An append may or may not have happened: repeat it with the \
                 same event ids and nothing is appended twice.",
                limit.as_secs_f32()
            ),
            1,
        )
        .into_response(),
    }
}

async fn no_such_path(outside: Outside, headers: HeaderMap) -> Response {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    if accepted.is_some_and(|accepted| accepted.contains("text/html")) {
        return hub::no_such_page(&outside);
    }
    Problem::not_found("There is nothing at this path; /openapi.json tells what there is.").into_response()
}

async fn no_such_method() -> Problem {
    Problem::new(ProblemCode::MethodNotAllowed, "The header Allow names the methods of this path.")
}

#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);

fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    Problem::internal(&Panicked(text.unwrap_or_default())).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::StatusCode;

    async fn asked(routes: Router, config: &ApiConfig) -> (StatusCode, serde_json::Value) {
        let request = Request::builder().uri("/x").header("host", "x").body(Body::empty()).unwrap();
        let response = layered(routes, config).oneshot(request).await.unwrap();
        assert!(response.headers().contains_key("x-request-id"));
        let status = response.status();
        let body = to_bytes(response.into_body(), 10_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_its_words_are_not() {
        async fn panics() {
            panic!("secret words");
        }
        let routes = Router::new().route("/x", get(panics));
        let (status, body) = asked(routes, &ApiConfig::default()).await;
        assert_eq!((status, &body["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &"internal".into()));
        assert!(!body.to_string().contains("secret"), "{body}");
    }

    #[tokio::test]
    async fn a_handler_that_hangs_is_cut() {
        let routes = Router::new().route("/x", get(std::future::pending::<()>));
        let config = ApiConfig { request_timeout: Duration::from_millis(1), ..ApiConfig::default() };
        let (status, body) = asked(routes, &config).await;
        assert_eq!((status, &body["code"]), (StatusCode::SERVICE_UNAVAILABLE, &"request_timeout".into()));
    }
}
