//! CDEvents' runs of pipelines and tasks (continuous delivery): queued, started, finished.

use access::Inlet;
use domain::{Completed, EventBody, Failed, Failure, Started};
use redaction::CleanText;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::CloudEvent;
use crate::json::{name, text, time, word};
use crate::pings::code;
use crate::report::{About, Report, RunName, Said};

pub(super) const PREFIX: &str = "dev.cdevents.";

/// What the event says of which run, or why nothing.
pub(super) fn report(inlet: &Inlet, event_id: Uuid, event: &CloudEvent) -> Result<Report, String> {
    let mut words = event.event_type.strip_prefix(PREFIX).unwrap_or_default().split('.');
    let (of, what) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (noun, named) = match of {
        "pipelinerun" => ("pipeline run", "/subject/content/pipelineName"),
        "taskrun" => ("task run", "/subject/content/taskName"),
        _ => {
            return Err(format!(
                "No run is told of by {:?}: only pipelinerun and taskrun.",
                event.event_type
            ));
        }
    };
    let data = &event.data;
    let id = name(data, "/subject/id").map_err(|error| format!("Its data: {error}."))?;
    let source = text(data, "/subject/source").unwrap_or(&event.source);
    let said = match what {
        "queued" => Said::Queued,
        "started" => Said::Event(EventBody::Started(Started {
            worker: None,
            heartbeat_seconds: inlet.heartbeat_seconds,
        })),
        "finished" => Said::Event(finished(data)),
        _ => return Err(format!("A {noun} is queued, started or finished, and not {what:?}.")),
    };
    let title = text(data, named).unwrap_or(id);
    let known_by = known_by(of, source, id);
    let about = About::new(title, context(data, of, source, id), &[("subject", of), ("name", title)]);
    let part_of = pipeline_run(data, source).map(|(source, id)| self::known_by("pipelinerun", source, id));
    Ok(Report {
        event_id,
        lane: known_by.clone(),
        run: RunName::Named(known_by),
        at: event.time.or_else(|| time(text(data, "/context/timestamp")?)),
        said,
        begins: true,
        about: About { part_of, ..about.tied(text(data, "/context/chainId").unwrap_or(id)) },
    })
}

/// By what a run is known among those of its inlet.
fn known_by(of: &str, source: &str, id: &str) -> String {
    format!("{of} {source}\n{id}")
}

/// Source and id of the pipeline run that a task run is a part of.
fn pipeline_run<'d>(data: &'d Value, source: &'d str) -> Option<(&'d str, &'d str)> {
    let id = name(data, "/subject/content/pipelineRun/id").ok()?;
    Some((text(data, "/subject/content/pipelineRun/source").unwrap_or(source), id))
}

fn finished(data: &Value) -> EventBody {
    let errors = text(data, "/subject/content/errors").map(CleanText::new);
    let errors = errors.filter(|errors| !errors.is_empty());
    match text(data, "/subject/content/outcome").unwrap_or_default().to_ascii_lowercase().as_str() {
        "success" | "" => EventBody::Completed(Completed { message: errors, tally: None }),
        "cancel" | "cancelled" | "canceled" => EventBody::Aborted(Failure {
            reason_code: code("cancelled"),
            message: errors.unwrap_or_else(|| CleanText::new("It was cancelled.")),
        }),
        outcome => EventBody::Failed(Failed {
            reason_code: code("unknown"),
            message: errors.unwrap_or_else(|| CleanText::new(&format!("The outcome is {outcome:?}."))),
            presumed: false,
        }),
    }
}

fn context(data: &Value, of: &str, source: &str, id: &str) -> Value {
    let mut context = Map::new();
    context.insert(of.to_owned(), json!({ "source": source, "id": id }));
    for (member, pointer) in [
        ("name", "/subject/content/pipelineName"),
        ("name", "/subject/content/taskName"),
        ("url", "/subject/content/url"),
        ("url", "/subject/content/uri"),
        ("chain", "/context/chainId"),
    ] {
        if let Some(word) = word(data, pointer) {
            context.insert(member.to_owned(), word.into());
        }
    }
    if let Some(parent) = word(data, "/subject/content/pipelineRun/id") {
        let source = word(data, "/subject/content/pipelineRun/source").unwrap_or_else(|| source.to_owned());
        context.insert("parent".to_owned(), json!({ "source": source, "id": parent }));
    }
    Value::Object(context)
}
