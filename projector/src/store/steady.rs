//! What nearly every batch writes: the rows of runs that are there already, the last outcome of each touched
//! item, the timeline and the hours. All in one statement, since a small batch costs its round trips.

use sqlx::PgConnection;

use super::counters::Hours;
use super::runs;
use super::timeline::{Events, Items};
use crate::batch::Changes;
use crate::decode::Decoded;
use crate::error::ProjectorError;

/// Writes them. An item's label once given stays until another is given. The data of events goes in as the
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
    let (r, i) = (runs::known(decoded, changes)?, Items::of(decoded, changes)?);
    let (e, h) = (Events::of(changes)?, Hours::of(&changes.counters)?);
    sqlx::query!(
        "WITH known_runs AS (
             UPDATE runs AS r SET
                 status = t.status, ended_as = t.ended_as, items_total = t.total, items_succeeded = t.succeeded,
                 items_failed = t.failed, items_skipped = t.skipped, worker = t.worker,
                 progress_message = t.progress, reason_code = t.reason, message = t.message,
                 started_at = t.started, ended_at = t.ended, last_event_at = t.last,
                 heartbeat_seconds = t.heartbeat, heartbeat_due_at = t.due, revision = t.revision,
                 position = t.position, presumed = t.presumed, superseded = t.superseded
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
                 $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[],
                 $13::timestamptz[], $14::timestamptz[], $15::int[], $16::timestamptz[], $17::bigint[],
                 $18::bigint[], $19::boolean[], $20::boolean[])
                 AS t (run_id, status, ended_as, total, succeeded, failed, skipped, worker, progress, reason,
                 message, started, ended, last, heartbeat, due, revision, position, presumed, superseded)
             WHERE r.run_id = t.run_id
         ), items AS (
             INSERT INTO run_items AS known
                 (tenant, run_id, item, label, outcome, reason_code, message, occurred_at, revision, position)
             SELECT * FROM unnest($21::text[], $22::uuid[], $23::text[], $24::text[], $25::text[], $26::text[],
                 $27::text[], $28::timestamptz[], $29::bigint[], $30::bigint[])
             ON CONFLICT (run_id, item) DO UPDATE SET
                 label = COALESCE(excluded.label, known.label), outcome = excluded.outcome,
                 reason_code = excluded.reason_code, message = excluded.message,
                 occurred_at = excluded.occurred_at, revision = excluded.revision, position = excluded.position
         ), timeline AS (
             INSERT INTO run_events (tenant, run_id, revision, position, event_id, event_type, schema_version,
                 occurred_at, recorded_at, actor, correlation_id, causation_id, data)
             SELECT t.tenant, t.run_id, t.revision, t.position, t.event_id, t.event_type, t.schema_version,
                 t.occurred_at, t.recorded_at, t.actor, t.correlation_id, t.causation_id, t.data::json
             FROM unnest($31::text[], $32::uuid[], $33::bigint[], $34::bigint[], $35::uuid[], $36::text[],
                 $37::smallint[], $38::timestamptz[], $39::timestamptz[], $40::text[], $41::text[],
                 $42::text[], $43::text[])
                 AS t (tenant, run_id, revision, position, event_id, event_type, schema_version, occurred_at,
                 recorded_at, actor, correlation_id, causation_id, data)
         )
         INSERT INTO run_hours AS known (tenant, hour, kind, queued, succeeded, partially_succeeded,
             failed, events, items_failed, position)
         SELECT * FROM unnest($44::text[], $45::timestamptz[], $46::text[], $47::bigint[], $48::bigint[], $49::bigint[],
             $50::bigint[], $51::bigint[], $52::bigint[], $53::bigint[])
         ON CONFLICT (tenant, hour, kind) DO UPDATE SET
             queued = known.queued + excluded.queued, succeeded = known.succeeded + excluded.succeeded,
             partially_succeeded = known.partially_succeeded + excluded.partially_succeeded,
             failed = known.failed + excluded.failed, events = known.events + excluded.events,
             items_failed = known.items_failed + excluded.items_failed,
             position = GREATEST(known.position, excluded.position)",
        &r.ids,
        &r.statuses as _,
        &r.ended_as as _,
        &r.totals as _,
        &r.succeeded,
        &r.failed,
        &r.skipped,
        &r.workers as _,
        &r.progress as _,
        &r.reasons as _,
        &r.messages as _,
        &r.started as _,
        &r.ended as _,
        &r.last as _,
        &r.heartbeats as _,
        &r.due as _,
        &r.revisions,
        &r.positions,
        &r.presumed,
        &r.superseded,
        &i.tenants as _,
        &i.runs,
        &i.items as _,
        &i.labels as _,
        &i.outcomes as _,
        &i.reasons as _,
        &i.messages as _,
        &i.times,
        &i.revisions,
        &i.positions,
        &e.tenants as _,
        &e.runs,
        &e.revisions,
        &e.positions,
        &e.ids,
        &e.types as _,
        &e.versions,
        &e.occurred,
        &e.recorded,
        &e.actors as _,
        &e.correlations as _,
        &e.causations as _,
        &e.data as _,
        &h.tenants as _,
        &h.hours,
        &h.kinds as _,
        &h.queued,
        &h.succeeded,
        &h.partially_succeeded,
        &h.failed,
        &h.events,
        &h.items_failed,
        &h.positions
    )
    .execute(db)
    .await?;
    Ok(())
}
