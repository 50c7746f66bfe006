//! Answers from the first moment on: before the database has answered for the first time there is no
//! API yet, but there is somebody to say so.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use api::ProblemCode;
use api::observe;
use api::problem::Problem;
use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn;
use axum::routing::get;
use serde_json::Value;
use tower::ServiceExt;

use crate::{head, health};

/// How long a client should wait before it asks again.
const RETRY_AFTER_SECONDS: u16 = 1;

/// What a server serves while its API is not there yet, and the API from then on. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Door {
    api: Arc<OnceLock<Router>>,
    /// What is waited for after that is the event log.
    database_answered: Arc<AtomicBool>,
}

impl Door {
    /// Lets everybody through to the API. The first API that is given stays.
    pub fn open(&self, api: Router) {
        let _opened_before = self.api.set(api);
    }

    /// From now on it is the event log that is waited for.
    pub fn database_answered(&self) {
        self.database_answered.store(true, Ordering::Relaxed);
    }

    /// The routes to serve. Until [`Self::open`], `/healthz` is 200, `/readyz` says what does not answer, and
    /// everything else is refused with 503.
    pub fn routes(&self) -> Router {
        let api = self.api.clone();
        let waiting = Router::new()
            .route("/healthz", get(health::alive))
            .route("/readyz", get(not_ready))
            .fallback(not_yet)
            .layer(from_fn(head::check))
            .layer(from_fn(hub::for_people))
            .layer(from_fn(observe::observe))
            .with_state(self.database_answered.clone());
        Router::new().fallback(move |request: Request| {
            let router = api.get().unwrap_or(&waiting).clone();
            async move { router.oneshot(request).await }
        })
    }
}

async fn not_ready(State(database_answered): State<Arc<AtomicBool>>) -> Problem {
    let (database, who) = match database_answered.load(Ordering::Relaxed) {
        true => ("ok", "event log"),
        false => ("unavailable", "database"),
    };
    Problem::new(
        ProblemCode::NotReady,
        format!("The {who} has not answered since the program was started; the log has the details."),
    )
    .with("database", database)
    .with("log", "unavailable")
    .with("head", Value::Null)
}

async fn not_yet(State(database_answered): State<Arc<AtomicBool>>) -> Problem {
    let (code, who) = match database_answered.load(Ordering::Relaxed) {
        true => (ProblemCode::LogUnavailable, "event log"),
        false => (ProblemCode::DatabaseUnavailable, "database"),
    };
    let detail = format!("The {who} has not answered since the program was started. Nothing was appended.");
    Problem::unavailable(code, detail, RETRY_AFTER_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::Body;
    use axum::http::StatusCode;

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
        let named = async || {
            let request = Request::builder().uri("/readyz").header("host", "x").body(Body::empty()).unwrap();
            let answer = door.routes().oneshot(request).await.unwrap();
            let body = axum::body::to_bytes(answer.into_body(), 10_000).await.unwrap();
            let body: Value = serde_json::from_slice(&body).unwrap();
            (body["database"].clone(), body["log"].clone())
        };
        assert_eq!(named().await, ("unavailable".into(), "unavailable".into()));
        door.database_answered();
        assert_eq!(named().await, ("ok".into(), "unavailable".into()));
        door.open(Router::new().route("/readyz", get(async || "ok")));
        assert_eq!(status(&door, "/readyz").await, StatusCode::OK);
        assert_eq!(status(&door, "/v1/tenants/t/runs").await, StatusCode::NOT_FOUND);
    }
}
