//! Answers from the first moment on: before the database has answered for the first time there is no
//! API yet, but there is somebody to say so.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::middleware::from_fn;
use axum::routing::get;
use serde_json::Value;
use tower::ServiceExt;

use crate::problem::Problem;
use crate::{head, health, hub, observe};

/// How long a client should wait before it asks again.
const RETRY_AFTER_SECONDS: u16 = 1;

/// What a server serves while its API is not there yet, and the API from then on. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Door {
    api: Arc<OnceLock<Router>>,
}

impl Door {
    /// Lets everybody through to the API. The first API that is given stays.
    pub fn open(&self, api: Router) {
        let _opened_before = self.api.set(api);
    }

    /// The routes to serve. Until [`Self::open`], `/healthz` is 200, `/readyz` says that the database
    /// does not answer, and everything else is refused with 503.
    pub fn routes(&self) -> Router {
        let api = self.api.clone();
        let waiting = Router::new()
            .route("/healthz", get(health::alive))
            .route("/readyz", get(not_ready))
            .fallback(not_yet)
            .layer(from_fn(head::check))
            .layer(from_fn(hub::for_people))
            .layer(from_fn(observe::observe));
        Router::new().fallback(move |request: Request| {
            let router = api.get().unwrap_or(&waiting).clone();
            async move { router.oneshot(request).await }
        })
    }
}

async fn not_ready() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_ready",
        "The ledger can't do its work at the moment",
        "The database has not answered since the program was started; the log has the details.",
    )
    .with("database", "unavailable")
    .with("log", "unavailable")
    .with("head", Value::Null)
}

async fn not_yet() -> Problem {
    Problem::unavailable(
        "database_unavailable",
        "The database has not answered since the program was started. Nothing was appended.",
        RETRY_AFTER_SECONDS,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;

    async fn status(door: &Door, path: &str) -> StatusCode {
        let request = Request::builder().uri(path).header("host", "x").body(Body::empty()).unwrap();
        door.routes().oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn it_answers_before_and_after() {
        let door = Door::default();
        assert_eq!(status(&door, "/healthz").await, StatusCode::OK);
        assert_eq!(status(&door, "/readyz").await, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(status(&door, "/v1/tenants/t/runs").await, StatusCode::SERVICE_UNAVAILABLE);
        door.open(Router::new().route("/readyz", get(async || "ok")));
        assert_eq!(status(&door, "/readyz").await, StatusCode::OK);
        assert_eq!(status(&door, "/v1/tenants/t/runs").await, StatusCode::NOT_FOUND);
    }
}
