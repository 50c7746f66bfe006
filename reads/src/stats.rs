//! `GET /v1/tenants/{tenant}/stats`.

use std::collections::BTreeMap;

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use domain::{Status, TenantId};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::corrupt::{Corrupt, non_negative, parse_enum};
use crate::error::ReadError;
use crate::forms;
use crate::params::Params;
use crate::params::ReadQuery;
use crate::pool::TenantRead;
use crate::runs::flagged;

const COUNTS: &str = "projection.run_counts";
const HOURS: &str = "projection.run_hours";

/// A month's hours.
const MOST_HOURS: u64 = 24 * 31;

/// How far back to look.
#[derive(Debug)]
pub struct StatsQuery {
    hours: u64,
}

impl ReadQuery for StatsQuery {
    const ALLOWED: &'static [&'static str] = &["hours"];

    fn from_params(params: &mut Params) -> Result<Self, ReadError> {
        Ok(Self { hours: params.number("hours", 1, MOST_HOURS)?.unwrap_or(24) })
    }
}

/// The tenant's runs in numbers.
#[derive(Debug, Serialize, ToSchema)]
pub struct Stats {
    /// All runs by how they stand.
    pub runs: StatusCounts,
    /// The same for each kind, in the order of their names.
    pub kinds: Vec<KindCounts>,
    /// The oldest run that waits for a worker, by when it was queued; null where none waits.
    pub oldest_queued_at: Option<DateTime<Utc>>,
    /// The oldest run that is running, by when it was queued; null where none is.
    pub oldest_running_at: Option<DateTime<Utc>>,
    /// Running runs that have been for longer than 95 of 100 runs of their kinds took, of the 1,000 that were queued first.
    pub late: u64,
    /// What happened in each hour, the oldest first. The last one is the current hour.
    pub hours: Vec<Hour>,
    /// The position that the numbers reflect.
    #[schema(value_type = forms::Position)]
    pub position: u64,
}

/// Runs by how they stand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[expect(missing_docs, reason = "the names say it")]
pub struct StatusCounts {
    pub queued: u64,
    pub running: u64,
    pub succeeded: u64,
    pub partially_succeeded: u64,
    pub failed: u64,
}

impl StatusCounts {
    /// All of them.
    #[must_use]
    pub fn all(&self) -> u64 {
        self.queued + self.running + self.succeeded + self.partially_succeeded + self.failed
    }

    /// Those that stand so.
    #[must_use]
    pub fn of(&self, status: Status) -> u64 {
        match status {
            Status::Queued => self.queued,
            Status::Running => self.running,
            Status::Succeeded => self.succeeded,
            Status::PartiallySucceeded => self.partially_succeeded,
            Status::Failed => self.failed,
        }
    }

    fn add(&mut self, status: Status, runs: u64) {
        let counter = match status {
            Status::Queued => &mut self.queued,
            Status::Running => &mut self.running,
            Status::Succeeded => &mut self.succeeded,
            Status::PartiallySucceeded => &mut self.partially_succeeded,
            Status::Failed => &mut self.failed,
        };
        *counter = counter.saturating_add(runs);
    }
}

/// The runs of one kind by how they stand.
#[derive(Debug, Serialize, ToSchema)]
pub struct KindCounts {
    /// The kind of operation.
    #[schema(value_type = forms::Kind)]
    pub kind: String,
    /// Its runs.
    pub runs: StatusCounts,
}

/// What happened in an hour, by the ledger's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = CountsOfHour)]
pub struct Hour {
    /// The beginning of the hour.
    pub hour: DateTime<Utc>,
    /// Runs that were queued.
    pub queued: u64,
    /// Runs that ended as succeeded.
    pub succeeded: u64,
    /// Runs that ended as partially succeeded.
    pub partially_succeeded: u64,
    /// Runs that ended as failed.
    pub failed: u64,
    /// Events of runs.
    pub events: u64,
    /// Items that failed.
    pub items_failed: u64,
}

/// The tenant's numbers at `now`.
///
/// # Errors
/// The database's.
pub async fn stats(
    read: &mut TenantRead,
    tenant: &TenantId,
    query: &StatsQuery,
    now: DateTime<Utc>,
) -> Result<Stats, ReadError> {
    let (runs, kinds) = counts(read.conn(), tenant).await?;
    Ok(Stats {
        runs,
        kinds,
        oldest_queued_at: oldest(read.conn(), tenant, Status::Queued).await?,
        oldest_running_at: oldest(read.conn(), tenant, Status::Running).await?,
        late: flagged(read.conn(), tenant, None, now).await?.late,
        hours: hours(read.conn(), tenant, None, now, query.hours).await?,
        position: read.position.0,
    })
}

/// All runs by how they stand, and the same for each kind.
///
/// # Errors
/// The database's.
pub async fn counts(
    conn: &mut PgConnection,
    tenant: &TenantId,
) -> Result<(StatusCounts, Vec<KindCounts>), ReadError> {
    let rows = sqlx::query!(
        "SELECT kind, status, runs FROM projection.run_counts WHERE tenant = $1 AND runs > 0",
        tenant.as_str()
    )
    .fetch_all(conn)
    .await?;
    let mut all = StatusCounts::default();
    let mut kinds: BTreeMap<String, StatusCounts> = BTreeMap::new();
    for row in rows {
        let key = format!("{tenant} {} {}", row.kind, row.status);
        let status = parse_enum(COUNTS, "status", &key, &row.status, Status::parse)?;
        let runs = non_negative(COUNTS, "runs", &key, row.runs)?;
        all.add(status, runs);
        kinds.entry(row.kind).or_default().add(status, runs);
    }
    Ok((all, kinds.into_iter().map(|(kind, runs)| KindCounts { kind, runs }).collect()))
}

async fn oldest(
    conn: &mut PgConnection,
    tenant: &TenantId,
    status: Status,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT queued_at FROM projection.runs WHERE tenant = $1 AND status = $2
         ORDER BY queued_at, run_id LIMIT 1",
        tenant.as_str(),
        status.as_str()
    )
    .fetch_optional(conn)
    .await
}

/// What happened in each of the `wanted` hours up to `now`, the oldest first: to all runs, or to those of a
/// kind.
///
/// # Errors
/// The database's.
pub async fn hours(
    conn: &mut PgConnection,
    tenant: &TenantId,
    kind: Option<&str>,
    now: DateTime<Utc>,
    wanted: u64,
) -> Result<Vec<Hour>, ReadError> {
    let hour = TimeDelta::hours(1);
    let current = now.duration_trunc(hour).map_err(ReadError::failed)?;
    let back = i32::try_from(wanted.saturating_sub(1)).unwrap_or(i32::MAX);
    let first = current - hour * back;
    let rows = sqlx::query!(
        r#"SELECT hour, sum(queued)::bigint AS "queued!", sum(succeeded)::bigint AS "succeeded!",
                  sum(partially_succeeded)::bigint AS "partially_succeeded!", sum(failed)::bigint AS "failed!",
                  sum(events)::bigint AS "events!", sum(items_failed)::bigint AS "items_failed!"
           FROM projection.run_hours
           WHERE tenant = $1 AND hour >= $2 AND hour <= $3 AND ($4::text IS NULL OR kind = $4)
           GROUP BY hour"#,
        tenant.as_str(),
        first,
        current,
        kind
    )
    .fetch_all(conn)
    .await?;
    let mut known = BTreeMap::new();
    for row in rows {
        let key = format!("{tenant} {}", row.hour);
        let number = |column, value| non_negative(HOURS, column, &key, value);
        let hour = Hour {
            hour: row.hour,
            queued: number("queued", row.queued)?,
            succeeded: number("succeeded", row.succeeded)?,
            partially_succeeded: number("partially_succeeded", row.partially_succeeded)?,
            failed: number("failed", row.failed)?,
            events: number("events", row.events)?,
            items_failed: number("items_failed", row.items_failed)?,
        };
        if row.hour.duration_trunc(TimeDelta::hours(1)).ok() != Some(row.hour) {
            return Err(Corrupt::new(HOURS, "hour", &key, "it is not the beginning of an hour").into());
        }
        known.insert(row.hour, hour);
    }
    let beginnings = (0..=back).map(|n| first + hour * n);
    Ok(beginnings.map(|hour| known.get(&hour).copied().unwrap_or(Hour { hour, ..Hour::default() })).collect())
}
