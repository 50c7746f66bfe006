//! Request bodies of commands, read so that what is wrong can be named by its place.

use std::collections::HashMap;

use axum::http::header::IF_MATCH;
use axum::http::{HeaderMap, StatusCode};
use chrono::{DateTime, Utc};
use domain::{EventBody, Failure, Initiator, ItemCount, Kind, Labels, ProposedEvent};
use redaction::{CleanText, recognized_secret, secret_name};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::from_value;
use crate::problem::Problem;
use crate::strict::{Strict, StrictMap};

/// How many events one request may append.
pub(super) const MAX_EVENTS: usize = 1_000;

/// How many arrays a request may call unordered.
const MAX_UNORDERED: usize = 32;

/// What `POST .../runs` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct StartBody {
    /// The kind of operation: dotted words such as `backup_set.add_policies`.
    #[schema(value_type = String, example = "drift.check")]
    pub kind: Kind,
    /// Who is told when the run is queued and when it has ended; nobody without.
    #[serde(default)]
    #[schema(value_type = Option<InitiatorBody>)]
    initiator: Option<Strict>,
    /// What it works on. The same work has the same context: from it the idempotency key is made.
    #[schema(value_type = Object)]
    context: Strict,
    /// JSON Pointers to arrays of the context whose order means nothing.
    #[serde(default)]
    pub unordered: Vec<String>,
    /// How many items it expects to touch.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    pub items_total: Option<ItemCount>,
    /// To find it by: at most 32.
    #[serde(default)]
    #[schema(value_type = std::collections::BTreeMap<String, String>)]
    labels: Option<Strict>,
    /// For people.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    pub title: Option<CleanText>,
}

/// Who started a run.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct InitiatorBody {
    /// The principal that gets the notifications.
    id: String,
    /// The name people know.
    name: Option<String>,
}

impl StartBody {
    /// The initiator.
    pub(super) fn initiator(&mut self) -> Result<Option<Initiator>, Problem> {
        match self.initiator.take() {
            None => Ok(None),
            Some(Strict(object @ Value::Object(_))) => {
                let initiator: Initiator = from_value(object, "/initiator")?;
                no_secret(initiator.id.as_str(), "/initiator/id")?;
                Ok(Some(initiator))
            }
            Some(_) => {
                Err(Problem::invalid("/initiator", "it must be an object with id and, if known, name"))
            }
        }
    }

    /// The context, whose members must not be called like secrets look.
    pub(super) fn context(&mut self) -> Result<Value, Problem> {
        let Strict(context) = std::mem::take(&mut self.context);
        match secret_name(&context) {
            Some(kind) => Err(Problem::invalid("/context", looks_secret("the name of a member", kind))),
            None => Ok(context),
        }
    }

    /// The labels, whose names must not look like secrets.
    pub(super) fn labels(&mut self) -> Result<Labels, Problem> {
        let Some(Strict(labels)) = self.labels.take() else { return Ok(Labels::default()) };
        match secret_name(&labels) {
            Some(kind) => Err(Problem::invalid("/labels", looks_secret("the name of a label", kind))),
            None => from_value(labels, "/labels"),
        }
    }

    /// The names of arrays without order, of which there may be so many and no more.
    pub(super) fn unordered(&mut self) -> Result<Vec<String>, Problem> {
        if self.unordered.len() > MAX_UNORDERED {
            return Err(Problem::invalid(
                "/unordered",
                format!("at most {MAX_UNORDERED} arrays can be named"),
            ));
        }
        Ok(std::mem::take(&mut self.unordered))
    }
}

/// What `POST .../events` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsBody {
    /// 1 to 1,000 events, in order; all are appended or none.
    #[schema(value_type = Vec<EventItem>, min_items = 1, max_items = 1000)]
    events: Vec<StrictMap>,
}

/// An event to append. Beside these fields it has those of its type, see `docs/events.md`.
#[derive(ToSchema)]
#[expect(dead_code, reason = "only its schema is used")]
pub(super) struct EventItem {
    /// Started, ItemSucceeded, ItemFailed, ItemSkipped, Progressed, Completed, Failed or Aborted.
    #[schema(example = "ItemSucceeded")]
    r#type: String,
    /// The producer's own id for it. Repeating an event under the same id changes nothing.
    id: Option<Uuid>,
    /// When it happened; now, without.
    occurred_at: Option<DateTime<Utc>>,
    /// Ties it to what else belongs together.
    correlation_id: Option<String>,
    /// What caused it.
    causation_id: Option<String>,
}

impl EventsBody {
    /// The events, or what is wrong with the first bad one.
    pub(super) fn events(self) -> Result<Vec<ProposedEvent>, Problem> {
        match self.events.len() {
            0 => Err(Problem::invalid("/events", "at least one event is needed")),
            count if count > MAX_EVENTS => Err(Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_many_events",
                "Too many events",
                format!("{count} events are too many for one request: send at most {MAX_EVENTS} at once."),
            )
            .with("max_events", MAX_EVENTS)),
            _ => {
                let events = self.events.into_iter().enumerate();
                let events = events.map(|(i, StrictMap(fields))| event(fields, &format!("/events/{i}")));
                let events: Vec<_> = events.collect::<Result<_, _>>()?;
                same_id_same_event(&events)?;
                Ok(events)
            }
        }
    }
}

fn event(mut fields: Map<String, Value>, at: &str) -> Result<ProposedEvent, Problem> {
    let event_type: String = take(&mut fields, "type", at)?.ok_or_else(|| {
        Problem::invalid(format!("{at}/type"), format!("the field is missing; {}", types()))
    })?;
    let id: Option<Uuid> = take(&mut fields, "id", at)?;
    if id.is_some_and(|id| id.is_nil()) {
        return Err(Problem::invalid(format!("{at}/id"), "the nil UUID names nothing; make a fresh one"));
    }
    for name in ["correlation_id", "causation_id"] {
        if let Some(Value::String(text)) = fields.get(name) {
            no_secret(text, &format!("{at}/{name}"))?;
        }
    }
    Ok(ProposedEvent {
        id: id.unwrap_or_else(Uuid::new_v4),
        occurred_at: take(&mut fields, "occurred_at", at)?,
        correlation_id: take(&mut fields, "correlation_id", at)?,
        causation_id: take(&mut fields, "causation_id", at)?,
        body: body(&event_type, Value::Object(fields), at)?,
    })
}

/// Two events of a request with one id are a repeat if they say the same, and a mistake if they do not.
fn same_id_same_event(events: &[ProposedEvent]) -> Result<(), Problem> {
    let mut first: HashMap<Uuid, usize> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        let earlier = *first.entry(event.id).or_insert(index);
        if events[earlier] != *event {
            let detail = format!("it is also the id of /events/{earlier}, which says something else");
            return Err(Problem::invalid(format!("/events/{index}/id"), detail));
        }
    }
    Ok(())
}

/// Ids are kept to the letter, so one that is a secret can't be let in.
fn no_secret(id: &str, at: &str) -> Result<(), Problem> {
    match recognized_secret(id) {
        Some(kind) => Err(Problem::invalid(at, looks_secret("it", kind))),
        None => Ok(()),
    }
}

fn looks_secret(what: &str, kind: &str) -> String {
    format!("{what} looks like a secret ({kind}), which would be kept for ever; use a name that is none")
}

/// Takes a field out; none when it is absent or null.
fn take<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    name: &str,
    at: &str,
) -> Result<Option<T>, Problem> {
    fields.remove(name).map_or(Ok(None), |value| from_value(value, &format!("{at}/{name}")))
}

fn body(event_type: &str, fields: Value, at: &str) -> Result<EventBody, Problem> {
    Ok(match event_type {
        "Started" => EventBody::Started(from_value(fields, at)?),
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

fn types() -> String {
    let appendable: Vec<_> = EventBody::TYPES.into_iter().filter(|name| *name != "Queued").collect();
    format!("the types are {}", appendable.join(", "))
}

/// The revision in `If-Match: "7"`. `*` asks only that the run exists, which every append does.
pub(super) fn if_match(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(value) = headers.get(IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or("").trim();
    if text == "*" {
        return Ok(None);
    }
    let digits = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(text);
    let revision = digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
    revision.map(Some).ok_or_else(|| {
        Problem::malformed("If-Match must be one revision in quotes, such as \"7\", as ETag gave it, or *.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn matched(value: &str) -> Result<Option<u64>, u16> {
        let headers = HeaderMap::from_iter([(IF_MATCH, HeaderValue::from_str(value).unwrap())]);
        if_match(&headers).map_err(|problem| problem.status)
    }

    #[test]
    fn if_match_is_one_revision() {
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
        assert_eq!(matched("\"7\""), Ok(Some(7)));
        assert_eq!(matched("7"), Ok(Some(7)));
        assert_eq!(matched("*"), Ok(None));
        for wrong in ["", "\"\"", "W/\"7\"", "\"7\", \"8\"", "-1", "+1", "\"7", "x", "99999999999999999999"] {
            assert_eq!(matched(wrong), Err(400), "{wrong}");
        }
    }

    fn refused(event: Value) -> (String, String) {
        let body: EventsBody = serde_json::from_value(serde_json::json!({"events": [event]})).unwrap();
        let problem = body.events().unwrap_err();
        (problem.errors[0].pointer.clone(), problem.errors[0].detail.clone())
    }

    #[test]
    fn a_bad_event_is_named_by_its_field() {
        use serde_json::json;
        for (event, pointer, says) in [
            (json!({}), "/events/0/type", "missing"),
            (json!({"type": "started"}), "/events/0/type", "Started, ItemSucceeded"),
            (json!({"type": "Queued"}), "/events/0/type", "POST"),
            (json!({"type": 7}), "/events/0/type", "string"),
            (json!({"type": "Started", "id": "x"}), "/events/0/id", "UUID"),
            (json!({"type": "Started", "worker": 1}), "/events/0/worker", "string"),
            (json!({"type": "Started", "heartbeat_seconds": 0}), "/events/0/heartbeat_seconds", "1 to 86400"),
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
            (json!({"type": "Started", "occurred_at": "soon"}), "/events/0/occurred_at", ""),
            (json!({"type": "Started", "correlation_id": ""}), "/events/0/correlation_id", "printable"),
        ] {
            let (at, detail) = refused(event.clone());
            assert_eq!(at, pointer, "{event}");
            assert!(detail.contains(says), "{event}: {detail}");
        }
    }
}
