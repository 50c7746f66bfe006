//! `projection.directory`.

use domain::search_key;
use sqlx::PgConnection;

use crate::decode::Name;
use crate::error::{ProjectorError, bigint};

/// Writes down what ids are called, unless the table has something newer: by `as_of`, and where that is the same by the
/// place in the log. So it ends the same in whatever batches the log is folded. Each id is in `names` once.
pub(super) async fn write(db: &mut PgConnection, names: &[&Name<'_>]) -> Result<(), ProjectorError> {
    if names.is_empty() {
        return Ok(());
    }
    let rows = names.len();
    let mut tenants = Vec::with_capacity(rows);
    let mut namespaces = Vec::with_capacity(rows);
    let mut ids = Vec::with_capacity(rows);
    let mut texts = Vec::with_capacity(rows);
    let mut keys = Vec::with_capacity(rows);
    let mut times = Vec::with_capacity(rows);
    let mut positions = Vec::with_capacity(rows);
    for Name { record, what } in names {
        tenants.push(what.tenant.as_str());
        namespaces.push(what.namespace.as_str());
        ids.push(what.id.as_str());
        // A name that was taken back keeps its row: what was said before may still come.
        let name = what.name.as_ref().map(redaction::CleanText::as_str);
        texts.push(name);
        keys.push(name.map(search_key));
        times.push(what.as_of);
        positions.push(bigint(record.position.0)?);
    }
    sqlx::query!(
        "INSERT INTO directory AS known (tenant, namespace, entry_id, name, name_key, as_of, position)
         SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],
             $7::bigint[])
         ON CONFLICT (tenant, namespace, entry_id) DO UPDATE SET
             name = excluded.name, name_key = excluded.name_key, as_of = excluded.as_of, position = excluded.position
         WHERE (known.as_of, known.position) < (excluded.as_of, excluded.position)",
        &tenants as _,
        &namespaces as _,
        &ids as _,
        &texts as _,
        &keys as _,
        &times,
        &positions
    )
    .execute(db)
    .await?;
    Ok(())
}
