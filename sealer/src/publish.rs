//! What was committed is signed, and then told.

use std::collections::HashMap;

use chrono::SecondsFormat;
use seal::note::SignedNote;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::checkpoint::{self, Prepared, Which};
use crate::error::{SealError, signed, unsigned};
use crate::integrate::{Sealable, Source, integrate};
use crate::key::KeyFile;
use crate::logs::Logs;
use crate::outside;
use crate::progress::Lease;

/// The type of the ledger's own events: a checkpoint of a tenant's log.
const CHECKPOINT: &str = "Checkpoint";

/// Signs all that is committed and not signed. The checkpoints of tenants become entries of the ledger's own log, one
/// run for each tenant, and then that log's own checkpoint is signed. After a crash this goes on where it was: sizes and
/// roots are committed, and the signature of the same text by the same key is the same.
pub(crate) async fn publish(
    pool: &PgPool,
    lease: Lease,
    logs: &mut Logs,
    keys: &KeyFile,
) -> Result<(), SealError> {
    let (mut tx, position) = lease.begin(pool).await?;
    let unsigned = checkpoint::read(&mut tx, Which::Unsigned).await?;
    let (of_ledger, of_tenants): (Vec<_>, Vec<_>) =
        unsigned.into_iter().partition(|one| one.tenant.is_none());
    let mut pending = of_ledger;
    if !of_tenants.is_empty() {
        for prepared in &of_tenants {
            checkpoint::keep(&mut tx, prepared, &sign(keys, prepared)?).await?;
        }
        list(&mut tx, logs, &of_tenants).await?;
        checkpoint::prepare(&mut tx, logs, None, position.0).await?;
    }
    tx.commit().await?;
    metrics::counter!("runledger_sealer_checkpoints_total").increment(of_tenants.len() as u64);

    let (mut tx, _) = lease.begin(pool).await?;
    if !of_tenants.is_empty() {
        pending = checkpoint::read(&mut tx, Which::Unsigned).await?;
        pending.retain(|one| one.tenant.is_none());
    }
    let mut newest = None;
    for prepared in &pending {
        let note = sign(keys, prepared)?;
        checkpoint::keep(&mut tx, prepared, &note).await?;
        newest = Some(note);
    }
    tx.commit().await?;
    match newest {
        Some(note) => outside::keep(keys, &note),
        None => Ok(()),
    }
}

/// The signed note of a size.
fn sign(keys: &KeyFile, prepared: &Prepared) -> Result<String, SealError> {
    let checkpoint = prepared.checkpoint(keys.name());
    let text = checkpoint.to_string();
    let signatures = keys.sign(&checkpoint.origin, &text)?;
    Ok(SignedNote { text, signatures }.to_string())
}

/// Adds tenants' checkpoints to the ledger's own log.
async fn list(db: &mut PgConnection, logs: &mut Logs, new: &[Prepared]) -> Result<(), SealError> {
    logs.open(&mut *db, [None]).await?;
    let (ledger, first) = logs.get(None).map(|log| (log.id, log.size))?;
    let ids: Vec<Uuid> = new.iter().map(|one| one.suffix).collect();
    let rows = sqlx::query!(
        "SELECT run_id, count FROM seal.runs WHERE log_id = $1 AND run_id = ANY($2)",
        ledger,
        &ids
    );
    let mut counts = HashMap::new();
    for row in rows.fetch_all(&mut *db).await? {
        counts.insert(row.run_id, unsigned(row.count)?);
    }
    let texts: Vec<String> = new.iter().map(listed_text).collect();
    let mut events = Vec::new();
    for (one, text) in new.iter().zip(&texts) {
        let revision = counts.entry(one.suffix).or_insert(0);
        events.push(listed(one, *revision, text));
        *revision += 1;
    }
    integrate(&mut *db, logs, &events).await?;
    let sizes = new.iter().map(|one| signed(one.size)).collect::<Result<Vec<_>, _>>()?;
    let leaves = (first..).take(new.len()).map(signed).collect::<Result<Vec<_>, _>>()?;
    sqlx::query!(
        "UPDATE seal.checkpoints AS c SET leaf = n.leaf
         FROM unnest($1::int[], $2::bigint[], $3::bigint[]) AS n (log, size, leaf)
         WHERE c.log_id = n.log AND c.size = n.size",
        &new.iter().map(|one| one.log).collect::<Vec<_>>(),
        &sizes,
        &leaves
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What the ledger's own log commits to of a checkpoint. It names no origin: who reads a proof of one tenant learns
/// nothing of another.
pub(crate) fn listed_text(checkpoint: &Prepared) -> String {
    format!("{}\n{}\n", checkpoint.size, checkpoint.root)
}

/// A tenant's checkpoint as an event of the ledger's own log.
pub(crate) fn listed<'a>(checkpoint: &Prepared, revision: u64, text: &'a str) -> Sealable<'a> {
    Sealable {
        tenant: None,
        source: Source::Run(checkpoint.suffix),
        revision,
        event_id: Uuid::from_u128(checkpoint.size.into()),
        event_type: CHECKPOINT,
        recorded_at: checkpoint.created_at.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
        data: text.as_bytes(),
        metadata: b"",
    }
}
