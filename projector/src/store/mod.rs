//! Writing what a batch changed: as few statements as there can be, however many rows.

/// Makes a row that is given to a statement known as a composite type of the database. Its fields are the type's, in
/// their order.
macro_rules! row_type {
    ($row:ty, $name:literal) => {
        impl sqlx::Type<sqlx::Postgres> for $row {
            fn type_info() -> sqlx::postgres::PgTypeInfo {
                sqlx::postgres::PgTypeInfo::with_name($name)
            }
        }

        impl sqlx::postgres::PgHasArrayType for $row {
            fn array_type_info() -> sqlx::postgres::PgTypeInfo {
                sqlx::postgres::PgTypeInfo::array_of($name)
            }
        }
    };
}

mod admin;
mod counters;
mod directory;
mod notifications;
mod references;
mod runs;
mod timeline;
mod upsert;

use eventlog::streams::run_of;
use redaction::CleanText;
use sqlx::PgConnection;

use crate::batch::Changes;
use crate::decode::{Decoded, Quarantined, storable};
use crate::error::{ProjectorError, bigint};

/// Writes all changes but the checkpoint.
pub(crate) async fn changes(
    db: &mut PgConnection,
    decoded: &Decoded<'_>,
    changes: &Changes<'_>,
) -> Result<(), ProjectorError> {
    runs::insert(db, decoded, changes).await?;
    upsert::write(db, decoded, changes).await?;
    notifications::insert(db, decoded, changes).await?;
    // After the insert: a read may come in the same batch as what it is about.
    notifications::mark_read(db, changes).await?;
    admin::insert(db, changes.admin).await?;
    references::insert(db, changes.references).await?;
    directory::write(db, &changes.names).await?;
    counters::counts(db, &changes.counters).await?;
    counters::children(db, &changes.counters).await?;
    quarantine(db, &changes.quarantined).await
}

/// Puts events into the dead letters, and marks their runs as quarantined. What the error quotes of an event is
/// shown to people, so the error is redacted as messages are.
pub(crate) async fn quarantine(
    db: &mut PgConnection,
    quarantined: &[Quarantined<'_>],
) -> Result<(), ProjectorError> {
    if quarantined.is_empty() {
        return Ok(());
    }
    let mut positions = Vec::with_capacity(quarantined.len());
    let mut streams = Vec::with_capacity(quarantined.len());
    let mut revisions = Vec::with_capacity(quarantined.len());
    let mut types = Vec::with_capacity(quarantined.len());
    let mut errors = Vec::with_capacity(quarantined.len());
    let mut runs = Vec::with_capacity(quarantined.len());
    for Quarantined { record, error } in quarantined {
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
        errors.push(CleanText::new(error).into_string());
        runs.extend(run_of(&record.stream).map(|(_, run)| run.uuid()));
    }
    let [streams, types] = [&streams, &types].map(|texts| {
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
        &errors
    )
    .execute(&mut *db)
    .await?;
    // Where Queued itself is quarantined there is no row to mark.
    sqlx::query!(
        "UPDATE runs SET held_revision = first.revision, held_position = first.position, held_error = first.error
         FROM (SELECT DISTINCT ON (stream) stream, revision, position, error
               FROM dead_letters WHERE stream = ANY($1) ORDER BY stream, revision) AS first
         WHERE run_id = ANY($2) AND held_revision IS NULL
             AND 'run-' || tenant || '-' || run_id = first.stream",
        &streams as _,
        &runs
    )
    .execute(db)
    .await?;
    Ok(())
}
