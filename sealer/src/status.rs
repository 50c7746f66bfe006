//! How far sealing has come.

use chrono::{DateTime, Utc};
use sqlx::PgPool;

use crate::checkpoint::origin_of;
use crate::error::{SealError, generation, unsigned};
use crate::logs::suffix;

/// How far a tenant's log has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogStatus {
    /// Whose.
    pub tenant: String,
    /// The log's name.
    pub origin: String,
    /// How many entries the newest signed checkpoint has; 0 before the first.
    pub size: u64,
    /// How many runs it has.
    pub runs: u64,
    /// When it was made.
    pub signed_at: Option<DateTime<Utc>>,
    /// Entries that wait to be signed.
    pub waiting: u64,
}

/// The logs of all tenants, or of one, by name. The name of a ledger is that of its key.
///
/// # Errors
/// The database's.
pub async fn status(pool: &PgPool, ledger: &str, tenant: Option<&str>) -> Result<Vec<LogStatus>, SealError> {
    let rows = sqlx::query!(
        r#"SELECT l.tenant AS "tenant!", l.suffix, l.generation, l.size AS "leaves", c.size AS "size?", c.runs AS "runs?",
               c.created_at AS "signed_at?"
           FROM seal.logs AS l LEFT JOIN LATERAL (
               SELECT size, runs, created_at FROM seal.checkpoints AS c
               WHERE c.log_id = l.log_id AND note IS NOT NULL ORDER BY size DESC LIMIT 1
           ) AS c ON true
           WHERE l.tenant IS NOT NULL AND ($1::text IS NULL OR l.tenant = $1) ORDER BY l.tenant"#,
        tenant
    );
    let mut logs = Vec::new();
    for row in rows.fetch_all(pool).await? {
        let size = unsigned(row.size.unwrap_or(0))?;
        logs.push(LogStatus {
            origin: origin_of(ledger, Some(&row.tenant), suffix(&row.suffix)?, generation(row.generation)?),
            tenant: row.tenant,
            size,
            runs: unsigned(row.runs.unwrap_or(0))?,
            signed_at: row.signed_at,
            waiting: unsigned(row.leaves)?.saturating_sub(size),
        });
    }
    Ok(logs)
}

/// The name of a tenant's log, where there is one.
///
/// # Errors
/// The database's.
pub async fn origin(pool: &PgPool, ledger: &str, tenant: &str) -> Result<Option<String>, SealError> {
    Ok(status(pool, ledger, Some(tenant)).await?.pop().map(|log| log.origin))
}
