//! Checkpoints of tenants' logs that somebody has kept, given to begin these logs anew.

use std::path::{Path, PathBuf};

use seal::checkpoint::Checkpoint;
use seal::continues::{Known, Named};
use seal::tlog_proof::kept_checkpoint;
use sqlx::PgPool;

use crate::checkpoint::{self, Which};
use crate::continues;
use crate::error::SealError;
use crate::key::KeyFile;
use crate::outside;

/// A checkpoint of a tenant's log that somebody has kept.
pub(crate) struct Given {
    /// Where it is.
    pub path: PathBuf,
    /// What it says.
    pub checkpoint: Checkpoint,
}

impl Given {
    /// Reads one that our key has signed.
    ///
    /// # Errors
    /// [`SealError::Given`].
    pub fn read(path: &Path, keys: &KeyFile) -> Result<Self, SealError> {
        let wrong = |what: String| SealError::Given { place: path.display().to_string(), what };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let (note, checkpoint) = kept_checkpoint(&text).map_err(wrong)?;
        keys.must_have_signed(&checkpoint.origin, &note).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { path: path.to_owned(), checkpoint })
    }

    /// What it says of its log.
    pub fn known(&self) -> Known {
        let Checkpoint { origin, size, root } = self.checkpoint.clone();
        Known { log: origin, size, root: Some(root) }
    }

    /// Makes sure that the database has its log, and that the log begins with its tree, as far as it has that much under
    /// the name that is signed there.
    ///
    /// # Errors
    /// [`SealError::Given`], [`SealError::Forked`], or the database's.
    pub async fn must_fit(&self, pool: &PgPool, keys: &KeyFile) -> Result<(), SealError> {
        let place = self.path.display().to_string();
        let Named { first, generation } = Named::of(&self.checkpoint.origin);
        let suffix = first.strip_prefix(keys.name()).and_then(|behind| behind.strip_prefix("/t/"));
        let log = sqlx::query_scalar!(
            "SELECT log_id FROM seal.logs WHERE suffix = $1 AND tenant IS NOT NULL",
            suffix
        );
        let Some(log) = log.fetch_optional(pool).await? else {
            let what = "it is of no log of this database: it is not needed".to_owned();
            return Err(SealError::Given { place, what });
        };
        let mut db = pool.acquire().await?;
        let newest = checkpoint::read(&mut db, Which::NewestOf(log)).await?.pop();
        // Under later names the log went on from an earlier size, and with something else.
        let later =
            continues::of(&mut db, log).await?.into_iter().filter(|kept| kept.generation > generation);
        let agreed = later.filter_map(|kept| Some(kept.said?.agrees.0));
        let has = agreed.chain(newest.map(|newest| newest.size)).min().unwrap_or(0);
        drop(db);
        if self.checkpoint.size > has {
            return Ok(());
        }
        outside::must_have(pool, log, &self.checkpoint, place).await
    }
}

/// The newest of the given checkpoints of a log, where it has more than that, and its place among them.
pub(crate) fn most_of<'g>(given: &'g [Given], first: &str, than: u64) -> Option<(usize, &'g Given)> {
    let of_log = given.iter().enumerate().filter(|(_, given)| {
        Named::of(&given.checkpoint.origin).first == first && given.checkpoint.size > than
    });
    of_log.max_by_key(|(_, Given { checkpoint, .. })| {
        (Named::of(&checkpoint.origin).generation, checkpoint.size)
    })
}
