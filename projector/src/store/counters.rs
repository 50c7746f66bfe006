//! `projection.run_counts` and `projection.run_hours`.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::counters::Counters;
use crate::error::{ProjectorError, bigint};

/// Adds to the number of runs in each status.
pub(super) async fn counts(db: &mut PgConnection, counters: &Counters<'_>) -> Result<(), ProjectorError> {
    if counters.counts.is_empty() {
        return Ok(());
    }
    let rows = counters.counts.len();
    let mut tenants = Vec::with_capacity(rows);
    let mut kinds = Vec::with_capacity(rows);
    let mut statuses = Vec::with_capacity(rows);
    let mut runs = Vec::with_capacity(rows);
    let mut positions = Vec::with_capacity(rows);
    for ((tenant, kind, status), change) in &counters.counts {
        tenants.push(*tenant);
        kinds.push(&**kind);
        statuses.push(status.as_str());
        runs.push(change.runs);
        positions.push(bigint(change.position)?);
    }
    // A row that is to be inserted is checked before it is found to be there already, so a change
    // below 0 can't be inserted. What is counted down has a row, or the update misses it, and the
    // count of rows tells.
    let written = sqlx::query!(
        "WITH change AS (
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[])
                 AS t (tenant, kind, status, runs, position)
         ), down AS (
             UPDATE run_counts AS known
             SET runs = known.runs + change.runs, position = GREATEST(known.position, change.position)
             FROM change
             WHERE change.runs < 0 AND known.tenant = change.tenant AND known.kind = change.kind
                 AND known.status = change.status
             RETURNING 1
         ), up AS (
             INSERT INTO run_counts AS known (tenant, kind, status, runs, position)
             SELECT tenant, kind, status, runs, position FROM change WHERE runs >= 0
             ON CONFLICT (tenant, kind, status) DO UPDATE
             SET runs = known.runs + excluded.runs, position = GREATEST(known.position, excluded.position)
             RETURNING 1
         )
         SELECT (SELECT count(*) FROM down) + (SELECT count(*) FROM up) AS \"rows!\"",
        &tenants as _,
        &kinds as _,
        &statuses as _,
        &runs,
        &positions
    )
    .fetch_one(db)
    .await
    .map_err(astray)?
    .rows;
    if usize::try_from(written).ok() != Some(rows) {
        return Err(ProjectorError::CountsAstray);
    }
    Ok(())
}

/// Fewer than no runs: the counter is wrong, not the event that counts down, so nothing is held for it.
fn astray(error: sqlx::Error) -> ProjectorError {
    match &error {
        sqlx::Error::Database(refused) if refused.is_check_violation() => ProjectorError::CountsAstray,
        _ => error.into(),
    }
}

/// Columns of `run_hours`, a vector each.
#[derive(Default)]
pub(super) struct Hours<'a> {
    pub tenants: Vec<&'a str>,
    pub hours: Vec<DateTime<Utc>>,
    pub kinds: Vec<&'a str>,
    pub queued: Vec<i64>,
    pub succeeded: Vec<i64>,
    pub partially_succeeded: Vec<i64>,
    pub failed: Vec<i64>,
    pub events: Vec<i64>,
    pub items_failed: Vec<i64>,
    pub positions: Vec<i64>,
}

impl<'a> Hours<'a> {
    pub fn of(counters: &'a Counters<'_>) -> Result<Self, ProjectorError> {
        let mut c = Self::default();
        for ((tenant, hour, kind), h) in &counters.hours {
            c.tenants.push(*tenant);
            c.hours.push(*hour);
            c.kinds.push(&**kind);
            c.queued.push(h.queued);
            c.succeeded.push(h.succeeded);
            c.partially_succeeded.push(h.partially_succeeded);
            c.failed.push(h.failed);
            c.events.push(h.events);
            c.items_failed.push(h.items_failed);
            c.positions.push(bigint(h.position)?);
        }
        Ok(c)
    }
}
