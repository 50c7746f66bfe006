//! `projection.run_refs`.

use sqlx::PgConnection;

use crate::decode::Reference;
use crate::error::{ProjectorError, bigint};

/// Writes down which runs references name. A reference names one for ever, so the first word is the last.
pub(super) async fn insert(
    db: &mut PgConnection,
    references: &[Reference<'_>],
) -> Result<(), ProjectorError> {
    if references.is_empty() {
        return Ok(());
    }
    let mut tenants = Vec::with_capacity(references.len());
    let mut ids = Vec::with_capacity(references.len());
    let mut sources = Vec::with_capacity(references.len());
    let mut runs = Vec::with_capacity(references.len());
    let mut positions = Vec::with_capacity(references.len());
    for Reference { record, what } in references {
        tenants.push(what.tenant.as_str());
        ids.push(what.reference.id.as_str());
        sources.push(what.reference.source.as_str());
        runs.push(what.run_id.uuid());
        positions.push(bigint(record.position.0)?);
    }
    sqlx::query!(
        "INSERT INTO run_refs (tenant, ref_id, ref_source, named_run, position)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::uuid[], $5::bigint[])
         ON CONFLICT (tenant, ref_id, ref_source) DO NOTHING",
        &tenants as _,
        &ids as _,
        &sources as _,
        &runs,
        &positions
    )
    .execute(db)
    .await?;
    Ok(())
}
