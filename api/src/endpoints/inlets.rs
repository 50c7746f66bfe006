//! `/v1/tenants/{tenant}/inlets`: a tenant's inlets, kept by its owner.

use access::{AccessError, InletType, NewInletFor, UnknownInletType, inlet_of};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::StatusCode;
use axum::http::header::CACHE_CONTROL;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use domain::{HeartbeatSeconds, Kind, PrincipalId};
use inlets::{SetAside, newest_set_aside};
use reads::forms;
use reads::inlets::{
    InletPage, InletView, InletsQuery, SetAsidePage, SetAsideQuery, SetAsideView, page_of_inlets,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::tokens::actor;
use crate::answer::answer_page;
use crate::body::JsonBody;
use crate::extract::{Owner, path_param};
use crate::observe::ThisRequest;
use crate::outside::Outside;
use crate::problem::Problem;
use crate::request::{PreconditionsMet, ReadRequest};
use crate::state::ApiState;

/// The routes of inlets.
pub fn routes() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(list_inlets, create_inlet))
        .routes(routes!(revoke_inlet))
        .routes(routes!(list_set_aside))
}

/// What `POST .../inlets` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct InletBody {
    /// In which form reports come in.
    #[schema(value_type = forms::InletType)]
    inlet_type: String,
    /// Of which kind its runs are.
    #[schema(value_type = forms::Kind)]
    kind: Kind,
    /// The actor of their events. Without it, `inlet-` and the type.
    #[serde(default)]
    #[schema(value_type = Option<forms::VisibleId>)]
    principal: Option<PrincipalId>,
    /// After how many silent seconds its runs are shown as stalled, and may be presumed failed where a policy says so.
    #[serde(default)]
    #[schema(value_type = Option<forms::HeartbeatSeconds>)]
    heartbeat_seconds: Option<HeartbeatSeconds>,
}

/// An inlet just made: the only answer that ever has its key.
#[derive(Debug, Serialize, ToSchema)]
struct NewInletAnswer {
    /// The key. It is shown this once.
    key: String,
    /// Where its emitters send to: the key is part of it.
    address: String,
    /// By which it is revoked.
    inlet_id: Uuid,
    /// In which form reports come in.
    #[schema(value_type = forms::InletType)]
    inlet_type: &'static str,
    /// Of which kind its runs are.
    #[schema(value_type = forms::Kind)]
    kind: String,
    /// The actor of their events.
    #[schema(value_type = forms::PrincipalId)]
    principal: String,
    /// After how many silent seconds its runs are shown as stalled; null: never.
    #[schema(value_type = Option<forms::HeartbeatSeconds>)]
    heartbeat_seconds: Option<u64>,
}

/// Who reports through an inlet whose principal nobody named.
///
/// # Errors
/// None: the names are well formed.
pub fn usual_principal(inlet_type: InletType) -> Result<PrincipalId, domain::InvalidId> {
    format!("inlet-{}", inlet_type.as_str()).parse()
}

fn refused(error: AccessError) -> Problem {
    match error {
        AccessError::Principal { why, .. } => Problem::invalid("/principal", why),
        AccessError::NoInlet(id) => no_such_inlet(id),
        AccessError::Database(error) => Problem::of_database(&error),
        other => Problem::internal(&other),
    }
}

fn no_such_inlet(id: impl std::fmt::Display) -> Problem {
    Problem::not_found(format!("There is no inlet {id}."))
}

/// Lists the tenant's inlets, those that are revoked too; never their keys.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/inlets",
    tag = "administration",
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = InletPage),
        (status = 403, description = "The token's role is not owner", body = Problem),
    )
)]
async fn list_inlets(
    State(state): State<ApiState>,
    _: Owner,
    request: ReadRequest<InletsQuery>,
) -> Result<Response, Problem> {
    let position = request.begin(&state).await?.position;
    let tenant = &request.caller.tenant;
    let page = page_of_inlets(&state.tokens, tenant, &request.query, position).await?;
    answer_page(&state, &request.address, position, &page, page.next_cursor.as_deref())
}

/// Makes an inlet and answers its key, this once. A repetition makes another.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/inlets",
    tag = "administration",
    request_body = InletBody,
    responses(
        (status = 201, description = "Its key is good from now on", body = NewInletAnswer),
    )
)]
async fn create_inlet(
    State(state): State<ApiState>,
    outside: Outside,
    Owner(caller): Owner,
    _: PreconditionsMet,
    ThisRequest(request_id): ThisRequest,
    JsonBody { body, .. }: JsonBody<InletBody>,
) -> Result<Response, Problem> {
    let InletBody { inlet_type, kind, principal, heartbeat_seconds } = body;
    let inlet_type: InletType = inlet_type
        .parse()
        .map_err(|error: UnknownInletType| Problem::invalid("/inlet_type", error.to_string()))?;
    let principal = match principal {
        Some(principal) => principal,
        None => usual_principal(inlet_type).map_err(|error| Problem::internal(&error))?,
    };
    let wanted = NewInletFor {
        tenant: &caller.tenant,
        inlet_type,
        kind: &kind,
        principal: &principal,
        heartbeat_seconds,
    };
    let made = state.tokens.create_inlet(&actor(&caller, request_id), wanted).await.map_err(refused)?;
    let key = made.key.reveal();
    let answer = NewInletAnswer {
        key: key.to_owned(),
        address: outside.base.to(&format!("/in/{key}")),
        inlet_id: made.inlet_id,
        inlet_type: inlet_type.as_str(),
        kind: kind.into(),
        principal: principal.into(),
        heartbeat_seconds: heartbeat_seconds.map(HeartbeatSeconds::get),
    };
    Ok((StatusCode::CREATED, [(CACHE_CONTROL, "private, no-store")], Json(answer)).into_response())
}

/// Revokes an inlet of the tenant: its key is good no longer. Revoking it again changes nothing.
#[utoipa::path(
    delete,
    path = "/v1/tenants/{tenant}/inlets/{inlet_id}",
    tag = "administration",
    params(
        ("inlet_id" = Uuid, Path, description = "The inlet, by its id"),
    ),
    responses(
        (status = 200, description = "It is revoked, now or since before", body = InletView),
    )
)]
async fn revoke_inlet(
    State(state): State<ApiState>,
    Owner(caller): Owner,
    _: PreconditionsMet,
    ThisRequest(request_id): ThisRequest,
    InletInPath(inlet_id): InletInPath,
) -> Result<Response, Problem> {
    let revoked = state.tokens.revoke_inlet(&actor(&caller, request_id), &caller.tenant, inlet_id).await;
    let answer = InletView::from(revoked.map_err(refused)?);
    Ok(([(CACHE_CONTROL, "private, no-store")], Json(answer)).into_response())
}

/// Lists what came in through an inlet and became no event of a run, and why. It is kept for some time.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/inlets/{inlet_id}/set-aside",
    tag = "administration",
    params(
        ("inlet_id" = Uuid, Path, description = "The inlet, by its id"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = SetAsidePage),
        (status = 403, description = "The token's role is not owner", body = Problem),
        (status = 404, description = "There is no such inlet", body = Problem),
    )
)]
async fn list_set_aside(
    State(state): State<ApiState>,
    _: Owner,
    InletInPath(inlet_id): InletInPath,
    request: ReadRequest<SetAsideQuery>,
) -> Result<Response, Problem> {
    let position = request.begin(&state).await?.position;
    let inlet = inlet_of(state.inlets.pool(), inlet_id).await.map_err(refused)?;
    if inlet.tenant != request.caller.tenant {
        return Err(no_such_inlet(inlet_id));
    }
    let (before, rows) = request.query.rows();
    let rows = newest_set_aside(state.inlets.pool(), &request.caller.tenant, inlet_id, before, rows).await?;
    let rows = rows.into_iter().map(|row| {
        let SetAside { event_id, why, content, request_id, received_at, set_aside_at } = row;
        SetAsideView { event_id, why, content, request_id, received_at, set_aside_at }
    });
    let page = request.query.page(rows.collect(), position)?;
    answer_page(&state, &request.address, position, &page, page.next_cursor.as_deref())
}

/// The inlet's id in the path. What is no UUID names none: 404.
struct InletInPath(Uuid);

impl FromRequestParts<ApiState> for InletInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &ApiState) -> Result<Self, Problem> {
        let text = path_param(parts, state, "inlet_id").await?;
        text.parse().map(Self).map_err(|_| no_such_inlet(&text))
    }
}
