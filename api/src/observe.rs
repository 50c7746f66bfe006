//! What is seen of every request: its id, a span in the log, two metrics. Never its body or its token.

use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use uuid::Uuid;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives the request an id and answers it, writes one line a request, counts and times it by the path
/// of its route, and sets the headers that every answer has.
pub(crate) async fn observe(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id(&request);
    let method = request.method().clone();
    // The route, not the path: the path holds tenants and runs without end.
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let shown = id.to_str().unwrap_or_default();
    let span = tracing::info_span!("request", id = shown, %method, path = route);

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
    headers.insert(REQUEST_ID, id);
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
fn request_id(request: &Request) -> HeaderValue {
    let sane = |value: &&HeaderValue| {
        let legal = |b: &u8| b.is_ascii_alphanumeric() || b"-_.:".contains(b);
        (1..=128).contains(&value.len()) && value.as_bytes().iter().all(legal)
    };
    let own = request.headers().get(REQUEST_ID).filter(sane).cloned();
    // The text of a UUID is a legal header value, so the fallback is never taken.
    own.unwrap_or_else(|| {
        HeaderValue::from_str(&Uuid::new_v4().to_string()).unwrap_or(HeaderValue::from_static("none"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn id_of(value: &str) -> String {
        let request = Request::builder().header(REQUEST_ID, value).body(Body::empty()).unwrap();
        request_id(&request).to_str().unwrap().to_owned()
    }

    #[test]
    fn a_sane_request_id_is_kept_and_another_replaced() {
        assert_eq!(id_of("import-7.2:a_b"), "import-7.2:a_b");
        for wrong in ["", "a b", "{\"x\":1}", "<script>", &"x".repeat(129)] {
            assert_eq!(id_of(wrong).len(), 36, "{wrong}");
        }
    }
}
