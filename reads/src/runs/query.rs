//! The list of runs, as it is asked of the database.

use chrono::{DateTime, Utc};
use domain::TenantId;

use super::filter::{Filter, ListQuery};
use super::order::Order;
use super::row::RunRow;
use super::statement::{Page, Statement};
use super::usual::{LateSince, late_since};
use crate::directory::ids_of_labels;
use crate::error::ReadError;
use crate::page::rows_for;
use crate::pool::{Plans, TenantRead};

/// The rows of a page, and one more where there is a next page.
///
/// # Errors
/// The database's.
pub(super) async fn fetch(
    read: &mut TenantRead,
    tenant: &TenantId,
    query: &ListQuery,
    now: DateTime<Utc>,
) -> Result<Vec<RunRow>, ReadError> {
    // Only a label can be one of the directory's names.
    let label_ids = ids_of_labels(read.conn(), tenant, &query.filter.labels).await?;
    let late_since = match query.filter.late {
        true => late_since(read.conn(), tenant, query.filter.kind.as_deref(), now).await?,
        false => LateSince::new(),
    };
    let filter = Filter { label_ids, late_since, ..query.filter.clone() };
    let mut statements = statements(tenant, (query, &filter), now);
    let mut rows = Vec::new();
    for statement in &mut statements {
        if statement.plans == Plans::ForValues {
            read.plan_for_values().await?;
        }
        rows.extend(statement.sql.build_query_as::<RunRow>().fetch_all(read.conn()).await?);
    }
    if statements.len() > 1 {
        rows.sort_unstable_by_key(|row| (row.time(query.by), row.run_id));
        rows.dedup_by_key(|row| row.run_id);
        if query.reading_order() == Order::NewestFirst {
            rows.reverse();
        }
        rows.truncate(usize::try_from(rows_for(query.limit)).unwrap_or(usize::MAX));
    }
    Ok(rows)
}

/// What may be the beginning of an id as well as of a title is looked up as both, one after the other: no index
/// answers an OR of the two. An id holds the time at which it was made, and so bounds where to look. Among runs that
/// something else has found, one statement asks for both.
pub(super) fn statements(
    tenant: &TenantId,
    (query, filter): (&ListQuery, &Filter),
    now: DateTime<Utc>,
) -> Vec<Statement> {
    let search = filter.search.as_ref();
    let page = Page {
        tenant: tenant.as_str(),
        filter,
        since: filter.since,
        until: filter.until,
        title: search.map(|search| search.title.as_str()),
        ids: search.and_then(|search| search.ids),
        after: query.after.and_then(|key| Some((key.time()?, key.run_id))),
        by: query.by,
        order: query.reading_order(),
        limit: rows_for(query.limit),
        now,
    };
    let found = filter.stalled || filter.quarantined || filter.late || !filter.labels.is_empty();
    match search {
        Some(search) if search.ids.is_some() && !found => {
            let (from, to) = search.queued_between().unzip();
            let since = page.since.max(from);
            let until = page.until.into_iter().chain(to).min();
            let titled = Page { ids: None, ..page };
            vec![titled.statement(), Page { title: None, since, until, ..page }.statement()]
        }
        _ => vec![page.statement()],
    }
}
