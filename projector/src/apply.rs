//! One batch, one transaction.

use std::ops::Range;

use eventlog::{Position, RecordedEvent};
use sqlx::{Connection, PgConnection, Postgres, Transaction};

use crate::batch::{CountFrom, fold};
use crate::decode::{Held, decode};
use crate::error::{ProjectorError, bigint, unsigned};
use crate::lease::{Lease, TERM};
use crate::tables::{Schema, Tables};
use crate::{load, store};

/// The channel on which listeners hear how far the projection has come; the payload is the position.
const CHANNEL: &str = "runledger_projected";

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    /// Where the checkpoint is now.
    pub checkpoint: Position,
    /// How many events went to the dead letters.
    pub held: usize,
}

/// Applies the records that were read after a position. What the checkpoint covers already is left out.
/// An event that the tables refuse is held; the others go in all the same. With a lease, nothing is
/// written once somebody else has it.
pub(crate) async fn apply(
    tables: &Tables,
    lease: Option<&Lease>,
    after: Position,
    records: &[RecordedEvent],
) -> Result<Applied, ProjectorError> {
    // Savepoints cost a little, and hardly any batch needs them: the second try has them.
    match attempt(tables, lease, after, records, false).await {
        Err(error) if error.is_about_data() => attempt(tables, lease, after, records, true).await,
        applied => applied,
    }
}

async fn attempt(
    tables: &Tables,
    lease: Option<&Lease>,
    after: Position,
    records: &[RecordedEvent],
    by_parts: bool,
) -> Result<Applied, ProjectorError> {
    let mut tx = tables.begin_batch().await?;
    let reached = lock_checkpoint(&mut tx, lease).await?;
    if reached < after {
        return Err(ProjectorError::Rewound { checkpoint: reached, after });
    }
    let news: Vec<&RecordedEvent> = records.iter().filter(|record| record.position > reached).collect();
    let Some(last) = news.last() else { return Ok(Applied { checkpoint: reached, held: 0 }) };
    let checkpoint = last.position;
    let held = if by_parts {
        write_all(&mut tx, &news, CountFrom::START).await?
    } else {
        write(&mut tx, &news, CountFrom::START).await?
    };
    move_checkpoint(&mut tx, tables, lease, checkpoint).await?;
    tx.commit().await?;
    Ok(Applied { checkpoint, held })
}

/// Whoever holds the checkpoint's row is the one who writes.
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

/// Moves the checkpoint, and with it the end of the lease, and tells listeners as [`tell`] does, all in one
/// statement: while few events come, a batch costs as much as it has statements.
async fn move_checkpoint(
    db: &mut PgConnection,
    tables: &Tables,
    lease: Option<&Lease>,
    position: Position,
) -> Result<(), ProjectorError> {
    sqlx::query!(
        r#"UPDATE checkpoints SET position = $1, updated_at = now(),
               lease_until = CASE WHEN $2 THEN clock_timestamp() + make_interval(secs => $3) ELSE lease_until END
           WHERE name = 'monitoring' RETURNING CASE WHEN $4 THEN pg_notify($5, $1::bigint::text)::text END AS told"#,
        bigint(position.0)?,
        lease.is_some(),
        TERM.as_secs_f64(),
        // Nobody reads the tables beside the live ones.
        tables.schema() == Schema::Live,
        CHANNEL
    )
    .fetch_one(db)
    .await?;
    Ok(())
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
    let mut held = 0;
    // The part to try next is on top; parts are tried in the log's order.
    let whole = 0..records.len();
    let mut parts: Vec<Range<usize>> = vec![whole];
    while let Some(part) = parts.pop() {
        let mut savepoint = tx.begin().await?;
        match write(&mut savepoint, &records[part.clone()], count).await {
            Ok(held_by_fold) => {
                savepoint.commit().await?;
                held += held_by_fold;
            }
            Err(error) if error.is_about_data() => {
                savepoint.rollback().await?;
                if let [record] = records[part.clone()] {
                    store::hold(tx, &[Held { record, error: error.to_string() }]).await?;
                    held += 1;
                } else {
                    let middle = part.start + part.len() / 2;
                    parts.push(middle..part.end);
                    parts.push(part.start..middle);
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(held)
}

/// Loads, folds and writes. Gives back how many events the fold held.
async fn write(
    db: &mut PgConnection,
    records: &[&RecordedEvent],
    count: CountFrom,
) -> Result<usize, ProjectorError> {
    let decoded = decode(records);
    let slots = load::slots(db, &decoded).await?;
    let changes = fold(&decoded, slots, count);
    store::changes(db, &decoded, &changes).await?;
    Ok(changes.held.len())
}
