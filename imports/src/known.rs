//! What the read tables know of rows. They may be behind the log, and are never ahead of it: what they show is there.

use std::collections::HashMap;

use sqlx::PgPool;
use uuid::Uuid;

/// What a reference stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct KnownRun {
    pub run: Uuid,
    /// Whether it has begun: an import may have been broken off before.
    pub begun: bool,
    /// Whether it has ended for good: nothing of its row can be new.
    pub ended: bool,
}

/// Which of these keys are references of runs already.
pub(crate) async fn known(
    pool: &PgPool,
    tenant: &str,
    source: &str,
    keys: &[String],
) -> Result<HashMap<String, KnownRun>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT f.ref_id, f.named_run, r.run_id IS NOT NULL AS "begun!",
                COALESCE(r.status NOT IN ('queued', 'running') AND NOT r.presumed, false) AS "ended!"
         FROM projection.run_refs AS f
         LEFT JOIN projection.runs AS r ON r.run_id = f.named_run
         WHERE f.tenant = $1 AND f.ref_source = $2 AND f.ref_id = ANY($3)"#,
        tenant,
        source,
        keys
    )
    .fetch_all(pool)
    .await?;
    let known = rows.into_iter().map(|row| {
        let known = KnownRun { run: row.named_run, begun: row.begun, ended: row.ended };
        (row.ref_id, known)
    });
    Ok(known.collect())
}
