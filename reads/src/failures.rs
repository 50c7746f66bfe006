//! Why items failed: by reason for one run, and the last one for each of several runs.

use std::collections::HashMap;

use domain::{RunId, TenantId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::corrupt::non_negative;
use crate::error::ReadError;

const TABLE: &str = "projection.run_items";

/// How many reasons are told apart: a page with more would help nobody.
pub(super) const REASONS: i64 = 50;

/// The failed items of a run that have one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureGroup {
    /// The reason code; none where the producer gave none.
    pub reason_code: Option<String>,
    /// How many items.
    pub items: u64,
}

/// The last item of a run that failed and has not succeeded since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// Which item.
    pub item: String,
    /// Why, for machines.
    pub reason_code: Option<String>,
    /// Why, for people.
    pub message: Option<String>,
}

/// The failed items of a run by their reasons, the most frequent first.
///
/// # Errors
/// The database's.
pub async fn groups(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run: RunId,
) -> Result<Vec<FailureGroup>, ReadError> {
    // The index run_items_failed has all of it.
    let rows = sqlx::query!(
        r#"SELECT reason_code, count(*) AS "items!" FROM projection.run_items
           WHERE tenant = $1 AND run_id = $2 AND outcome = 'failed'
           GROUP BY reason_code ORDER BY count(*) DESC, reason_code LIMIT $3"#,
        tenant.as_str(),
        run.uuid(),
        REASONS
    );
    let rows = rows.fetch_all(conn).await?.into_iter();
    let group = |reason_code, items| {
        Ok(FailureGroup { reason_code, items: non_negative(TABLE, "count", run, items)? })
    };
    rows.map(|row| group(row.reason_code, row.items)).collect()
}

/// The last failed item of each of those runs that has one.
///
/// # Errors
/// The database's.
pub async fn last_of(
    conn: &mut PgConnection,
    tenant: &TenantId,
    runs: &[Uuid],
) -> Result<HashMap<Uuid, LastFailure>, sqlx::Error> {
    if runs.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = sqlx::query!(
        r#"SELECT wanted.run_id AS "run_id!", last.item, last.reason_code, last.message
           FROM unnest($2::uuid[]) AS wanted (run_id), LATERAL (
               SELECT item, reason_code, message FROM projection.run_items AS i
               WHERE i.tenant = $1 AND i.run_id = wanted.run_id AND i.outcome = 'failed'
               ORDER BY i.revision DESC LIMIT 1) AS last"#,
        tenant.as_str(),
        runs
    );
    let failure = |item, reason_code, message| LastFailure { item, reason_code, message };
    let rows = rows.fetch_all(conn).await?.into_iter();
    Ok(rows.map(|row| (row.run_id, failure(row.item, row.reason_code, row.message))).collect())
}
