//! The entries with which logs were begun anew, in their table.

use seal::continues::Continues;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::checkpoint::origin_of;
use crate::error::{SealError, generation, signed, unsigned};

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    /// Which entry of the tree it is.
    pub index: u64,
    /// The how manyth name begins with it.
    pub generation: u32,
    /// Its text, and what it says where it is well formed.
    pub text: String,
    pub said: Option<Continues>,
}

/// Keeps one, at its place in the tree.
pub(crate) async fn keep(
    db: &mut PgConnection,
    (log, index, generation): (i32, u64, u32),
    entry: &Continues,
) -> Result<(), SealError> {
    let number = i32::try_from(generation).map_err(|error| SealError::Damaged(error.to_string()))?;
    sqlx::query!(
        "INSERT INTO seal.continues (log_id, index, generation, text) VALUES ($1, $2, $3, $4)",
        log,
        signed(index)?,
        number,
        entry.text()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Those of a log, in the order of the tree.
pub(crate) async fn of(db: &mut PgConnection, log: i32) -> Result<Vec<Kept>, SealError> {
    let rows = sqlx::query!(
        "SELECT index, generation, text FROM seal.continues WHERE log_id = $1 ORDER BY index",
        log
    );
    let mut kept = Vec::new();
    for row in rows.fetch_all(db).await? {
        kept.push(Kept {
            index: unsigned(row.index)?,
            generation: generation(row.generation)?,
            said: row.text.parse().ok(),
            text: row.text,
        });
    }
    Ok(kept)
}

/// The newest one of a log.
pub(crate) async fn newest(db: &mut PgConnection, log: i32) -> Result<Option<Continues>, SealError> {
    let Some(newest) = of(db, log).await?.pop() else { return Ok(None) };
    let malformed = || SealError::Damaged("what a log was begun anew with can't be read".to_owned());
    newest.said.map(Some).ok_or_else(malformed)
}

/// Makes sure that new names were begun in this database, and not by a number that somebody wrote into it.
///
/// # Errors
/// [`SealError::Unfinished`] where they were not.
pub(crate) async fn must_be_of_ledger(
    pool: &PgPool,
    ledger: &str,
    (database, outside): (u32, u32),
) -> Result<(), SealError> {
    let mut db = pool.acquire().await?;
    let log = sqlx::query_scalar!("SELECT log_id FROM seal.logs WHERE tenant IS NULL");
    let log = log.fetch_optional(&mut *db).await?;
    let newest = match log {
        Some(log) => newest(&mut db, log).await?,
        None => None,
    };
    let name = origin_of(ledger, None, Uuid::nil(), database);
    let names = newest.is_some_and(|newest| newest.log == name);
    if names { Ok(()) } else { Err(SealError::Unfinished { database, outside }) }
}
