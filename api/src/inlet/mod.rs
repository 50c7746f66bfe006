//! `/in/...`: addresses by which emitters that know nothing of this ledger report. The key stands in the path, or comes
//! as a bearer; it is in no answer and in no log.

mod cloudevents;
mod lineage;
mod pings;

use std::sync::Arc;
use std::time::Duration;

use access::{Denied, Inlet, InletType, TokenHash};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, MatchedPath, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use inlets::{Incoming, Malformed, ReceiveError, Received};
use utoipa_axum::router::OpenApiRouter;

use crate::extract::bearer_of;
use crate::observe::ThisRequest;
use crate::problem::Problem;
use crate::problem_code::ProblemCode;
use crate::received::{Limits, Share, receive};
use crate::state::ApiState;

/// How long a body may take to come.
const SLOWEST: Duration = Duration::from_secs(15);

/// Where all of it is.
const PREFIX: &str = "/in";

/// Where clients of OpenLineage send to that know a host alone, or forget all behind the last slash of an address.
const BARE: &str = "/api/v1/lineage";

/// The routes, to be served with the rest.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().merge(pings::routes()).merge(lineage::routes()).merge(cloudevents::routes())
}

/// The inlet whose key was shown, or the problem with it; looked up once for each request, when it is let in.
#[derive(Debug, Clone)]
pub struct KnownInlet(pub Result<Arc<Inlet>, Problem>);

/// What a request to an inlet shows: the key in its path, or else its bearer. None where it is for no inlet.
#[must_use]
pub fn shown_key(
    route: Option<&MatchedPath>,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<Result<TokenHash, Problem>> {
    let route = route?.as_str();
    let check = |key: &str| access::check(key).map_err(|fault| Problem::from(Denied::MalformedKey(fault)));
    let borne = || bearer_of(headers, "the inlet's key").and_then(check);
    if route.starts_with(BARE) {
        return Some(borne());
    }
    let rest = route.strip_prefix(PREFIX)?;
    if rest.starts_with("/{key}") {
        let key = uri.path().strip_prefix(PREFIX)?.split('/').nth(1).unwrap_or_default();
        return Some(check(key));
    }
    (rest.is_empty() || rest.starts_with('/')).then(borne)
}

/// The inlet whose key was shown, which is of the type that the address is for: 401 without a good key, 403 where it is
/// of another type.
fn through(parts: &Parts, wanted: InletType) -> Result<Arc<Inlet>, Problem> {
    let KnownInlet(found) =
        parts.extensions.get().cloned().ok_or_else(|| Problem::internal(&NobodyLooked))?;
    let inlet = found?;
    if inlet.inlet_type == wanted {
        return Ok(inlet);
    }
    let (has, needs) = (inlet.inlet_type.as_str(), wanted.as_str());
    let detail =
        format!("This address is for inlets of the type {needs}; this key's inlet is of the type {has}.");
    Err(Problem::forbidden(detail).with("inlet_type", has).with("needed_inlet_type", needs))
}

#[derive(Debug, thiserror::Error)]
#[error("a request to an inlet was let in, and nobody looked at its key")]
struct NobodyLooked;

macro_rules! inlet_extractors {
    ($($(#[doc = $doc:literal])+ $name:ident = $inlet_type:ident;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Clone)]
        struct $name(Arc<Inlet>);

        impl FromRequestParts<ApiState> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &ApiState) -> Result<Self, Problem> {
                through(parts, InletType::$inlet_type).map(Self)
            }
        }
    )+};
}

inlet_extractors! {
    /// An inlet for pings.
    PingInlet = Pings;
    /// An inlet for OpenLineage.
    LineageInlet = OpenLineage;
    /// An inlet for CloudEvents.
    CloudEventsInlet = CloudEvents;
}

/// The body of a request to an inlet, whole and unpacked. To be extracted after the inlet.
struct InletBody(Bytes);

impl FromRequest<ApiState> for InletBody {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &ApiState) -> Result<Self, Problem> {
        let share = request.extensions().get::<Share>().cloned();
        let share = share.ok_or_else(|| Problem::internal(&NobodyLooked))?;
        let limits = Limits {
            bytes: state.config.max_body_bytes,
            patience: SLOWEST,
            advice: "Send less in one request.",
        };
        receive(request, limits, &share).await.map(Self)
    }
}

/// Keeps what came in. Only then it may be answered.
async fn keep(
    state: &ApiState,
    inlet: &Inlet,
    incoming: Vec<Incoming>,
    ThisRequest(request_id): &ThisRequest,
) -> Result<Received, Problem> {
    state.inlets.receive(inlet, incoming, request_id).await.map_err(|error| match error {
        ReceiveError::Full(full) => {
            let detail = format!("{full}: nothing of this request was kept. Send it again.");
            Problem::unavailable(ProblemCode::Overloaded, detail, 5)
        }
        ReceiveError::Unwritable(error) => Problem::internal(&error),
        ReceiveError::Database(error) => Problem::of_database(&error),
    })
}

/// What can't be kept as anything is the emitter's to mend.
fn malformed(malformed: Malformed) -> Problem {
    let Malformed { pointer, detail, unreadable } = malformed;
    if unreadable { Problem::malformed(detail) } else { Problem::invalid(pointer, detail) }
}

/// The media type of a body, without its parameters.
fn media_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next()?.trim().to_ascii_lowercase())
}

/// An answer in one plain word, as emitters that look at it expect.
fn ok() -> (StatusCode, &'static str) {
    (StatusCode::OK, "OK")
}
