//! OpenLineage run events, as its clients and the integrations of dbt, Airflow and Spark send them.

use access::Inlet;
use domain::{Completed, EventBody, Failed, Failure, Progressed, Started};
use redaction::CleanText;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::fault::{Malformed, Untranslated};
use crate::ids::event_id;
use crate::json::{check_name, name, object, read, text, time, word};
use crate::pings::code;
use crate::report::{About, Aside, Incoming, Report, RunName, Said};

/// How many data sets of each side are named in a context.
const MOST_DATASETS: usize = 20;

/// How many characters of what is no event's type are told.
const MOST_TOLD: usize = 60;

/// What a body of one event says.
///
/// # Errors
/// [`Malformed`] where it is no event that could be kept.
pub fn one(inlet: &Inlet, body: &[u8]) -> Result<Incoming, Malformed> {
    translate(inlet, read(body)?)
}

/// What a body of many events says, each by itself.
///
/// # Errors
/// [`Malformed`] where it is no JSON array.
pub fn batch(inlet: &Inlet, body: &[u8]) -> Result<Vec<Result<Incoming, Malformed>>, Malformed> {
    let Value::Array(events) = read(body)? else {
        return Err(Malformed::new("", "the body must be a JSON array of events"));
    };
    Ok(events.into_iter().map(|event| translate(inlet, event)).collect())
}

/// What an event says of which run.
///
/// # Errors
/// [`Malformed`] where it has not what every event has.
pub fn translate(inlet: &Inlet, event: Value) -> Result<Incoming, Malformed> {
    match report(inlet, &event) {
        Ok(report) => Ok(Incoming::Report(Box::new(report))),
        Err(Untranslated::Aside(aside)) => Ok(Incoming::Aside(aside)),
        Err(Untranslated::Malformed(malformed)) => Err(malformed),
    }
}

fn report(inlet: &Inlet, event: &Value) -> Result<Report, Untranslated> {
    object(event, "")?;
    let at = text(event, "/eventTime").ok_or_else(|| Malformed::new("/eventTime", "the field is missing"))?;
    let at = time(at).ok_or_else(|| Malformed::new("/eventTime", "it must be a time of RFC 3339"))?;
    // Its own id has none of them: what is the same to the letter is the same.
    let event_id = event_id(inlet.inlet_id, &format!("openlineage {}", digest(event)));
    let aside = |why: &str| Untranslated::Aside(Box::new(Aside::new(event_id, why, event.clone())));
    if event.get("run").is_none() && (event.get("dataset").is_some() || event.get("job").is_some()) {
        return Err(aside("It tells of a data set or a job, and of no run."));
    }
    let run = name(event, "/run/runId")?;
    let (namespace, job) = (name(event, "/job/namespace")?, name(event, "/job/name")?);
    let said = said(inlet, event).map_err(|unknown| {
        let unknown: String = unknown.to_string().chars().take(MOST_TOLD).collect();
        aside(&format!(
            "{unknown} is no eventType: one is the text START, RUNNING, COMPLETE, FAIL, ABORT or OTHER."
        ))
    })?;
    let run = run.to_ascii_lowercase();
    let about = about(event, &run, namespace, job).tied(&run);
    let (lane, run) = (run.clone(), RunName::Named(run));
    let report = Report { event_id, run, lane, at: Some(at), said: Said::Event(said), begins: true, about };
    report.checked().map_err(|why| aside(&why))
}

/// What is the same of two events that are the same, in whatever order their members came.
fn digest(event: &Value) -> Uuid {
    let mut id = [0; 16];
    id.copy_from_slice(&Sha256::digest(event.to_string())[..16]);
    Uuid::from_bytes(id)
}

/// What happened.
///
/// # Errors
/// What is there as the type, where it is none.
fn said<'e>(inlet: &Inlet, event: &'e Value) -> Result<EventBody, &'e Value> {
    let event_type = match event.get("eventType") {
        None | Some(Value::Null) => "OTHER",
        Some(Value::String(text)) if text.is_empty() => "OTHER",
        Some(Value::String(text)) => text.as_str(),
        Some(other) => return Err(other),
    };
    let error = text(event, "/run/facets/errorMessage/message").map(CleanText::new);
    let error = error.filter(|message| !message.is_empty());
    Ok(match event_type {
        "START" => EventBody::Started(Started { worker: None, heartbeat_seconds: inlet.heartbeat_seconds }),
        "RUNNING" | "OTHER" => EventBody::Progressed(Progressed { message: error, items_total: None }),
        "COMPLETE" => EventBody::Completed(Completed { message: error, tally: None }),
        "FAIL" => EventBody::Failed(Failed {
            reason_code: code("unknown"),
            message: error.unwrap_or_else(|| CleanText::new("The run failed; the emitter does not say why.")),
            presumed: false,
        }),
        "ABORT" => EventBody::Aborted(Failure {
            reason_code: code("cancelled"),
            message: error.unwrap_or_else(|| CleanText::new("The run was aborted.")),
        }),
        _ => return Err(&event["eventType"]),
    })
}

fn about(event: &Value, run: &str, namespace: &str, job: &str) -> About {
    let mut context = Map::new();
    context.insert("job".to_owned(), json!({ "namespace": namespace, "name": job }));
    context.insert("run_id".to_owned(), run.into());
    let mut labels = vec![("namespace", namespace), ("job", job)];
    let parent = "/run/facets/parent";
    let mut part_of = None;
    if let Some(id) = text(event, &format!("{parent}/run/runId")).filter(|id| check_name(id, "").is_ok()) {
        let mut of = json!({ "run_id": id.to_ascii_lowercase() });
        for member in ["namespace", "name"] {
            if let Some(word) = word(event, &format!("{parent}/job/{member}")) {
                of[member] = word.into();
            }
        }
        context.insert("parent".to_owned(), of);
        labels.push(("parent", id));
        part_of = Some(id.to_ascii_lowercase());
    }
    for (member, pointer) in [
        ("integration", "/job/facets/jobType/integration"),
        ("job_type", "/job/facets/jobType/jobType"),
        ("engine", "/run/facets/processing_engine/name"),
    ] {
        if let Some(word) = text(event, pointer) {
            labels.push((member, word));
        }
    }
    for (member, pointer) in [
        ("nominal_start", "/run/facets/nominalTime/nominalStartTime"),
        ("nominal_end", "/run/facets/nominalTime/nominalEndTime"),
        ("producer", "/producer"),
    ] {
        if let Some(word) = word(event, pointer) {
            context.insert(member.to_owned(), word.into());
        }
    }
    for side in ["inputs", "outputs"] {
        let sets = event.get(side).and_then(Value::as_array).into_iter().flatten();
        let names =
            sets.filter_map(|set| Some(format!("{} {}", word(set, "/namespace")?, word(set, "/name")?)));
        let names: Vec<Value> = names.take(MOST_DATASETS).map(Value::from).collect();
        if !names.is_empty() {
            context.insert(side.to_owned(), names.into());
        }
    }
    About { part_of, ..About::new(job, Value::Object(context), &labels) }
}
