//! `GET /v1/tenants/{tenant}/admin/events`.

use chrono::{DateTime, Utc};
use domain::TenantId;
use domain::admin::{ActorKind, AdminBody};
use redaction::CleanText;
use serde::Serialize;
use serde_json::value::RawValue;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::corrupt::{Corrupt, non_negative, parse_enum};
use crate::cursor::{self, Fingerprint};
use crate::error::ReadError;
use crate::forms;
use crate::page::{LONGEST_PAGE, USUAL_PAGE, cut, rows_for};
use crate::params::{Params, ReadQuery, wrong};
use crate::pool::TenantRead;

const TABLE: &str = "projection.admin_events";

/// A page of what was administered.
#[derive(Debug)]
pub struct AdminQuery {
    filter: Filter,
    /// The first revision that the page leaves out.
    before: Option<i64>,
    limit: u64,
    list: Fingerprint,
}

#[derive(Debug)]
struct Filter {
    event_type: Option<&'static str>,
    actor: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl ReadQuery for AdminQuery {
    const ALLOWED: &'static [&'static str] = &["type", "actor", "since", "until", "cursor", "limit"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let known = |name: &str| AdminBody::TYPES.iter().copied().find(|known| *known == name);
        let filter = Filter {
            event_type: params.parse_enum("type", &AdminBody::TYPES.join(", "), known)?,
            // Cleaned as it was when it was kept.
            actor: params.one("actor")?.map(|actor| CleanText::new(&actor).into_string()),
            since: params.time("since")?,
            until: params.time("until")?,
        };
        if filter.since.zip(filter.until).is_some_and(|(since, until)| since >= until) {
            return Err(wrong("until", "must be later than since: nothing lies between them"));
        }
        let limit = params.number("limit", 1, LONGEST_PAGE)?.unwrap_or(USUAL_PAGE);
        let list = Fingerprint::of("administration", &filter);
        let before = cursor::take(params, &list)?;
        Ok(Self { filter, before, limit, list })
    }
}

/// A page of what was done to a tenant's administration.
#[derive(Debug, Serialize, ToSchema)]
pub struct AdminPage {
    /// What was done, the newest first.
    pub events: Vec<AdminEventView>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// The position that the page reflects.
    #[schema(value_type = forms::Position)]
    pub position: u64,
}

/// Something that was done to a tenant's administration.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AdminEvent)]
pub struct AdminEventView {
    /// Its place in the tenant's administration, from 0.
    #[schema(value_type = forms::Revision)]
    pub revision: u64,
    /// Its place in the whole log.
    #[schema(value_type = forms::Position)]
    pub position: u64,
    /// The event's id.
    pub event_id: Uuid,
    /// What was done.
    #[serde(rename = "type")]
    #[schema(value_type = forms::AdminEventType)]
    pub event_type: String,
    /// When it was done, by the database's clock.
    pub recorded_at: DateTime<Utc>,
    /// By whom: a principal; `user@host` of who ran the command line; `user@address` of the database's user;
    /// `system`, the ledger itself; empty where nobody wrote it down.
    pub actor: String,
    /// Which of these it is.
    #[schema(value_type = forms::ActorKind)]
    pub actor_kind: ActorKind,
    /// The token that it was done with, where a principal did it.
    pub token_id: Option<Uuid>,
    /// The request that did it: under this id the server's log has it.
    pub request_id: Option<String>,
    /// What it was done to: a token by its id, role, principal and end, a policy by what it says.
    #[schema(value_type = forms::AnyObject)]
    pub data: Box<RawValue>,
}

struct AdminRow {
    revision: i64,
    position: i64,
    event_id: Uuid,
    event_type: String,
    recorded_at: DateTime<Utc>,
    actor_kind: String,
    actor: String,
    token_id: Option<Uuid>,
    request_id: Option<String>,
    data: Json<Box<RawValue>>,
}

/// A page of what was done to a tenant's administration. For those only who may see it: whoever asks must have made
/// sure of that.
///
/// # Errors
/// The database's.
pub async fn page_of_administration(
    read: &mut TenantRead,
    tenant: &TenantId,
    query: &AdminQuery,
) -> Result<AdminPage, ReadError> {
    let Filter { event_type, actor, since, until } = &query.filter;
    let mut rows = sqlx::query_as!(
        AdminRow,
        r#"SELECT revision, position, event_id, event_type, recorded_at, actor_kind, actor, token_id, request_id,
                  data AS "data: Json<Box<RawValue>>"
           FROM projection.admin_events
           WHERE tenant = $1 AND revision < $2 AND ($3::text IS NULL OR event_type = $3)
             AND ($4::text IS NULL OR actor = $4) AND ($5::timestamptz IS NULL OR recorded_at >= $5)
             AND ($6::timestamptz IS NULL OR recorded_at < $6)
           ORDER BY revision DESC LIMIT $7"#,
        tenant.as_str(),
        query.before.unwrap_or(i64::MAX),
        *event_type,
        actor.as_deref(),
        *since,
        *until,
        rows_for(query.limit)
    )
    .fetch_all(read.conn())
    .await?;
    let last = cut(&mut rows, query.limit).map(|row| row.revision);
    let next_cursor = last.map(|revision| cursor::encode(&query.list, revision)).transpose()?;
    let events = rows.into_iter().map(view).collect::<Result<_, _>>()?;
    Ok(AdminPage { events, next_cursor, position: read.position.0 })
}

fn view(row: AdminRow) -> Result<AdminEventView, Corrupt> {
    let id = row.event_id;
    Ok(AdminEventView {
        revision: non_negative(TABLE, "revision", id, row.revision)?,
        position: non_negative(TABLE, "position", id, row.position)?,
        event_id: id,
        event_type: row.event_type,
        recorded_at: row.recorded_at,
        actor: row.actor,
        actor_kind: parse_enum(TABLE, "actor_kind", id, &row.actor_kind, ActorKind::parse)?,
        token_id: row.token_id,
        request_id: row.request_id,
        data: row.data.0,
    })
}
