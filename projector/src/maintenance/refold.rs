//! One stream folded again, into whichever tables the transaction is on.

use domain::RunId;
use eventlog::streams::notification_stream;
use eventlog::{EventLog, Position, RecordedEvent};
use sqlx::{Postgres, Transaction};

use crate::apply::write_all;
use crate::batch::CountFrom;
use crate::error::ProjectorError;

/// How many events are in memory at once.
const AT_ONCE: usize = 1_000;

/// Folds the events of a stream from a revision on, as far as the tables have come. Gives back how many
/// are quarantined.
pub(crate) async fn refold(
    tx: &mut Transaction<'_, Postgres>,
    log: &dyn EventLog,
    stream: &str,
    from: u64,
    checkpoint: Position,
    count: CountFrom,
) -> Result<u64, ProjectorError> {
    let (mut from, mut quarantined) = (from, 0);
    loop {
        let records = log.read_stream(stream, from, AT_ONCE).await?;
        let known: Vec<&RecordedEvent> = records.iter().filter(|r| r.position <= checkpoint).collect();
        let Some(last) = known.last() else { return Ok(quarantined) };
        from = last.revision + 1;
        quarantined += write_all(tx, &known, count).await? as u64;
    }
}

/// Marks the notifications of a run as read that the log says were read.
pub(super) async fn read_marks(
    tx: &mut Transaction<'_, Postgres>,
    log: &dyn EventLog,
    run: RunId,
    checkpoint: Position,
) -> Result<(), ProjectorError> {
    let ids = sqlx::query_scalar!("SELECT notification_id FROM notifications WHERE run_id = $1", run.uuid());
    for id in ids.fetch_all(&mut **tx).await? {
        refold(tx, log, &notification_stream(id), 0, checkpoint, CountFrom::START).await?;
    }
    Ok(())
}
