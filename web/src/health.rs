//! Whether the process lives, and whether it can do its work.

use std::time::Duration;

use api::ApiState;
use api::ProblemCode;
use api::problem::Problem;
use axum::Json;
use axum::response::{IntoResponse, Response};
use eventlog::LogError;
use migrations::Concern;
use serde_json::{Value, json};

use crate::database_check::DatabaseCheck;

/// How long each of the checks may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// `GET /healthz`: the process is up. It asks nobody, so a database that is away restarts nothing.
pub(crate) async fn alive() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// `GET /readyz`: the database and the log answer, the log takes appends and has what the tables show, and readers get
/// their rows: it reads as they do, and looks for the rights that this needs. 503 with the same details when something
/// is amiss; `missing` says what the database lacks. A projection that lags or has quarantined runs, and history
/// that is not sealed or not as it was sealed, is told and does not make the process unready: writes go on.
pub(crate) async fn ready(state: &ApiState, database: &DatabaseCheck) -> Response {
    let (answers, rights, log, appends, head) = tokio::join!(
        ask("database", database.ping(), |_| UNAVAILABLE),
        ask("reads", database.rights(), |_| UNAVAILABLE),
        ask("log", state.log.check(), of_log),
        ask("log for appends", state.log.takes_appends(), of_log),
        // Where others use the log as well, its last event of ours may be long looked for.
        ask("head of the log", state.log.head(), of_log),
    );
    // A head that its last event does not reach is told at once; anything else takes a while to be certain.
    let behind = state.freshness.is_log_behind() || head == Err(CORRUPT);
    let missing = rights.as_ref().map_or(&[][..], |rights| rights.missing.as_slice());
    // A log without its guards works; that somebody could change it is told all the same.
    let reads = rights.as_ref().is_ok_and(|rights| rights.as_readers)
        && missing.iter().all(|one| one.concern == Concern::History);
    let ready = answers.is_ok() && reads && log.is_ok() && appends.is_ok() && !behind;
    let sealing = rights.as_ref().map(|rights| rights.sealing).ok();
    let lag = state.freshness.lag();
    let quarantine = state.freshness.quarantine();
    let details = json!({
        "status": if ready { "ok" } else { UNAVAILABLE },
        "database": status_of(answers),
        "reads": if reads { "ok" } else { UNAVAILABLE },
        "missing": missing.iter().map(|one| one.what.as_str()).collect::<Vec<_>>(),
        "log": status_of(log),
        "appends": status_of(appends),
        // The log ends before what the tables show: it was restored, or has lost events.
        "positions": if behind { "log_behind" } else { "ok" },
        "head": head.ok().map(|head| head.0),
        "projected": lag.projected.0,
        "lag_events": lag.events,
        "lag_seconds": lag.seconds,
        "held_runs": quarantine.runs,
        "dead_letters": quarantine.events,
        "unreadable_streams": state.commands.unreadable().count(),
        "sealing": sealing.map_or(UNAVAILABLE, |sealing| match (sealing.findings, sealing.active) {
            (1.., _) => "differs",
            (_, true) => "ok",
            (_, false) => "off",
        }),
        "seal_findings": sealing.map(|sealing| sealing.findings),
    });
    if ready {
        return Json(details).into_response();
    }
    let mut problem = Problem::new(
        ProblemCode::NotReady,
        "The members of this answer say what does not answer, or is missing; the log has the details.",
    );
    for (name, value) in details.as_object().into_iter().flatten().filter(|(name, _)| *name != "status") {
        problem = problem.with(name, value.clone());
    }
    problem.into_response()
}

/// What does not answer, or fails.
const UNAVAILABLE: &str = "unavailable";

/// What breaks the log's own laws.
const CORRUPT: &str = "corrupt";

fn of_log(error: &LogError) -> &'static str {
    match error {
        LogError::Refused(_) => "refused",
        LogError::Corrupt(_) => CORRUPT,
        LogError::Unavailable(_) => UNAVAILABLE,
    }
}

fn status_of(answer: Result<(), &'static str>) -> &'static str {
    answer.err().unwrap_or("ok")
}

/// The answer if it comes in time, or the code for why not. More stays in the log, since this endpoint needs no token.
async fn ask<T, E: std::error::Error>(
    whom: &str,
    answer: impl Future<Output = Result<T, E>>,
    code: impl Fn(&E) -> &'static str,
) -> Result<T, &'static str> {
    match tokio::time::timeout(PATIENCE, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => {
            tracing::warn!(%error, "{whom}: not available");
            Err(code(&error))
        }
        Err(late) => {
            tracing::warn!(error = %late, "{whom}: not available");
            Err(UNAVAILABLE)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_is_told_from_no_answer() {
        let refused = || LogError::Refused("its user is not known".to_owned());
        let away = || LogError::Unavailable("nobody is there".to_owned());
        assert_eq!(status_of(ask("log", async { Ok::<(), LogError>(()) }, of_log).await), "ok");
        assert_eq!(status_of(ask("log", async { Err(refused()) }, of_log).await), "refused");
        assert_eq!(status_of(ask("log", async { Err(away()) }, of_log).await), "unavailable");
    }
}
