//! Our own events, as producers append them, in the envelope of CloudEvents: `com.runledger.Started` and so on. The
//! source and the subject together say which run it is.

use access::Inlet;
use domain::key::IdempotencySecret;
use domain::wire::decode_body;
use domain::{EventBody, Failure, Initiator, ItemCount, Labels, invisible};
use redaction::{CleanText, recognized_secret, redact_json, secret_name};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::CloudEvent;
use crate::report::{About, Report, RunName, Said};

pub(super) const PREFIX: &str = "com.runledger.";

/// The data of `com.runledger.Queued`: what a start says, without the kind, which is the inlet's.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueuedData {
    #[serde(default)]
    title: Option<CleanText>,
    #[serde(default, deserialize_with = "domain::json::value")]
    context: Value,
    #[serde(default)]
    labels: Labels,
    #[serde(default)]
    items_total: Option<ItemCount>,
    #[serde(default)]
    initiator: Option<Initiator>,
}

/// What the event says of which run, or why nothing.
pub(super) fn report(
    inlet: &Inlet,
    secret: &IdempotencySecret,
    event_id: Uuid,
    event: &CloudEvent,
) -> Result<Report, String> {
    let what = event.event_type.strip_prefix(PREFIX).unwrap_or_default();
    let subject = event.subject.as_deref();
    let subject = subject.ok_or("It has no subject, which says of which run it is.")?;
    let known_by = json!({ "source": event.source, "subject": subject });
    let mut about = About::new(subject, known_by, &[]);
    let said = match what {
        "Queued" => {
            about = queued(&event.data, about)?;
            Said::Queued
        }
        what => Said::Event(body(inlet, secret, what, &event.data)?),
    };
    let name = format!("{}\n{subject}", event.source);
    Ok(Report {
        event_id,
        lane: name.clone(),
        run: RunName::Named(name),
        at: event.time,
        said,
        begins: true,
        about: about.tied(subject),
    })
}

fn queued(data: &Value, about: About) -> Result<About, String> {
    if data.is_null() {
        return Ok(about);
    }
    must_be_object(data)?;
    if secret_name(data).is_some() {
        return Err("The name of one of its members looks like a secret.".to_owned());
    }
    let QueuedData { title, mut context, labels, items_total, initiator } =
        serde_json::from_value(data.clone()).map_err(|error| format!("Its data: {error}."))?;
    if let Some(id) = initiator.as_ref().map(|initiator| initiator.id.as_str())
        && (recognized_secret(id).is_some() || invisible(id).is_some())
    {
        return Err("The initiator's id is a secret, or has characters that nobody sees.".to_owned());
    }
    redact_json(&mut context);
    Ok(About {
        title: title.filter(|title| !title.is_empty()).or(about.title),
        context: if context.is_null() { about.context } else { context },
        labels,
        items_total,
        initiator,
        ..About::default()
    })
}

fn must_be_object(data: &Value) -> Result<(), String> {
    if data.is_object() { Ok(()) } else { Err("Its data must be a JSON object.".to_owned()) }
}

fn body(inlet: &Inlet, secret: &IdempotencySecret, what: &str, data: &Value) -> Result<EventBody, String> {
    let mut data = if data.is_null() { json!({}) } else { data.clone() };
    must_be_object(&data)?;
    // An item is called the same whatever way its events come in.
    if let Some(item) = data.get_mut("item")
        && let Some(raw) = item.as_str()
    {
        *item = Value::String(secret.item_name(raw).into_string());
    }
    let wrong = |error: &dyn std::fmt::Display| format!("Its data are none of {what}: {error}.");
    // By way of a form without `presumed`: only the ledger itself presumes.
    let mut body = match what {
        "Failed" => {
            let failure: Failure = serde_json::from_value(data).map_err(|error| wrong(&error))?;
            EventBody::Failed(failure.into())
        }
        what => decode_body(what, data.to_string().as_bytes()).map_err(|error| wrong(&error))?,
    };
    if let EventBody::Started(started) = &mut body {
        started.heartbeat_seconds = started.heartbeat_seconds.or(inlet.heartbeat_seconds);
    }
    let empty = match &body {
        EventBody::ItemFailed(failed) => failed.message.is_empty(),
        EventBody::Failed(failed) => failed.message.is_empty(),
        EventBody::Aborted(failure) => failure.message.is_empty(),
        _ => false,
    };
    if empty { Err("Its message is empty, and it is what people are told.".to_owned()) } else { Ok(body) }
}
