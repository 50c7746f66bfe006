//! `projection.run_counts`, `projection.run_children`, `projection.run_hours` and `projection.run_durations`.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
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

/// Adds to the number of parts of runs in each status, as [`counts`] does.
pub(super) async fn children(db: &mut PgConnection, counters: &Counters<'_>) -> Result<(), ProjectorError> {
    // Most runs are no parts of others.
    if counters.children.is_empty() {
        return Ok(());
    }
    let rows = counters.children.len();
    let mut tenants = Vec::with_capacity(rows);
    let mut parents = Vec::with_capacity(rows);
    let mut statuses = Vec::with_capacity(rows);
    let mut runs = Vec::with_capacity(rows);
    let mut positions = Vec::with_capacity(rows);
    for ((tenant, parent, status), change) in &counters.children {
        tenants.push(*tenant);
        parents.push(parent.uuid());
        statuses.push(status.as_str());
        runs.push(change.runs);
        positions.push(bigint(change.position)?);
    }
    let written = sqlx::query!(
        "WITH change AS (
             SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::bigint[], $5::bigint[])
                 AS t (tenant, parent_id, status, runs, position)
         ), down AS (
             UPDATE run_children AS known
             SET runs = known.runs + change.runs, position = GREATEST(known.position, change.position)
             FROM change
             WHERE change.runs < 0 AND known.tenant = change.tenant AND known.parent_id = change.parent_id
                 AND known.status = change.status
             RETURNING 1
         ), up AS (
             INSERT INTO run_children AS known (tenant, parent_id, status, runs, position)
             SELECT tenant, parent_id, status, runs, position FROM change WHERE runs >= 0
             ON CONFLICT (tenant, parent_id, status) DO UPDATE
             SET runs = known.runs + excluded.runs, position = GREATEST(known.position, excluded.position)
             RETURNING 1
         )
         SELECT (SELECT count(*) FROM down) + (SELECT count(*) FROM up) AS \"rows!\"",
        &tenants as _,
        &parents,
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

/// Fewer than no runs: the counter is wrong, not the event that counts down, so nothing is quarantined for it.
fn astray(error: sqlx::Error) -> ProjectorError {
    match &error {
        sqlx::Error::Database(refused) if refused.is_check_violation() => ProjectorError::CountsAstray,
        _ => error.into(),
    }
}

/// What is added to an hour.
#[derive(sqlx::Encode)]
pub(super) struct HourRow<'a> {
    tenant: &'a str,
    hour: DateTime<Utc>,
    kind: &'a str,
    queued: i64,
    succeeded: i64,
    partially_succeeded: i64,
    failed: i64,
    events: i64,
    items_failed: i64,
    position: i64,
}

row_type!(HourRow<'_>, "projection.hour_change");

/// What the batch adds to what happened in each hour.
pub(super) fn hours<'a>(counters: &'a Counters<'_>) -> Result<Vec<HourRow<'a>>, ProjectorError> {
    let mut rows = Vec::with_capacity(counters.hours.len());
    for ((tenant, hour, kind), h) in &counters.hours {
        rows.push(HourRow {
            tenant,
            hour: *hour,
            kind,
            queued: h.queued,
            succeeded: h.succeeded,
            partially_succeeded: h.partially_succeeded,
            failed: h.failed,
            events: h.events,
            items_failed: h.items_failed,
            position: bigint(h.position)?,
        });
    }
    Ok(rows)
}

/// What is added to how many runs took so long.
#[derive(sqlx::Encode)]
pub(super) struct DurationRow<'a> {
    tenant: &'a str,
    kind: &'a str,
    day: NaiveDate,
    bucket: i16,
    runs: i64,
}

row_type!(DurationRow<'_>, "projection.duration_change");

/// What the batch adds to how many runs took how long.
pub(super) fn durations<'a>(counters: &'a Counters<'_>) -> Vec<DurationRow<'a>> {
    let row = |((tenant, kind, day, bucket), runs): (&'a (&'a str, Arc<str>, NaiveDate, i16), &i64)| {
        DurationRow { tenant, kind, day: *day, bucket: *bucket, runs: *runs }
    };
    counters.durations.iter().map(row).collect()
}
