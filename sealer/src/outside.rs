//! The newest checkpoint of the ledger's own log, kept in a file beside the key: a database that was restored to an
//! earlier moment is noticed before anything is signed over what is gone.

use std::path::{Path, PathBuf};

use seal::checkpoint::Checkpoint;
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

/// Makes sure that the database has the tree of which a checkpoint was kept outside.
///
/// # Errors
/// [`SealError::Restored`], [`SealError::Forked`], or what failed.
pub(crate) async fn check(pool: &PgPool, keys: &KeyFile) -> Result<(), SealError> {
    let path = place(keys);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(&path, error)),
    };
    let note: SignedNote = text.parse()?;
    note.verified_by(&keys.verifiers(keys.name())?)?;
    let malformed = |error: seal::checkpoint::NoCheckpoint| SealError::Damaged(error.to_string());
    let kept: Checkpoint = note.text.parse().map_err(malformed)?;
    must_have(pool, &kept, &path.display().to_string()).await
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
    let newest = checkpoint::read(&mut *pool.acquire().await?, Which::Newest).await?;
    let newest = newest.into_iter().find(|newest| newest.tenant.is_none());
    let most = newest.as_ref().map_or(0, |newest| newest.size);
    // One that is not signed yet is not signed for this.
    let signed = match newest.as_ref().and_then(|newest| Some((newest, newest.note.as_ref()?))) {
        Some((newest, note)) => Signed { prepared: newest.clone(), note: note.parse()? },
        None => beginning(keys)?,
    };
    witnesses.compare(pool, &signed, most).await
}

/// Makes sure that our ledger's log begins with the tree of a checkpoint.
pub(crate) async fn must_have(pool: &PgPool, kept: &Checkpoint, place: &str) -> Result<(), SealError> {
    let mut db = pool.acquire().await?;
    let newest = checkpoint::read(&mut db, Which::Newest).await?;
    let Some(ours) = newest.into_iter().find(|newest| newest.tenant.is_none()) else {
        return Err(SealError::Restored { place: place.to_owned(), outside: kept.size, ours: 0 });
    };
    if ours.size < kept.size {
        return Err(SealError::Restored { place: place.to_owned(), outside: kept.size, ours: ours.size });
    }
    let mut tree = Tiles::default();
    let wanted = needed(std::iter::once(0..kept.size));
    tiles::load(&mut db, ours.log, Tree::Entries, wanted, &mut tree).await?;
    if tree.root(0..kept.size)? != kept.root {
        return Err(SealError::Forked { place: place.to_owned(), size: kept.size });
    }
    Ok(())
}
