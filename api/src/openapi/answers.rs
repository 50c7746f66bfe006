//! Answers that many operations give, and the headers of all of them, each described once.

use serde_json::{Value, json};

use super::{Operation, add_components, answered_schema, operations, pages, put, section};

/// Which operations may give an answer.
#[derive(Debug, Clone, Copy)]
enum By {
    All,
    /// Those of a tenant, which need a token.
    Tenants,
    /// Those, and those of an inlet, which need its key.
    Known,
    /// Those that change something: a producer's, or a session's with its word against forgery.
    Writes,
    /// Those that take a body.
    Bodies,
}

/// A problem that many operations may answer: its status, name and meaning, and who answers it.
const PROBLEMS: [(&str, &str, &str, By); 15] = [
    ("400", "Malformed", "The request can't be read: it is not JSON, or not HTTP as it should be", By::All),
    ("401", "Unauthorized", "No token or key, or none that is valid", By::Known),
    ("403", "Forbidden", "The token's role, a session, or an inlet's type does not allow this", By::Writes),
    ("404", "NotFound", "There is nothing like that for this token", By::Known),
    ("405", "MethodNotAllowed", "The path has other methods", By::All),
    ("408", "BodyTimeout", "The body did not come in time", By::Bodies),
    ("412", "Restored", "The ledger was restored since, or is another one", By::Tenants),
    ("413", "TooLarge", "The body is too large, or has too many events", By::Bodies),
    ("414", "UriTooLong", "The address is too long", By::All),
    (
        "415",
        "UnsupportedMediaType",
        "The body is not called JSON, or is compressed in an unknown way",
        By::Bodies,
    ),
    ("422", "Invalid", "A field or a parameter is wrong: `errors` names it", By::Known),
    ("429", "TooManyRequests", "This token has asked for too much at once", By::Tenants),
    ("431", "HeadersTooLarge", "The headers are too large", By::All),
    (
        "500",
        "Internal",
        "The ledger failed; its log has the details under the answer's x-request-id",
        By::All,
    ),
    ("503", "Unavailable", "Not possible at the moment: try again", By::All),
];

/// The headers of answers: name, meaning, schema. Where an answer has one it always has it, save those of
/// [`SOMETIMES`].
fn headers() -> [(&'static str, &'static str, Value); 13] {
    let schema = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let text = || json!({"type": "string"});
    let count = || json!({"type": "integer", "minimum": 0});
    [
        ("X-Request-Id", "The request's id: the caller's own, or a new one", text()),
        ("Runledger-Position", "The position that the answer reflects", schema("Position")),
        ("Runledger-Ledger", "Which ledger it is", json!({"type": "string", "format": "uuid"})),
        ("Runledger-Epoch", "In which of its epochs: the position is of this one", schema("Epoch")),
        ("Runledger-Lag-Events", "How many events the answer is behind the log", count()),
        (
            "Runledger-Lag-Seconds",
            "How old the first of these events is, in seconds",
            json!({"type": "number", "minimum": 0}),
        ),
        ("ETag", "What is answered; of a run its revision in quotes, for If-Match", text()),
        ("Link", "The next page (RFC 8288), where there is one", text()),
        ("Location", "Where the run is", json!({"type": "string", "format": "uri-reference"})),
        ("Retry-After", "After how many seconds to try again", count()),
        ("WWW-Authenticate", "How to identify oneself (RFC 6750)", text()),
        ("Allow", "The methods of the path", text()),
        ("Accept-Encoding", "In which codings a body is taken", text()),
    ]
}

const SOMETIMES: [&str; 2] = ["Link", "Accept-Encoding"];

/// The headers of an answer that has a position.
const POSITION: [&str; 3] = ["Runledger-Position", "Runledger-Ledger", "Runledger-Epoch"];

/// The headers that an answer of that status may have.
fn headers_of(operation: &Traits, status: &str) -> Vec<&'static str> {
    let mut headers = vec!["X-Request-Id"];
    match status {
        "401" => headers.push("WWW-Authenticate"),
        "405" => headers.push("Allow"),
        "415" => headers.push("Accept-Encoding"),
        "429" | "503" => headers.push("Retry-After"),
        "200" | "201" => {
            if operation.reads {
                headers.extend(["Runledger-Lag-Events", "Runledger-Lag-Seconds"]);
            }
            headers.extend(operation.placed.then_some(POSITION).into_iter().flatten());
            headers.extend(operation.paged.then_some("Link"));
            headers.extend(operation.tagged.then_some("ETag"));
            headers.extend(operation.starts.then_some("Location"));
        }
        _ => {}
    }
    headers
}

/// What of an operation decides on its answers.
#[derive(Debug, Default)]
struct Traits {
    tenants: bool,
    known: bool,
    writes: bool,
    bodies: bool,
    /// It answers JSON from the read tables.
    reads: bool,
    paged: bool,
    /// It names what it answers by a tag.
    tagged: bool,
    /// Its answer has a position. What is changed in tokens and inlets gets into the log a moment later.
    placed: bool,
    /// It makes something that is found elsewhere.
    starts: bool,
}

impl Traits {
    fn of(operation: &Operation, pages: &[String]) -> Self {
        let Operation { path, method, members } = operation;
        let tenants = path.starts_with("/v1/");
        let schema = answered_schema(members);
        let bodies = members.contains_key("requestBody");
        // It comes from elsewhere than the read tables.
        let sealed = path.ends_with("/receipt");
        Self {
            tenants,
            known: tenants || path.starts_with("/in") || path.starts_with("/api/"),
            writes: *method != "get",
            bodies,
            reads: *method == "get" && tenants && schema.is_some() && !sealed,
            paged: schema.is_some_and(|schema| pages.iter().any(|page| page == schema)),
            tagged: schema == Some("AppendAnswer") || (*method == "get" && schema.is_some() && !sealed),
            placed: tenants && (*method == "get" || !kept_aside(path)),
            starts: !kept_aside(path)
                && members.get("responses").is_some_and(|answers| answers.get("201").is_some()),
        }
    }

    fn may(&self, by: By) -> bool {
        match by {
            By::All => true,
            By::Tenants => self.tenants,
            By::Known => self.known,
            By::Writes => self.writes,
            By::Bodies => self.bodies,
        }
    }
}

/// Whether it is of what is no projection, and gets into the log a moment later.
fn kept_aside(path: &str) -> bool {
    path.contains("/tokens") || path.contains("/inlets")
}

/// Gives every operation the answers that it shares with others, and every answer its form and headers.
pub(super) fn add(document: &mut Value) {
    let pages = pages(document);
    for operation in operations(document) {
        let traits = Traits::of(&operation, &pages);
        let Some(answers) = section(operation.members, "responses") else { continue };
        for (status, answer) in answers.iter_mut() {
            if let Some(answer) = answer.as_object_mut() {
                if status.starts_with(['4', '5']) {
                    answer.insert("content".to_owned(), problem());
                }
                if let Some(stream) =
                    answer.get_mut("content").and_then(|forms| forms.get_mut("text/event-stream"))
                {
                    put(stream, "schema", json!({"$ref": "#/components/schemas/StreamMessage"}));
                }
                answer.insert("headers".to_owned(), header_references(&headers_of(&traits, status)));
            }
        }
        if traits.reads {
            let headers = header_references(&["X-Request-Id", "ETag"]);
            answers.insert(
                "304".to_owned(),
                json!({"description": "The caller has it already", "headers": headers}),
            );
        }
        for (status, name, ..) in PROBLEMS.iter().filter(|(.., by)| traits.may(*by)) {
            // What the handler says of its own is more exact.
            let shared = || json!({"$ref": format!("#/components/responses/{name}")});
            answers.entry(*status).or_insert_with(shared);
        }
    }
    add_components(document, "schemas", json!({"StreamMessage": stream_message()}));
    let shared = PROBLEMS.iter().map(|(status, name, description, _)| {
        let headers = header_references(&headers_of(&Traits::default(), status));
        let answer = json!({"description": description, "headers": headers, "content": problem()});
        ((*name).to_owned(), answer)
    });
    add_components(document, "responses", shared.collect());
    let named = headers().into_iter().map(|(name, description, schema)| {
        let always = !SOMETIMES.contains(&name);
        (name.to_owned(), json!({"description": description, "schema": schema, "required": always}))
    });
    add_components(document, "headers", named.collect());
}

/// A message of a stream (HTML standard, section 9.2). Its data are JSON in one line.
fn stream_message() -> Value {
    json!({
        "type": "object",
        "description": "A message of a stream, as it is written there. `run`: a run has changed; `position`: how far \
                        the stream has come; `reset`: what was shown must be read anew.",
        "required": ["event", "id", "data"],
        "properties": {
            "event": {"type": "string", "enum": ["run", "position", "reset"]},
            "id": {"type": "string", "description": "A position, a hyphen and the epoch: go on after it with Last-Event-ID."},
            "data": {
                "type": "string",
                "contentMediaType": "application/json",
                "contentSchema": {"anyOf": [
                    {"$ref": "#/components/schemas/RunChanged"},
                    {"type": "object", "required": ["position"]},
                ]},
            },
        },
    })
}

fn problem() -> Value {
    json!({"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}})
}

fn header_references(names: &[&str]) -> Value {
    let reference = |name: &&str| json!({"$ref": format!("#/components/headers/{name}")});
    names.iter().map(|name| ((*name).to_owned(), reference(name))).collect()
}
