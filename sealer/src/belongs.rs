//! Whether a key file is that of the ledger in a database: another one's would sign, or tell of, logs that nobody knows.

use futures::TryStreamExt;
use seal::continues::generation_of;
use seal::note::{NoteError, SignedNote};
use sqlx::PgPool;

use crate::error::SealError;
use crate::key::KeyFile;

/// What the database says of the ledger that is sealed in it.
struct Sealed {
    /// The name of a log, or of the key where nothing is signed yet.
    log: String,
    /// Whether a log of a ledger with the file's name is called so.
    named: bool,
    /// The newest note of that log, as it stands.
    note: Option<String>,
}

/// What was sealed by whatever key; none where nothing was.
async fn sealed(pool: &PgPool, keys: &KeyFile) -> Result<Option<Sealed>, SealError> {
    // The ledger's own log first: it is there but for a moment at the very beginning.
    let newest = sqlx::query!(
        r#"SELECT l.tenant, c.note AS "note!" FROM seal.logs AS l CROSS JOIN LATERAL (
               SELECT note FROM seal.checkpoints AS c WHERE c.log_id = l.log_id AND note IS NOT NULL
               ORDER BY size DESC LIMIT 1
           ) AS c ORDER BY l.tenant NULLS FIRST LIMIT 1"#
    );
    if let Some(row) = newest.fetch_optional(pool).await? {
        let log = row.note.lines().next().unwrap_or_default().to_owned();
        let named = match row.tenant {
            None => generation_of(keys.name(), &log).is_some(),
            Some(_) => log.strip_prefix(keys.name()).is_some_and(|behind| behind.starts_with("/t/")),
        };
        return Ok(Some(Sealed { log, named, note: Some(row.note) }));
    }
    let key = sqlx::query_scalar!("SELECT key_id FROM seal.progress").fetch_one(pool).await?;
    Ok(key.map(|key| {
        let log = key.split_once('+').map_or(key.as_str(), |(name, _)| name).to_owned();
        Sealed { named: log == keys.name(), log, note: None }
    }))
}

fn other(keys: &KeyFile, log: String) -> SealError {
    let path = keys.path().display().to_string();
    SealError::OtherKey { path, name: keys.name().to_owned(), log }
}

/// Makes sure that a key file is of the ledger that is sealed in the database: that it has its name, and that one of its
/// keys has signed the newest checkpoint. Where nothing is sealed yet, any may come.
///
/// # Errors
/// [`SealError::OtherKey`], or the database's.
pub async fn must_be_key_of(pool: &PgPool, keys: &KeyFile) -> Result<(), SealError> {
    let Some(Sealed { log, named, note }) = sealed(pool, keys).await? else { return Ok(()) };
    let signed = match note {
        Some(note) => {
            let damaged = |error: NoteError| SealError::Damaged(format!("the newest note of {log}: {error}"));
            let note: SignedNote = note.parse().map_err(damaged)?;
            keys.must_have_signed(&log, &note).is_ok()
        }
        None => true,
    };
    if named && signed { Ok(()) } else { Err(other(keys, log)) }
}

/// Makes sure that one of the keys of a file has signed anything in the database: else all that is sealed there would differ by
/// it, and be told so. The newest checkpoint alone does not say that, since it may be what somebody has changed.
///
/// # Errors
/// [`SealError::OtherKey`], or the database's.
pub(crate) async fn must_have_signed_something(pool: &PgPool, keys: &KeyFile) -> Result<(), SealError> {
    let refused = match must_be_key_of(pool, keys).await {
        Err(refused @ (SealError::OtherKey { .. } | SealError::Damaged(_))) => refused,
        other => return other,
    };
    let mut notes =
        sqlx::query_scalar!(r#"SELECT note AS "note!" FROM seal.checkpoints WHERE note IS NOT NULL"#)
            .fetch(pool);
    while let Some(note) = notes.try_next().await? {
        let log = note.lines().next().unwrap_or_default();
        if note.parse().is_ok_and(|note: SignedNote| keys.must_have_signed(log, &note).is_ok()) {
            return Ok(());
        }
    }
    Err(refused)
}

/// Makes sure that a key file has the name of the ledger that is sealed in the database. Its keys may be new ones.
///
/// # Errors
/// [`SealError::OtherKey`], or the database's.
pub(crate) async fn must_have_name_of(pool: &PgPool, keys: &KeyFile) -> Result<(), SealError> {
    match sealed(pool, keys).await? {
        Some(Sealed { log, named: false, .. }) => Err(other(keys, log)),
        _ => Ok(()),
    }
}
