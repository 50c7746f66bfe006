//! Begins the logs of a restored database anew: under other names, with an entry that says what they go on from.
//!
//! The trees stay. Each is the beginning of what was signed under the old name, as far as the restored database has it: so
//! old checkpoints up to there are proven as before, and nothing need be computed again.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};
use domain::admin::{AdminActor, AdminBody, SealedAnew};
use eventlog::Position;
use redaction::CleanText;
use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::continues::{Continues, Known, Named, generation_of};

use access::administration::record_for_all;

use crate::belongs;
use crate::checkpoint::{self, Which, origin_of};
use crate::continues;
use crate::error::{SealError, generation, unsigned};
use crate::given::{Given, most_of};
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The how manyth name the logs have now.
    pub generation: u32,
    /// How many logs of tenants.
    pub tenants: u64,
    /// The given checkpoints that no entry names: the log has as much as they say, or a newer one of it was given, or it
    /// was begun before.
    pub unused: Vec<PathBuf>,
}

/// What is to be done.
enum Task {
    /// Logs were begun under this name, and the first checkpoint was not signed.
    Sign(u32),
    /// Logs are to be begun: that much is known of the ledger's own.
    Begin(Known),
}

impl Sealer {
    /// Begins all logs anew, where a checkpoint outside of the database says that it was restored to an earlier moment. What
    /// seals elsewhere loses its lease, and takes it again afterwards. One that was interrupted is brought to its end.
    ///
    /// # Errors
    /// [`SealError::NothingLost`], [`SealError::Forked`], [`SealError::LogBehind`], [`SealError::Given`],
    /// [`SealError::OtherKey`], or what failed. What is refused takes the lease from nobody.
    pub async fn begin_anew(&self, anew: &Anew) -> Result<Begun, SealError> {
        let keys = self.read_keys()?;
        self.task(&keys, anew).await?;
        let lease = Lease::take_over(&self.pool).await?;
        let done = self.begin_anew_with(lease, keys, anew).await;
        let given_back = lease.give_back(&self.pool).await;
        let begun = done?;
        given_back.map(|()| begun)
    }

    async fn begin_anew_with(&self, lease: Lease, keys: KeyFile, anew: &Anew) -> Result<Begun, SealError> {
        // Who had the lease may have signed something meanwhile.
        let (task, given) = self.task(&keys, anew).await?;
        let (generation, used) = match task {
            Task::Sign(generation) => (generation, vec![false; given.len()]),
            Task::Begin(known) => self.begin_logs(lease, &keys, anew, (known, given.as_slice())).await?,
        };
        let (logs, news) = (Logs::default(), BTreeSet::new());
        let mut work = Work { lease, logs, news, keys, generation, lacking: None };
        self.sign(&mut work).await?;
        let tenants = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM seal.logs WHERE tenant IS NOT NULL AND generation = $1"#,
            i32::try_from(generation).unwrap_or(i32::MAX)
        );
        let tenants = u64::try_from(tenants.fetch_one(&self.pool).await?).unwrap_or_default();
        let unused = given.into_iter().zip(used).filter(|(_, used)| !used).map(|(given, _)| given.path);
        Ok(Begun { generation, tenants, unused: unused.collect() })
    }

    /// What is to be done, with the checkpoints that were given, or why nothing is. Changes nothing.
    async fn task(&self, keys: &KeyFile, anew: &Anew) -> Result<(Task, Vec<Given>), SealError> {
        belongs::must_be_key_of(&self.pool, keys).await?;
        let given = anew.known.iter().map(|path| Given::read(path, keys)).collect::<Result<Vec<_>, _>>()?;
        let task = match outside::check(&self.pool, keys).await {
            // It was interrupted before its first checkpoint was signed.
            Err(SealError::Unfinished { database, outside }) => {
                continues::must_be_of_ledger(&self.pool, keys.name(), (database, outside)).await?;
                Task::Sign(database)
            }
            checked => {
                let known = self.known(checked, keys).await?;
                let position = sqlx::query_scalar!("SELECT position FROM seal.progress");
                let sealed = Position(unsigned(position.fetch_one(&self.pool).await?)?);
                let head = self.log.head().await?;
                if head < sealed {
                    return Err(SealError::LogBehind { head, sealed });
                }
                Task::Begin(known)
            }
        };
        for given in &given {
            given.must_fit(&self.pool, keys).await?;
        }
        Ok((task, given))
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

    /// Adds the entry to each log, gives them their new names, and prepares a checkpoint of each, in one transaction. Says
    /// how they are called, and which of the given checkpoints an entry names.
    async fn begin_logs(
        &self,
        lease: Lease,
        keys: &KeyFile,
        anew: &Anew,
        (known, given): (Known, &[Given]),
    ) -> Result<(u32, Vec<bool>), SealError> {
        let (mut tx, position) = lease.begin(&self.pool).await?;
        let mut logs = Logs::default();
        logs.open(&mut tx, [None]).await?;
        let rows = sqlx::query!("SELECT log_id, tenant, suffix, generation FROM seal.logs ORDER BY log_id");
        let rows = rows.fetch_all(&mut *tx).await?;
        let names = given.iter().map(|given| Named::of(&given.checkpoint.origin).generation);
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
                    let most = most_of(given, &name(1), agrees.0);
                    if let Some((place, _)) = most
                        && let Some(used) = used.get_mut(place)
                    {
                        *used = true;
                    }
                    most.map(|(_, given)| given.known())
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
        Ok((next, used))
    }
}
