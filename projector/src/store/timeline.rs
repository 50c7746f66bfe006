//! `projection.run_items` and `projection.run_events`.

use chrono::{DateTime, Utc};
use domain::text::CleanText;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::batch::{Changes, run_id};
use crate::decode::Decoded;
use crate::error::{ProjectorError, bigint};

/// Columns of `run_items`, a vector each.
#[derive(Default)]
struct Items<'a> {
    tenants: Vec<&'a str>,
    runs: Vec<Uuid>,
    items: Vec<&'a str>,
    labels: Vec<Option<&'a str>>,
    outcomes: Vec<&'a str>,
    reasons: Vec<Option<&'a str>>,
    messages: Vec<Option<&'a str>>,
    times: Vec<DateTime<Utc>>,
    revisions: Vec<i64>,
    positions: Vec<i64>,
}

impl<'a> Items<'a> {
    fn of(decoded: &Decoded<'_>, changes: &'a Changes<'a>) -> Result<Self, ProjectorError> {
        let mut c = Self::default();
        for change in &changes.items {
            let Some(run) = run_id(decoded, change.slot) else { continue };
            c.tenants.push(change.event.tenant.as_str());
            c.runs.push(run.uuid());
            c.items.push(change.said.item.as_str());
            c.labels.push(change.said.label.map(CleanText::as_str));
            c.outcomes.push(change.said.outcome.as_str());
            c.reasons.push(change.said.reason_code.map(|code| code.as_str()));
            c.messages.push(change.said.message.map(CleanText::as_str));
            c.times.push(change.event.occurred_at);
            c.revisions.push(bigint(change.event.revision)?);
            c.positions.push(bigint(change.position)?);
        }
        Ok(c)
    }
}

/// Columns of `run_events`, a vector each.
#[derive(Default)]
struct Events<'a> {
    tenants: Vec<&'a str>,
    runs: Vec<Uuid>,
    revisions: Vec<i64>,
    positions: Vec<i64>,
    ids: Vec<Uuid>,
    types: Vec<&'a str>,
    versions: Vec<i16>,
    occurred: Vec<DateTime<Utc>>,
    recorded: Vec<DateTime<Utc>>,
    actors: Vec<&'a str>,
    correlations: Vec<Option<&'a str>>,
    causations: Vec<Option<&'a str>>,
    data: Vec<&'a str>,
}

impl<'a> Events<'a> {
    fn of(changes: &'a Changes<'a>) -> Result<Self, ProjectorError> {
        let mut c = Self::default();
        for (entry, event) in &changes.timeline {
            c.tenants.push(event.tenant.as_str());
            c.runs.push(event.run.uuid());
            c.revisions.push(bigint(event.revision)?);
            c.positions.push(bigint(entry.record.position.0)?);
            c.ids.push(event.id);
            c.types.push(event.body.type_name());
            let version = i16::try_from(event.schema_version);
            c.versions.push(version.map_err(|_| ProjectorError::TooLarge(event.schema_version.into()))?);
            c.occurred.push(event.occurred_at);
            c.recorded.push(event.recorded_at);
            c.actors.push(event.actor.as_str());
            c.correlations.push(event.correlation_id.as_ref().map(|id| id.as_str()));
            c.causations.push(event.causation_id.as_ref().map(|id| id.as_str()));
            let data = std::str::from_utf8(&entry.record.data);
            c.data.push(data.map_err(|error| sqlx::Error::Encode(error.into()))?);
        }
        Ok(c)
    }
}

/// Writes the last outcome of each touched item, and adds the folded events to the timeline. A label once
/// given stays until another is given. The data goes in as the bytes that were appended.
///
/// Both are one statement, since nearly every batch has both and a small one costs its round trips.
pub(super) async fn write(
    db: &mut PgConnection,
    decoded: &Decoded<'_>,
    changes: &Changes<'_>,
) -> Result<(), ProjectorError> {
    // Without an event there is no item either.
    if changes.timeline.is_empty() {
        return Ok(());
    }
    let (i, e) = (Items::of(decoded, changes)?, Events::of(changes)?);
    sqlx::query!(
        "WITH items AS (
             INSERT INTO run_items AS known
                 (tenant, run_id, item, label, outcome, reason_code, message, occurred_at, revision, position)
             SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[],
                 $7::text[], $8::timestamptz[], $9::bigint[], $10::bigint[])
             ON CONFLICT (run_id, item) DO UPDATE SET
                 label = COALESCE(excluded.label, known.label), outcome = excluded.outcome,
                 reason_code = excluded.reason_code, message = excluded.message,
                 occurred_at = excluded.occurred_at, revision = excluded.revision, position = excluded.position
         )
         INSERT INTO run_events (tenant, run_id, revision, position, event_id, event_type,
             schema_version, occurred_at, recorded_at, actor, correlation_id, causation_id, data)
         SELECT t.tenant, t.run_id, t.revision, t.position, t.event_id, t.event_type, t.schema_version,
             t.occurred_at, t.recorded_at, t.actor, t.correlation_id, t.causation_id, t.data::json
         FROM unnest($11::text[], $12::uuid[], $13::bigint[], $14::bigint[], $15::uuid[], $16::text[],
             $17::smallint[], $18::timestamptz[], $19::timestamptz[], $20::text[], $21::text[], $22::text[],
             $23::text[])
             AS t (tenant, run_id, revision, position, event_id, event_type, schema_version, occurred_at,
             recorded_at, actor, correlation_id, causation_id, data)",
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
        &e.data as _
    )
    .execute(db)
    .await?;
    Ok(())
}
