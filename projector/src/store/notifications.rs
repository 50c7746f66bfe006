//! `projection.notifications`.

use std::collections::HashMap;

use domain::EndedAs;
use sqlx::PgConnection;

use crate::batch::{Changes, run_id};
use crate::decode::Decoded;
use crate::error::{ProjectorError, bigint};

/// Adds the notifications that are not there yet. One of a presumed end is told anew, and is unread again,
/// when the run's real end takes its place.
pub(super) async fn insert(
    db: &mut PgConnection,
    decoded: &Decoded<'_>,
    changes: &Changes<'_>,
) -> Result<(), ProjectorError> {
    if changes.notifications.is_empty() {
        return Ok(());
    }
    // Of one that a batch tells twice the last word counts.
    let mut last = HashMap::new();
    for (place, (_, _, told)) in changes.notifications.iter().enumerate() {
        last.insert(told.id, place);
    }
    let rows = last.len();
    let mut ids = Vec::with_capacity(rows);
    let mut tenants = Vec::with_capacity(rows);
    let mut recipients = Vec::with_capacity(rows);
    let mut runs = Vec::with_capacity(rows);
    let mut transitions = Vec::with_capacity(rows);
    let mut kinds = Vec::with_capacity(rows);
    let mut titles = Vec::with_capacity(rows);
    let mut statuses = Vec::with_capacity(rows);
    let mut endings = Vec::with_capacity(rows);
    let mut presumed = Vec::with_capacity(rows);
    let mut superseded = Vec::with_capacity(rows);
    let mut reasons = Vec::with_capacity(rows);
    let mut messages = Vec::with_capacity(rows);
    let mut created = Vec::with_capacity(rows);
    let mut positions = Vec::with_capacity(rows);
    for (place, (slot, record, told)) in changes.notifications.iter().enumerate() {
        if last.get(&told.id) != Some(&place) {
            continue;
        }
        let Ok(state) = &changes.slots[*slot].state else { continue };
        let (Some(facts), Some(run)) = (&state.facts, run_id(decoded, *slot)) else { continue };
        ids.push(told.id);
        tenants.push(decoded.streams[*slot].run.map_or("", |(tenant, _)| tenant));
        recipients.push(told.recipient.as_str());
        runs.push(run.uuid());
        transitions.push(told.transition);
        kinds.push(&*facts.kind);
        titles.push(facts.title.as_deref());
        statuses.push(told.status.as_str());
        endings.push(told.ended_as.map(EndedAs::as_str));
        presumed.push(told.presumed);
        superseded.push(told.superseded);
        reasons.push(told.reason_code.as_deref());
        messages.push(told.message.as_deref());
        created.push(told.created_at);
        positions.push(bigint(record.position.0)?);
    }
    sqlx::query!(
        "INSERT INTO notifications (notification_id, tenant, recipient, run_id, transition, kind,
             title, status, ended_as, reason_code, message, created_at, position, presumed, superseded)
         SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::text[],
             $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[], $13::bigint[],
             $14::boolean[], $15::boolean[])
         ON CONFLICT (notification_id) DO UPDATE SET
             status = EXCLUDED.status, ended_as = EXCLUDED.ended_as, reason_code = EXCLUDED.reason_code,
             message = EXCLUDED.message, created_at = EXCLUDED.created_at, position = EXCLUDED.position,
             presumed = EXCLUDED.presumed, superseded = EXCLUDED.superseded, read_at = NULL
         WHERE notifications.position < EXCLUDED.position",
        &ids,
        &tenants as _,
        &recipients as _,
        &runs,
        &transitions as _,
        &kinds as _,
        &titles as _,
        &statuses as _,
        &endings as _,
        &reasons as _,
        &messages as _,
        &created,
        &positions,
        &presumed,
        &superseded
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Marks notifications as read. The first read counts, and only its own recipient's. A read that
/// stands before its notification in the log means nothing, however the log is cut into batches.
pub(super) async fn mark_read(db: &mut PgConnection, changes: &Changes<'_>) -> Result<(), ProjectorError> {
    if changes.reads.is_empty() {
        return Ok(());
    }
    let rows = changes.reads.len();
    let mut ids = Vec::with_capacity(rows);
    let mut tenants = Vec::with_capacity(rows);
    let mut recipients = Vec::with_capacity(rows);
    let mut times = Vec::with_capacity(rows);
    let mut positions = Vec::with_capacity(rows);
    for told in &changes.reads {
        ids.push(told.read.notification_id);
        tenants.push(told.read.tenant.as_str());
        recipients.push(told.read.recipient.as_str());
        times.push(told.read.read_at);
        positions.push(bigint(told.record.position.0)?);
    }
    sqlx::query!(
        "UPDATE notifications AS known SET read_at = first.read_at
         FROM (
             SELECT DISTINCT ON (n.notification_id) n.notification_id, t.read_at
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::bigint[])
                 AS t (notification_id, tenant, recipient, read_at, position)
             JOIN notifications AS n USING (notification_id, tenant, recipient)
             WHERE n.position < t.position AND n.read_at IS NULL
             ORDER BY n.notification_id, t.position
         ) AS first
         WHERE known.notification_id = first.notification_id",
        &ids,
        &tenants as _,
        &recipients as _,
        &times,
        &positions
    )
    .execute(db)
    .await?;
    Ok(())
}
