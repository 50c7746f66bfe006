//! What was kept as it came, because nothing could be made of it.

use chrono::{DateTime, Utc};
use domain::TenantId;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::report::read_any;

/// How much of one inlet is kept that was set aside.
pub(crate) const MOST_ASIDE: i64 = 10_000;

/// Something that was set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct SetAside {
    /// By which it is known: the id of the event that it would have been.
    pub event_id: Uuid,
    /// Why nothing was made of it.
    pub why: String,
    /// As it came, without secrets, or as it was understood.
    pub content: Value,
    /// By which request it came.
    pub request_id: String,
    /// When it came in.
    pub received_at: DateTime<Utc>,
    /// When it was set aside.
    pub set_aside_at: DateTime<Utc>,
}

/// What of an inlet of a tenant was set aside, the newest first, from the one after `before` on, which is told by when
/// it was set aside and by its id.
///
/// # Errors
/// The database's.
pub async fn newest_set_aside(
    pool: &PgPool,
    tenant: &TenantId,
    inlet: Uuid,
    before: Option<(DateTime<Utc>, Uuid)>,
    limit: i64,
) -> Result<Vec<SetAside>, sqlx::Error> {
    let (set_aside_at, event_id) = before.unzip();
    let rows = sqlx::query!(
        r#"SELECT s.event_id, s.why, s.content::text AS "content!", s.request_id, s.received_at, s.set_aside_at
           FROM inlet.set_aside AS s JOIN inlet.inlets AS i USING (inlet_id)
           WHERE i.tenant = $1 AND s.inlet_id = $2
             AND ($3::timestamptz IS NULL OR (s.set_aside_at, s.event_id) < ($3, $4))
           ORDER BY s.set_aside_at DESC, s.event_id DESC LIMIT $5"#,
        tenant.as_str(),
        inlet,
        set_aside_at,
        event_id,
        limit
    );
    let rows = rows.fetch_all(pool).await?.into_iter().map(|row| SetAside {
        event_id: row.event_id,
        why: row.why,
        content: read_any(&row.content),
        request_id: row.request_id,
        received_at: row.received_at,
        set_aside_at: row.set_aside_at,
    });
    Ok(rows.collect())
}

/// Forgets what was set aside longer ago than so many days, and of each inlet what is older than its newest [`MOST_ASIDE`].
/// Gives how many those were.
///
/// # Errors
/// The database's.
pub(crate) async fn forget(pool: &PgPool, days: i32) -> Result<u64, sqlx::Error> {
    let old = sqlx::query!(
        "DELETE FROM inlet.set_aside WHERE set_aside_at < clock_timestamp() - make_interval(days => $1)",
        days
    );
    let old = old.execute(pool).await?.rows_affected();
    let many = sqlx::query!(
        "WITH full_ones AS MATERIALIZED (
             SELECT i.inlet_id, (
                 SELECT a.set_aside_at FROM inlet.set_aside AS a WHERE a.inlet_id = i.inlet_id
                 ORDER BY a.set_aside_at DESC OFFSET $1 LIMIT 1
             ) AS last FROM inlet.inlets AS i
         )
         DELETE FROM inlet.set_aside AS s USING full_ones AS f
         WHERE s.inlet_id = f.inlet_id AND s.set_aside_at <= f.last",
        MOST_ASIDE
    );
    Ok(old + many.execute(pool).await?.rows_affected())
}
