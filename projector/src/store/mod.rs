//! Writing what a batch changed: one statement a table, however many rows.

mod counters;
mod notifications;
mod runs;
mod timeline;

use sqlx::PgConnection;

use crate::batch::Changes;
use crate::decode::{Decoded, Held, storable};
use crate::error::{ProjectorError, bigint};

/// Writes all changes but the checkpoint.
pub(crate) async fn changes(
    db: &mut PgConnection,
    decoded: &Decoded<'_>,
    changes: &Changes<'_>,
) -> Result<(), ProjectorError> {
    runs::insert(db, decoded, changes).await?;
    runs::update(db, decoded, changes).await?;
    timeline::upsert_items(db, decoded, changes).await?;
    timeline::insert_events(db, changes).await?;
    notifications::insert(db, decoded, changes).await?;
    // After the insert: a read may come in the same batch as what it is about.
    notifications::mark_read(db, changes).await?;
    counters::counts(db, &changes.counters).await?;
    counters::hours(db, &changes.counters).await?;
    hold(db, &changes.held).await
}

/// Puts events into the dead letters.
pub(crate) async fn hold(db: &mut PgConnection, held: &[Held<'_>]) -> Result<(), ProjectorError> {
    if held.is_empty() {
        return Ok(());
    }
    let mut positions = Vec::with_capacity(held.len());
    let mut streams = Vec::with_capacity(held.len());
    let mut revisions = Vec::with_capacity(held.len());
    let mut types = Vec::with_capacity(held.len());
    let mut errors = Vec::with_capacity(held.len());
    for Held { record, error } in held {
        tracing::warn!(
            position = record.position.0,
            stream = record.stream,
            revision = record.revision,
            error,
            "an event is held"
        );
        positions.push(bigint(record.position.0)?);
        streams.push(storable(&record.stream));
        revisions.push(bigint(record.revision)?);
        types.push(storable(&record.event_type));
        errors.push(storable(error));
    }
    let [streams, types, errors] = [&streams, &types, &errors].map(|texts| {
        let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        texts
    });
    sqlx::query!(
        "INSERT INTO dead_letters (position, stream, revision, event_type, error)
         SELECT * FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[])
         ON CONFLICT (position) DO NOTHING",
        &positions,
        &streams as _,
        &revisions,
        &types as _,
        &errors as _
    )
    .execute(db)
    .await?;
    Ok(())
}
