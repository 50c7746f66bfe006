//! What the API's description says beside its paths.
//!
//! A handler's annotation tells what is its own. What many share is written once and put in afterwards:
//! parameters ([`parameters`]), answers and their headers ([`answers`]), the events that may be appended
//! ([`events`]). The forms of ids and codes are the domain's own ([`reads::forms`]).

mod answers;
mod events;
mod parameters;

use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Runledger",
        description = "The ledger of long-running operations. Errors are application/problem+json (RFC 9457) \
                       with a stable code; docs/errors.md lists them."
    ),
    security(("token" = [])),
    tags(
        (name = "runs", description = "Runs, their items and their events"),
        (name = "audit", description = "What happened over all runs, and what became of one"),
        (name = "notifications", description = "What the caller was told"),
        (name = "directory", description = "What ids of other systems are called"),
        (name = "administration", description = "Tokens, inlets, and what was done to the tenant's administration"),
        (name = "sealed history", description = "What happened, with what proves it: docs/exports.md"),
        (name = "inlets", description = "Emitters that know nothing of this ledger report here: docs/inlets.md"),
        (name = "live", description = "What happens, as it happens: server-sent events"),
    )
)]
struct Base;

/// Title, version and how to identify oneself.
pub fn base() -> utoipa::openapi::OpenApi {
    let mut base = Base::openapi();
    base.info.version = env!("CARGO_PKG_VERSION").to_owned();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("rlg_, 43 characters of secret, 6 of checksum")
        .description(Some("A token of the tenant in the path, as `runledger token create` showed it."));
    let components = base.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(token.build()));
    let key = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("rlg_, 43 characters of secret, 6 of checksum")
        .description(Some("The key of an inlet, as `runledger inlet create` showed it."));
    components.add_security_scheme("inlet", SecurityScheme::Http(key.build()));
    components.schemas.extend(reads::forms::all().map(|(name, schema)| (name.to_owned(), schema)));
    base
}

/// The whole description: what the handlers' annotations say, and what they share.
///
/// # Errors
/// When it can't be written as JSON, which no annotation causes.
pub fn whole(annotated: &utoipa::openapi::OpenApi) -> Result<Value, serde_json::Error> {
    let mut document = serde_json::to_value(annotated)?;
    put(&mut document, "servers", json!([{"url": "./", "description": "This server"}]));
    events::add(&mut document);
    parameters::add(&mut document);
    answers::add(&mut document);
    Ok(document)
}

/// Sets a member of an object.
fn put(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}

/// A member of an object that is an object itself; it is made where there is none.
fn section<'v>(object: &'v mut Map<String, Value>, name: &str) -> Option<&'v mut Map<String, Value>> {
    object.entry(name).or_insert_with(|| json!({})).as_object_mut()
}

/// Puts things that are referred to by name into a section of the components.
fn add_components(document: &mut Value, kind: &str, named: Value) {
    let components = document.as_object_mut().and_then(|document| section(document, "components"));
    if let (Some(of_kind), Value::Object(named)) = (components.and_then(|c| section(c, kind)), named) {
        of_kind.extend(named);
    }
}

/// An operation of the description.
struct Operation<'v> {
    path: &'v str,
    method: &'v str,
    members: &'v mut Map<String, Value>,
}

/// Every operation.
fn operations(document: &mut Value) -> impl Iterator<Item = Operation<'_>> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut).into_iter().flatten();
    paths.flat_map(|(path, methods)| {
        methods.as_object_mut().into_iter().flatten().filter_map(|(method, members)| {
            Some(Operation { path, method, members: members.as_object_mut()? })
        })
    })
}

/// The name of the schema of an operation's answer of 200, if it has one.
fn answered_schema(operation: &Map<String, Value>) -> Option<&str> {
    let answer = operation.get("responses")?.get("200")?.get("content")?.get("application/json")?;
    answer.get("schema")?.get("$ref")?.as_str()?.strip_prefix("#/components/schemas/")
}

/// The names of the schemas of pages: of answers that may go on with a cursor.
fn pages(document: &Value) -> Vec<String> {
    let schemas = document.pointer("/components/schemas").and_then(Value::as_object);
    let pages = schemas
        .into_iter()
        .flatten()
        .filter(|(_, schema)| schema.pointer("/properties/next_cursor").is_some());
    pages.map(|(name, _)| name.clone()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match member {
                        Value::String(target) if name == "$ref" => found.push(target.clone()),
                        _ => references(member, found),
                    }
                }
            }
            Value::Array(entries) => entries.iter().for_each(|entry| references(entry, found)),
            _ => {}
        }
    }

    #[test]
    fn whatever_is_referred_to_is_there() {
        let document = crate::routes().1.unwrap();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > 100, "{found:?}");
        for target in found {
            assert!(document.pointer(target.trim_start_matches('#')).is_some(), "{target}");
        }
    }

    /// What a reference stands for.
    fn resolved<'v>(document: &'v Value, value: &'v Value) -> &'v Value {
        let target = value["$ref"].as_str();
        target.map_or(value, |target| document.pointer(target.trim_start_matches('#')).unwrap())
    }

    #[test]
    fn every_operation_tells_its_problems_their_form_and_its_headers() {
        let mut document = crate::routes().1.unwrap();
        let whole = document.clone();
        let mut seen = 0;
        for Operation { path, method, members } in operations(&mut document) {
            let what = format!("{method} {path}");
            let answers = members["responses"].as_object().unwrap();
            let body = members.contains_key("requestBody");
            for status in ["400", "401", "404", "405", "414", "431", "500", "503"] {
                assert!(answers.contains_key(status), "{what}: {status}");
            }
            for status in ["408", "413", "415"] {
                assert_eq!(answers.contains_key(status), body, "{what}: {status}");
            }
            for (status, answer) in answers {
                let answer = resolved(&whole, answer);
                assert!(answer["headers"]["X-Request-Id"].is_object(), "{what}: {status}");
                let problem = &answer["content"]["application/problem+json"]["schema"]["$ref"];
                assert_eq!(
                    problem == "#/components/schemas/Problem",
                    status.as_str() >= "400",
                    "{what}: {status}"
                );
                let retry = matches!(status.as_str(), "429" | "503");
                assert_eq!(answer["headers"]["Retry-After"].is_object(), retry, "{what}: {status}");
            }
            seen += 1;
        }
        assert!(seen >= 11, "{seen} operations");
    }

    #[test]
    fn contexts_and_the_data_of_events_take_any_member() {
        let document = crate::routes().1.unwrap();
        let schemas = &document["components"]["schemas"];
        for place in
            ["/StartBody/properties/context", "/RunEvent/properties/data", "/Run/properties/context/oneOf/1"]
        {
            let schema = resolved(&document, schemas.pointer(place).unwrap());
            assert_eq!(
                (&schema["type"], &schema["additionalProperties"]),
                (&json!("object"), &json!(true)),
                "{place}"
            );
        }
    }
}
