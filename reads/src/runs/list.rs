//! `GET /v1/tenants/{tenant}/runs`.

use chrono::{DateTime, Utc};
use domain::{Status, TenantId};
use serde::Serialize;
use utoipa::ToSchema;

use super::filter::ListQuery;
use super::order::RunKey;
use super::query::fetch;
use super::row::RunRow;
use super::usual;
use super::view::RunView;
use crate::base_path::BasePath;
use crate::cursor;
use crate::directory::name_labels;
use crate::error::ReadError;
use crate::forms;
use crate::page::cut;
use crate::pool::TenantRead;

/// A page of runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct RunPage {
    /// The runs, without their contexts.
    pub runs: Vec<RunView>,
    /// For the next page; null on the last.
    pub next_cursor: Option<String>,
    /// For the page before; none on the first. Pages for people have a way back, programs need none.
    #[serde(skip)]
    #[schema(ignore)]
    pub previous_cursor: Option<String>,
    /// The position that the page reflects.
    #[schema(value_type = forms::Position)]
    pub position: u64,
}

impl RunPage {
    /// It with its links as they are seen from outside.
    pub fn under(self, base: &BasePath) -> Self {
        Self { runs: self.runs.into_iter().map(|run| run.under(base)).collect(), ..self }
    }
}

/// A page of the tenant's runs as they stand at `now`, which is one moment for the filter and for what is
/// shown.
///
/// # Errors
/// The database's.
pub async fn page_of_runs(
    read: &mut TenantRead,
    tenant: &TenantId,
    query: &ListQuery,
    now: DateTime<Utc>,
) -> Result<RunPage, ReadError> {
    let mut rows = fetch(read, tenant, query, now).await?;
    let more = cut(&mut rows, query.limit).is_some();
    if query.backwards {
        rows.reverse();
    }
    let cursor = |row: Option<&RunRow>| {
        let key = row.and_then(|row| Some(RunKey::new(row.time(query.by)?, row.run_id)));
        key.map(|key| cursor::encode(&query.list, key)).transpose()
    };
    // A reader that goes back has come from somewhere, and one that goes on as well.
    let next_cursor = if more || query.backwards { cursor(rows.last())? } else { None };
    let previous = if query.backwards { more } else { query.after.is_some() };
    let previous_cursor = if previous { cursor(rows.first())? } else { None };
    let mut runs = rows.into_iter().map(|row| row.into_view(tenant, now)).collect::<Result<Vec<_>, _>>()?;
    name_labels(read.conn(), tenant, &mut runs).await?;
    usual::tell(read.conn(), tenant, &mut runs, |run| run.status == Status::Running, now).await?;
    Ok(RunPage { runs, next_cursor, previous_cursor, position: read.position.0 })
}
