//! `projection.admin_events`.

use domain::admin::ADMIN_SCHEMA_VERSION;
use sqlx::PgConnection;

use crate::decode::Administered;
use crate::error::{ProjectorError, bigint};

/// Adds what is not there yet. Each event stands alone: where one can't be read, the next ones are added all the same.
/// The data goes in as the bytes that were appended.
pub(super) async fn insert(db: &mut PgConnection, events: &[Administered<'_>]) -> Result<(), ProjectorError> {
    if events.is_empty() {
        return Ok(());
    }
    let version = i16::try_from(ADMIN_SCHEMA_VERSION)
        .map_err(|_| ProjectorError::TooLarge(u64::from(ADMIN_SCHEMA_VERSION)))?;
    let rows = events.len();
    let mut tenants = Vec::with_capacity(rows);
    let mut revisions = Vec::with_capacity(rows);
    let mut positions = Vec::with_capacity(rows);
    let mut ids = Vec::with_capacity(rows);
    let mut types = Vec::with_capacity(rows);
    let mut times = Vec::with_capacity(rows);
    let mut kinds = Vec::with_capacity(rows);
    let mut actors = Vec::with_capacity(rows);
    let mut tokens = Vec::with_capacity(rows);
    let mut requests = Vec::with_capacity(rows);
    let mut data = Vec::with_capacity(rows);
    for Administered { record, event } in events {
        tenants.push(event.tenant.as_str());
        revisions.push(bigint(record.revision)?);
        positions.push(bigint(record.position.0)?);
        ids.push(event.id);
        types.push(event.body.type_name());
        times.push(event.recorded_at);
        kinds.push(event.actor.kind.as_str());
        actors.push(event.actor.name.as_str());
        tokens.push(event.actor.token_id);
        requests.push(event.actor.request_id.as_ref().map(|id| id.as_str()));
        let text = std::str::from_utf8(&record.data);
        data.push(text.map_err(|error| sqlx::Error::Encode(error.into()))?);
    }
    sqlx::query!(
        "INSERT INTO admin_events (tenant, revision, position, event_id, event_type, schema_version, recorded_at,
             actor_kind, actor, token_id, request_id, data)
         SELECT t.tenant, t.revision, t.position, t.event_id, t.event_type, $12, t.recorded_at, t.actor_kind, t.actor,
             t.token_id, t.request_id, t.data::json
         FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::uuid[], $5::text[], $6::timestamptz[], $7::text[],
             $8::text[], $9::uuid[], $10::text[], $11::text[])
             AS t (tenant, revision, position, event_id, event_type, recorded_at, actor_kind, actor, token_id,
                 request_id, data)
         ON CONFLICT (tenant, revision) DO NOTHING",
        &tenants as _,
        &revisions,
        &positions,
        &ids,
        &types as _,
        &times,
        &kinds as _,
        &actors as _,
        &tokens as _,
        &requests as _,
        &data as _,
        version
    )
    .execute(db)
    .await?;
    Ok(())
}
