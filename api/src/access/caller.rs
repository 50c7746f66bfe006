//! The caller of a request, from its path and its token.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::{self, HeaderMap};
use axum::http::request::Parts;
use domain::{PrincipalId, TenantId};
use uuid::Uuid;

use super::lookup::Tokens;
use super::role::Role;
use super::session::{CSRF_HEADER, SessionSecret};
use super::token::{self, TokenHash};
use crate::outside::Outside;
use crate::problem::Problem;
use crate::state::ApiState;

/// The holder of a good token, or of a session that a good token opened, of the tenant in the path. As an
/// extractor it answers 401 without either, 404 when it is another tenant's, and 403 where a
/// session would change something without its CSRF token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant in the path, which is also the token's.
    pub tenant: TenantId,
    /// What the token may do.
    pub role: Role,
    /// The principal that holds the token.
    pub principal: PrincipalId,
    /// Which token it is.
    pub token_id: Uuid,
    /// When the token, or the session, ends by itself. By our own monotonic clock.
    pub ends: Option<Instant>,
}

/// A caller that may view: any role.
#[derive(Debug, Clone)]
pub struct Viewer(pub Caller);

/// A caller that may append: the role `producer`; 403 for the others.
#[derive(Debug, Clone)]
pub struct Producer(pub Caller);

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
pub(crate) async fn identify(
    parts: &mut Parts,
    state: &ApiState,
) -> Result<(Caller, Option<SessionSecret>), Problem> {
    let shown = Credential::of(&Outside::of_parts(parts), &parts.headers)?;
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

/// What a request presents to identify its caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    /// The hash of a token.
    Token(TokenHash),
    /// A session's cookie.
    Session(SessionSecret),
}

/// The caller that was found when the request was let in, or the problem with it; looked up once for each request.
#[derive(Debug, Clone)]
pub(crate) struct Identified(pub(crate) Result<Arc<Caller>, Problem>);

impl Credential {
    /// By which it is known without being told.
    pub(crate) fn hash(&self) -> TokenHash {
        match self {
            Self::Token(hash) => *hash,
            Self::Session(session) => session.hash(),
        }
    }

    /// What those headers show. A token that is sent on purpose counts more than a cookie that goes along
    /// by itself.
    ///
    /// # Errors
    /// 401 when there is none, or none that can be right.
    pub(crate) fn of(outside: &Outside, headers: &HeaderMap) -> Result<Self, Problem> {
        if !headers.contains_key(header::AUTHORIZATION)
            && let Some(session) = SessionSecret::of_cookie(outside, headers)
        {
            return Ok(Self::Session(session));
        }
        let hash = token::check(bearer(headers)?)
            .map_err(|fault| Problem::unauthorized(format!("The token can't be right: {fault}.")))?;
        Ok(Self::Token(hash))
    }
}

impl Tokens {
    /// The holder of a credential.
    ///
    /// # Errors
    /// 401 when the credential is no longer good, 503 when the database does not answer.
    pub(crate) async fn holder(&self, shown: &Credential) -> Result<Arc<Caller>, Problem> {
        let found = match shown {
            Credential::Token(hash) => self.find(*hash).await,
            Credential::Session(session) => self.of_session(session).await?.ok_or_else(|| {
                Problem::unauthorized("The session has ended. Sign in again, or send a token.")
            }),
        };
        match &found {
            Ok(_) => self.remember(shown.hash(), true).await,
            Err(problem) if problem.status == 401 => self.remember(shown.hash(), false).await,
            // Nothing was learned of them.
            Err(_) => {}
        }
        found
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
        let detail =
            format!("Appending needs a token of the role producer; this one's role is {}.", caller.role);
        Err(Problem::forbidden(detail).with("role", caller.role.as_str()).with("needed_role", "producer"))
    }
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
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let value = headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| Problem::unauthorized("Send the token in the header Authorization: Bearer rlg_..."))?;
    let credentials = value.to_str().ok().and_then(|text| text.trim().split_once(' '));
    match credentials {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Problem::unauthorized("The header Authorization must be: Bearer, a space, and the token.")),
    }
}
