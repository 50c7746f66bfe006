//! The newest checkpoint of the ledger's own log, kept in a file beside the key: a database that was restored to an
//! earlier moment is noticed before anything is signed over what is gone.

use std::path::{Path, PathBuf};

use seal::checkpoint::Checkpoint;
use seal::continues::generation_of;
use seal::note::SignedNote;
use seal::tiles::{Tiles, needed};
use sqlx::PgPool;

use crate::checkpoint::{self, Which};
use crate::error::SealError;
use crate::key::{KeyFile, write_whole};
use crate::publish::beginning;
use crate::tiles::{self, Tree};
use crate::witnesses::{Signed, Witnesses};

/// The file's name: the key file's with this at its end.
const ENDING: &str = ".checkpoint";

fn place(keys: &KeyFile) -> PathBuf {
    let mut path = keys.path().as_os_str().to_owned();
    path.push(ENDING);
    path.into()
}

fn failed(path: &Path, source: std::io::Error) -> SealError {
    SealError::File { path: path.display().to_string(), source }
}

/// Keeps a note of the ledger's log.
pub(crate) fn keep(keys: &KeyFile, note: &str) -> Result<(), SealError> {
    let path = place(keys);
    write_whole(&path, note.as_bytes(), 0o600).map_err(|source| failed(&path, source))
}

/// What is kept of the ledger's own log: under the how manyth name, and the checkpoint; none where there is no file.
///
/// # Errors
/// Where it is none of this ledger, or not signed by its key.
pub(crate) fn kept(keys: &KeyFile) -> Result<Option<(u32, Checkpoint)>, SealError> {
    let path = place(keys);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(&path, error)),
    };
    let wrong = |what: String| SealError::Kept { path: path.display().to_string(), what };
    let note: SignedNote = text.parse().map_err(|error| wrong(format!("is no signed note: {error}")))?;
    let kept: Checkpoint = note.text.parse().map_err(|error| wrong(format!("is no checkpoint: {error}")))?;
    let generation = generation_of(keys.name(), &kept.origin).ok_or_else(|| {
        wrong(format!("is of another log, {}, than this key's, {}", kept.origin, keys.name()))
    })?;
    keys.must_have_signed(&kept.origin, &note)
        .map_err(|error| wrong(format!("was not signed by this key: {error}")))?;
    Ok(Some((generation, kept)))
}

/// Under the how manyth name the database would sign.
pub(crate) async fn in_database(pool: &PgPool) -> Result<u32, SealError> {
    let newest = sqlx::query_scalar!(r#"SELECT COALESCE(max(generation), 1) AS "newest!" FROM seal.logs"#);
    crate::error::generation(newest.fetch_one(pool).await?)
}

/// Makes sure that the database has the tree of which a checkpoint was kept outside. Gives under the how manyth name logs are
/// signed.
///
/// # Errors
/// [`SealError::Restored`], [`SealError::Forked`], [`SealError::Unfinished`], or what failed.
pub(crate) async fn check(pool: &PgPool, keys: &KeyFile) -> Result<u32, SealError> {
    let database = in_database(pool).await?;
    let Some((outside, kept)) = kept(keys)? else { return Ok(database) };
    if database > outside {
        return Err(SealError::Unfinished { database, outside });
    }
    let place = place(keys).display().to_string();
    let newest = checkpoint::read(&mut *pool.acquire().await?, Which::NewestOfLedger).await?.pop();
    let ours = newest.as_ref().map_or(0, |ours| ours.size);
    if database < outside {
        let place = format!("{place} (of the log {})", kept.origin);
        return Err(SealError::Restored { place, outside: kept.size, ours });
    }
    match newest {
        Some(newest) if newest.size >= kept.size => must_have(pool, newest.log, &kept, place).await?,
        _ => return Err(SealError::Restored { place, outside: kept.size, ours }),
    }
    Ok(database)
}

/// Makes sure that a log of ours begins with the tree of a checkpoint, which is no larger.
///
/// # Errors
/// [`SealError::Forked`], or the database's.
pub(crate) async fn must_have(
    pool: &PgPool,
    log: i32,
    kept: &Checkpoint,
    place: String,
) -> Result<(), SealError> {
    let mut tree = Tiles::default();
    let wanted = needed(std::iter::once(0..kept.size));
    tiles::load(&mut *pool.acquire().await?, log, Tree::Entries, wanted, &mut tree).await?;
    if tree.root(0..kept.size)? == kept.root {
        return Ok(());
    }
    Err(SealError::Forked { place, size: kept.size })
}

/// Makes sure that no witness has cosigned a larger tree of the ledger's own log than the database has, or another one.
///
/// # Errors
/// [`SealError::Restored`], [`SealError::Forked`], or what failed here. A witness that is away is no error.
pub(crate) async fn check_witnesses(
    pool: &PgPool,
    keys: &KeyFile,
    witnesses: &Witnesses,
) -> Result<(), SealError> {
    let newest = checkpoint::read(&mut *pool.acquire().await?, Which::NewestOfLedger).await?.pop();
    let most = newest.as_ref().map_or(0, |newest| newest.size);
    // One that is not signed yet is not signed for this.
    let signed = match newest.as_ref().and_then(|newest| Some((newest, newest.note.as_ref()?))) {
        Some((newest, note)) => Signed { prepared: newest.clone(), note: note.parse()? },
        None => beginning(keys, newest.as_ref().map_or(1, |newest| newest.generation))?,
    };
    witnesses.compare(pool, &signed, most).await
}
