//! `POST /v1/tenants/{tenant}/directory`.

use std::collections::HashSet;

use access::Caller;
use axum::Json;
use axum::extract::State;
use axum::response::Response;
use chrono::Utc;
use commands::{Changed, NameRequest, NewName};
use domain::{Origin, TenantId};
use eventlog::Position;
use reads::{ReadError, directory, forms};
use redaction::CleanText;
use serde::Serialize;
use utoipa::ToSchema;

use super::commands::{is_zero, marked};
use super::parse::DirectoryBody;
use crate::aside::aside;
use crate::body::JsonBody;
use crate::extract::Producer;
use crate::observe::ThisRequest;
use crate::problem::Problem;
use crate::request::PreconditionsMet;
use crate::state::ApiState;

/// What became of the names.
#[derive(Debug, Serialize, ToSchema)]
struct DirectoryAnswer {
    /// How many were recorded.
    recorded: usize,
    /// How many would have changed nothing, and were not: the directory knows the same, or something newer.
    known: usize,
    /// A position at which all of them can be seen: read with `?after=` it.
    #[schema(value_type = forms::Position)]
    position: u64,
    /// The epoch of the ledger that the position is of.
    #[schema(value_type = forms::Epoch)]
    epoch: u64,
    /// Which texts of the request are kept otherwise than they were sent, the first 100.
    changed: Vec<Changed>,
    /// How many further texts that is true of.
    #[serde(skip_serializing_if = "is_zero")]
    changed_not_named: u64,
}

/// Records what ids are called. Items and labels that say such an id are shown by its name, past ones as well. Of all
/// that is said of an id the newest counts, so it may be said again and in any order. A name that is null takes back what
/// was said: the id is shown as not known.
#[utoipa::path(
    post,
    path = "/v1/tenants/{tenant}/directory",
    tag = "directory",
    request_body = DirectoryBody,
    responses(
        (status = 200, description = "All of it is recorded, now or since before", body = DirectoryAnswer),
    )
)]
pub async fn name_ids(
    State(state): State<ApiState>,
    Producer(caller): Producer,
    _: PreconditionsMet,
    ThisRequest(request_id): ThisRequest,
    JsonBody { body, bytes }: JsonBody<DirectoryBody>,
) -> Result<Response, Problem> {
    let secret = state.commands.secret().clone();
    let (names, changes) = aside(bytes, move || body.read(&secret, Utc::now())).await??;
    let sent = names.len();
    let Caller { tenant, principal, token_id, .. } = caller;
    let (names, seen) = news(&state, &tenant, names).await?;
    let recorded = names.len();
    let origin = Some(Origin::Request { token_id, request_id });
    let named = state.commands.name(NameRequest { tenant, actor: principal, origin, names }).await?;
    if let Some(position) = named {
        state.freshness.note_appended(position);
    }
    let position = named.unwrap_or(seen);
    let (changed, changed_not_named) = changes.into_parts();
    let answer = DirectoryAnswer {
        recorded,
        known: sent - recorded,
        position: position.0,
        epoch: state.freshness.ledger().epoch,
        changed,
        changed_not_named,
    };
    Ok(marked(&state, position, Json(answer)))
}

/// The names of which the directory may not know the same or something newer, each once, and the position at which it
/// was looked at. What it has only ever gets newer, so what is left out can change nothing later on either.
async fn news(
    state: &ApiState,
    tenant: &TenantId,
    names: Vec<NewName>,
) -> Result<(Vec<NewName>, Position), Problem> {
    let mut read = state.reads.begin(tenant).await?;
    let position = read.position;
    let (namespaces, ids): (Vec<&str>, Vec<&str>) =
        names.iter().map(|name| (name.namespace.as_str(), name.id.as_str())).unzip();
    let known = directory::known(read.conn(), tenant, (&namespaces, &ids)).await.map_err(ReadError::from)?;
    let mut seen = HashSet::with_capacity(names.len());
    let mut is_new = |name: &NewName| {
        let place = (name.namespace.as_str().to_owned(), name.id.as_str().to_owned());
        let known = known.get(&place).is_some_and(|known| {
            known.as_of > name.as_of
                || known.as_of == name.as_of
                    && known.name.as_deref() == name.name.as_ref().map(CleanText::as_str)
        });
        !known && seen.insert((place, name.name.clone(), name.as_of))
    };
    let news = names.into_iter().filter(|name| is_new(name)).collect();
    Ok((news, position))
}
