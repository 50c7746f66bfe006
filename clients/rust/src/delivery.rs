//! How one run's lines get to the ledger: start it, claim it, append, and what to do where the ledger says no.

use std::collections::BTreeSet;
use std::time::Duration;

use domain::RunId;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use crate::error::{Error, Problem};
use crate::runfile::RunFile;
use crate::transport::Transport;

#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub run_id: RunId,
    pub reused: bool,
}

/// As readers see it.
#[derive(Deserialize)]
struct Seen {
    status: String,
    revision: u64,
    liveness: Option<Liveness>,
}

#[derive(Deserialize)]
struct Liveness {
    state: String,
}

/// Any answer will do.
#[derive(Deserialize)]
struct Taken {}

/// A line that the ledger does not take, and why.
pub(crate) struct Rejected {
    pub line: String,
    pub problem: Problem,
}

/// How often, and how far apart, a run is looked at that the read tables are behind of.
const LOOKS: (u32, Duration) = (20, Duration::from_millis(50));

/// Starts a run, or names the active one of the same operation. Safe to repeat.
pub(crate) async fn start(transport: &Transport, body: &Value, timeout: Duration) -> Result<Answer, Error> {
    transport.request(Method::POST, "/runs", timeout, Some(body.to_string()), None).await
}

/// The run of a start.
///
/// # Errors
/// [`Error::Refused`] where another start has made it, so that it has not this one's events. Those of requests.
pub(crate) async fn begin(transport: &Transport, body: &Value, timeout: Duration) -> Result<RunId, Error> {
    let Answer { run_id, reused } = start(transport, body, timeout).await?;
    if reused && body["events"].as_array().is_some_and(|events| !events.is_empty()) {
        let detail = format!("run {run_id} does this work already: it has not the events of this start");
        return Err(Error::Refused { status: 409, problem: Problem::new("already_taken", detail) });
    }
    Ok(run_id)
}

/// The run's id, by its start where it is not known.
pub(crate) async fn resolve(
    transport: &Transport,
    file: &RunFile,
    timeout: Duration,
) -> Result<RunId, Error> {
    let meta = file.meta();
    if let Some(run) = meta.run_id {
        return Ok(run);
    }
    let run = begin(transport, &meta.start.unwrap_or_default(), timeout).await?;
    file.know(|meta| meta.run_id = Some(run))?;
    Ok(run)
}

pub(crate) async fn post(
    transport: &Transport,
    run: RunId,
    lines: &[String],
    timeout: Duration,
    if_match: Option<u64>,
) -> Result<(), Error> {
    let body = format!("{{\"events\":[{}]}}", lines.join(","));
    let Taken {} = transport
        .request(Method::POST, &format!("/runs/{run}/events"), timeout, Some(body), if_match)
        .await?;
    Ok(())
}

/// Takes the run for this worker: it is queued, or the worker that had it has broken its heartbeat.
///
/// Of several workers one succeeds, and it does so again where its answer was lost: the event is known by its id.
///
/// # Errors
/// [`Error::AlreadyTaken`], [`Error::Unclear`] and those of requests.
pub(crate) async fn claim(transport: &Transport, file: &RunFile, timeout: Duration) -> Result<(), Error> {
    let run = resolve(transport, file, timeout).await?;
    let meta = file.meta();
    let Some(started) = meta.started.filter(|_| !meta.claimed) else { return Ok(()) };
    match post(transport, run, &[started.to_string()], timeout, Some(0)).await {
        Ok(()) => {}
        // An event of ours that says something else under this id: we have taken it over already.
        Err(Error::Refused { status: 409 | 412, problem }) if problem.code() == "event_id_taken" => {}
        Err(Error::Refused { status: 409 | 412, problem }) => {
            let revision = problem.0.get("current_revision").and_then(Value::as_u64).unwrap_or(0);
            take_over(transport, run, started, revision, timeout).await?;
        }
        Err(error) => return Err(error),
    }
    file.know(|meta| meta.claimed = true)?;
    Ok(())
}

async fn take_over(
    transport: &Transport,
    run: RunId,
    mut started: Value,
    revision: u64,
    timeout: Duration,
) -> Result<(), Error> {
    let Seen { status, revision, liveness } = seen(transport, run, revision, timeout).await?;
    if status != "running" || liveness.is_none_or(|liveness| liveness.state != "stalled") {
        return Err(Error::AlreadyTaken { run, status });
    }
    // What a successor says in the place of `Started`, under the same id.
    if let Some(fields) = started.as_object_mut() {
        fields.insert("type".to_owned(), "Resumed".into());
    }
    match post(transport, run, &[started.to_string()], timeout, Some(revision)).await {
        Err(Error::Refused { .. }) => Err(Error::AlreadyTaken { run, status }),
        other => other,
    }
}

/// The run as readers see it, at that revision at least: they may be a moment behind.
async fn seen(transport: &Transport, run: RunId, revision: u64, timeout: Duration) -> Result<Seen, Error> {
    for _ in 0..LOOKS.0 {
        match transport.request::<Seen>(Method::GET, &format!("/runs/{run}"), timeout, None, None).await {
            Ok(seen) if seen.revision >= revision => return Ok(seen),
            Ok(_) | Err(Error::Refused { status: 404, .. }) => tokio::time::sleep(LOOKS.1).await,
            Err(error) => return Err(error),
        }
    }
    Err(Error::Unclear { run })
}

/// Appends what the ledger takes, in order, and gives back what it refuses: one bad event does not keep the others out.
///
/// # Errors
/// [`Error::Refused`] where it is not about the events: no such run, no such token. Those of requests.
pub(crate) async fn append(
    transport: &Transport,
    run: RunId,
    lines: Vec<String>,
    timeout: Duration,
) -> Result<Vec<Rejected>, Error> {
    let mut rejected = Vec::new();
    // What is still to be sent, the first part last.
    let mut parts = vec![lines];
    while let Some(mut part) = parts.pop() {
        if part.is_empty() {
            continue;
        }
        let problem = match post(transport, run, &part, timeout, None).await {
            Ok(()) => continue,
            Err(Error::Refused { status, problem }) if !matches!(status, 401 | 403 | 404) => problem,
            Err(error) => return Err(error),
        };
        let bad = named(&problem, part.len());
        if bad.is_empty() {
            // It does not say which: halves tell.
            let second = part.split_off(part.len() / 2);
            parts.extend([second, part]);
            continue;
        }
        let mut good = Vec::with_capacity(part.len());
        for (index, line) in part.into_iter().enumerate() {
            if bad.contains(&index) {
                rejected.push(Rejected { line, problem: problem.clone() });
            } else {
                good.push(line);
            }
        }
        parts.push(good);
    }
    Ok(rejected)
}

/// Which of so many events a refusal is about.
fn named(problem: &Problem, count: usize) -> BTreeSet<usize> {
    let errors = problem.0.get("errors").and_then(Value::as_array);
    let mut bad: BTreeSet<usize> = errors
        .into_iter()
        .flatten()
        .filter_map(|error| {
            error.get("pointer")?.as_str()?.strip_prefix("/events/")?.split('/').next()?.parse().ok()
        })
        .filter(|index| *index < count)
        .collect();
    let index = problem.0.get("event_index").and_then(Value::as_u64).and_then(|at| usize::try_from(at).ok());
    if let Some(index) = index.filter(|index| *index < count) {
        let status = problem.0.get("current_status").and_then(Value::as_str).unwrap_or_default();
        // The run has ended: nothing may follow.
        let ended = problem.code() == "illegal_transition" && !matches!(status, "queued" | "running");
        bad.extend(index..if ended { count } else { index + 1 });
    }
    if bad.is_empty() && count == 1 {
        bad.insert(0);
    }
    bad
}
