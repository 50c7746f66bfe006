//! `GET /v1/tenants/{tenant}/tokens`. Tokens are no projection: they are read where they are looked up, so that what was
//! revoked is seen at once.

use access::{TokenRow, Tokens};
use chrono::{DateTime, Utc};
use domain::TenantId;
use eventlog::Position;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::cursor::{self, Fingerprint};
use crate::error::ReadError;
use crate::forms;
use crate::page::{LONGEST_PAGE, USUAL_PAGE, cut, rows_for};
use crate::params::{Params, ReadQuery};

/// A page of tokens.
#[derive(Debug)]
pub struct TokensQuery {
    /// Of the last token before the page: when it was created, and its id.
    before: Option<(DateTime<Utc>, Uuid)>,
    limit: u64,
    list: Fingerprint,
}

impl ReadQuery for TokensQuery {
    const ALLOWED: &'static [&'static str] = &["cursor", "limit"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        let limit = params.number("limit", 1, LONGEST_PAGE)?.unwrap_or(USUAL_PAGE);
        let list = Fingerprint::of("tokens", &());
        let before = cursor::take(params, &list)?;
        Ok(Self { before, limit, list })
    }
}

/// A page of a tenant's tokens.
#[derive(Debug, Serialize, ToSchema)]
pub struct TokenPage {
    /// The tokens, the newest first; also those that are good no longer.
    pub tokens: Vec<TokenView>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// How far the read tables are. The tokens themselves are as they are now.
    #[schema(value_type = forms::Position)]
    pub position: u64,
}

/// What is known of a token; never the token itself.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Token)]
pub struct TokenView {
    /// By which it is revoked.
    pub token_id: Uuid,
    /// What it may do.
    #[schema(value_type = forms::Role)]
    pub role: String,
    /// The principal that holds it.
    #[schema(value_type = forms::PrincipalId)]
    pub principal: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it ends by itself; null where it does not.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked; null where it was not.
    pub revoked_at: Option<DateTime<Utc>>,
}

impl From<TokenRow> for TokenView {
    fn from(row: TokenRow) -> Self {
        let TokenRow { token_id, role, principal, created_at, expires_at, revoked_at, .. } = row;
        Self { token_id, role, principal, created_at, expires_at, revoked_at }
    }
}

/// A page of a tenant's tokens, to an answer that reflects `position`. For those only who may see them: whoever asks
/// must have made sure of that.
///
/// # Errors
/// The database's.
pub async fn page_of_tokens(
    tokens: &Tokens,
    tenant: &TenantId,
    query: &TokensQuery,
    position: Position,
) -> Result<TokenPage, ReadError> {
    let mut rows = tokens.newest(tenant, query.before, rows_for(query.limit)).await?;
    let last = cut(&mut rows, query.limit).map(|row| (row.created_at, row.token_id));
    let next_cursor = last.map(|key| cursor::encode(&query.list, key)).transpose()?;
    Ok(TokenPage {
        tokens: rows.into_iter().map(TokenView::from).collect(),
        next_cursor,
        position: position.0,
    })
}
