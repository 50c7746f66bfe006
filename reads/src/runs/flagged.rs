//! How many runs need attention: those that are stalled, those that are late, and those that the projection has quarantined.
//!
//! There are no projected counters for them: a run falls silent without an event. So they are counted, within
//! bounds that keep the count cheap whatever the tenant has.

use chrono::{DateTime, Utc};
use domain::TenantId;
use sqlx::PgConnection;

use super::usual::late_since;
use crate::corrupt::non_negative;
use crate::error::ReadError;

/// How many of the running runs, and of the queued ones, are looked at: those that were queued first, which
/// are the likeliest to be stalled.
pub const LOOKED_AT: u64 = 1_000;

/// How many runs need attention.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Flagged {
    /// Stalled runs among those that were looked at.
    pub stalled: u64,
    /// Late runs among those that were looked at.
    pub late: u64,
    /// Quarantined runs, counted up to [`LOOKED_AT`].
    pub quarantined: u64,
}

/// Counts the tenant's runs that need attention at `now`, of all kinds or of one.
///
/// # Errors
/// The database's.
pub async fn flagged(
    conn: &mut PgConnection,
    tenant: &TenantId,
    kind: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Flagged, ReadError> {
    let most = i64::try_from(LOOKED_AT).unwrap_or(i64::MAX);
    let (kinds, since): (Vec<_>, Vec<_>) = late_since(conn, tenant, kind, now).await?.into_iter().unzip();
    let found = sqlx::query!(
        r#"WITH limits AS (
               SELECT kind, queued_limit_seconds FROM policy.stale_policies WHERE tenant = $1
           ), running AS (
               SELECT kind, heartbeat_due_at, started_at FROM projection.runs
               WHERE tenant = $1 AND status = 'running' ORDER BY queued_at, run_id LIMIT $4
           )
           SELECT (
               SELECT count(*) FROM running AS x
               WHERE x.heartbeat_due_at < $3 AND ($2::text IS NULL OR x.kind = $2)
           ) AS "running!", (
               SELECT count(*) FROM running AS x
               JOIN unnest($5::text[], $6::timestamptz[]) AS late (kind, since)
                 ON x.kind = late.kind COLLATE "C" AND x.started_at < late.since
           ) AS "late!", (
               SELECT count(*) FROM (
                   SELECT kind, queued_at FROM projection.runs
                   WHERE tenant = $1 AND status = 'queued' ORDER BY queued_at, run_id LIMIT $4
               ) AS x
               LEFT JOIN limits AS own ON own.kind = x.kind
               LEFT JOIN limits AS usual ON usual.kind = '*' AND own.kind IS NULL
               WHERE x.queued_at < $3::timestamptz - make_interval(
                         secs => coalesce(own.queued_limit_seconds, usual.queued_limit_seconds))
                 AND ($2::text IS NULL OR x.kind = $2)
           ) AS "queued!", (
               SELECT count(*) FROM (
                   SELECT FROM projection.runs
                   WHERE tenant = $1 AND held_revision IS NOT NULL AND ($2::text IS NULL OR kind = $2)
                   LIMIT $4
               ) AS x
           ) AS "held!""#,
        tenant.as_str(),
        kind,
        now,
        most,
        &kinds,
        &since
    )
    .fetch_one(conn)
    .await?;
    let number = |value| non_negative("projection.runs", "count", tenant, value);
    Ok(Flagged {
        stalled: number(found.running)? + number(found.queued)?,
        late: number(found.late)?,
        quarantined: number(found.held)?,
    })
}
