//! The caller of a request, from its path and its token.

use std::sync::Arc;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header;
use axum::http::request::Parts;
use domain::{PrincipalId, TenantId};
use uuid::Uuid;

use super::role::Role;
use super::token;
use crate::problem::Problem;
use crate::state::ApiState;

/// Who asks: the holder of a good token of the tenant in the path. As an extractor it answers 401
/// without a good token, and 404 when the token is another tenant's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant in the path, which is also the token's.
    pub tenant: TenantId,
    /// What the token may do.
    pub role: Role,
    /// Who holds the token.
    pub principal: PrincipalId,
    /// Which token it is.
    pub token_id: Uuid,
}

/// A caller who may view: any role.
#[derive(Debug, Clone)]
pub struct Viewer(pub Caller);

/// A caller who may append: the role `producer`; 403 for the others.
#[derive(Debug, Clone)]
pub struct Producer(pub Caller);

impl FromRequestParts<ApiState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let hash = token::check(bearer(parts)?)
            .map_err(|fault| Problem::unauthorized(format!("The token can't be right: {fault}.")))?;
        let caller = state.tokens.find(hash).await?.ok_or_else(|| {
            Problem::unauthorized(
                "The token is unknown or was revoked. Ask the tenant's owner for a new one.",
            )
        })?;
        let tenant = path_param(parts, state, "tenant").await?;
        if tenant != caller.tenant.as_str() {
            // To the letter the same for a tenant that does not exist.
            return Err(Problem::not_found("There is no such tenant for this token."));
        }
        Ok(Arc::unwrap_or_clone(caller))
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
fn bearer(parts: &Parts) -> Result<&str, Problem> {
    let value = parts
        .headers
        .get(header::AUTHORIZATION)
        .ok_or_else(|| Problem::unauthorized("Send the token in the header Authorization: Bearer rlg_..."))?;
    let credentials = value.to_str().ok().and_then(|text| text.trim().split_once(' '));
    match credentials {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        _ => Err(Problem::unauthorized("The header Authorization must be: Bearer, a space, and the token.")),
    }
}
