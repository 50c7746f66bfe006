//! What is seen of every request: its id, a span in the log, two metrics. Never its body or its token.

use std::time::Instant;

use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use domain::RequestId;
use tracing::Instrument;
use uuid::Uuid;

use crate::problem::Problem;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What this request is called, as in the server's log and in its answer.
#[derive(Debug, Clone)]
pub struct ThisRequest(pub RequestId);

impl<S: Send + Sync> FromRequestParts<S> for ThisRequest {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| Problem::internal(&Unobserved))
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a route is not observed")]
struct Unobserved;

/// Gives the request an id and answers it, writes one line a request, counts and times it by the path
/// of its route, and sets the headers that every answer has.
pub async fn observe(mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(&request);
    request.extensions_mut().insert(ThisRequest(id.clone()));
    let method = request.method().clone();
    // The route, not the path: the path holds tenants and runs without end.
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!("request", %id, %method, path = route);

    let mut response = next.run(request).instrument(span.clone()).await;

    let status = response.status().as_u16();
    let took = begun.elapsed();
    span.in_scope(|| {
        let milliseconds = took.as_secs_f64() * 1_000.0;
        if status >= 500 {
            tracing::warn!(status, milliseconds, "answered");
        } else {
            tracing::debug!(status, milliseconds, "answered");
        }
    });
    let labels = [("method", counted(&method).to_owned()), ("path", route), ("status", status.to_string())];
    metrics::counter!("runledger_http_requests_total", &labels).increment(1);
    metrics::histogram!("runledger_http_request_seconds", &labels[..2]).record(took.as_secs_f64());

    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(id.as_str()) {
        headers.insert(REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// The method as a label: callers may invent methods without end.
fn counted(method: &Method) -> &str {
    match *method {
        Method::GET
        | Method::HEAD
        | Method::POST
        | Method::PUT
        | Method::PATCH
        | Method::DELETE
        | Method::OPTIONS => method.as_str(),
        _ => "other",
    }
}

/// The caller's own id where it is short and plain, so that it can be found in our log; else a new one.
fn request_id(request: &Request) -> RequestId {
    let own = request.headers().get(REQUEST_ID).and_then(|value| value.to_str().ok()?.parse().ok());
    own.unwrap_or_else(|| Uuid::new_v4().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn id_of(value: &str) -> String {
        let request = Request::builder().header(REQUEST_ID, value).body(Body::empty()).unwrap();
        request_id(&request).as_str().to_owned()
    }

    #[test]
    fn a_sane_request_id_is_kept_and_another_replaced() {
        assert_eq!(id_of("import-7.2:a_b"), "import-7.2:a_b");
        for wrong in ["", "a b", "{\"x\":1}", "<script>", &"x".repeat(129)] {
            assert_eq!(id_of(wrong).len(), 36, "{wrong}");
        }
    }
}
