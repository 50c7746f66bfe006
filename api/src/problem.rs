//! Errors as the API answers them: `application/problem+json` after RFC 9457.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use database::DatabaseErrorKind;
use reads::ReadError;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::problem_code::ProblemCode;

/// How many places that are wrong are named in one answer.
const MOST_PLACES: usize = 100;

/// An error answer. `code` is stable and meant for programs; `docs/errors.md` lists all of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:runledger:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(value_type = String, pattern = "^urn:runledger:problem:[a-z_]+$")]
    pub problem_type: Box<str>,
    /// The stable code.
    #[schema(value_type = String, pattern = "^[a-z_]+$", example = "validation_failed")]
    pub code: ProblemCode,
    /// The code in words.
    pub title: &'static str,
    /// The HTTP status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is wrong this time and how to mend it.
    #[schema(value_type = String)]
    pub detail: Box<str>,
    /// Where in the request it is wrong.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Members of this code's own, such as `current_revision`.
    #[serde(flatten)]
    pub more: Map<String, Value>,
    #[serde(skip)]
    #[schema(ignore)]
    hint: Option<Hint>,
}

/// The codings that a body may be packed by, as `Accept-Encoding` names them (RFC 9110, section 12.5.3).
const CODINGS: &str = "gzip, br";

/// What a header of the answer says about mending it.
#[derive(Debug, Clone, Copy)]
enum Hint {
    /// `Retry-After`, in seconds.
    RetryAfter(u16),
    /// `Accept`: JSON (RFC 9110, section 15.5.16).
    AcceptJson,
    /// `Accept`: a page's form.
    AcceptForm,
    /// `Accept-Encoding`: the content codings that are taken (the same section).
    AcceptEncoding,
}

/// One place in the request that is wrong.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct FieldError {
    /// A JSON Pointer (RFC 6901) into the body, or `?name` for a query parameter.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

impl Problem {
    /// A problem with a stable code.
    #[must_use]
    pub fn new(code: ProblemCode, detail: impl Into<String>) -> Self {
        Self {
            problem_type: format!("urn:runledger:problem:{}", code.as_str()).into(),
            code,
            title: code.title(),
            status: code.status().as_u16(),
            detail: detail.into().into(),
            errors: Vec::new(),
            more: Map::new(),
            hint: None,
        }
    }

    /// 400: the body is not JSON, or the request is not HTTP as we know it.
    #[must_use]
    pub fn malformed(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::MalformedRequest, detail)
    }

    /// 401: no token, or one that is unknown, revoked or expired.
    #[must_use]
    pub fn unauthorized(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Unauthorized, detail)
    }

    /// 403: the token is right, its role is not.
    #[must_use]
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::Forbidden, detail)
    }

    /// 404: nothing here that this token may know of.
    #[must_use]
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(ProblemCode::NotFound, detail)
    }

    /// 415: the body is not called JSON.
    #[must_use]
    pub fn not_json(detail: impl Into<String>) -> Self {
        Self::unsupported(Hint::AcceptJson, detail)
    }

    /// 415: the body is not called a form.
    #[must_use]
    pub fn not_a_form(detail: impl Into<String>) -> Self {
        let mut problem = Self::unsupported(Hint::AcceptForm, detail);
        // People see it.
        problem.title = "That is no form of a page";
        problem
    }

    /// 415: the body is packed by a content coding that is not known here.
    #[must_use]
    pub fn unknown_coding(detail: impl Into<String>) -> Self {
        Self::unsupported(Hint::AcceptEncoding, detail)
    }

    fn unsupported(hint: Hint, detail: impl Into<String>) -> Self {
        let mut problem = Self::new(ProblemCode::UnsupportedMediaType, detail);
        problem.hint = Some(hint);
        problem
    }

    /// 422: a field is wrong.
    #[must_use]
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        let field = FieldError { pointer: pointer.into(), detail: detail.into() };
        let at = if field.pointer.is_empty() { "the body" } else { &field.pointer };
        let mut problem = Self::new(ProblemCode::ValidationFailed, format!("{at}: {}", field.detail));
        problem.errors.push(field);
        problem
    }

    /// One refusal for all of them, which names every place of theirs, up to `MOST_PLACES`; none where there
    /// is nothing wrong. What can't be read at all counts more than what is read and wrong.
    #[must_use]
    pub fn of_all(mut problems: Vec<Self>) -> Option<Self> {
        let unreadable = problems.iter().position(|problem| problem.status == 400).unwrap_or(0);
        let others = problems.len().checked_sub(1)?;
        let errors: Vec<FieldError> =
            problems.iter_mut().flat_map(|one| std::mem::take(&mut one.errors)).collect();
        let mut problem = problems.swap_remove(unreadable);
        if others > 0 {
            problem.detail = format!("{} (and {others} more, see errors)", problem.detail).into();
        }
        let not_named = errors.len().saturating_sub(MOST_PLACES);
        problem.errors = errors;
        problem.errors.truncate(MOST_PLACES);
        Some(if not_named > 0 { problem.with("errors_not_named", not_named) } else { problem })
    }

    /// 500: our fault. The error is logged, never answered.
    #[must_use]
    pub fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(error = %error, "request failed");
        Self::new(
            ProblemCode::Internal,
            "The request failed for a reason that lies with the ledger; its log has the details under this \
             answer's x-request-id.",
        )
    }

    /// 503: worth another try after some seconds. Nothing was taken in unless `detail` says otherwise.
    #[must_use]
    pub fn unavailable(code: ProblemCode, detail: impl Into<String>, retry_after_seconds: u16) -> Self {
        let mut problem = Self::new(code, detail);
        problem.hint = Some(Hint::RetryAfter(retry_after_seconds));
        problem
    }

    /// Says after how many seconds to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u16) -> Self {
        self.hint = Some(Hint::RetryAfter(seconds));
        self
    }

    /// With another status than is usual for its code.
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status: status.as_u16(), ..self }
    }

    /// Adds a member of this code's own.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.more.insert(name.to_owned(), value.into());
        self
    }
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Invalid { parameter, detail } => Self::invalid(format!("?{parameter}"), detail),
            ReadError::NotFound(detail) => Self::not_found(detail),
            ReadError::Database(error) => Self::of_database(&error),
            ReadError::Corrupt(corrupt) => Self::internal(&corrupt),
            ReadError::Failed(error) => Self::internal(&*error),
        }
    }
}

impl From<sqlx::Error> for Problem {
    fn from(error: sqlx::Error) -> Self {
        Self::of_database(&error)
    }
}

impl Problem {
    /// A database that is away is worth another try; anything else is our fault.
    #[must_use]
    pub fn of_database(error: &sqlx::Error) -> Self {
        let detail = match DatabaseErrorKind::of(error) {
            DatabaseErrorKind::Unavailable | DatabaseErrorKind::PoolClosed | DatabaseErrorKind::Tls => {
                "The database does not answer."
            }
            DatabaseErrorKind::OutOfResources => "The database refuses to work at the moment.",
            _ => return Self::internal(error),
        };
        tracing::warn!(%error, "the database is unavailable");
        Self::unavailable(ProblemCode::DatabaseUnavailable, detail, 1)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let hint = self.hint;
        let mut response = (status, Json(&self)).into_response();
        // A person with a browser is shown a page of it instead.
        response.extensions_mut().insert(self);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(hint) = hint {
            let (name, value) = match hint {
                Hint::RetryAfter(seconds) => (header::RETRY_AFTER, HeaderValue::from(seconds)),
                Hint::AcceptJson => (header::ACCEPT, HeaderValue::from_static("application/json")),
                Hint::AcceptForm => {
                    (header::ACCEPT, HeaderValue::from_static("application/x-www-form-urlencoded"))
                }
                Hint::AcceptEncoding => (header::ACCEPT_ENCODING, HeaderValue::from_static(CODINGS)),
            };
            headers.insert(name, value);
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"runledger\""));
        }
        response
    }
}
