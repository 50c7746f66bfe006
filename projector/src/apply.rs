//! One batch, one transaction.

use std::ops::Range;

use eventlog::{Position, RecordedEvent};
use sqlx::{Connection, PgConnection, Postgres, Transaction};

use crate::batch::{CountFrom, fold};
use crate::decode::{Quarantined, decode};
use crate::error::{ProjectorError, bigint, unsigned};
use crate::lease::Lease;
use crate::tables::{LEASE_TERM, Schema, Tables};
use crate::{load, store};

/// The channel on which listeners hear how far the projection has come; the payload is the position.
const CHANNEL: &str = "runledger_projected";

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Where the checkpoint is now.
    pub checkpoint: Position,
    /// How many events went to the dead letters.
    pub quarantined: usize,
}

/// Applies the records that were read after a position. What the checkpoint covers already is left out.
/// An event that the tables refuse is quarantined; the others go in all the same. With a lease, nothing is
/// written once another projector has it.
pub(crate) async fn apply(
    tables: &Tables,
    lease: Option<&Lease>,
    after: Position,
    records: &[RecordedEvent],
) -> Result<Applied, ProjectorError> {
    // Looking first where the checkpoint is, and savepoints, cost a little, and hardly any batch needs them.
    match apply_without_savepoints(tables, lease, after, records).await {
        Ok(Some(applied)) => Ok(applied),
        Err(error) if !error.is_about_data() => Err(error),
        Ok(None) | Err(_) => apply_with_savepoints(tables, lease, after, records).await,
    }
}

/// Applies a batch in the usual case: the checkpoint is at `after`, the lease holds, and no event is quarantined.
/// Otherwise nothing is written, and the answer is none.
async fn apply_without_savepoints(
    tables: &Tables,
    lease: Option<&Lease>,
    after: Position,
    records: &[RecordedEvent],
) -> Result<Option<Applied>, ProjectorError> {
    let Some(last) = records.last() else { return Ok(None) };
    let records: Vec<&RecordedEvent> = records.iter().collect();
    let mut tx = tables.begin_batch().await?;
    let decoded = decode(&records);
    let changes = fold(&decoded, load::slots(&mut tx, &decoded).await?, CountFrom::START);
    if !changes.quarantined.is_empty() {
        return Ok(None);
    }
    store::changes(&mut tx, &decoded, &changes).await?;
    if !move_checkpoint(&mut tx, tables, lease, after, last.position).await? {
        return Ok(None);
    }
    tx.commit().await?;
    Ok(Some(Applied { checkpoint: last.position, quarantined: 0 }))
}

/// Applies a batch of which anything may be wrong: locks and reads the checkpoint first, and quarantines the events
/// that the tables refuse, each found behind a savepoint.
async fn apply_with_savepoints(
    tables: &Tables,
    lease: Option<&Lease>,
    after: Position,
    records: &[RecordedEvent],
) -> Result<Applied, ProjectorError> {
    let mut tx = tables.begin_batch().await?;
    let reached = lock_checkpoint(&mut tx, lease).await?;
    if reached < after {
        return Err(ProjectorError::Rewound { checkpoint: reached, after });
    }
    let news: Vec<&RecordedEvent> = records.iter().filter(|record| record.position > reached).collect();
    let Some(last) = news.last() else { return Ok(Applied { checkpoint: reached, quarantined: 0 }) };
    let quarantined = write_all(&mut tx, &news, CountFrom::START).await?;
    if !move_checkpoint(&mut tx, tables, lease, reached, last.position).await? {
        // The checkpoint was locked, so its row has been deleted.
        return Err(ProjectorError::NoCheckpoint);
    }
    tx.commit().await?;
    Ok(Applied { checkpoint: last.position, quarantined })
}

/// Locks the checkpoint's row, which only one writer holds at a time, and gives the position.
pub(crate) async fn lock_checkpoint(
    db: &mut PgConnection,
    lease: Option<&Lease>,
) -> Result<Position, ProjectorError> {
    let row = sqlx::query!("SELECT position, fence FROM checkpoints WHERE name = 'monitoring' FOR UPDATE");
    let row = row.fetch_optional(db).await?.ok_or(ProjectorError::NoCheckpoint)?;
    if lease.is_some_and(|lease| lease.fence() != row.fence) {
        return Err(ProjectorError::Fenced);
    }
    Ok(Position(unsigned(row.position)?))
}

/// Moves the checkpoint from where it is expected to be, and with it the end of the lease, and tells listeners as
/// [`tell`] does, all in one statement: while few events come, a batch costs as much as it has statements. False
/// where the checkpoint is elsewhere, or another projector has the lease.
async fn move_checkpoint(
    db: &mut PgConnection,
    tables: &Tables,
    lease: Option<&Lease>,
    from: Position,
    to: Position,
) -> Result<bool, ProjectorError> {
    let moved = sqlx::query!(
        r#"UPDATE checkpoints SET position = $2, updated_at = now(),
               lease_until = CASE WHEN $3::bigint IS NULL THEN lease_until
                   ELSE clock_timestamp() + make_interval(secs => $4) END
           WHERE name = 'monitoring' AND position = $1 AND ($3::bigint IS NULL OR fence = $3)
           RETURNING CASE WHEN $5 THEN pg_notify($6, $2::bigint::text)::text END AS told"#,
        bigint(from.0)?,
        bigint(to.0)?,
        lease.map(Lease::fence),
        LEASE_TERM.as_secs_f64(),
        // Shadow tables have no readers.
        tables.schema() == Schema::Live,
        CHANNEL
    )
    .fetch_optional(db)
    .await?;
    Ok(moved.is_some())
}

/// Tells listeners how far the projection has come: they hear of it at the commit, and not at all without
/// one.
pub(crate) async fn tell(db: &mut PgConnection, position: Position) -> Result<(), ProjectorError> {
    sqlx::query!("SELECT pg_notify($1, $2)", CHANNEL, position.0.to_string()).fetch_one(db).await?;
    Ok(())
}

/// Writes the whole batch at once. If the tables refuse it, looks for the events that they refuse by
/// halves, each behind a savepoint.
pub(crate) async fn write_all(
    tx: &mut Transaction<'_, Postgres>,
    records: &[&RecordedEvent],
    count: CountFrom,
) -> Result<usize, ProjectorError> {
    let mut quarantined = 0;
    // The part to try next is on top; parts are tried in the log's order.
    let whole = 0..records.len();
    let mut parts: Vec<Range<usize>> = vec![whole];
    while let Some(part) = parts.pop() {
        let mut savepoint = tx.begin().await?;
        match write(&mut savepoint, &records[part.clone()], count).await {
            Ok(by_fold) => {
                savepoint.commit().await?;
                quarantined += by_fold;
            }
            Err(error) if error.is_about_data() => {
                savepoint.rollback().await?;
                if let [record] = records[part.clone()] {
                    store::quarantine(tx, &[Quarantined { record, error: error.to_string() }]).await?;
                    quarantined += 1;
                } else {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(quarantined)
}

/// Loads, folds and writes. Gives back how many events the fold quarantined.
async fn write(
    db: &mut PgConnection,
    records: &[&RecordedEvent],
    count: CountFrom,
) -> Result<usize, ProjectorError> {
    let decoded = decode(records);
    let slots = load::slots(db, &decoded).await?;
    let changes = fold(&decoded, slots, count);
    store::changes(db, &decoded, &changes).await?;
    Ok(changes.quarantined.len())
}
