//! How many requests are let in at once, and how many bytes of bodies: the rest is told to come back,
//! rather than filling the memory while the database is slow.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::Semaphore;

use crate::problem::Problem;
use crate::state::ApiConfig;

/// The unit in which bodies are counted.
const KIB: usize = 1024;

/// What is left of the room for requests.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    requests: Arc<Semaphore>,
    /// In KiB.
    bodies: Arc<Semaphore>,
    max_body_bytes: usize,
}

impl Admission {
    pub fn new(config: &ApiConfig) -> Self {
        let bodies = config.max_bodies_bytes.max(config.max_body_bytes).div_ceil(KIB);
        Self {
            requests: Arc::new(Semaphore::new(config.max_requests)),
            bodies: Arc::new(Semaphore::new(bodies.min(Semaphore::MAX_PERMITS))),
            max_body_bytes: config.max_body_bytes,
        }
    }

    /// The room that a request's body needs, in KiB: what it says, or all that it may have.
    fn room(&self, request: &Request) -> u32 {
        let headers = request.headers();
        let said = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
        let bytes = match said {
            Some(bytes) => bytes.min(self.max_body_bytes),
            None if headers.contains_key(TRANSFER_ENCODING) => self.max_body_bytes,
            None => 0,
        };
        u32::try_from(bytes.div_ceil(KIB)).unwrap_or(u32::MAX)
    }
}

/// Lets a request in if there is room for it, or answers 503 at once.
pub(crate) async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    let room = admission.requests.try_acquire().ok();
    let body = admission.bodies.try_acquire_many(admission.room(&request)).ok();
    if room.is_none() || body.is_none() {
        let detail = "The server has as many requests in hand as it takes. Nothing of this one was read.";
        return Problem::unavailable("overloaded", detail, 1).into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    fn request(headers: &[(&str, &str)]) -> Request {
        let builder =
            headers.iter().fold(Request::builder(), |builder, (name, value)| builder.header(*name, *value));
        builder.body(Body::empty()).unwrap()
    }

    #[test]
    fn a_body_takes_the_room_that_it_says_or_may_take() {
        let admission = Admission::new(&ApiConfig { max_body_bytes: 1 << 20, ..ApiConfig::default() });
        let room = |headers: &[(&str, &str)]| admission.room(&request(headers));
        assert_eq!(room(&[]), 0);
        assert_eq!(room(&[("content-length", "1")]), 1);
        assert_eq!(room(&[("content-length", "5000")]), 5);
        assert_eq!(room(&[("content-length", "99999999999")]), 1024);
        assert_eq!(room(&[("transfer-encoding", "chunked")]), 1024);
    }
}
