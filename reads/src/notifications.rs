//! `GET /v1/tenants/{tenant}/notifications`.

use access::Caller;
use chrono::{DateTime, Utc};
use domain::{EndedAs, PrincipalId, RunId, Status, TenantId};
use eventlog::Position;
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::base_path::BasePath;
use crate::corrupt::{Corrupt, non_negative, parse_enum};
use crate::cursor::{self, Fingerprint};
use crate::error::ReadError;
use crate::forms;
use crate::page::{LONGEST_PAGE, USUAL_PAGE, cut, rows_for};
use crate::params::Params;
use crate::params::ReadQuery;
use crate::pool::TenantRead;
use crate::runs::{EndedAsName, RunLinks, RunStatus};

const TABLE: &str = "projection.notifications";

/// Unread notifications are counted up to here.
pub const COUNTED: i64 = 1_000;

/// A page of notifications.
#[derive(Debug)]
pub struct NotificationsQuery {
    unread: Option<bool>,
    limit: u64,
    before: Option<i64>,
    list: Fingerprint,
}

impl ReadQuery for NotificationsQuery {
    const ALLOWED: &'static [&'static str] = &["unread", "cursor", "limit"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let unread = params.parse_enum("unread", "true, false", |text| text.parse().ok())?;
        let limit = params.number("limit", 1, LONGEST_PAGE)?.unwrap_or(USUAL_PAGE);
        let list = Fingerprint::of("notifications", &unread);
        let before = cursor::take(params, &list)?;
        Ok(Self { unread, limit, before, list })
    }
}

/// A page of the caller's notifications.
#[derive(Debug, Serialize, ToSchema)]
pub struct NotificationPage {
    /// The notifications, the newest first.
    pub notifications: Vec<NotificationView>,
    /// How many are unread in all, counted up to 1000.
    #[schema(maximum = 1000)]
    pub unread_count: u64,
    /// Whether there are more unread ones than were counted.
    pub unread_count_capped: bool,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// The position that the page reflects.
    #[schema(value_type = forms::Position)]
    pub position: u64,
}

impl NotificationPage {
    /// It with its links as they are seen from outside.
    pub fn under(mut self, base: &BasePath) -> Self {
        let under = |told: NotificationView| NotificationView { links: told.links.under(base), ..told };
        self.notifications = self.notifications.into_iter().map(under).collect();
        self
    }
}

/// Word to the initiator of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Notification)]
pub struct NotificationView {
    /// By which it is marked as read.
    pub notification_id: Uuid,
    /// Which run it is about.
    pub run_id: Uuid,
    /// What the run did.
    pub transition: Transition,
    /// The run's kind.
    #[schema(value_type = forms::Kind)]
    pub kind: String,
    /// The run's title.
    #[schema(value_type = Option<forms::ShownText>)]
    pub title: Option<String>,
    /// How the run stood then.
    #[schema(value_type = RunStatus)]
    pub status: Status,
    /// Which event ended it; null where it was queued.
    #[schema(value_type = Option<EndedAsName>)]
    pub ended_as: Option<EndedAs>,
    /// That end was concluded from silence; should the run's own end come, this notification tells of it anew.
    pub presumed: bool,
    /// It told of a presumed end before, and tells of the real one now.
    pub superseded: bool,
    /// Why it failed or was aborted, for machines.
    #[schema(value_type = Option<forms::ReasonCode>)]
    pub reason_code: Option<String>,
    /// The last word of the event that ended it.
    #[schema(value_type = Option<forms::ShownText>)]
    pub message: Option<String>,
    /// When the ledger took in the event that it is about.
    pub created_at: DateTime<Utc>,
    /// When it was read; null while it was not.
    pub read_at: Option<DateTime<Utc>>,
    /// The position of the event that it is about.
    #[schema(value_type = forms::Position)]
    pub position: u64,
    /// Where the run's resources are.
    pub links: RunLinks,
}

/// What a run did.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Transition {
    /// It was queued.
    Queued,
    /// It ended.
    Ended,
}

impl Transition {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "queued" => Some(Self::Queued),
            "ended" => Some(Self::Ended),
            _ => None,
        }
    }
}

struct NotificationRow {
    notification_id: Uuid,
    run_id: Uuid,
    transition: String,
    kind: String,
    title: Option<String>,
    status: String,
    ended_as: Option<String>,
    presumed: bool,
    superseded: bool,
    reason_code: Option<String>,
    message: Option<String>,
    created_at: DateTime<Utc>,
    read_at: Option<DateTime<Utc>>,
    position: i64,
}

/// A page of the caller's own notifications.
///
/// # Errors
/// The database's.
pub async fn page_of_notifications(
    read: &mut TenantRead,
    caller: &Caller,
    query: &NotificationsQuery,
) -> Result<NotificationPage, ReadError> {
    let mut rows = fetch(read.conn(), caller, query).await?;
    let unread = count_unread(read.conn(), caller).await?;
    let last = cut(&mut rows, query.limit).map(|row| row.position);
    let next_cursor = last.map(|position| cursor::encode(&query.list, position)).transpose()?;
    let notifications =
        rows.into_iter().map(|row| view(row, caller.tenant.as_str())).collect::<Result<_, _>>()?;
    Ok(NotificationPage {
        notifications,
        unread_count: non_negative(TABLE, "count", &caller.principal, unread.min(COUNTED))?,
        unread_count_capped: unread > COUNTED,
        next_cursor,
        position: read.position.0,
    })
}

/// How many notifications the caller has not read, counted up to one more than [`COUNTED`].
///
/// # Errors
/// The database's.
pub async fn unread(read: &mut TenantRead, caller: &Caller) -> Result<u64, ReadError> {
    let unread = count_unread(read.conn(), caller).await?;
    Ok(non_negative(TABLE, "count", &caller.principal, unread)?)
}

/// A text for each: a condition that may be none would hide the index of those that are unread.
macro_rules! notifications {
    ($which:tt, $($argument:expr),*) => {
        sqlx::query_as!(
            NotificationRow,
            "SELECT notification_id, run_id, transition, kind, title, status, ended_as, presumed, superseded,
                    reason_code, message, created_at, read_at, position
             FROM projection.notifications
             WHERE tenant = $1 AND recipient = $2 AND " + $which + "
             ORDER BY position DESC LIMIT $4",
            $($argument),*
        )
    };
}

async fn fetch(
    conn: &mut PgConnection,
    caller: &Caller,
    query: &NotificationsQuery,
) -> Result<Vec<NotificationRow>, sqlx::Error> {
    // One position tells one recipient one thing, so it orders and pages them.
    let (tenant, recipient) = (caller.tenant.as_str(), caller.principal.as_str());
    let (before, limit) = (query.before.unwrap_or(i64::MAX), rows_for(query.limit));
    match query.unread {
        None => notifications!("position < $3", tenant, recipient, before, limit).fetch_all(conn).await,
        Some(true) => {
            notifications!("position < $3 AND read_at IS NULL", tenant, recipient, before, limit)
                .fetch_all(conn)
                .await
        }
        Some(false) => {
            notifications!("position < $3 AND read_at IS NOT NULL", tenant, recipient, before, limit)
                .fetch_all(conn)
                .await
        }
    }
}

async fn count_unread(conn: &mut PgConnection, caller: &Caller) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM (
               SELECT FROM projection.notifications
               WHERE tenant = $1 AND recipient = $2 AND read_at IS NULL
               LIMIT $3) AS unread"#,
        caller.tenant.as_str(),
        caller.principal.as_str(),
        COUNTED + 1
    )
    .fetch_one(conn)
    .await
}

fn view(row: NotificationRow, tenant: &str) -> Result<NotificationView, Corrupt> {
    let id = row.notification_id;
    let run = RunId::new(row.run_id).map_err(|error| Corrupt::new(TABLE, "run_id", id, error))?;
    let ended_as =
        row.ended_as.map(|text| parse_enum(TABLE, "ended_as", id, &text, EndedAs::parse)).transpose()?;
    Ok(NotificationView {
        notification_id: id,
        run_id: row.run_id,
        transition: parse_enum(TABLE, "transition", id, &row.transition, Transition::parse)?,
        kind: row.kind,
        title: row.title,
        status: parse_enum(TABLE, "status", id, &row.status, Status::parse)?,
        ended_as,
        presumed: row.presumed,
        superseded: row.superseded,
        reason_code: row.reason_code,
        message: row.message,
        created_at: row.created_at,
        read_at: row.read_at,
        position: non_negative(TABLE, "position", id, row.position)?,
        links: RunLinks::new(tenant, run),
    })
}

/// The position of what a notification tells that recipient, if it is there. Needs a transaction that names
/// the tenant.
///
/// # Errors
/// The database's.
pub async fn told_at(
    connection: &mut PgConnection,
    tenant: &TenantId,
    recipient: &PrincipalId,
    notification: Uuid,
) -> Result<Option<Position>, ReadError> {
    let found = sqlx::query_scalar!(
        "SELECT position FROM projection.notifications
         WHERE notification_id = $1 AND tenant = $2 AND recipient = $3",
        notification,
        tenant.as_str(),
        recipient.as_str()
    );
    let Some(position) = found.fetch_optional(connection).await? else { return Ok(None) };
    let position = non_negative(TABLE, "position", notification, position)?;
    Ok(Some(Position(position)))
}
