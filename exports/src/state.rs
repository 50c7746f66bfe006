//! How far a tenant's history is sealed, and where it is not as it was sealed.

use chrono::{DateTime, Utc};
use domain::TenantId;
use uuid::Uuid;

use crate::error::ExportError;
use crate::prepare::Exporter;

/// How many findings are told.
const TOLD: i64 = 50;

/// How far a tenant's history is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealState {
    /// Entries of the newest signed checkpoint; 0 before the first.
    pub entries: u64,
    /// Runs that it has.
    pub runs: u64,
    /// When it was made.
    pub signed_at: Option<DateTime<Utc>>,
    /// Where history is not as it was sealed, as the sampler and audits have found it, the first of them.
    pub findings: Vec<Found>,
}

/// Something that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The run; none where it is about no single one.
    pub run_id: Option<Uuid>,
    /// The first event that differs, where it is known.
    pub revision: Option<u64>,
    /// What is wrong, in words.
    pub what: String,
    /// When it was found first.
    pub found_at: DateTime<Utc>,
}

impl Exporter {
    /// How far a tenant's history is sealed.
    ///
    /// # Errors
    /// The database's.
    pub async fn state(&self, tenant: &TenantId) -> Result<SealState, ExportError> {
        let newest = sqlx::query!(
            "SELECT c.size, c.runs, c.created_at FROM seal.checkpoints AS c JOIN seal.logs AS l USING (log_id)
             WHERE l.tenant = $1 AND c.note IS NOT NULL ORDER BY c.size DESC LIMIT 1",
            tenant.as_str()
        )
        .fetch_optional(self.pool())
        .await?;
        let findings = sqlx::query!(
            "SELECT f.run_id, f.revision, f.what, f.found_at FROM seal.findings AS f JOIN seal.logs AS l USING (log_id)
             WHERE l.tenant = $1 ORDER BY f.number LIMIT $2",
            tenant.as_str(),
            TOLD
        )
        .fetch_all(self.pool())
        .await?;
        let number = |number: i64| u64::try_from(number).unwrap_or_default();
        Ok(SealState {
            entries: newest.as_ref().map_or(0, |newest| number(newest.size)),
            runs: newest.as_ref().map_or(0, |newest| number(newest.runs)),
            signed_at: newest.map(|newest| newest.created_at),
            findings: findings
                .into_iter()
                .map(|row| Found {
                    run_id: row.run_id,
                    revision: row.revision.map(number),
                    what: row.what,
                    found_at: row.found_at,
                })
                .collect(),
        })
    }
}
