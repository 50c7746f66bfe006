//! What was committed is signed, and then told.

use std::collections::HashMap;

use chrono::{DateTime, SecondsFormat};
use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::heads::Heads;
use seal::note::SignedNote;
use seal::receipt::{CHECKPOINT, listed_data, listed_id};
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use crate::checkpoint::{self, Prepared, Which, origin_of};
use crate::error::{SealError, signed, unsigned};
use crate::integrate::{Sealable, Source, add, open, write};
use crate::key::KeyFile;
use crate::logs::Logs;
use crate::outside;
use crate::progress::Lease;
use crate::witnesses::{Signed, Witnesses};

/// Signs what is committed and not signed, for it to be cosigned and then kept. After a crash this goes on where it was:
/// sizes and roots are committed, and the signature of the same text by the same key is the same. With `again`, also
/// the newest checkpoints that have too few cosignatures. Under no newer name than that.
pub(crate) async fn gather(
    pool: &PgPool,
    lease: Lease,
    keys: &KeyFile,
    (generation, again): (u32, Option<&Witnesses>),
) -> Result<Vec<Signed>, SealError> {
    let (mut tx, _) = lease.begin(pool).await?;
    let unsigned = checkpoint::read(&mut tx, Which::Unsigned).await?;
    // That new names are begun is for the holder of the key to say, not for the database.
    if let Some(database) = unsigned.iter().map(|one| one.generation).find(|one| *one > generation) {
        return Err(SealError::Unfinished { database, outside: generation });
    }
    let newest = match again {
        Some(_) => checkpoint::read(&mut tx, Which::Newest).await?,
        None => Vec::new(),
    };
    tx.commit().await?;
    let mut signed = Vec::new();
    for prepared in unsigned {
        signed.push(Signed { note: sign(keys, &prepared)?, prepared });
    }
    for prepared in newest {
        let Some(note) = &prepared.note else { continue };
        let note: SignedNote = note.parse()?;
        if again.is_some_and(|witnesses| !witnesses.is_enough(&note)) {
            signed.push(Signed { prepared, note });
        }
    }
    Ok(signed)
}

/// Keeps notes. The checkpoints of tenants that are new become entries of the ledger's own log, one run for each tenant,
/// and that log's own checkpoint is prepared: it is what [`gather`] gives next.
pub(crate) async fn keep(
    pool: &PgPool,
    lease: Lease,
    logs: &mut Logs,
    keys: &KeyFile,
    signed: Vec<Signed>,
) -> Result<(), SealError> {
    let (mut tx, _) = lease.begin(pool).await?;
    let (mut new, mut of_ledger) = (Vec::new(), None);
    for Signed { prepared, note } in signed {
        let note = note.to_string();
        checkpoint::keep(&mut tx, &prepared, &note).await?;
        match &prepared.tenant {
            None => of_ledger = Some(note),
            Some(_) if prepared.note.is_none() => new.push(prepared),
            Some(_) => {}
        }
    }
    // Events that became leaves while witnesses were asked are in none of these.
    if let Some(position) = new.iter().map(|one| one.position).max() {
        list(&mut tx, logs, &new).await?;
        checkpoint::prepare(&mut tx, logs, None, position).await?;
    }
    tx.commit().await?;
    metrics::counter!("runledger_sealer_checkpoints_total").increment(new.len() as u64);
    match of_ledger {
        Some(note) => outside::keep(keys, &note),
        None => Ok(()),
    }
}

/// The note of a size, signed by the log's keys.
fn sign(keys: &KeyFile, prepared: &Prepared) -> Result<SignedNote, SealError> {
    sign_checkpoint(keys, &prepared.checkpoint(keys.name()))
}

fn sign_checkpoint(keys: &KeyFile, checkpoint: &Checkpoint) -> Result<SignedNote, SealError> {
    let text = checkpoint.to_string();
    let signatures = keys.sign(&checkpoint.origin, &text)?;
    Ok(SignedNote { text, signatures })
}

/// The ledger's own log without entries: what every tree of it goes on from.
pub(crate) fn beginning(keys: &KeyFile, generation: u32) -> Result<Signed, SealError> {
    let root = Hash::empty();
    let origin = origin_of(keys.name(), None, Uuid::nil(), generation);
    let note = sign_checkpoint(keys, &Checkpoint { origin, size: 0, root })?;
    let prepared = Prepared {
        log: 0,
        tenant: None,
        suffix: Uuid::nil(),
        generation,
        size: 0,
        root,
        heads: Heads { runs: 0, root, administration: None },
        position: 0,
        note: None,
        created_at: DateTime::UNIX_EPOCH,
        leaf: None,
    };
    Ok(Signed { prepared, note })
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
    let streams = events.iter().map(|event| (event.tenant, event.source)).collect();
    let mut chains = open(&mut *db, logs, &streams).await?;
    add(logs, &mut chains, &events)?;
    write(&mut *db, logs, &chains).await?;
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
    listed_data(checkpoint.size, &checkpoint.root)
}

/// A tenant's checkpoint as an event of the ledger's own log.
pub(crate) fn listed<'a>(checkpoint: &Prepared, revision: u64, text: &'a str) -> Sealable<'a> {
    Sealable {
        tenant: None,
        source: Source::Run(checkpoint.suffix),
        revision,
        event_id: listed_id(checkpoint.size),
        event_type: CHECKPOINT,
        recorded_at: checkpoint.created_at.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
        data: text.as_bytes(),
        metadata: b"",
    }
}
