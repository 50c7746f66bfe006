//! One event of a request.

use chrono::{DateTime, Utc};
use commands::Changes;
use domain::json::StrictMap;
use domain::key::IdempotencySecret;
use domain::{CorrelationId, EventBody, Failure, ProposedEvent};
use reads::time;
use redaction::CleanText;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{compare, id_of_ours};
use crate::body::{from_value, parse};
use crate::problem::Problem;

/// Reads an event from its JSON, which is at `at` in the body.
///
/// # Errors
/// 422 naming its first field that is wrong, 400 where it holds what no JSON has.
pub(super) fn read(
    json: &str,
    at: &str,
    secret: &IdempotencySecret,
    changes: &mut Changes,
) -> Result<ProposedEvent, Problem> {
    let StrictMap(mut fields) = parse(json.as_bytes(), at)?;
    let event_type: String = take(&mut fields, "type", at)?.ok_or_else(|| {
        Problem::invalid(format!("{at}/type"), format!("the field is missing; {}", types()))
    })?;
    let id: Option<Uuid> = take(&mut fields, "id", at)?;
    if id.is_some_and(|id| id.is_nil()) {
        return Err(Problem::invalid(format!("{at}/id"), "the nil UUID names nothing; make a fresh one"));
    }
    let occurred_at = occurred_at(&mut fields, at)?;
    let correlation_id = tie(&mut fields, "correlation_id", at)?;
    let causation_id = tie(&mut fields, "causation_id", at)?;
    let sent = Value::Object(fields);
    let body = match item_named(&sent, secret) {
        Some(kept) => body(&event_type, &kept, at)?,
        None => body(&event_type, &sent, at)?,
    };
    if let Some(message) = required_message(&body)
        && message.is_empty()
    {
        let detail = "it must hold at least one printable character: it is what people are told";
        return Err(Problem::invalid(format!("{at}/message"), detail));
    }
    compare(changes, at, &sent, &body)?;
    let id = id.unwrap_or_else(Uuid::new_v4);
    Ok(ProposedEvent { id, occurred_at, correlation_id, causation_id, body })
}

/// The fields with the item's clean name, where that is not the name that was sent.
fn item_named(sent: &Value, secret: &IdempotencySecret) -> Option<Value> {
    let raw = sent.get("item")?.as_str()?;
    let clean = secret.item_name(raw);
    if clean.is_empty() || clean.as_str() == raw {
        return None;
    }
    let mut kept = sent.clone();
    *kept.get_mut("item")? = Value::String(clean.into_string());
    Some(kept)
}

/// Takes a field out; none when it is absent or null.
fn take<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    name: &str,
    at: &str,
) -> Result<Option<T>, Problem> {
    fields.remove(name).map_or(Ok(None), |value| from_value(&value, &format!("{at}/{name}")))
}

fn tie(fields: &mut Map<String, Value>, name: &str, at: &str) -> Result<Option<CorrelationId>, Problem> {
    let id: Option<CorrelationId> = take(fields, name, at)?;
    if let Some(id) = &id {
        id_of_ours(id.as_str(), &format!("{at}/{name}"))?;
    }
    Ok(id)
}

fn occurred_at(fields: &mut Map<String, Value>, at: &str) -> Result<Option<DateTime<Utc>>, Problem> {
    let Some(value) = fields.remove("occurred_at") else { return Ok(None) };
    moment(&value, format!("{at}/occurred_at"))
}

/// Reads a time; none where it is null.
///
/// # Errors
/// 422 naming its place.
pub(super) fn moment(value: &Value, place: String) -> Result<Option<DateTime<Utc>>, Problem> {
    match value {
        Value::String(text) => {
            text.parse().map(Some).map_err(|error| Problem::invalid(place, time::explain(text, error)))
        }
        // Its type is wrong, if it is not null.
        other => from_value(other, &place),
    }
}

fn body(event_type: &str, fields: &Value, at: &str) -> Result<EventBody, Problem> {
    Ok(match event_type {
        "Started" => EventBody::Started(from_value(fields, at)?),
        "Resumed" => EventBody::Resumed(from_value(fields, at)?),
        "ItemSucceeded" => EventBody::ItemSucceeded(from_value(fields, at)?),
        "ItemFailed" => EventBody::ItemFailed(from_value(fields, at)?),
        "ItemSkipped" => EventBody::ItemSkipped(from_value(fields, at)?),
        "Progressed" => EventBody::Progressed(from_value(fields, at)?),
        "Completed" => EventBody::Completed(from_value(fields, at)?),
        // By way of a form without `presumed`: only the ledger itself presumes.
        "Failed" => EventBody::Failed(from_value::<Failure>(fields, at)?.into()),
        "Aborted" => EventBody::Aborted(from_value(fields, at)?),
        "Queued" => {
            return Err(Problem::invalid(
                format!("{at}/type"),
                "a run is queued by POST /v1/tenants/{tenant}/runs, not by an event of the producer's",
            ));
        }
        unknown => {
            let shown: String = unknown.chars().take(40).collect();
            return Err(Problem::invalid(
                format!("{at}/type"),
                format!("{shown:?} is no event type; {}", types()),
            ));
        }
    })
}

/// What an event must tell people. Of stored ones it is not asked: history is read as it is.
fn required_message(body: &EventBody) -> Option<&CleanText> {
    match body {
        EventBody::ItemFailed(failed) => Some(&failed.message),
        EventBody::Failed(failed) => Some(&failed.message),
        EventBody::Aborted(failure) => Some(&failure.message),
        _ => None,
    }
}

fn types() -> String {
    let appendable: Vec<_> = EventBody::TYPES.into_iter().filter(|name| *name != "Queued").collect();
    format!("the types are {}", appendable.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(event: &Value) -> (String, String) {
        let problem =
            read(&event.to_string(), "/events/0", &[7; 32].into(), &mut Changes::default()).unwrap_err();
        (problem.errors[0].pointer.clone(), problem.errors[0].detail.clone())
    }

    #[test]
    fn a_bad_event_is_named_by_its_field() {
        let failed = |message: &str| json!({"type": "Failed", "reason_code": "timeout", "message": message});
        for (event, pointer, says) in [
            (json!({}), "/events/0/type", "missing"),
            (json!({"type": "started"}), "/events/0/type", "Started, Resumed, ItemSucceeded"),
            (json!({"type": "Queued"}), "/events/0/type", "POST"),
            (json!({"type": 7}), "/events/0/type", "string"),
            (json!({"type": "Started", "id": "x"}), "/events/0/id", "UUID"),
            (json!({"type": "Started", "worker": 1}), "/events/0/worker", "string"),
            (json!({"type": "Started", "heartbeat_seconds": 0}), "/events/0/heartbeat_seconds", "1 to 86400"),
            (json!({"type": "Started", "heartbeat_seconds": 1.5}), "/events/0/heartbeat_seconds", "whole"),
            (json!({"type": "Started", "wrong": 1}), "/events/0/wrong", "unknown field"),
            (json!({"type": "ItemFailed", "item": "a", "message": "m"}), "/events/0/reason_code", "missing"),
            (
                json!({"type": "Failed", "reason_code": "NO", "message": "m"}),
                "/events/0/reason_code",
                "lower-case",
            ),
            (
                json!({"type": "Failed", "reason_code": "stale", "message": "m", "presumed": true}),
                "/events/0/presumed",
                "unknown field",
            ),
            (json!({"type": "ItemSucceeded", "item": "\u{0}"}), "/events/0/item", "printable"),
            (json!({"type": "Started", "occurred_at": "soon"}), "/events/0/occurred_at", "RFC 3339"),
            (json!({"type": "Started", "occurred_at": 7}), "/events/0/occurred_at", "invalid type"),
            (
                json!({"type": "Started", "occurred_at": "2026-01-01T00:00:00"}),
                "/events/0/occurred_at",
                "offset",
            ),
            (json!({"type": "Started", "correlation_id": ""}), "/events/0/correlation_id", "printable"),
            (json!({"type": "Started", "causation_id": "a\u{200b}"}), "/events/0/causation_id", "U+200B"),
            (failed(""), "/events/0/message", "printable"),
            (failed(" \t\u{0}\u{200b}\u{1b}[31m"), "/events/0/message", "printable"),
        ] {
            let (at, detail) = refused(&event);
            assert_eq!(at, pointer, "{event}");
            assert!(detail.contains(says), "{event}: {detail}");
        }
    }

    #[test]
    fn a_whole_number_may_be_spelled_as_a_double() {
        for spelled in ["60", "60.0", "6e1", "600e-1"] {
            let event = format!(r#"{{"type": "Started", "heartbeat_seconds": {spelled}}}"#);
            let event = read(&event, "", &[7; 32].into(), &mut Changes::default()).unwrap();
            let EventBody::Started(started) = event.body else { panic!("{spelled}") };
            assert_eq!(started.heartbeat_seconds.unwrap().get(), 60, "{spelled}");
        }
    }
}
