//! Whether the process lives, and whether it can do its work.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::state::ApiState;

/// How long each of the checks may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process is up. It asks nobody, so a database that is away restarts nothing.
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /readyz`: the database and the log answer. 503 with the same details when one does not. A
/// projection that lags or holds runs back is told and does not make the process unready: writes go on.
pub(crate) async fn ready(State(state): State<ApiState>) -> Response {
    let (database, log, head) = tokio::join!(
        tokio::time::timeout(PATIENCE, state.tokens.ping()),
        tokio::time::timeout(PATIENCE, state.log.check()),
        // Where others use the log as well, its last event of ours may be long looked for.
        tokio::time::timeout(PATIENCE, state.log.head()),
    );
    let database = match database {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(error)) => seen("database", &error),
        Err(late) => seen("database", &late),
    };
    let log = match log {
        Ok(Ok(())) => "ok".to_owned(),
        Ok(Err(error)) => seen("log", &error),
        Err(late) => seen("log", &late),
    };
    let head = head.ok().and_then(Result::ok).map(|head| head.0);
    let ready = database == "ok" && log == "ok";
    let lag = state.freshness.lag();
    let held = state.freshness.held();
    let details = json!({
        "status": if ready { "ok" } else { "unavailable" },
        "database": database,
        "log": log,
        "head": head,
        "projected": lag.projected.0,
        "lag_events": lag.events,
        "lag_seconds": lag.seconds,
        "held_runs": held.runs,
        "dead_letters": held.events,
    });
    if ready {
        return Json(details).into_response();
    }
    let mut problem = Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "not_ready",
        "The ledger can't do its work at the moment",
        "The members of this answer say what does not answer; the log has the details.",
    );
    let members =
        ["database", "log", "head", "projected", "lag_events", "lag_seconds", "held_runs", "dead_letters"];
    for name in members {
        problem = problem.with(name, details[name].clone());
    }
    problem.into_response()
}

/// The details stay in the log: anybody may ask for this answer.
fn seen(what: &str, error: &dyn std::error::Error) -> String {
    tracing::warn!(error = %error, "{what} does not answer");
    "unavailable".to_owned()
}
