//! Begins the logs of a restored database anew: under other names, with an entry that says what they go on from.
//!
//! The trees stay. Each is the beginning of what was signed under the old name, as far as the restored database has it: so
//! old checkpoints up to there are proven as before, and nothing need be computed again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SecondsFormat, Utc};
use domain::admin::{AdminActor, AdminBody, SealedAnew};
use redaction::CleanText;
use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::continues::{Continues, Known, Named, generation_of};
use seal::tlog_proof::kept_checkpoint;

use access::administration::record_for_all;

use crate::checkpoint::{self, Which, origin_of};
use crate::continues;
use crate::error::{SealError, generation};
use crate::hasher::Hasher;
use crate::key::KeyFile;
use crate::logs::{Logs, suffix};
use crate::outside;
use crate::progress::Lease;
use crate::run::{Sealer, Work};
use crate::told;

/// What the operator says of it.
#[derive(Debug, Clone)]
pub struct Anew {
    /// Why the database was restored. Whoever verifies reads it.
    pub why: CleanText,
    /// Who does it.
    pub by: AdminActor,
    /// When.
    pub at: DateTime<Utc>,
    /// Files with checkpoints of tenants' logs that somebody has kept: they say how far these had come.
    pub known: Vec<PathBuf>,
}

/// What was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// The how manyth name the logs have now.
    pub generation: u32,
    /// How many logs of tenants.
    pub tenants: u64,
}

impl Sealer {
    /// Begins all logs anew, where a checkpoint outside of the database says that it was restored to an earlier moment. What
    /// seals elsewhere loses its lease, and takes it again afterwards. One that was interrupted is brought to its end.
    ///
    /// # Errors
    /// [`SealError::NothingLost`], [`SealError::Forked`], [`SealError::LogBehind`], [`SealError::Given`], or what failed.
    pub async fn begin_anew(&self, anew: &Anew) -> Result<Begun, SealError> {
        let lease = Lease::take_over(&self.pool).await?;
        let done = self.begin_anew_with(lease, anew).await;
        let given_back = lease.give_back(&self.pool).await;
        let begun = done?;
        given_back.map(|()| begun)
    }

    async fn begin_anew_with(&self, lease: Lease, anew: &Anew) -> Result<Begun, SealError> {
        let keys = self.read_keys()?;
        let given = anew.known.iter().map(|path| given(path, &keys)).collect::<Result<Vec<_>, _>>()?;
        let generation = match outside::check(&self.pool, &keys).await {
            // It was interrupted before its first checkpoint was signed.
            Err(SealError::Unfinished { database, outside }) => {
                continues::must_be_of_ledger(&self.pool, keys.name(), (database, outside)).await?;
                database
            }
            checked => {
                let known = self.known(checked, &keys).await?;
                self.begin_logs(lease, &keys, anew, (known, given)).await?
            }
        };
        let news = BTreeSet::new();
        let mut work = Work {
            lease,
            logs: Logs::default(),
            hasher: Hasher::start()?,
            news,
            keys,
            generation,
            lacking: None,
        };
        self.sign(&mut work).await?;
        let tenants = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM seal.logs WHERE tenant IS NOT NULL AND generation = $1"#,
            i32::try_from(generation).unwrap_or(i32::MAX)
        );
        let tenants = u64::try_from(tenants.fetch_one(&self.pool).await?).unwrap_or_default();
        Ok(Begun { generation, tenants })
    }

    /// What is known outside of the ledger's own log, where that is more than the database has.
    async fn known(&self, checked: Result<u32, SealError>, keys: &KeyFile) -> Result<Known, SealError> {
        let lacks = match checked {
            Ok(_) => false,
            Err(SealError::Restored { .. }) => true,
            Err(other) => return Err(other),
        };
        let kept = outside::kept(keys)?;
        let from_file =
            kept.map(|(_, Checkpoint { origin, size, root })| Known { log: origin, size, root: Some(root) });
        let Some(witnesses) = &self.witnesses else {
            return from_file.filter(|_| lacks).ok_or(SealError::NothingLost);
        };
        match outside::check_witnesses(&self.pool, keys, witnesses).await {
            Err(SealError::Restored { outside, .. }) => {
                let log =
                    origin_of(keys.name(), None, uuid::Uuid::nil(), outside::in_database(&self.pool).await?);
                let by_witness = Known { log, size: outside, root: None };
                // The file is as new but for the last moment, and says the root.
                let file_is_newer = |file: &Known| file.log != by_witness.log || file.size >= outside;
                Ok(from_file.filter(|file| lacks && file_is_newer(file)).unwrap_or(by_witness))
            }
            Err(other) => Err(other),
            Ok(()) => from_file.filter(|_| lacks).ok_or(SealError::NothingLost),
        }
    }

    /// Adds the entry to each log, gives them their new names, and prepares a checkpoint of each, in one transaction.
    async fn begin_logs(
        &self,
        lease: Lease,
        keys: &KeyFile,
        anew: &Anew,
        (known, given): (Known, Vec<(PathBuf, Checkpoint)>),
    ) -> Result<u32, SealError> {
        let (mut tx, position) = lease.begin(&self.pool).await?;
        let head = self.log.head().await?;
        if head < position {
            return Err(SealError::LogBehind { head, sealed: position });
        }
        let mut logs = Logs::default();
        logs.open(&mut tx, [None]).await?;
        let rows = sqlx::query!("SELECT log_id, tenant, suffix, generation FROM seal.logs ORDER BY log_id");
        let rows = rows.fetch_all(&mut *tx).await?;
        let names = given.iter().map(|(_, checkpoint)| Named::of(&checkpoint.origin).generation);
        let of_ledger = generation_of(keys.name(), &known.log).unwrap_or(1);
        let mut newest = names.max().unwrap_or(1).max(of_ledger);
        for row in &rows {
            newest = newest.max(generation(row.generation)?);
        }
        let (next, mut used) = (newest + 1, vec![false; given.len()]);
        for row in &rows {
            let (tenant, suffix) = (row.tenant.as_deref(), suffix(&row.suffix)?);
            let name = |generation| origin_of(keys.name(), tenant, suffix, generation);
            let last = checkpoint::read(&mut tx, Which::NewestOf(row.log_id)).await?.pop();
            let agrees = last.as_ref().map_or((0, Hash::empty()), |last| (last.size, last.root));
            let known = match tenant {
                None => Some(known.clone()),
                Some(_) => {
                    for (used, (_, checkpoint)) in used.iter_mut().zip(&given) {
                        *used |= Named::of(&checkpoint.origin).first == name(1);
                    }
                    most_of(&given, &name(1), agrees.0)
                }
            };
            logs.open(&mut tx, [tenant]).await?;
            let log = logs.get(tenant)?;
            let entry = Continues {
                log: name(next),
                from: name(generation(row.generation)?),
                agrees,
                known,
                prev: continues::newest(&mut tx, row.log_id).await?.map(|entry| entry.leaf()),
                at: anew.at.to_rfc3339_opts(SecondsFormat::Secs, true),
                why: anew.why.as_str().to_owned(),
            };
            continues::keep(&mut tx, (row.log_id, log.size, next), &entry).await?;
            log.push(entry.leaf())?;
        }
        if let Some((path, _)) = given.iter().zip(used).find(|(_, used)| !used).map(|(given, _)| given) {
            let what = "it is of no log of this database: it is not needed".to_owned();
            return Err(SealError::Given { place: path.display().to_string(), what });
        }
        let number = i32::try_from(next).map_err(|error| SealError::Damaged(error.to_string()))?;
        sqlx::query!("UPDATE seal.logs SET generation = $1", number).execute(&mut *tx).await?;
        logs.write(&mut tx).await?;
        // That of the ledger's own log follows upon those of the tenants, as always.
        for row in rows.iter().filter(|row| row.tenant.is_some()) {
            checkpoint::prepare(&mut tx, &mut logs, row.tenant.as_deref(), position.0).await?;
        }
        if rows.iter().all(|row| row.tenant.is_none()) {
            checkpoint::prepare(&mut tx, &mut logs, None, position.0).await?;
        }
        let told = AdminBody::SealedAnew(SealedAnew { why: anew.why.clone(), generation: next });
        record_for_all(&mut *tx, &told, &anew.by).await.map_err(told::failed)?;
        tx.commit().await?;
        Ok(next)
    }
}

/// A checkpoint that somebody has kept, signed by our key.
fn given(path: &Path, keys: &KeyFile) -> Result<(PathBuf, Checkpoint), SealError> {
    let wrong = |what: String| SealError::Given { place: path.display().to_string(), what };
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let (note, checkpoint) = kept_checkpoint(&text).map_err(wrong)?;
    let verified = keys.verifiers(&checkpoint.origin).and_then(|keys| note.verified_by(&keys).map(drop));
    verified.map_err(|error| wrong(error.to_string()))?;
    Ok((path.to_owned(), checkpoint))
}

/// The newest of the given checkpoints of a log, where it has more than that.
fn most_of(given: &[(PathBuf, Checkpoint)], first: &str, than: u64) -> Option<Known> {
    let of_log = given
        .iter()
        .map(|(_, checkpoint)| checkpoint)
        .filter(|checkpoint| Named::of(&checkpoint.origin).first == first && checkpoint.size > than);
    let newest =
        of_log.max_by_key(|checkpoint| (Named::of(&checkpoint.origin).generation, checkpoint.size))?;
    Some(Known { log: newest.origin.clone(), size: newest.size, root: Some(newest.root) })
}
