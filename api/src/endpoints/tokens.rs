//! `/v1/tenants/{tenant}/tokens`: a tenant's tokens, kept by its owner.

use access::{AccessError, Caller, NewTokenFor, Role};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::response::Response;
use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use domain::admin::{ActorKind, AdminActor};
use domain::{PrincipalId, RequestId};
use reads::forms;
use reads::tokens::{TokenPage, TokenView, TokensQuery, page_of_tokens};
use redaction::CleanText;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use crate::answer::answer_page;
use crate::body::JsonBody;
use crate::extract::{Owner, path_param};
use crate::observe::ThisRequest;
use crate::problem::Problem;
use crate::request::{PreconditionsMet, ReadRequest};
use crate::state::ApiState;

/// How long a token may last that has an end, in seconds: a hundred years. More is a mistake.
const LONGEST: u64 = 100 * 366 * 86_400;

/// The routes of tokens.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new().routes(routes!(list_tokens, create_token)).routes(routes!(revoke_token))
}

/// What `POST .../tokens` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TokenBody {
    /// What it may do.
    #[schema(value_type = forms::Role)]
    role: String,
    /// The principal that holds it: the actor of its events, and the initiator whose notifications it reads.
    #[schema(value_type = forms::VisibleId)]
    principal: PrincipalId,
    /// When it ends by itself. Without this and `expires_in_seconds` it does not.
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
    /// After how many seconds it ends by itself.
    #[serde(default)]
    #[schema(minimum = 1, maximum = 3_162_240_000_u64)]
    expires_in_seconds: Option<u64>,
}

/// A token just made: the only answer that ever has it.
#[derive(Debug, Serialize, ToSchema)]
struct NewTokenAnswer {
    /// The token. It is shown this once.
    token: String,
    /// By which it is revoked.
    token_id: Uuid,
    /// What it may do.
    #[schema(value_type = forms::Role)]
    role: &'static str,
    /// The principal that holds it.
    #[schema(value_type = forms::PrincipalId)]
    principal: String,
    /// When it ends by itself; null where it does not.
    expires_at: Option<DateTime<Utc>>,
}

/// A token that is good no longer.
#[derive(Debug, Serialize, ToSchema)]
struct RevokedAnswer {
    /// The token.
    #[serde(flatten)]
    token: TokenView,
    /// It is the one that this request came with, or whose session it was: the next request is refused.
    own: bool,
}

impl TokenBody {
    /// When it ends, for a token that is made now.
    ///
    /// # Errors
    /// 422 naming the field.
    fn ends(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Problem> {
        match (self.expires_at, self.expires_in_seconds) {
            (Some(_), Some(_)) => Err(Problem::invalid(
                "/expires_in_seconds",
                "say when it ends by one of the two, not by both",
            )),
            (Some(at), None) if at <= now => Err(Problem::invalid("/expires_at", "is over already")),
            (Some(at), None) if at - now > TimeDelta::seconds(LONGEST.cast_signed()) => {
                Err(Problem::invalid("/expires_at", "is further away than a hundred years: leave it out"))
            }
            (None, Some(seconds)) if (1..=LONGEST).contains(&seconds) => {
                Ok(now.checked_add_signed(TimeDelta::seconds(seconds.cast_signed())))
            }
            (None, Some(_)) => {
                Err(Problem::invalid("/expires_in_seconds", format!("must be a number from 1 to {LONGEST}")))
            }
            (at, None) => Ok(at),
        }
    }
}

/// Who acts by a request.
pub(super) fn actor(caller: &Caller, request_id: RequestId) -> AdminActor {
    AdminActor {
        kind: ActorKind::Principal,
        name: CleanText::new(caller.principal.as_str()),
        token_id: Some(caller.token_id),
        request_id: Some(request_id),
    }
}

fn refused(error: AccessError) -> Problem {
    match error {
        AccessError::Principal { why, .. } => Problem::invalid("/principal", why),
        AccessError::NoToken(id) => no_such_token(id),
        AccessError::Database(error) => Problem::of_database(&error),
        other => Problem::internal(&other),
    }
}

fn no_such_token(id: impl std::fmt::Display) -> Problem {
    Problem::not_found(format!("There is no token {id}."))
}

/// Lists the tenant's tokens, those that are good no longer too; never the tokens themselves.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/tokens",
    tag = "administration",
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = TokenPage),
        (status = 403, description = "The token's role is not owner", body = Problem),
    )
)]
async fn list_tokens(
    State(state): State<ApiState>,
    _: Owner,
    request: ReadRequest<TokensQuery>,
) -> Result<Response, Problem> {
    let position = request.begin(&state).await?.position;
    let tenant = &request.caller.tenant;
    let page = page_of_tokens(&state.tokens, tenant, &request.query, position).await?;
    answer_page(&state, &request.address, position, &page, page.next_cursor.as_deref())
}

/// Makes a token and answers it, this once. A repetition makes another.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/tokens",
    tag = "administration",
    request_body = TokenBody,
    responses(
        (status = 201, description = "The token is good from now on", body = NewTokenAnswer),
    )
)]
async fn create_token(
    State(state): State<ApiState>,
    Owner(caller): Owner,
    _: PreconditionsMet,
    ThisRequest(request_id): ThisRequest,
    JsonBody { body, .. }: JsonBody<TokenBody>,
) -> Result<Response, Problem> {
    let role: Role = body
        .role
        .parse()
        .map_err(|error: access::UnknownRole| Problem::invalid("/role", error.to_string()))?;
    // As exact as the database keeps it.
    let expires_at = body.ends(Utc::now())?.map(|at| at.trunc_subsecs(6));
    let holder = NewTokenFor { tenant: &caller.tenant, role, principal: &body.principal, expires_at };
    let made = state.tokens.create(&actor(&caller, request_id), holder).await.map_err(refused)?;
    let answer = NewTokenAnswer {
        token: made.token.reveal().to_owned(),
        token_id: made.token_id,
        role: role.as_str(),
        principal: body.principal.into(),
        expires_at,
    };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "private, no-store")], Json(answer)).into_response())
}

/// Revokes a token of the tenant. Revoking it again changes nothing.
#[utoipa::path(
    delete,
    path = "/v1/tenants/{tenant}/tokens/{token_id}",
    tag = "administration",
    params(
        ("token_id" = Uuid, Path, description = "The token, by its id"),
    ),
    responses(
        (status = 200, description = "It is revoked, now or since before", body = RevokedAnswer),
    )
)]
async fn revoke_token(
    State(state): State<ApiState>,
    Owner(caller): Owner,
    _: PreconditionsMet,
    ThisRequest(request_id): ThisRequest,
    TokenInPath(token_id): TokenInPath,
) -> Result<Response, Problem> {
    let own = token_id == caller.token_id;
    let revoked = state.tokens.revoke(&actor(&caller, request_id), &caller.tenant, token_id).await;
    let answer = RevokedAnswer { token: revoked.map_err(refused)?.into(), own };
    Ok(([(CACHE_CONTROL, "private, no-store")], Json(answer)).into_response())
}

/// The token's id in the path. What is no UUID names none: 404.
struct TokenInPath(Uuid);

impl FromRequestParts<ApiState> for TokenInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let text = path_param(parts, state, "token_id").await?;
        text.parse().map(Self).map_err(|_| no_such_token(&text))
    }
}
