//! `GET /v1/tenants/{tenant}/inlets`, and what of an inlet was set aside. As tokens these are no projections: they are
//! read where they are looked up.

use access::{InletRow, Tokens};
use chrono::{DateTime, Utc};
use domain::TenantId;
use eventlog::Position;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::cursor::{self, Fingerprint};
use crate::error::ReadError;
use crate::forms;
use crate::page::{LONGEST_PAGE, USUAL_PAGE, cut, rows_for};
use crate::params::{Params, ReadQuery};

/// Where a page begins whose entries are ordered by a time and an id: after this one.
type Before = Option<(DateTime<Utc>, Uuid)>;

/// A page of inlets.
#[derive(Debug)]
pub struct InletsQuery {
    before: Before,
    limit: u64,
    list: Fingerprint,
}

/// A page of what was set aside.
#[derive(Debug)]
pub struct SetAsideQuery {
    before: Before,
    limit: u64,
    list: Fingerprint,
}

fn paged(params: &mut Params, list: &str) -> Result<(Before, u64, Fingerprint), ReadError> {
    let limit = params.number("limit", 1, LONGEST_PAGE)?.unwrap_or(USUAL_PAGE);
    let list = Fingerprint::of(list, &());
    let before = cursor::take(params, &list)?;
    Ok((before, limit, list))
}

impl ReadQuery for InletsQuery {
    const ALLOWED: &'static [&'static str] = &["cursor", "limit"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let (before, limit, list) = paged(params, "inlets")?;
        Ok(Self { before, limit, list })
    }
}

impl ReadQuery for SetAsideQuery {
    const ALLOWED: &'static [&'static str] = &["cursor", "limit"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let (before, limit, list) = paged(params, "set aside")?;
        Ok(Self { before, limit, list })
    }
}

/// A page of a tenant's inlets.
#[derive(Debug, Serialize, ToSchema)]
pub struct InletPage {
    /// The inlets, the newest first; also those that are revoked.
    pub inlets: Vec<InletView>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// How far the read tables are. The inlets themselves are as they are now.
    #[schema(value_type = forms::Position)]
    pub position: u64,
}

/// What is known of an inlet; never its key.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Inlet)]
pub struct InletView {
    /// By which it is revoked. The events that came through it have it as their `token_id`.
    pub inlet_id: Uuid,
    /// In which form reports come in.
    #[schema(value_type = forms::InletType)]
    pub inlet_type: String,
    /// Of which kind its runs are.
    #[schema(value_type = forms::Kind)]
    pub kind: String,
    /// The actor of their events.
    #[schema(value_type = forms::PrincipalId)]
    pub principal: String,
    /// After how many silent seconds its runs are shown as stalled; null: never.
    #[schema(minimum = 1, maximum = 86_400)]
    pub heartbeat_seconds: Option<i32>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was revoked; null where it was not.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl From<InletRow> for InletView {
    fn from(row: InletRow) -> Self {
        let InletRow {
            inlet_id, inlet_type, kind, principal, heartbeat_seconds, created_at, revoked_at, ..
        } = row;
        Self { inlet_id, inlet_type, kind, principal, heartbeat_seconds, created_at, revoked_at }
    }
}

/// A page of what of an inlet was set aside.
#[derive(Debug, Serialize, ToSchema)]
pub struct SetAsidePage {
    /// What came in and became no event, the newest first.
    pub set_aside: Vec<SetAsideView>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// How far the read tables are. What was set aside is as it is now.
    #[schema(value_type = forms::Position)]
    pub position: u64,
}

/// Something that came in and became no event of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SetAside)]
pub struct SetAsideView {
    /// By which it is known.
    pub event_id: Uuid,
    /// Why nothing was made of it.
    pub why: String,
    /// As it came, without secrets, or as it was understood.
    pub content: Value,
    /// By which request it came, as the server's log calls it.
    pub request_id: String,
    /// When it came in.
    pub received_at: DateTime<Utc>,
    /// When it was set aside.
    pub set_aside_at: DateTime<Utc>,
}

/// A page of a tenant's inlets, to an answer that reflects `position`. For those only who may see them: whoever asks
/// must have made sure of that.
///
/// # Errors
/// The database's.
pub async fn page_of_inlets(
    tokens: &Tokens,
    tenant: &TenantId,
    query: &InletsQuery,
    position: Position,
) -> Result<InletPage, ReadError> {
    let mut rows = tokens.newest_inlets(tenant, query.before, rows_for(query.limit)).await?;
    let last = cut(&mut rows, query.limit).map(|row| (row.created_at, row.inlet_id));
    let next_cursor = last.map(|key| cursor::encode(&query.list, key)).transpose()?;
    let inlets = rows.into_iter().map(InletView::from).collect();
    Ok(InletPage { inlets, next_cursor, position: position.0 })
}

impl SetAsideQuery {
    /// After which entry the page begins, and how many rows are read for it.
    #[must_use]
    pub fn rows(&self) -> (Before, i64) {
        (self.before, rows_for(self.limit))
    }

    /// The page of the rows that were read for it, in an answer that reflects `position`.
    ///
    /// # Errors
    /// None that rows of ours cause.
    pub fn page(&self, mut rows: Vec<SetAsideView>, position: Position) -> Result<SetAsidePage, ReadError> {
        let last = cut(&mut rows, self.limit).map(|row| (row.set_aside_at, row.event_id));
        let next_cursor = last.map(|key| cursor::encode(&self.list, key)).transpose()?;
        Ok(SetAsidePage { set_aside: rows, next_cursor, position: position.0 })
    }
}
