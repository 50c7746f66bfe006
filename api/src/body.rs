//! Request bodies: JSON with errors that name the field.

use std::time::Duration;

use axum::extract::{FromRequest, Request};
use axum::http::header;
use domain::json::push_token;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_path_to_error::{Path, Segment};

use crate::aside::aside;
use crate::problem::{FieldError, Problem};
use crate::received::{Limits, Share, receive};
use crate::state::ApiState;

/// How long a body may take to come.
const SLOWEST: Duration = Duration::from_secs(15);

/// A JSON body of type `T`, of a caller who is known. Refuses other content types (415), larger bodies than
/// the limit (413), what is not JSON (400) and what is not a `T` (422, naming the field).
#[derive(Debug, Clone)]
pub struct JsonBody<T> {
    /// What it says.
    pub body: T,
    /// How many bytes it had, unpacked.
    pub bytes: usize,
}

impl<T: DeserializeOwned + Send + 'static> FromRequest<ApiState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        if !is_json(&request) {
            return Err(Problem::not_json(
                "Send the body as JSON with the header Content-Type: application/json.",
            ));
        }
        // A caller that is not known has none, and was refused before this.
        let share = request.extensions().get::<Share>().cloned();
        let share = share.ok_or_else(|| Problem::internal(&NobodyKnown))?;
        let limits = Limits {
            bytes: state.config.max_body_bytes,
            patience: SLOWEST,
            advice: "Send fewer events in one request, or smaller ones.",
        };
        let received = receive(request, limits, &share).await?;
        aside(received.len(), move || Self::read(&received)).await?
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a body was to be read though nobody knows its sender")]
struct NobodyKnown;

impl<T: DeserializeOwned> JsonBody<T> {
    /// Reads it from bytes.
    ///
    /// # Errors
    /// 400 when it is not JSON, 422 when it is not a `T`.
    pub fn read(bytes: &[u8]) -> Result<Self, Problem> {
        // Serde also takes the fields of a struct as an array, in order. That is no form of ours. But what is
        // no JSON at all is told so first.
        if bytes.trim_ascii_start().starts_with(b"[") {
            parse::<IgnoredAny>(bytes, "")?;
            return Err(Problem::invalid("", "the body must be a JSON object, not an array"));
        }
        parse(bytes, "").map(|body| Self { body, bytes: bytes.len() })
    }
}

fn is_json(request: &Request) -> bool {
    let value = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.unwrap_or("").split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

/// Reads JSON into a `T`. `base` is the JSON Pointer of `bytes` in the whole body.
///
/// # Errors
/// 400 when it is no JSON, 422 naming the field when it is no `T`.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], base: &str) -> Result<T, Problem> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut json).map_err(|error| explain(error, base))?;
    json.end().map_err(|error| Problem::malformed(format!("The body is not one JSON value: {error}.")))?;
    Ok(value)
}

/// Reads a JSON value, already parsed, into a `T`. `base` is its JSON Pointer in the whole body.
///
/// # Errors
/// 422 naming the field.
pub fn from_value<T: DeserializeOwned>(value: &serde_json::Value, base: &str) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value).map_err(|error| explain(error, base))
}

fn explain(error: serde_path_to_error::Error<serde_json::Error>, base: &str) -> Problem {
    let mut pointer = pointer_of(error.path(), base);
    let error = error.into_inner();
    match error.classify() {
        Category::Data => {
            let text = error.to_string();
            // Our types say what is wrong; the place in the text is noise beside the pointer.
            let detail = text.split(" at line ").next().unwrap_or(&text);
            for (prefix, meaning) in [
                ("missing field `", "the field is missing"),
                ("duplicate field `", "the field is there twice"),
            ] {
                if let Some(field) = detail.strip_prefix(prefix).and_then(|rest| rest.strip_suffix('`')) {
                    push_token(&mut pointer, field);
                    return Problem::invalid(pointer, meaning);
                }
            }
            Problem::invalid(pointer, detail)
        }
        Category::Syntax | Category::Eof | Category::Io => {
            let mut problem = Problem::malformed(format!("The body is not JSON that can be read: {error}."));
            if !pointer.is_empty() {
                problem.errors.push(FieldError { pointer, detail: error.to_string() });
            }
            problem
        }
    }
}

fn pointer_of(path: &Path, base: &str) -> String {
    let mut pointer = base.to_owned();
    for segment in path {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => push_token(&mut pointer, key),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code)]
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code)]
        count: u8,
    }

    fn refused(body: &str) -> Problem {
        parse::<Outer>(body.as_bytes(), "").unwrap_err()
    }

    #[test]
    fn a_wrong_field_is_named_by_its_pointer() {
        for (body, pointer) in [
            (r#"{"inner": [{"count": 1}, {"count": "x"}]}"#, "/inner/1/count"),
            (r#"{"inner": [{"count": 300}]}"#, "/inner/0/count"),
            (r#"{"inner": [{"count": 1, "more": 2}]}"#, "/inner/0/more"),
            (r#"{"inner": [{}]}"#, "/inner/0/count"),
            ("{}", "/inner"),
            (r#"{"inner": 7}"#, "/inner"),
            ("[]", ""),
        ] {
            let problem = refused(body);
            assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (422, pointer), "{body}");
        }
    }

    #[test]
    fn a_number_beyond_all_numbers_is_named_too() {
        let problem = refused(r#"{"inner": [{"count": 1e999}]}"#);
        assert_eq!((problem.status, problem.errors[0].pointer.as_str()), (400, "/inner/0/count"));
    }

    #[test]
    fn an_array_is_told_so_if_it_is_one() {
        let status = |body: &str| JsonBody::<Outer>::read(body.as_bytes()).unwrap_err().status;
        for array in ["[]", " [1, [2]]", "[{\"a\": [\"]\"]}]"] {
            assert_eq!(status(array), 422, "{array}");
        }
        for broken in ["[1,", "[", "[1 2]", "[1]]", "[\"\\x\"]", "[1e]", "[NaN]", "[1], 2"] {
            assert_eq!(status(broken), 400, "{broken}");
        }
    }

    #[test]
    fn what_is_no_json_is_malformed() {
        for body in ["", "{", "{\"inner\": [}", "{} {}", "\u{0}"] {
            assert_eq!(refused(body).status, if body == "{} {}" { 422 } else { 400 }, "{body:.20}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(parse::<serde_json::Value>(deep.as_bytes(), "").unwrap_err().status, 400);
        assert_eq!(parse::<Outer>(b"{\"inner\": [], \"\xff\": 1}", "").unwrap_err().status, 400);
        assert_eq!(parse::<Outer>(b"{\"inner\": []} x", "").unwrap_err().status, 400);
    }
}
