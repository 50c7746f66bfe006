//! How many requests are let in at once, and how many bytes of bodies: the rest is told to come back,
//! rather than filling the memory while the database is slow.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::problem::Problem;
use crate::state::ApiConfig;

/// The unit in which bodies are counted.
const KIB: usize = 1024;

/// How long a request that has waited aside waits for a place: those that waited for the same come back together.
const COMES_BACK: Duration = Duration::from_secs(1);

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
pub(crate) async fn admit(State(admission): State<Admission>, mut request: Request, next: Next) -> Response {
    let room = Place::take(&admission.requests);
    let body = admission.bodies.try_acquire_many(admission.room(&request)).ok();
    let (Some(place), Some(_body)) = (room, body) else {
        let detail = "The server has as many requests in hand as it takes. Nothing of this one was read.";
        return Problem::unavailable("overloaded", detail, 1).into_response();
    };
    request.extensions_mut().insert(place.clone());
    let answer = next.run(request).await;
    place.leave();
    answer
}

/// A request's place among those in hand. It gives the place up while it waits for something that takes no work, so
/// that whoever waits takes no room from who works. Clones are the same place.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    requests: Arc<Semaphore>,
    permit: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl Place {
    fn take(requests: &Arc<Semaphore>) -> Option<Self> {
        let permit = requests.clone().try_acquire_owned().ok()?;
        Some(Self { requests: requests.clone(), permit: Arc::new(Mutex::new(Some(permit))) })
    }

    /// Waits for something aside, and takes a place again, for which it may have to wait a moment too.
    ///
    /// # Errors
    /// 503 `overloaded` where there is none by then.
    pub(crate) async fn aside<T>(&self, something: impl Future<Output = T>) -> Result<T, Problem> {
        self.leave();
        let waited = something.await;
        let Ok(Ok(permit)) = timeout(COMES_BACK, self.requests.clone().acquire_owned()).await else {
            let detail =
                "The request has waited, and the server has as many others in hand by now as it takes.";
            return Err(Problem::unavailable("overloaded", detail, 1));
        };
        *self.permit.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        Ok(waited)
    }

    fn leave(&self) {
        drop(self.permit.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
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

    #[tokio::test]
    async fn who_waits_aside_makes_room_and_comes_back_into_it() {
        let requests = Arc::new(Semaphore::new(1));
        let first = Place::take(&requests).unwrap();
        assert!(Place::take(&requests).is_none());
        let other = first.aside(async { Place::take(&requests).unwrap() }).await;
        // The other one is still there when the wait is over.
        assert_eq!(other.unwrap_err().code, "overloaded");
        let waited = first.aside(async { drop(Place::take(&requests).unwrap()) }).await;
        assert!(waited.is_ok() && Place::take(&requests).is_none());
        first.leave();
        assert!(Place::take(&requests).is_some());
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
