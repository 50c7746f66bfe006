//! `projection.run_items` and `projection.run_events`.

use domain::text::CleanText;
use sqlx::PgConnection;

use crate::batch::{Changes, run_id};
use crate::decode::Decoded;
use crate::error::{ProjectorError, bigint};

/// Writes the last outcome of each touched item. A label once given stays until another is given.
pub(super) async fn upsert_items(
    db: &mut PgConnection,
    decoded: &Decoded<'_>,
    changes: &Changes<'_>,
) -> Result<(), ProjectorError> {
    if changes.items.is_empty() {
        return Ok(());
    }
    let rows = changes.items.len();
    let mut tenants = Vec::with_capacity(rows);
    let mut runs = Vec::with_capacity(rows);
    let mut items = Vec::with_capacity(rows);
    let mut labels = Vec::with_capacity(rows);
    let mut outcomes = Vec::with_capacity(rows);
    let mut reasons = Vec::with_capacity(rows);
    let mut messages = Vec::with_capacity(rows);
    let mut times = Vec::with_capacity(rows);
    let mut revisions = Vec::with_capacity(rows);
    let mut positions = Vec::with_capacity(rows);
    for change in &changes.items {
        let Some(run) = run_id(decoded, change.slot) else { continue };
        tenants.push(change.event.tenant.as_str());
        runs.push(run.uuid());
        items.push(change.said.item.as_str());
        labels.push(change.said.label.map(CleanText::as_str));
        outcomes.push(change.said.outcome.as_str());
        reasons.push(change.said.reason_code.map(|code| code.as_str()));
        messages.push(change.said.message.map(CleanText::as_str));
        times.push(change.event.occurred_at);
        revisions.push(bigint(change.event.revision)?);
        positions.push(bigint(change.position)?);
    }
    sqlx::query!(
        "INSERT INTO run_items AS known
             (tenant, run_id, item, label, outcome, reason_code, message, occurred_at, revision, position)
         SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
             $7::text[], $8::timestamptz[], $9::bigint[], $10::bigint[])
         ON CONFLICT (run_id, item) DO UPDATE SET
             label = COALESCE(excluded.label, known.label), outcome = excluded.outcome,
             reason_code = excluded.reason_code, message = excluded.message,
             occurred_at = excluded.occurred_at, revision = excluded.revision, position = excluded.position",
        &tenants as _,
        &runs,
        &items as _,
        &labels as _,
        &outcomes as _,
        &reasons as _,
        &messages as _,
        &times,
        &revisions,
        &positions
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds the folded events to the timeline. The data goes in as the bytes that were appended.
pub(super) async fn insert_events(
    db: &mut PgConnection,
    changes: &Changes<'_>,
) -> Result<(), ProjectorError> {
    if changes.timeline.is_empty() {
        return Ok(());
    }
    let rows = changes.timeline.len();
    let mut tenants = Vec::with_capacity(rows);
    let mut runs = Vec::with_capacity(rows);
    let mut revisions = Vec::with_capacity(rows);
    let mut positions = Vec::with_capacity(rows);
    let mut ids = Vec::with_capacity(rows);
    let mut types = Vec::with_capacity(rows);
    let mut versions = Vec::with_capacity(rows);
    let mut occurred = Vec::with_capacity(rows);
    let mut recorded = Vec::with_capacity(rows);
    let mut actors = Vec::with_capacity(rows);
    let mut correlations = Vec::with_capacity(rows);
    let mut causations = Vec::with_capacity(rows);
    let mut data = Vec::with_capacity(rows);
    for (entry, event) in &changes.timeline {
        tenants.push(event.tenant.as_str());
        runs.push(event.run.uuid());
        revisions.push(bigint(event.revision)?);
        positions.push(bigint(entry.record.position.0)?);
        ids.push(event.id);
        types.push(event.body.type_name());
        let version = i16::try_from(event.schema_version);
        versions.push(version.map_err(|_| ProjectorError::TooLarge(event.schema_version.into()))?);
        occurred.push(event.occurred_at);
        recorded.push(event.recorded_at);
        actors.push(event.actor.as_str());
        correlations.push(event.correlation_id.as_ref().map(|id| id.as_str()));
        causations.push(event.causation_id.as_ref().map(|id| id.as_str()));
        data.push(
            std::str::from_utf8(&entry.record.data).map_err(|error| sqlx::Error::Encode(error.into()))?,
        );
    }
    sqlx::query!(
        "INSERT INTO run_events (tenant, run_id, revision, position, event_id, event_type,
             schema_version, occurred_at, recorded_at, actor, correlation_id, causation_id, data)
         SELECT t.tenant, t.run_id, t.revision, t.position, t.event_id, t.event_type, t.schema_version,
             t.occurred_at, t.recorded_at, t.actor, t.correlation_id, t.causation_id, t.data::json
         FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[], $6::text[],
             $7::smallint[], $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[], $12::text[],
             $13::text[])
             AS t (tenant, run_id, revision, position, event_id, event_type, schema_version, occurred_at,
             recorded_at, actor, correlation_id, causation_id, data)",
        &tenants as _,
        &runs,
        &revisions,
        &positions,
        &ids,
        &types as _,
        &versions,
        &occurred,
        &recorded,
        &actors as _,
        &correlations as _,
        &causations as _,
        &data as _
    )
    .execute(db)
    .await?;
    Ok(())
}
