//! Keys for titles that have none yet: those of runs that a program before this one has written.

use domain::search_key;

use crate::apply::lock_checkpoint;
use crate::error::ProjectorError;
use crate::lease::Lease;
use crate::tables::Tables;

/// How many are keyed in one transaction: batches wait for it.
const AT_ONCE: i64 = 1_000;

/// Gives every title its key, unless somebody else has the lease.
pub(crate) async fn key_all(tables: &Tables, lease: &Lease) -> Result<(), ProjectorError> {
    let mut keyed = 0;
    loop {
        let mut tx = tables.begin().await?;
        lock_checkpoint(&mut tx, Some(lease)).await?;
        let rows = sqlx::query!(
            r#"SELECT run_id, title AS "title!" FROM runs
               WHERE title_key IS NULL AND title IS NOT NULL ORDER BY run_id LIMIT $1"#,
            AT_ONCE
        )
        .fetch_all(&mut *tx)
        .await?;
        if rows.is_empty() {
            if keyed > 0 {
                tracing::info!(keyed, "titles of earlier runs are found in any case now");
            }
            return Ok(());
        }
        keyed += rows.len();
        let (runs, keys): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|row| (row.run_id, search_key(&row.title))).unzip();
        sqlx::query!(
            "UPDATE runs AS r SET title_key = k.title_key
             FROM unnest($1::uuid[], $2::text[]) AS k (run_id, title_key) WHERE r.run_id = k.run_id",
            &runs,
            &keys
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
    }
}
