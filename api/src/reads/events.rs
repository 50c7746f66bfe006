//! `GET /v1/tenants/{tenant}/runs/{run}/events`.

use axum::extract::State;
use axum::response::Response;
use chrono::{DateTime, Utc};
use domain::{RunId, TenantId};
use eventlog::streams::run_stream;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::answer::{LONGEST_PAGE, USUAL_PAGE, answer, cut, link_next, rows_for};
use super::asked::{Asked, AskedQuery, RunInPath};
use super::corrupt::{Corrupt, count};
use super::cursor::{self, Fingerprint};
use super::params::{Params, wrong};
use super::runs::must_exist;
use crate::problem::Problem;
use crate::state::ApiState;

const TABLE: &str = "projection.run_events";

/// A page of a run's events.
#[derive(Debug)]
pub(super) struct EventsQuery {
    backwards: bool,
    /// The first revision of the page, in its direction.
    start: Option<i64>,
    limit: u64,
    list: Fingerprint,
}

impl AskedQuery for EventsQuery {
    const ALLOWED: &'static [&'static str] = &["from", "order", "cursor", "limit"];

    fn take(params: &mut Params) -> Result<Self, Problem> {
        let order = params.word("order", "asc (usual), desc", |text| match text {
            "asc" => Some(false),
            "desc" => Some(true),
            _ => None,
        })?;
        let backwards = order.unwrap_or(false);
        let from = params.number("from", 0, i64::MAX as u64)?.and_then(|n| i64::try_from(n).ok());
        let limit = params.number("limit", 1, LONGEST_PAGE)?.unwrap_or(USUAL_PAGE);
        let list = Fingerprint::of("events", &(from, backwards));
        let start = match cursor::take::<i64>(params, &list)? {
            Some(next) if next < 0 => return Err(wrong("cursor", "names no revision")),
            next => next.or(from),
        };
        Ok(Self { backwards, start, limit, list })
    }
}

/// A page of a run's events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventPage {
    /// The events in the order of their revisions.
    events: Vec<EventView>,
    /// For the next page; null on the last.
    next_cursor: Option<String>,
    /// The position that the page reflects.
    position: u64,
}

/// An event of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunEvent)]
pub(super) struct EventView {
    /// Its place in the run, from 0.
    revision: u64,
    /// Its place in the whole log.
    position: u64,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(example = "ItemFailed")]
    event_type: String,
    /// When it happened, by the producer's clock.
    occurred_at: DateTime<Utc>,
    /// When the ledger took it in, by its own.
    recorded_at: DateTime<Utc>,
    /// Who appended it.
    actor: String,
    /// The event's own fields, as they were written.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    /// For auditors only: absent for other roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<EventMetadata>,
}

/// What else is kept about an event.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventMetadata {
    /// The event's id.
    event_id: Uuid,
    /// The version of the form in which it was written.
    schema_version: i16,
    /// Ties it to what else belongs together, where the producer said so.
    correlation_id: Option<String>,
    /// What caused it, where the producer said so.
    causation_id: Option<String>,
    /// Whose run it is.
    tenant: String,
    /// Which run.
    run_id: Uuid,
    /// The stream in the log that holds it.
    stream: String,
}

struct EventRow {
    revision: i64,
    position: i64,
    event_id: Uuid,
    event_type: String,
    schema_version: i16,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    actor: String,
    correlation_id: Option<String>,
    causation_id: Option<String>,
    data: Json<Box<RawValue>>,
}

/// Lists a run's events. Auditors also get their full metadata.
#[utoipa::path(
    get,
    path = "/v1/tenants/{tenant}/runs/{run}/events",
    tag = "runs",
    params(
        ("tenant" = String, Path, description = "The tenant's short name"),
        ("run" = Uuid, Path, description = "The run's id"),
        ("from" = Option<u64>, Query, description = "The revision to begin at, included"),
        ("order" = Option<String>, Query, description = "asc (usual: the oldest first) or desc"),
        ("cursor" = Option<String>, Query, description = "next_cursor of the page before"),
        ("limit" = Option<u64>, Query, description = "Events in a page, 1 to 200; usually 50"),
        ("after" = Option<u64>, Query, description = "Wait until the projection has reached this position"),
    ),
    responses(
        (status = 200, description = "A page. The header Link names the next one", body = EventPage),
        (status = 401, description = "No valid token", body = Problem),
        (status = 404, description = "No such run of this tenant", body = Problem),
        (status = 422, description = "A parameter is wrong", body = Problem),
        (status = 503, description = "The projection is behind, or the database away", body = Problem),
    )
)]
pub(super) async fn list_events(
    State(state): State<ApiState>,
    asked: Asked<EventsQuery>,
    RunInPath(run): RunInPath,
) -> Result<Response, Problem> {
    let mut read = asked.begin(&state).await?;
    let tenant = &asked.caller.tenant;
    must_exist(read.conn(), tenant, run).await?;
    let mut rows = fetch(read.conn(), tenant, run, &asked.query).await?;
    let step = if asked.query.backwards { -1 } else { 1 };
    let next = cut(&mut rows, asked.query.limit).map(|last| last.revision + step);
    let next_cursor = next.map(|revision| cursor::encode(&asked.query.list, revision)).transpose()?;
    let audit = asked.caller.role.may_audit();
    let events = rows.into_iter().map(|row| view(row, tenant, run, audit)).collect::<Result<_, _>>()?;
    let page = EventPage { events, next_cursor: next_cursor.clone(), position: read.position.0 };
    let mut response = answer(&state, read.position, page);
    if let Some(cursor) = next_cursor {
        link_next(response.headers_mut(), &asked.address, &cursor)?;
    }
    Ok(response)
}

macro_rules! page_of_events {
    ($start:tt, $order:tt, $($argument:expr),*) => {
        sqlx::query_as!(
            EventRow,
            r#"SELECT revision, position, event_id, event_type, schema_version, occurred_at, recorded_at, actor,
                      correlation_id, causation_id, data AS "data: Json<Box<RawValue>>"
               FROM projection.run_events
               WHERE tenant = $1 AND run_id = $2 AND ($3::bigint IS NULL OR "# + $start + ") ORDER BY "
               + $order + " LIMIT $4",
            $($argument),*
        )
    };
}

async fn fetch(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run: RunId,
    query: &EventsQuery,
) -> Result<Vec<EventRow>, sqlx::Error> {
    let (tenant, run, limit) = (tenant.as_str(), run.uuid(), rows_for(query.limit));
    if query.backwards {
        page_of_events!("revision <= $3", "revision DESC", tenant, run, query.start, limit)
            .fetch_all(conn)
            .await
    } else {
        page_of_events!("revision >= $3", "revision", tenant, run, query.start, limit).fetch_all(conn).await
    }
}

fn view(row: EventRow, tenant: &TenantId, run: RunId, audit: bool) -> Result<EventView, Corrupt> {
    let metadata = audit.then(|| EventMetadata {
        event_id: row.event_id,
        schema_version: row.schema_version,
        correlation_id: row.correlation_id,
        causation_id: row.causation_id,
        tenant: tenant.to_string(),
        run_id: run.uuid(),
        stream: run_stream(tenant, run),
    });
    Ok(EventView {
        revision: count(TABLE, "revision", row.event_id, row.revision)?,
        position: count(TABLE, "position", row.event_id, row.position)?,
        event_type: row.event_type,
        occurred_at: row.occurred_at,
        recorded_at: row.recorded_at,
        actor: row.actor,
        data: row.data.0,
        metadata,
    })
}
