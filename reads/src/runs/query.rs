//! The query behind the list of runs.
//!
//! Row-level security comes before the caller's conditions, and lets an index answer these only where
//! their operators are leakproof, as comparisons of plain values are. So labels are looked up in a table
//! of their own, and a title's beginning is a range.

use chrono::{DateTime, Utc};
use domain::TenantId;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::filter::{ListQuery, Order, RunKey};
use super::row::RunRow;
use super::search::Search;
use crate::page::rows_for;

/// The arguments of the statements, in their types.
#[derive(Clone)]
struct ListArgs<'a> {
    tenant: &'a str,
    /// One status is an equality, by which an index gives the order as well.
    status: Option<&'a str>,
    /// Several are a set.
    statuses: Option<Vec<String>>,
    kind: Option<&'a str>,
    initiator: Option<&'a str>,
    labels: Option<serde_json::Value>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    title: Option<&'a str>,
    first_id: Option<Uuid>,
    last_id: Option<Uuid>,
    after_time: Option<DateTime<Utc>>,
    after_id: Option<Uuid>,
    limit: i64,
}

impl ListArgs<'_> {
    /// Whether no filter narrows the list but a title's beginning, an id's, or a time.
    fn is_alone(&self) -> bool {
        self.status.is_none()
            && self.statuses.is_none()
            && self.kind.is_none()
            && self.initiator.is_none()
            && self.labels.is_none()
    }
}

/// The tables, what keys the order, how the key goes on after a page, the order. One text for both orders
/// would hide the order from the planner, and so would one for lists with and without labels.
macro_rules! page_of_runs {
    ([$($from:tt)+], $key:tt, $beyond:tt, $direction:tt, $args:ident $(, $label:expr)*) => {
        sqlx::query_as!(
            RunRow,
            r#"SELECT r.run_id, r.kind, r.title, r.status, r.ended_as, r.presumed, r.superseded,
                      r.items_total, r.items_succeeded, r.items_failed, r.items_skipped, r.initiator_id, r.initiator_name,
                      r.labels AS "labels: Json<Box<RawValue>>", NULL::json AS "context: Json<Box<RawValue>>",
                      r.idempotency_key, r.worker, r.progress_message, r.reason_code, r.message, r.queued_at,
                      r.started_at, r.ended_at, r.started_recorded_at, r.ended_recorded_at, r.last_event_at, r.heartbeat_seconds, r.heartbeat_due_at,
                      r.held_revision, r.held_position, r.held_error, r.revision, r.position, CASE WHEN r.status = 'queued' THEN (
                          SELECT p.queued_limit_seconds FROM policy.stale_policies AS p
                          WHERE p.tenant = r.tenant AND p.kind IN (r.kind, '*') ORDER BY p.kind = '*' LIMIT 1
                      ) END AS queued_limit_seconds
               FROM "# + $($from)+ + "
               WHERE r.tenant = $1
                 AND ($2::text IS NULL OR r.status = $2)
                 AND ($3::text[] IS NULL OR r.status = ANY ($3))
                 AND ($4::text IS NULL OR r.kind = $4)
                 AND ($5::text IS NULL OR r.initiator_id = $5)
                 AND ($6::jsonb IS NULL OR r.labels @> $6)
                 AND ($7::timestamptz IS NULL OR " + $key + ".queued_at >= $7)
                 AND ($8::timestamptz IS NULL OR " + $key + ".queued_at < $8)
                 AND (($9::text IS NULL AND $10::uuid IS NULL)
                      OR ($9 IS NOT NULL AND r.title_key >= $9 AND r.title_key < $9 || chr(1114111))
                      OR ($10 IS NOT NULL AND r.run_id >= $10 AND r.run_id <= $11::uuid))
                 AND ($12::timestamptz IS NULL
                      OR (" + $key + ".queued_at, " + $key + ".run_id) " + $beyond + " ($12, $13::uuid))
               ORDER BY " + $key + ".queued_at " + $direction + ", " + $key + ".run_id " + $direction + "
               LIMIT $14",
            $args.tenant,
            $args.status,
            $args.statuses.as_deref(),
            $args.kind,
            $args.initiator,
            $args.labels,
            $args.since,
            $args.until,
            $args.title,
            $args.first_id,
            $args.last_id,
            $args.after_time,
            $args.after_id,
            $args.limit
            $(, $label)*
        )
    };
}

/// As [`page_of_runs`], by way of one label or two, so that the planner can begin with the rarer one, or with the
/// runs in their order where another filter leaves few of them: the tables are joined by all that they share.
macro_rules! page_of_labelled_runs {
    ($beyond:tt, $direction:tt, $args:ident, $one:expr) => {
        page_of_labelled_runs!([], $beyond, $direction, $args, $one)
    };
    ($beyond:tt, $direction:tt, $args:ident, $one:expr, $other:expr) => {
        page_of_labelled_runs!(
            [+ "JOIN projection.run_labels AS o
                ON o.tenant = l.tenant AND o.queued_at = l.queued_at AND o.run_id = l.run_id AND o.label = $16
               AND ($7::timestamptz IS NULL OR o.queued_at >= $7)
               AND ($8::timestamptz IS NULL OR o.queued_at < $8)
               AND ($12::timestamptz IS NULL OR (o.queued_at, o.run_id) " + $beyond + " ($12, $13::uuid)) "],
            $beyond,
            $direction,
            $args,
            $one,
            $other
        )
    };
    ([$($other_label:tt)*], $beyond:tt, $direction:tt, $args:ident, $($label:expr),+) => {
        page_of_runs!(
            ["projection.run_labels AS l " $($other_label)* + "
             JOIN projection.runs AS r
               ON r.run_id = l.run_id AND r.tenant = l.tenant AND r.queued_at = l.queued_at
              AND l.tenant = $1 AND l.label = $15
              AND ($7::timestamptz IS NULL OR r.queued_at >= $7)
              AND ($8::timestamptz IS NULL OR r.queued_at < $8)
              AND ($12::timestamptz IS NULL OR (r.queued_at, r.run_id) " + $beyond + " ($12, $13::uuid))"],
            "l",
            $beyond,
            $direction,
            $args,
            $($label),+
        )
    };
}

/// As [`page_of_runs`], of those whose keys a part of a query finds: the keys of the page come first, and only its
/// own runs are then looked at. `$limit` names the parameter that says how many keys are wanted.
macro_rules! page_of_keys {
    ($keys:tt, $limit:tt, $beyond:tt, $direction:tt, $args:ident $(, $more:expr)*) => {
        page_of_runs!(
            ["(SELECT x.queued_at, x.run_id FROM " + $keys + "
                 AND ($7::timestamptz IS NULL OR x.queued_at >= $7)
                 AND ($8::timestamptz IS NULL OR x.queued_at < $8)
                 AND ($12::timestamptz IS NULL OR (x.queued_at, x.run_id) " + $beyond + " ($12, $13::uuid))
               ORDER BY x.queued_at " + $direction + ", x.run_id " + $direction + "
               LIMIT " + $limit + ") AS k JOIN projection.runs AS r ON r.run_id = k.run_id"],
            "k",
            $beyond,
            $direction,
            $args
            $(, $more)*
        )
    };
}

/// As [`page_of_runs`], of those whose titles begin alike, where nothing else but a time is asked. The keys of
/// the page come from the index of titles alone.
macro_rules! page_of_titled_runs {
    ($beyond:tt, $direction:tt, $args:ident) => {
        page_of_keys!(
            "projection.runs AS x
               WHERE x.tenant = $1 AND x.title_key >= $9 AND x.title_key < $9 || chr(1114111)",
            "$14",
            $beyond,
            $direction,
            $args
        )
    };
}

/// As [`page_of_runs`], of those that are stalled. They are among the active runs, which are few: both sorts
/// are looked up by status, whatever else is asked. OFFSET 0 keeps the planner from walking all runs in the
/// order of the list instead. The shortest of all limits is for the index, and leaves few queued runs whose own is
/// looked up. `$few` is the page's limit where nothing else is asked; else it is NULL, and the rest is asked of all
/// that are stalled.
macro_rules! page_of_stalled_runs {
    ($beyond:tt, $direction:tt, $args:ident, $now:expr, $few:expr) => {
        page_of_keys!(
            "(SELECT y.queued_at, y.run_id FROM projection.runs AS y
               WHERE y.tenant = $1 AND y.status = 'running' AND y.heartbeat_due_at < $15::timestamptz
               UNION ALL
               SELECT y.queued_at, y.run_id FROM projection.runs AS y
               WHERE y.tenant = $1 AND y.status = 'queued' AND y.queued_at < $15::timestamptz - make_interval(
                   secs => (SELECT min(p.queued_limit_seconds) FROM policy.stale_policies AS p
                            WHERE p.tenant = $1))
                 AND y.queued_at < $15::timestamptz - make_interval(
                   secs => (SELECT p.queued_limit_seconds FROM policy.stale_policies AS p
                            WHERE p.tenant = y.tenant AND p.kind IN (y.kind, '*')
                            ORDER BY p.kind = '*' LIMIT 1))
               OFFSET 0) AS x
               WHERE true",
            "$16",
            $beyond,
            $direction,
            $args,
            $now,
            $few
        )
    };
}

/// As [`page_of_runs`], of those that the projection holds back. There are hardly ever any. `$few` as there.
macro_rules! page_of_quarantined_runs {
    ($beyond:tt, $direction:tt, $args:ident, $few:expr) => {
        page_of_keys!(
            "projection.runs AS x WHERE x.tenant = $1 AND x.held_revision IS NOT NULL",
            "$15",
            $beyond,
            $direction,
            $args,
            $few
        )
    };
}

/// The rows of a page, and one more where there is a next page.
///
/// # Errors
/// The database's.
pub(super) async fn fetch(
    conn: &mut PgConnection,
    tenant: &TenantId,
    query: &ListQuery,
    now: DateTime<Utc>,
) -> Result<Vec<RunRow>, sqlx::Error> {
    let filter = &query.filter;
    let (status, statuses) = match filter.status.as_slice() {
        [] => (None, None),
        [one] => (Some(*one), None),
        several => (None, Some(several.iter().map(|&status| status.to_owned()).collect())),
    };
    let ids = filter.search.as_ref().and_then(|search| search.ids);
    let args = ListArgs {
        tenant: tenant.as_str(),
        status,
        statuses,
        kind: filter.kind.as_deref(),
        initiator: filter.initiator.as_deref(),
        // Two are looked up; only where there are more, or it is a list of few, must the rows be asked.
        labels: ((filter.stalled || filter.quarantined) && !filter.labels.is_empty()
            || filter.labels.len() > 2)
            .then(|| serde_json::json!(filter.labels)),
        since: filter.since,
        until: filter.until,
        title: filter.search.as_ref().map(|search| search.title.as_str()),
        first_id: ids.map(|(first, _)| first),
        last_id: ids.map(|(_, last)| last),
        after_time: query.after.and_then(RunKey::queued_at),
        after_id: query.after.map(|key| key.run_id),
        limit: rows_for(query.limit),
    };
    // How many of the few need to be looked at: a page of them, where nothing else is asked.
    let few = (args.is_alone() && filter.search.is_none()).then_some(args.limit);
    if filter.stalled {
        return match query.reading_order() {
            Order::NewestFirst => page_of_stalled_runs!("<", "DESC", args, now, few).fetch_all(conn).await,
            Order::OldestFirst => page_of_stalled_runs!(">", "ASC", args, now, few).fetch_all(conn).await,
        };
    }
    if filter.quarantined {
        return match query.reading_order() {
            Order::NewestFirst => page_of_quarantined_runs!("<", "DESC", args, few).fetch_all(conn).await,
            Order::OldestFirst => page_of_quarantined_runs!(">", "ASC", args, few).fetch_all(conn).await,
        };
    }
    let mut labels = filter.labels.iter().map(|(name, value)| format!("{name}:{value}"));
    match (labels.next(), query.reading_order()) {
        (None, order) => match &filter.search {
            Some(search) if search.ids.is_some() => by_id_or_title(conn, args, search, order).await,
            _ => in_order(conn, args, order).await,
        },
        (Some(one), order) => match (labels.next(), order) {
            (None, Order::NewestFirst) => {
                page_of_labelled_runs!("<", "DESC", args, one).fetch_all(conn).await
            }
            (None, Order::OldestFirst) => page_of_labelled_runs!(">", "ASC", args, one).fetch_all(conn).await,
            (Some(other), Order::NewestFirst) => {
                page_of_labelled_runs!("<", "DESC", args, one, other).fetch_all(conn).await
            }
            (Some(other), Order::OldestFirst) => {
                page_of_labelled_runs!(">", "ASC", args, one, other).fetch_all(conn).await
            }
        },
    }
}

async fn in_order(
    conn: &mut PgConnection,
    args: ListArgs<'_>,
    order: Order,
) -> Result<Vec<RunRow>, sqlx::Error> {
    if args.title.is_some() && args.is_alone() {
        return match order {
            Order::NewestFirst => page_of_titled_runs!("<", "DESC", args).fetch_all(conn).await,
            Order::OldestFirst => page_of_titled_runs!(">", "ASC", args).fetch_all(conn).await,
        };
    }
    match order {
        Order::NewestFirst => {
            page_of_runs!(["projection.runs AS r"], "r", "<", "DESC", args).fetch_all(conn).await
        }
        Order::OldestFirst => {
            page_of_runs!(["projection.runs AS r"], "r", ">", "ASC", args).fetch_all(conn).await
        }
    }
}

/// What may be the beginning of an id as well as of a title is looked up as both, one after the other: no index
/// answers an OR of the two. An id holds the time at which it was made, and so bounds where to look.
async fn by_id_or_title(
    conn: &mut PgConnection,
    args: ListArgs<'_>,
    search: &Search,
    order: Order,
) -> Result<Vec<RunRow>, sqlx::Error> {
    let limit = args.limit;
    let titled = ListArgs { first_id: None, last_id: None, ..args.clone() };
    let mut rows = in_order(conn, titled, order).await?;
    let (from, to) = search.queued_between().unzip();
    let since = args.since.max(from);
    let until = args.until.into_iter().chain(to).min();
    rows.extend(in_order(conn, ListArgs { title: None, since, until, ..args }, order).await?);
    rows.sort_unstable_by_key(|row| (row.queued_at, row.run_id));
    rows.dedup_by_key(|row| row.run_id);
    if order == Order::NewestFirst {
        rows.reverse();
    }
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(rows)
}
