//! The events that a producer may append: one schema for each type, told apart by the member `type`.

use serde_json::{Map, Value, json};

use super::{add_components, put};

/// A type of event: its name, what it says, and its own members, of which those with a `?` may be left out.
type EventType = (&'static str, &'static str, &'static [&'static str]);

const TYPES: [EventType; 9] = [
    ("Started", "A worker took the run up.", &["worker?", "heartbeat_seconds?"]),
    ("Resumed", "Another worker goes on with it, whose own is gone.", &["worker?", "heartbeat_seconds?"]),
    ("ItemSucceeded", "An item is done.", &["item", "label?", "namespace?"]),
    ("ItemFailed", "An item could not be done.", &["item", "label?", "namespace?", "reason_code", "message"]),
    ("ItemSkipped", "An item was left alone on purpose.", &["item", "label?", "namespace?", "reason_code?"]),
    ("Progressed", "A sign of life, with or without news.", &["message?", "items_total?"]),
    ("Completed", "The run went through all it had to do.", &["message?", "tally?"]),
    ("Failed", "The run could not proceed.", &["reason_code", "message"]),
    ("Aborted", "Somebody or something stopped the run.", &["reason_code", "message"]),
];

/// What every event may have beside its type.
const COMMON: [&str; 4] = ["id?", "occurred_at?", "correlation_id?", "causation_id?"];

/// The schema of a member.
fn member(name: &str) -> Value {
    let named = |schema: &str, description: &str| json!({"$ref": format!("#/components/schemas/{schema}"), "description": description});
    let text = |description: &str| json!({"type": "string", "description": description});
    match name {
        "id" => json!({"type": "string", "format": "uuid", "description":
            "The producer's own id for it. Repeating an event under the same id changes nothing."}),
        "occurred_at" => json!({"type": "string", "format": "date-time",
            "description": "When it happened; now, without."}),
        "correlation_id" => named("VisibleId", "Ties it to what else belongs together."),
        "causation_id" => named("VisibleId", "What caused it."),
        "worker" => text("Which worker, for people."),
        "heartbeat_seconds" => {
            named("HeartbeatSeconds", "The worker promises some event at least this often.")
        }
        "item" => named("ItemName", "Which item. The name is its identity within the run."),
        "label" => text("The name people know the item by."),
        "namespace" => named(
            "Namespace",
            "In which namespace of the directory the item is an id; its name is shown then.",
        ),
        "reason_code" => named("ReasonCode", "Why, for machines."),
        "message" => named("Message", "In words, for people."),
        "tally" => {
            let count = |description: &str| named("ItemCount", description);
            json!({"type": "object", "description":
                "How many items there were, of a run that counts them and need not name them. Those that it has \
                 named are counted as well.",
                "properties": {
                    "succeeded": count("How many were done."),
                    "failed": count("How many could not be done."),
                    "skipped": count("How many were left alone on purpose."),
                },
                "additionalProperties": false})
        }
        "items_total" => named("ItemCount", "A better estimate of the number of items."),
        _ => json!({}),
    }
}

/// Puts `EventItem` and the schemas of its types among the components.
pub(super) fn add(document: &mut Value) {
    let name_of = |event_type: &str| format!("{event_type}Event");
    let pointer = |event_type: &str| format!("#/components/schemas/{}", name_of(event_type));
    let mut schemas = Map::new();
    for (event_type, says, own) in TYPES {
        schemas.insert(name_of(event_type), event(event_type, says, own));
    }
    let one_of: Vec<Value> = TYPES.iter().map(|(name, ..)| json!({"$ref": pointer(name)})).collect();
    let mapping: Map<String, Value> =
        TYPES.iter().map(|(name, ..)| ((*name).to_owned(), pointer(name).into())).collect();
    schemas.insert(
        "EventItem".to_owned(),
        json!({
            "description": "An event to append, by its type.",
            "oneOf": one_of,
            "discriminator": {"propertyName": "type", "mapping": mapping},
        }),
    );
    add_components(document, "schemas", schemas.into());
    // Its type is described by a twin that serde does not know, so nothing says yet that others are refused.
    if let Some(initiator) = document.pointer_mut("/components/schemas/InitiatorBody") {
        put(initiator, "additionalProperties", json!(false));
    }
}

fn event(event_type: &str, says: &str, own: &[&str]) -> Value {
    let mut properties = Map::new();
    let mut required = vec!["type"];
    properties.insert("type".to_owned(), json!({"type": "string", "const": event_type}));
    for name in own.iter().chain(&COMMON) {
        match name.strip_suffix('?') {
            // What may be left out may also be there as null, which says the same.
            Some(name) => properties.insert(name.to_owned(), or_null(member(name))),
            None => {
                required.push(name);
                properties.insert((*name).to_owned(), member(name))
            }
        };
    }
    json!({
        "type": "object",
        "description": says,
        "required": required,
        "properties": properties,
        "additionalProperties": false,
    })
}

fn or_null(mut schema: Value) -> Value {
    let description = schema.as_object_mut().and_then(|members| members.remove("description"));
    json!({"oneOf": [{"type": "null"}, schema], "description": description})
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fuzzing::events_body;

    /// A good value of a member.
    fn sample(name: &str) -> Value {
        match name {
            "id" => json!("0198c0de-7000-4000-8000-00000000000a"),
            "occurred_at" => json!("2026-01-31T08:15:00Z"),
            "heartbeat_seconds" | "items_total" => json!(30),
            "tally" => json!({"succeeded": 7, "skipped": 0}),
            _ => json!("some_text"),
        }
    }

    fn taken(event: &Map<String, Value>) -> Result<usize, u16> {
        let body = json!({"events": [event]}).to_string();
        events_body(body.as_bytes())
    }

    #[test]
    fn each_type_takes_the_members_that_its_schema_has_and_no_others() {
        let names: Vec<&str> = TYPES.iter().map(|(name, ..)| *name).collect();
        assert_eq!(names, domain::EventBody::TYPES[1..], "all but Queued");
        let mut document = json!({});
        add(&mut document);
        for (name, _, own) in TYPES {
            let schema = &document["components"]["schemas"][format!("{name}Event")];
            let required: Vec<&str> =
                schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
            let mut whole = Map::from_iter([("type".to_owned(), json!(name))]);
            for member in schema["properties"].as_object().unwrap().keys().filter(|member| *member != "type")
            {
                whole.insert(member.clone(), sample(member));
            }
            assert_eq!(whole.len(), 1 + own.len() + COMMON.len(), "{name}");
            assert_eq!(taken(&whole), Ok(1), "{name}: {whole:?}");
            for member in whole.keys() {
                let mut without = whole.clone();
                without.remove(member);
                let needed = required.contains(&member.as_str());
                assert_eq!(taken(&without).is_err(), needed, "{name} without {member}");
                without.insert(member.clone(), Value::Null);
                assert_eq!(taken(&without).is_err(), needed, "{name} with {member} null");
            }
            let others =
                TYPES.iter().flat_map(|(.., own)| own.iter()).map(|member| member.trim_end_matches('?'));
            for other in others.chain(["presumed", "context"]).filter(|other| !whole.contains_key(*other)) {
                let mut more = whole.clone();
                more.insert(other.to_owned(), sample(other));
                assert_eq!(taken(&more), Err(422), "{name} with {other}");
            }
        }
    }
}
