//! Which role may do what in the database, and what of it is missing.
//!
//! Roles belong to the whole server and are in no dump of a database, so a restored ledger may lack them, and with
//! them grants and policies. The numbered files give them once; this looks at any time, and says what mends it.

use sqlx::PgConnection;

/// One thing that is missing, or there and must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What suffers from it.
    pub concern: Concern,
    /// What it is, in words.
    pub what: String,
    /// The statements that mend it, ready for psql; a comment where none can.
    pub mend: String,
}

/// What suffers when something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concern {
    /// Reads fail, find nothing, or find what is another tenant's.
    Readers,
    /// The program can't do its work as the database user that it is.
    Program,
    /// The log's history is not guarded against change.
    History,
}

/// Looks at a migrated database. The program works as the user that is connected.
///
/// # Errors
/// The database's.
pub async fn missing(db: &mut PgConnection) -> Result<Vec<Missing>, sqlx::Error> {
    look(db, None).await
}

/// As [`missing`]; also what that database user lacks who is to serve and own nothing.
///
/// # Errors
/// The database's.
pub async fn missing_for(db: &mut PgConnection, serves: &str) -> Result<Vec<Missing>, sqlx::Error> {
    look(db, Some(serves)).await
}

async fn look(db: &mut PgConnection, serves: Option<&str>) -> Result<Vec<Missing>, sqlx::Error> {
    let rows: Vec<(String, String, String)> =
        sqlx::query_as(include_str!("rights.sql")).bind(serves).fetch_all(db).await?;
    let missing = |(concern, what, mend): (String, String, String)| {
        let concern = match concern.as_str() {
            "readers" => Concern::Readers,
            "program" => Concern::Program,
            "history" => Concern::History,
            other => return Err(sqlx::Error::Decode(format!("{other:?} is no concern").into())),
        };
        Ok(Missing { concern, what, mend })
    };
    rows.into_iter().map(missing).collect()
}

/// What the connected user lacks for the first migrations; nothing once they have run.
///
/// # Errors
/// The database's.
pub async fn missing_to_migrate(db: &mut PgConnection) -> Result<Vec<Missing>, sqlx::Error> {
    let rows: Vec<(String, String)> = sqlx::query_as(include_str!("preflight.sql")).fetch_all(db).await?;
    let missing = |(what, mend)| Missing { concern: Concern::Program, what, mend };
    Ok(rows.into_iter().map(missing).collect())
}
