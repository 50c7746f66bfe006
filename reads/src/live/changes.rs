//! Which runs have changed after a position, from the read tables.

use std::collections::{HashMap, HashSet};

use domain::{RunId, Status, TenantId};
use eventlog::Position;
use serde::Serialize;
use sqlx::PgConnection;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::corrupt::{Corrupt, non_negative, parse_enum};
use crate::error::ReadError;
use crate::forms;
use crate::runs::{ChildCounts, ItemCounts, RunLinks, RunStatus};

const RUNS: &str = "projection.runs";

/// How many runs of a tenant are told apart in one turn. When more have changed, listeners start over.
const MOST: usize = 2_000;

/// How many events of a tenant are looked at for that. When more have happened, listeners start over: that
/// is sooner done than reading millions of them to find out which runs they are about.
const MOST_EVENTS: i64 = 10_000;

/// A run has changed: how it stands after the event at `position`, and whatever else happened to it since
/// the last message. A run is told too when its parts have come further, and when another run tries it once more or goes on
/// with it.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = RunChanged)]
pub struct RunChange {
    /// Which run.
    #[schema(value_type = uuid::Uuid)]
    pub run_id: RunId,
    /// The kind of operation.
    #[schema(value_type = forms::Kind)]
    kind: String,
    /// For people.
    #[schema(value_type = Option<forms::ShownText>)]
    title: Option<String>,
    /// How it stands.
    #[schema(value_type = RunStatus)]
    status: Status,
    /// Its items by their last outcome.
    items: ItemCounts,
    /// Its parts by their status; null where it has none.
    children: Option<ChildCounts>,
    /// How many of its own events this message stands for: none where it is told of for other runs.
    events: u64,
    /// The revision of its last event.
    #[schema(value_type = forms::Revision)]
    revision: u64,
    /// The position of its last event, or of a later one of the other runs that it is told of for.
    #[schema(value_type = forms::Position)]
    pub position: u64,
    /// Up to where who has heard this has heard everything: the `id` of the message.
    #[serde(skip)]
    pub heard: u64,
    /// Word to the listener, where the listener started the run: it was queued, or it ended.
    pub notification: Option<NewNotification>,
    /// Where the run's resources are, as we know it.
    pub links: RunLinks,
    /// Whose notification it is.
    #[serde(skip)]
    pub recipient: Option<String>,
}

/// A notification that is new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = NotificationTold)]
pub struct NewNotification {
    /// By which it is marked as read.
    notification_id: Uuid,
    /// What the run did: `queued` or `ended`.
    #[schema(value_type = crate::notifications::Transition)]
    transition: String,
}

/// What has changed for one tenant.
#[derive(Debug, Clone)]
pub enum Changes {
    /// These runs, in the order of their positions.
    Runs(Vec<RunChange>),
    /// More than `MOST` runs, or at least `MOST_EVENTS` events.
    TooMany,
}

/// Which runs of each tenant have changed after the position that is given for it. A tenant without changes
/// is left out.
///
/// # Errors
/// The database's.
pub async fn changes(
    conn: &mut PgConnection,
    after: &[(TenantId, Position)],
) -> Result<HashMap<TenantId, Changes>, ReadError> {
    let tenants: Vec<String> = after.iter().map(|(tenant, _)| tenant.to_string()).collect();
    let positions: Vec<i64> = after.iter().map(|(_, at)| i64::try_from(at.0).unwrap_or(i64::MAX)).collect();
    let rows = sqlx::query!(
        r#"SELECT wanted.index AS "index!", r.run_id, r.kind, r.title, r.status, r.items_total,
                  r.items_succeeded, r.items_failed, r.items_skipped, r.items_tallied, r.revision, changed.position AS "position!",
                  changed.own AS "own!", changed.events AS "events!", changed.looked_at AS "looked_at!",
                  (SELECT jsonb_object_agg(c.status, c.runs) FROM projection.run_children AS c
                   WHERE c.tenant = r.tenant AND c.parent_id = r.run_id) AS "children?: Json<ChildCounts>",
                  n.notification_id AS "notification_id?", n.transition AS "transition?", n.recipient AS "recipient?"
           FROM unnest($1::text[], $2::bigint[]) WITH ORDINALITY AS wanted (tenant, after, index)
           CROSS JOIN LATERAL (
               WITH themselves AS MATERIALIZED (
                   SELECT e.run_id, max(e.position) AS position, min(e.revision) AS first, count(*) AS events,
                          (sum(count(*)) OVER ())::bigint AS looked_at
                   FROM (SELECT run_id, position, revision FROM projection.run_events
                         WHERE tenant = wanted.tenant AND position > wanted.after
                         ORDER BY position LIMIT $4) AS e
                   GROUP BY e.run_id ORDER BY max(e.position) LIMIT $3
               ), linked AS MATERIALIZED (
                   SELECT t.position, t.first, t.looked_at, l.parent_id, l.retry_of, l.resumes
                   FROM themselves AS t JOIN projection.runs AS l ON l.run_id = t.run_id AND l.tenant = wanted.tenant
                   WHERE l.parent_id IS NOT NULL OR l.retry_of IS NOT NULL OR l.resumes IS NOT NULL
               )
               SELECT told.run_id, max(told.position) AS position, bool_or(told.own AND told.position = told.newest) AS own,
                      sum(told.events)::bigint AS events, max(told.looked_at) AS looked_at
               FROM (
                   SELECT one.*, max(one.position) OVER (PARTITION BY one.run_id) AS newest
                   FROM (
                       SELECT run_id, position, events, looked_at, true AS own FROM themselves
                       UNION ALL
                       -- Where a status of its parts is another one, and not at each of their events.
                       SELECT p.parent_id, c.position, 0, p.looked_at, false
                       FROM (SELECT parent_id, max(looked_at) AS looked_at FROM linked GROUP BY parent_id) AS p
                       CROSS JOIN LATERAL (
                           SELECT max(position) AS position FROM projection.run_children
                           WHERE tenant = wanted.tenant AND parent_id = p.parent_id) AS c
                       WHERE c.position > wanted.after
                       UNION ALL
                       SELECT s.run_id, linked.position, 0, linked.looked_at, false
                       FROM linked CROSS JOIN LATERAL (VALUES (linked.retry_of), (linked.resumes)) AS s (run_id)
                       WHERE linked.first = 0 AND s.run_id IS NOT NULL
                   ) AS one
               ) AS told
               GROUP BY told.run_id) AS changed
           JOIN projection.runs AS r ON r.run_id = changed.run_id AND r.tenant = wanted.tenant
           LEFT JOIN LATERAL (
               SELECT notification_id, transition, recipient FROM projection.notifications AS told
               WHERE told.run_id = r.run_id AND told.tenant = r.tenant AND told.position > wanted.after
               ORDER BY told.position DESC LIMIT 1) AS n ON true
           -- What is told of for others comes before them: who has heard those has heard it.
           ORDER BY changed.position, changed.own"#,
        &tenants,
        &positions,
        i64::try_from(MOST + 1).unwrap_or(i64::MAX),
        MOST_EVENTS
    )
    .fetch_all(conn)
    .await?;
    let mut runs: HashMap<TenantId, Vec<RunChange>> = HashMap::new();
    let mut cut_off: HashSet<TenantId> = HashSet::new();
    for row in rows {
        let id = row.run_id;
        let number = |column, value| non_negative(RUNS, column, id, value);
        let index = usize::try_from(row.index - 1).unwrap_or(usize::MAX);
        let Some((tenant, _)) = after.get(index) else { continue };
        if row.looked_at >= MOST_EVENTS {
            // There may be more of them: which runs those are about is not known.
            cut_off.insert(tenant.clone());
            continue;
        }
        let run_id = RunId::new(id).map_err(|error| Corrupt::new(RUNS, "run_id", id, error))?;
        let notification = row.notification_id.zip(row.transition);
        runs.entry(tenant.clone()).or_default().push(RunChange {
            run_id,
            kind: row.kind,
            title: row.title,
            status: parse_enum(RUNS, "status", id, &row.status, Status::parse)?,
            items: ItemCounts {
                total: row.items_total.map(|n| number("items_total", n)).transpose()?,
                succeeded: number("items_succeeded", row.items_succeeded)?,
                failed: number("items_failed", row.items_failed)?,
                skipped: number("items_skipped", row.items_skipped)?,
                tallied: row.items_tallied,
            },
            children: row.children.map(|Json(counts)| counts),
            events: number("events", row.events)?,
            revision: number("revision", row.revision)?,
            position: number("position", row.position)?,
            // The event that brought it comes after this, and both are told again to who has not heard of that.
            heard: number("position", if row.own { row.position } else { row.position - 1 })?,
            notification: notification
                .map(|(notification_id, transition)| NewNotification { notification_id, transition }),
            links: RunLinks::new(tenant.as_str(), run_id),
            recipient: row.recipient,
        });
    }
    let bounded = |runs: Vec<RunChange>| {
        if runs.len() > MOST { Changes::TooMany } else { Changes::Runs(runs) }
    };
    let mut found: HashMap<_, _> = runs.into_iter().map(|(tenant, runs)| (tenant, bounded(runs))).collect();
    found.extend(cut_off.into_iter().map(|tenant| (tenant, Changes::TooMany)));
    Ok(found)
}
