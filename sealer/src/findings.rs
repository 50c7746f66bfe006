//! What is not as it was sealed.

use std::fmt;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::{SealError, signed};

/// Something that is not as it was sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whose; none in the ledger's own log.
    pub tenant: Option<String>,
    /// Which run, by number and id; none where it is about no single run.
    pub run: Option<(u64, Uuid)>,
    /// The first event that differs, by its revision, where that is known.
    pub revision: Option<u64>,
    /// The event's position in the event log, where that is known.
    pub position: Option<u64>,
    /// What is wrong, in words.
    pub what: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.tenant {
            Some(tenant) => write!(f, "tenant {tenant}")?,
            None => write!(f, "the ledger's own log")?,
        }
        if let Some((number, id)) = self.run {
            write!(f, ", run {id} (number {number})")?;
        }
        if let Some(revision) = self.revision {
            write!(f, ", revision {revision}")?;
        }
        if let Some(position) = self.position {
            write!(f, ", position {position}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// Keeps one, in the place of an earlier one about the same run.
pub(crate) async fn keep(db: &mut PgConnection, log: i32, finding: &Finding) -> Result<(), SealError> {
    let number = finding.run.map(|(number, _)| signed(number)).transpose()?;
    sqlx::query!(
        "INSERT INTO seal.findings (log_id, number, run_id, revision, position, what)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (log_id, number) DO UPDATE SET revision = COALESCE(excluded.revision, findings.revision),
             position = COALESCE(excluded.position, findings.position), what = excluded.what",
        log,
        number.unwrap_or(-1),
        finding.run.map(|(_, id)| id),
        finding.revision.map(signed).transpose()?,
        finding.position.map(signed).transpose()?,
        finding.what
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets one about a run that is in order, or about a log where none is named.
pub(crate) async fn clear(db: &mut PgConnection, log: i32, number: Option<u64>) -> Result<(), SealError> {
    let number = number.map(signed).transpose()?.unwrap_or(-1);
    sqlx::query!("DELETE FROM seal.findings WHERE log_id = $1 AND number = $2", log, number)
        .execute(db)
        .await?;
    Ok(())
}

/// How many there are.
pub(crate) async fn count(db: &mut PgConnection) -> Result<i64, SealError> {
    Ok(sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM seal.findings"#).fetch_one(db).await?)
}
