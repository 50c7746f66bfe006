//! Parameters that many operations take, each described once.

use serde_json::{Map, Value, json};

use super::{Operation, add_components, answered_schema, operations, pages};

/// Which operations take a parameter.
enum By {
    /// Those with this in their path.
    Path(&'static str),
    /// All of a tenant.
    Tenants,
    /// Every read.
    Reads,
    /// Those that answer in pages.
    Pages,
}

/// A parameter's name among the components, what it is, and who takes it.
fn shared() -> [(&'static str, By, Value); 12] {
    let schema = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let uuid = || json!({"type": "string", "format": "uuid"});
    let heard = "Go on after the last message that was heard, by its id, or after a position";
    let after = "A position that the caller has: a read waits until it is shown, the log must have it";
    let epoch = "The epoch that the ledger must be in";
    [
        ("tenant", By::Path("{tenant}"), path("tenant", "The tenant's short name", schema("TenantId"))),
        ("run", By::Path("{run}"), path("run", "The run's id", uuid())),
        ("cursor", By::Pages, query("cursor", "next_cursor of the page before, with its filters", cursor())),
        ("limit", By::Pages, query("limit", "Entries in a page", limit())),
        ("last_event_id", By::Path("/stream"), query("last_event_id", heard, schema("Heard"))),
        ("Last-Event-ID", By::Path("/stream"), header("Last-Event-ID", heard, schema("Heard"))),
        ("after", By::Tenants, query("after", after, schema("Position"))),
        ("Runledger-After", By::Tenants, header("Runledger-After", after, schema("Position"))),
        ("epoch", By::Tenants, query("epoch", epoch, schema("Epoch"))),
        ("Runledger-Epoch", By::Tenants, header("Runledger-Epoch", epoch, schema("Epoch"))),
        ("Runledger-Ledger", By::Tenants, header("Runledger-Ledger", "The ledger that it must be", uuid())),
        (
            "If-None-Match",
            By::Reads,
            header("If-None-Match", "What the caller has, as ETag named it", json!({"type": "string"})),
        ),
    ]
}

fn cursor() -> Value {
    json!({"type": "string", "minLength": 1})
}

fn limit() -> Value {
    use reads::{LONGEST_PAGE, USUAL_PAGE};
    json!({"type": "integer", "format": "int32", "minimum": 1, "maximum": LONGEST_PAGE, "default": USUAL_PAGE})
}

fn path(name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "path", "required": true, "description": description, "schema": schema})
}

fn query(name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "query", "description": description, "schema": schema})
}

fn header(name: &str, description: &str, schema: Value) -> Value {
    json!({"name": name, "in": "header", "description": description, "schema": schema})
}

/// Puts the parameters among the components, and refers to them where they are taken.
pub(super) fn add(document: &mut Value) {
    let (shared, pages) = (shared(), pages(document));
    for Operation { path, method, members } in operations(document) {
        let paged = answered_schema(members).is_some_and(|schema| pages.iter().any(|page| page == schema));
        let taken = shared.iter().filter(|(_, by, _)| match by {
            By::Path(part) => path.contains(part),
            By::Tenants => path.starts_with("/v1/"),
            By::Reads => method == "get" && path.starts_with("/v1/"),
            By::Pages => paged,
        });
        let parameters = members.entry("parameters").or_insert_with(|| json!([]));
        let Some(parameters) = parameters.as_array_mut() else { continue };
        // What an operation says of its own is more exact.
        let own: Vec<Value> = parameters.iter().filter_map(|own| own.get("name").cloned()).collect();
        let taken = taken.filter(|(name, ..)| !own.iter().any(|own| own == name));
        parameters.iter_mut().filter_map(|own| own.get_mut("schema")).for_each(leave_out_null);
        for (position, (name, ..)) in taken.enumerate() {
            let taken = json!({"$ref": format!("#/components/parameters/{name}")});
            // Those of the path come first, as everybody expects them.
            parameters.insert(position.min(parameters.len()), taken);
        }
    }
    let named: Map<String, Value> = shared.into_iter().map(|(name, _, is)| (name.to_owned(), is)).collect();
    add_components(document, "parameters", named.into());
}

/// A parameter of the type `Option` may be missing; it can't be null, for which neither addresses nor headers have a form.
fn leave_out_null(schema: &mut Value) {
    let is_null = |schema: &Value| schema.get("type").is_some_and(|of_type| of_type == "null");
    if let Some(choices) = schema.get_mut("oneOf").and_then(Value::as_array_mut) {
        choices.retain(|choice| !is_null(choice));
        if let [only] = choices.as_mut_slice() {
            *schema = only.take();
        }
    } else if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|of_type| of_type != "null");
        if let [only] = types.as_mut_slice() {
            schema["type"] = only.take();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn no_parameter_is_null() {
        let mut document = crate::routes().1.unwrap();
        let mut seen = 0;
        for operation in operations(&mut document) {
            let parameters = operation.members["parameters"].as_array().unwrap().iter();
            for schema in parameters.filter_map(|parameter| parameter.get("schema")) {
                assert!(!schema.to_string().contains("null"), "{schema}");
                seen += 1;
            }
        }
        assert!(seen > 10, "{seen}");
    }
}
