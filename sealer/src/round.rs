//! A round of signing: sizes are prepared and committed, signed, cosigned by the witnesses of the policy, and kept.
//! Events go on becoming leaves while the witnesses are asked.

use std::collections::HashSet;
use std::sync::Arc;

use sqlx::PgPool;
use tokio_util::task::AbortOnDropHandle;

use crate::checkpoint;
use crate::error::SealError;
use crate::publish::{gather, keep};
use crate::run::{Sealer, Work};
use crate::told::tell;
use crate::witnesses::{Signed, Witnesses};

/// Witnesses that are being asked; they are no more when this is dropped.
pub(crate) type Asking = AbortOnDropHandle<Result<Vec<Signed>, SealError>>;

/// The notes as far as they were cosigned, when that has ended; never where nobody is asked.
pub(crate) async fn answered(asking: &mut Option<Asking>) -> Result<Vec<Signed>, SealError> {
    match asking {
        Some(asking) => asking.await.unwrap_or_else(|error| Err(SealError::Witnesses(error.to_string()))),
        None => std::future::pending().await,
    }
}

/// Has the newest of each log cosigned. An older one of the same log could not be any more, once the newer one was.
async fn cosign(
    witnesses: Option<Arc<Witnesses>>,
    pool: PgPool,
    signed: Vec<Signed>,
) -> Result<Vec<Signed>, SealError> {
    let Some(witnesses) = witnesses else { return Ok(signed) };
    let (mut older, mut newest) = (Vec::new(), Vec::<Signed>::new());
    for one in signed {
        match newest.iter_mut().find(|newest| newest.prepared.log == one.prepared.log) {
            Some(newest) => older.push(std::mem::replace(newest, one)),
            None => newest.push(one),
        }
    }
    witnesses.cosign(&pool, &mut newest).await?;
    older.append(&mut newest);
    Ok(older)
}

impl Sealer {
    /// Does a round to its end.
    pub(crate) async fn sign(&self, work: &mut Work) -> Result<(), SealError> {
        let mut asking = self.begin_round(work).await?;
        while asking.is_some() {
            let cosigned = answered(&mut asking).await?;
            asking = self.go_on(work, cosigned).await?;
        }
        Ok(())
    }

    /// Prepares and signs a checkpoint of each log that has news, and begins to ask the witnesses for it, and for those that
    /// had too few cosignatures before.
    pub(crate) async fn begin_round(&self, work: &mut Work) -> Result<Option<Asking>, SealError> {
        // What an earlier sealer has left is looked for once.
        let again = work.lacking.as_ref().is_none_or(|lacking| !lacking.is_empty());
        if work.news.is_empty() && !again {
            return Ok(None);
        }
        // A key that was rotated meanwhile signs from now on; one that can't be read is told, and the one that is known
        // goes on.
        match self.read_keys() {
            Ok(keys) => {
                if keys.newest_id() != work.keys.newest_id() {
                    tell(&self.pool, work.lease, &keys).await?;
                }
                work.keys = keys;
            }
            Err(error) => tracing::error!(%error, "the keys can't be read anew"),
        }
        let (mut tx, position) = work.lease.begin(&self.pool).await?;
        for tenant in &work.news {
            checkpoint::prepare(&mut tx, &mut work.logs, Some(tenant), position.0).await?;
        }
        tx.commit().await?;
        work.news.clear();
        work.lacking.get_or_insert_default();
        self.ask(work, again).await
    }

    /// Keeps what was cosigned, also where it was by too few. When these were checkpoints of tenants, that of the ledger's
    /// own log is asked for next.
    pub(crate) async fn go_on(
        &self,
        work: &mut Work,
        cosigned: Vec<Signed>,
    ) -> Result<Option<Asking>, SealError> {
        self.count(&mut work.lacking, &cosigned);
        keep(&self.pool, work.lease, &mut work.logs, &work.keys, cosigned).await?;
        self.ask(work, false).await
    }

    async fn ask(&self, work: &Work, again: bool) -> Result<Option<Asking>, SealError> {
        let again = self.witnesses.as_deref().filter(|_| again);
        let signed = gather(&self.pool, work.lease, &work.keys, (work.generation, again)).await?;
        if signed.is_empty() {
            return Ok(None);
        }
        let asking = cosign(self.witnesses.clone(), self.pool.clone(), signed);
        Ok(Some(AbortOnDropHandle::new(tokio::spawn(asking))))
    }

    /// Tells which logs have too few cosignatures now.
    fn count(&self, lacking: &mut Option<HashSet<i32>>, cosigned: &[Signed]) {
        let Some(witnesses) = &self.witnesses else { return };
        let lacking = lacking.get_or_insert_default();
        // The newest of a log comes last.
        for Signed { prepared, note } in cosigned {
            if witnesses.is_enough(note) {
                lacking.remove(&prepared.log);
            } else {
                lacking.insert(prepared.log);
            }
        }
        metrics::gauge!("runledger_seal_quorum_missing").set(lacking.len() as f64);
        if !lacking.is_empty() {
            tracing::warn!(
                logs = lacking.len(),
                "checkpoints are cosigned by fewer witnesses than the policy demands; they are asked again"
            );
        }
    }
}
