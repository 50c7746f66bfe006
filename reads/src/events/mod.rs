//! `GET /v1/tenants/{tenant}/runs/{run}/events`, and the events of all runs.

mod history;
#[cfg(test)]
mod plans;

use access::Caller;
use chrono::{DateTime, Utc};
use domain::{RunId, TenantId, wire};
use eventlog::streams::run_stream;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::corrupt::{Corrupt, non_negative};
use crate::cursor::{self, Fingerprint};
use crate::error::ReadError;
use crate::forms;
use crate::page::{LONGEST_PAGE, USUAL_PAGE, cut, rows_for};
use crate::params::ReadQuery;
use crate::params::{Params, wrong};
use crate::pool::TenantRead;

pub use history::{HistoryQuery, page_of_history};

const TABLE: &str = "projection.run_events";

/// A page of a run's events.
#[derive(Debug)]
pub struct EventsQuery {
    backwards: bool,
    /// The first revision of the page, in its direction.
    start: Option<i64>,
    limit: u64,
    list: Fingerprint,
}

impl ReadQuery for EventsQuery {
    const ALLOWED: &'static [&'static str] = &["from", "order", "cursor", "limit"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let order = params.parse_enum("order", "asc (usual), desc", |text| match text {
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

impl EventsQuery {
    /// The newest events, from a revision on backwards where one is given.
    pub fn newest(from: Option<u64>, limit: u64) -> Self {
        let from = from.map(|revision| i64::try_from(revision).unwrap_or(i64::MAX));
        Self { backwards: true, start: from, limit, list: Fingerprint::of("events", &(from, true)) }
    }
}

/// A page of events.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// The events in their order: of one run by their revisions, of all by when the ledger took them in.
    pub events: Vec<EventView>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// The position that the page reflects.
    #[schema(value_type = forms::Position)]
    pub position: u64,
}

/// An event of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunEvent)]
pub struct EventView {
    /// Which run it happened to; absent where the address says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_id: Option<Uuid>,
    /// Its place in the run, from 0.
    #[schema(value_type = forms::Revision)]
    pub revision: u64,
    /// Its place in the whole log.
    #[schema(value_type = forms::Position)]
    pub position: u64,
    /// What happened.
    #[serde(rename = "type")]
    #[schema(value_type = forms::EventTypeName)]
    pub event_type: String,
    /// When it happened, by the producer's clock.
    pub occurred_at: DateTime<Utc>,
    /// When the ledger took it in, by its own.
    pub recorded_at: DateTime<Utc>,
    /// The principal that appended it.
    #[schema(value_type = forms::PrincipalId)]
    pub actor: String,
    /// The event's own fields, as they were written; of an old form, in today's.
    #[schema(value_type = forms::AnyObject)]
    pub data: Box<RawValue>,
    /// For auditors only: absent for other roles.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metadata: Option<EventMetadata>,
}

/// What else is kept about an event.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventMetadata {
    /// The event's id.
    pub event_id: Uuid,
    /// The version of the form in which it was written.
    pub schema_version: i16,
    /// Ties it to what else belongs together, where the producer said so.
    #[schema(value_type = Option<forms::CorrelationId>)]
    pub correlation_id: Option<String>,
    /// What caused it, where the producer said so.
    #[schema(value_type = Option<forms::CorrelationId>)]
    pub causation_id: Option<String>,
    /// By whose token it came; null of the ledger's own, and of events from before that was kept.
    pub token_id: Option<Uuid>,
    /// With which request it came: under this id the server's log has it.
    pub request_id: Option<String>,
    /// What brought it without a request: `sweeper`, the ledger itself, or `import`; null of what a request brought.
    pub origin: Option<String>,
    /// Whose run it is.
    #[schema(value_type = forms::TenantId)]
    pub tenant: String,
    /// Which run.
    pub run_id: Uuid,
    /// The stream in the log that holds it.
    pub stream: String,
}

#[derive(sqlx::FromRow)]
struct EventRow {
    run_id: Uuid,
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
    token_id: Option<Uuid>,
    request_id: Option<String>,
    origin: Option<String>,
    data: Json<Box<RawValue>>,
}

/// A page of a run's events, with their metadata for auditors.
///
/// # Errors
/// The database's.
pub async fn page_of_events(
    read: &mut TenantRead,
    caller: &Caller,
    run: RunId,
    query: &EventsQuery,
) -> Result<EventPage, ReadError> {
    let tenant = &caller.tenant;
    let mut rows = fetch(read.conn(), tenant, run, query).await?;
    let step = if query.backwards { -1 } else { 1 };
    let next = cut(&mut rows, query.limit).map(|last| last.revision + step);
    let next_cursor = next.map(|revision| cursor::encode(&query.list, revision)).transpose()?;
    let audit = caller.role.may_audit();
    let events = rows.into_iter().map(|row| view(row, tenant, audit)).collect::<Result<_, _>>()?;
    Ok(EventPage { events, next_cursor, position: read.position.0 })
}

macro_rules! events_in_order {
    ($start:tt, $order:tt, $($argument:expr),*) => {
        sqlx::query_as!(
            EventRow,
            r#"SELECT run_id, revision, position, event_id, event_type, schema_version, occurred_at, recorded_at, actor,
                      correlation_id, causation_id, token_id, request_id, origin,
                      data AS "data: Json<Box<RawValue>>"
               FROM projection.run_events
               WHERE tenant = $1 AND run_id = $2 AND "# + $start + " ORDER BY "
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
        let start = query.start.unwrap_or(i64::MAX);
        events_in_order!("revision <= $3", "revision DESC", tenant, run, start, limit).fetch_all(conn).await
    } else {
        let start = query.start.unwrap_or(0);
        events_in_order!("revision >= $3", "revision", tenant, run, start, limit).fetch_all(conn).await
    }
}

/// An event as it is shown, to auditors with its metadata.
fn view(row: EventRow, tenant: &TenantId, audit: bool) -> Result<EventView, Corrupt> {
    let run = RunId::new(row.run_id).map_err(|error| Corrupt::new(TABLE, "run_id", row.event_id, error))?;
    let data = match in_todays_form(&row)? {
        Some(new) => new,
        None => row.data.0,
    };
    let metadata = audit.then(|| EventMetadata {
        event_id: row.event_id,
        schema_version: row.schema_version,
        correlation_id: row.correlation_id,
        causation_id: row.causation_id,
        token_id: row.token_id,
        request_id: row.request_id,
        origin: row.origin,
        tenant: tenant.to_string(),
        run_id: run.uuid(),
        stream: run_stream(tenant, run),
    });
    Ok(EventView {
        run_id: None,
        revision: non_negative(TABLE, "revision", row.event_id, row.revision)?,
        position: non_negative(TABLE, "position", row.event_id, row.position)?,
        event_type: row.event_type,
        occurred_at: row.occurred_at,
        recorded_at: row.recorded_at,
        actor: row.actor,
        data,
        metadata,
    })
}

/// The fields of an event that was written in an old form, in today's: what that left out on purpose nobody is
/// shown.
fn in_todays_form(row: &EventRow) -> Result<Option<Box<RawValue>>, Corrupt> {
    let corrupt = |what: &dyn std::fmt::Display| Corrupt::new(TABLE, "data", row.event_id, what);
    let version = u16::try_from(row.schema_version).map_err(|error| corrupt(&error))?;
    let new = wire::upcast_data(&row.event_type, version, row.data.get().as_bytes());
    let new = new.map_err(|error| corrupt(&error))?;
    new.map(|new| to_raw_value(&new)).transpose().map_err(|error| corrupt(&error))
}
