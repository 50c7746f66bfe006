//! The secret by which equal operations are known: the database's own, or one from a file.

use commands::Keys;
use domain::key::IdempotencySecret;
use eventlog::{EventLog, Position};
use sqlx::PgPool;

use crate::cli::KeyArgs;
use crate::error::Error;

/// Loads the ledger's secret, or makes sure that it is the one in the file.
///
/// # Errors
/// When the file holds no secret, or the ledger has another.
pub async fn load(pool: &PgPool, log: &dyn EventLog, args: Option<&KeyArgs>) -> Result<Keys, Error> {
    let Some(path) = args.and_then(|args| args.idempotency_secret_file.as_ref()) else {
        return Ok(Keys::load(pool).await?);
    };
    let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
    let secret: IdempotencySecret =
        text.trim().parse().map_err(|error| Error::Usage(format!("{}: {error}", path.display())))?;
    let has_history = log.head().await? > Position(0);
    Ok(Keys::adopt(pool, &secret, has_history).await?)
}
