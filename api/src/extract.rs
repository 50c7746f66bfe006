//! The extractors that every handler names its caller with, from the path and the token.

use std::sync::Arc;

use access::{AccessError, Caller, Credential, Denied, LookupError, SessionSecret};
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::{self, HeaderMap};
use axum::http::request::Parts;

use crate::cookie;
use crate::outside::Outside;
use crate::problem::Problem;
use crate::state::ApiState;

/// The header for a session's CSRF token.
const CSRF_HEADER: &str = "x-csrf-token";

/// A caller that may view: any role.
#[derive(Debug, Clone)]
pub struct Viewer(pub Caller);

/// A caller that may append: the role `producer`; 403 for the others.
#[derive(Debug, Clone)]
pub struct Producer(pub Caller);

/// A caller that may see what concerns the tenant as a whole, what was administered and the events of all runs, and take it
/// away: the roles `owner` and `auditor`; 403 for the others.
#[derive(Debug, Clone)]
pub struct Overseer(pub Caller);

/// A caller that administers its tenant: the role `owner`; 403 for the others.
#[derive(Debug, Clone)]
pub struct Owner(pub Caller);

/// Answers 401 without a credential, 404 when it is another tenant's than the path's, and 403 where a session would
/// change something without its CSRF token.
impl FromRequestParts<ApiState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let (caller, session) = identify(parts, state).await?;
        match session {
            Some(session) => check_csrf(parts, &session).map(|()| caller),
            None => Ok(caller),
        }
    }
}

/// The caller, and the session by which the caller is known where no token came along. A handler that changes
/// something for the holder of a session must make sure that the request is not forged.
pub async fn identify(
    parts: &mut Parts,
    state: &ApiState,
) -> Result<(Caller, Option<SessionSecret>), Problem> {
    let shown = credential(&Outside::of_parts(parts), &parts.headers)?;
    let caller = match parts.extensions.get::<Identified>() {
        Some(Identified(found)) => found.clone()?,
        None => state.tokens.holder(&shown).await?,
    };
    let tenant = path_param(parts, state, "tenant").await?;
    if tenant != caller.tenant.as_str() {
        // To the letter the same for a tenant that does not exist.
        return Err(Problem::not_found("There is no such tenant for this token."));
    }
    let session = match shown {
        Credential::Session(session) => Some(session),
        Credential::Token(_) => None,
    };
    Ok((Arc::unwrap_or_clone(caller), session))
}

/// The caller that was found when the request was let in, or the problem with it; looked up once for each request.
#[derive(Debug, Clone)]
pub struct Identified(pub Result<Arc<Caller>, Problem>);

/// What those headers show. A token that is sent on purpose counts more than a cookie that goes along by itself.
///
/// # Errors
/// 401 when there is none, or none that can be right.
pub fn credential(outside: &Outside, headers: &HeaderMap) -> Result<Credential, Problem> {
    if !headers.contains_key(header::AUTHORIZATION)
        && let Some(session) = cookie::session(outside, headers)
    {
        return Ok(Credential::Session(session));
    }
    Ok(Credential::Token(access::check(bearer(headers)?).map_err(Denied::Malformed)?))
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        Self::unauthorized(denied.to_string())
    }
}

impl From<LookupError> for Problem {
    fn from(error: LookupError) -> Self {
        match error {
            LookupError::Denied(denied) => denied.into(),
            LookupError::Failed(error) => match &*error {
                AccessError::Database(error) => Self::of_database(error),
                other => Self::internal(other),
            },
        }
    }
}

impl FromRequestParts<ApiState> for Viewer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        Caller::from_request_parts(parts, state).await.map(Self)
    }
}

impl FromRequestParts<ApiState> for Producer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        if caller.role.may_append() {
            return Ok(Self(caller));
        }
        Err(role_needed("Appending", "producer", &caller))
    }
}

impl FromRequestParts<ApiState> for Overseer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        Self::of(Caller::from_request_parts(parts, state).await?)
    }
}

impl Overseer {
    /// The caller, if it is one.
    ///
    /// # Errors
    /// 403.
    pub fn of(caller: Caller) -> Result<Self, Problem> {
        match caller.role.may_oversee() {
            true => Ok(Self(caller)),
            false => Err(for_auditors(&caller, "This is for the roles owner or auditor")),
        }
    }
}

impl FromRequestParts<ApiState> for Owner {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        match caller.role.may_administer() {
            true => Ok(Self(caller)),
            false => Err(role_needed("Managing tokens and inlets", "owner", &caller)),
        }
    }
}

fn role_needed(what: &str, needed: &str, caller: &Caller) -> Problem {
    let role = caller.role.as_str();
    Problem::forbidden(format!("{what} needs a token of the role {needed}; this one's role is {role}."))
        .with("role", role)
        .with("needed_role", needed)
}

/// 403: what is for auditors.
pub fn for_auditors(caller: &Caller, what: &str) -> Problem {
    Problem::forbidden(format!("{what}; this token's role is {}.", caller.role))
        .with("role", caller.role.as_str())
        .with("needed_role", "auditor")
}

/// Checks the CSRF token of a request that changes something for the holder of a session: browsers send the cookie
/// along with forged requests too.
///
/// # Errors
/// 403 without the session's token.
fn check_csrf(parts: &Parts, session: &SessionSecret) -> Result<(), Problem> {
    let token = parts.headers.get(CSRF_HEADER).and_then(|value| value.to_str().ok());
    if parts.method.is_safe() || token.is_some_and(|token| session.is_csrf(token)) {
        return Ok(());
    }
    Err(Problem::forbidden(
        "With a session's cookie this also needs the session's word in the header X-CSRF-Token. \
         Programs send a token instead.",
    ))
}

/// A parameter of the path by name, percent-decoded.
///
/// # Errors
/// 404 when the path has none, or it is not UTF-8: then it names nothing that exists.
pub async fn path_param(parts: &mut Parts, state: &ApiState, name: &str) -> Result<String, Problem> {
    let params = RawPathParams::from_request_parts(parts, state).await;
    let found = params
        .ok()
        .and_then(|params| params.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_owned()));
    found.ok_or_else(|| Problem::not_found("The path names nothing that exists."))
}

/// The token of the header `Authorization: Bearer TOKEN` (RFC 6750, section 2.1).
pub(crate) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    bearer_of(headers, "the token")
}

/// The same of what is called otherwise.
pub(crate) fn bearer_of<'h>(headers: &'h HeaderMap, what: &str) -> Result<&'h str, Problem> {
    let missing =
        || Problem::unauthorized(format!("Send {what} in the header Authorization: Bearer rlg_..."));
    let value = headers.get(header::AUTHORIZATION).ok_or_else(missing)?;
    let credentials = value.to_str().ok().and_then(|text| text.trim().split_once(' '));
    match credentials {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => {
            let detail = format!("The header Authorization must be: Bearer, a space, and {what}.");
            Err(Problem::unauthorized(detail))
        }
    }
}
