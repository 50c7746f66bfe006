//! What nearly every batch writes: the rows of runs that are there already, the last outcome of each touched
//! item, the timeline, the hours and how long runs took. All in one statement, since a small batch costs its round trips.

use sqlx::PgConnection;

use super::{counters, runs, timeline};
use crate::batch::Changes;
use crate::decode::Decoded;
use crate::error::ProjectorError;

/// Writes them. An item's label and namespace once given stay until others are given. The data of events goes in as the
/// bytes that were appended.
pub(super) async fn write(
    db: &mut PgConnection,
    decoded: &Decoded<'_>,
    changes: &Changes<'_>,
) -> Result<(), ProjectorError> {
    // Without an event there is nothing of the rest either.
    if changes.timeline.is_empty() {
        return Ok(());
    }
    let (runs, items) = (runs::known(decoded, changes)?, timeline::items(decoded, changes)?);
    let (events, hours) = (timeline::events(changes)?, counters::hours(&changes.counters)?);
    let durations = counters::durations(&changes.counters);
    sqlx::query!(
        "WITH known_runs AS (
             UPDATE runs AS r SET
                 status = t.status, ended_as = t.ended_as, presumed = t.presumed, superseded = t.superseded,
                 items_total = t.items_total, items_succeeded = t.items_succeeded,
                 items_failed = t.items_failed, items_skipped = t.items_skipped,
                 items_tallied = t.items_tallied, worker = t.worker,
                 progress_message = t.progress_message, reason_code = t.reason_code, message = t.message,
                 started_at = t.started_at, ended_at = t.ended_at, started_recorded_at = t.started_recorded_at,
                 ended_recorded_at = t.ended_recorded_at, started_by = t.started_by, ended_by = t.ended_by,
                 last_event_at = t.last_event_at,
                 heartbeat_seconds = t.heartbeat_seconds, heartbeat_due_at = t.heartbeat_due_at,
                 revision = t.revision, position = t.position
             FROM unnest($1::projection.run_progress[]) AS t
             WHERE r.run_id = t.run_id
         ), items AS (
             INSERT INTO run_items AS known
                 (tenant, run_id, item, label, outcome, reason_code, message, occurred_at, revision, position,
                  namespace)
             SELECT * FROM unnest($2::projection.item_outcome[])
             ON CONFLICT (run_id, item) DO UPDATE SET
                 label = COALESCE(excluded.label, known.label),
                 namespace = COALESCE(excluded.namespace, known.namespace), outcome = excluded.outcome,
                 reason_code = excluded.reason_code, message = excluded.message,
                 occurred_at = excluded.occurred_at, revision = excluded.revision, position = excluded.position
         ), timeline AS (
             INSERT INTO run_events (tenant, run_id, revision, position, event_id, event_type, schema_version,
                 occurred_at, recorded_at, actor, correlation_id, causation_id, data, token_id, request_id, origin,
                 reason_code)
             SELECT t.tenant, t.run_id, t.revision, t.position, t.event_id, t.event_type, t.schema_version,
                 t.occurred_at, t.recorded_at, t.actor, t.correlation_id, t.causation_id, t.data::json,
                 t.token_id, t.request_id, t.origin, t.reason_code
             FROM unnest($3::projection.timeline_event[]) AS t
         ), durations AS (
             INSERT INTO run_durations AS known (tenant, kind, day, bucket, runs)
             SELECT * FROM unnest($5::projection.duration_change[])
             ON CONFLICT (tenant, kind, day, bucket) DO UPDATE SET runs = known.runs + excluded.runs
         )
         INSERT INTO run_hours AS known (tenant, hour, kind, queued, succeeded, partially_succeeded,
             failed, events, items_failed, position)
         SELECT * FROM unnest($4::projection.hour_change[])
         ON CONFLICT (tenant, hour, kind) DO UPDATE SET
             queued = known.queued + excluded.queued, succeeded = known.succeeded + excluded.succeeded,
             partially_succeeded = known.partially_succeeded + excluded.partially_succeeded,
             failed = known.failed + excluded.failed, events = known.events + excluded.events,
             items_failed = known.items_failed + excluded.items_failed,
             position = GREATEST(known.position, excluded.position)",
        &runs as _,
        &items as _,
        &events as _,
        &hours as _,
        &durations as _
    )
    .execute(db)
    .await?;
    Ok(())
}
