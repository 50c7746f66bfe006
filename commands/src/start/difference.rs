//! Does a start that is repeated say what it said the first time?

use domain::{Event, EventBody};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::request::PreparedStart;

/// How many places are named in one answer.
const MOST: usize = 20;

/// A place at which a start says something else than the run that its name stands for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StartDifference {
    /// A JSON Pointer into the body of the start.
    pub pointer: String,
    /// What the run says there; null where it says nothing.
    pub kept: Value,
    /// What the start says there, with its secrets redacted; null where it says nothing.
    pub sent: Value,
}

/// Where the start differs from the first events of a run: at most 20 places. `same_work` says that both have the same
/// idempotency key, and so the same kind and context, whatever order their unordered arrays are in.
///
/// # Errors
/// When an event can't be written as JSON.
pub(super) fn differences(
    start: &PreparedStart,
    first: &[Event],
    same_work: bool,
) -> Result<Vec<StartDifference>, serde_json::Error> {
    let mut found = Vec::new();
    let Some((queued, events)) = first.split_first() else { return Ok(found) };
    let EventBody::Queued(kept) = &queued.body else { return Ok(found) };
    let (mut kept, mut sent) = (serde_json::to_value(kept)?, serde_json::to_value(&start.queued)?);
    for members in [&mut kept, &mut sent].into_iter().filter_map(Value::as_object_mut) {
        members.remove("idempotency_key");
        if same_work {
            members.remove("context");
        }
    }
    walk(&mut String::new(), &kept, &sent, &mut found);
    if !same_work && found.is_empty() {
        // Only what was redacted differs, and that is nobody's to see.
        let hidden = json!("[redacted]");
        found.push(StartDifference { pointer: "/context".into(), kept: hidden.clone(), sent: hidden });
    }
    let said = start.said_of_event();
    let there = json!({
        "event_id": queued.id, "occurred_at": queued.occurred_at, "correlation_id": queued.correlation_id,
    });
    for (name, sent) in said.as_object().into_iter().flatten() {
        // A time or an id that is left out says nothing: the ledger filled one in.
        if name != "correlation_id" && sent.is_null() || same_time(name, start, queued) {
            continue;
        }
        walk(&mut format!("/{name}"), &there[name], sent, &mut found);
    }
    for (index, proposed) in start.events.iter().enumerate() {
        match events.get(index) {
            Some(event) if proposed.repeats(event) => {}
            event => found.push(StartDifference {
                pointer: format!("/events/{index}"),
                kept: event.map(|event| shown(&event.body)).transpose()?.unwrap_or_default(),
                sent: shown(&proposed.body)?,
            }),
        }
    }
    found.truncate(MOST);
    Ok(found)
}

/// Times are kept in whole microseconds, so one is compared as it is kept.
fn same_time(name: &str, start: &PreparedStart, queued: &Event) -> bool {
    let micros = |time: chrono::DateTime<chrono::Utc>| time.timestamp_micros();
    name == "occurred_at" && start.occurred_at.map(micros) == Some(micros(queued.occurred_at))
}

fn shown(body: &EventBody) -> Result<Value, serde_json::Error> {
    let mut shown = Map::from_iter([("type".to_owned(), json!(body.type_name()))]);
    if let Value::Object(members) = serde_json::to_value(body)? {
        shown.extend(members);
    }
    Ok(shown.into())
}

/// Notes each place at which the two differ; arrays are told as a whole.
fn walk(at: &mut String, kept: &Value, sent: &Value, found: &mut Vec<StartDifference>) {
    if kept == sent || found.len() >= MOST {
        return;
    }
    let (Value::Object(one), Value::Object(other)) = (kept, sent) else {
        found.push(StartDifference { pointer: at.clone(), kept: kept.clone(), sent: sent.clone() });
        return;
    };
    let new = other.keys().filter(|name| !one.contains_key(*name));
    for name in one.keys().chain(new) {
        let length = at.len();
        domain::json::push_token(at, name);
        let of = |members: &Map<String, Value>| members.get(name).cloned().unwrap_or_default();
        walk(at, &of(one), &of(other), found);
        at.truncate(length);
    }
}
