//! Reading the log.

use futures::TryStreamExt;
use sqlx::{PgConnection, PgPool};
use uuid::Uuid;

use super::error::head_differs;
use super::unsigned;
use crate::error::LogError;
use crate::port::{Position, RecordedEvent};

/// How many bytes of events are read of the whole log at once, but for a single event that has more: a reader
/// that catches up has bounded memory, whatever it asks for.
const MOST_BYTES: usize = 16 << 20;

/// How many events are read before it is known how large they are.
const FIRST_PAGE: usize = 256;

struct Row {
    position: i64,
    stream: String,
    revision: i64,
    event_id: Uuid,
    event_type: String,
    data: Vec<u8>,
    metadata: Vec<u8>,
}

fn recorded(row: Row) -> Result<RecordedEvent, LogError> {
    Ok(RecordedEvent {
        position: Position(unsigned(row.position)?),
        stream: row.stream,
        revision: unsigned(row.revision)?,
        id: row.event_id,
        event_type: row.event_type,
        data: row.data,
        metadata: row.metadata,
    })
}

/// A number from outside: beyond what the tables can hold there is nothing.
fn at_most(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) async fn stream(
    pool: &PgPool,
    stream: &str,
    from: u64,
    limit: usize,
) -> Result<Vec<RecordedEvent>, LogError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT position, stream, revision, event_id, event_type, data, metadata FROM log.events
         WHERE stream = $1 AND revision >= $2 ORDER BY revision LIMIT $3",
        stream,
        at_most(from),
        at_most(limit as u64)
    )
    .fetch_all(pool)
    .await?;
    let events = rows.into_iter().map(recorded).collect::<Result<Vec<_>, _>>()?;
    for (event, expected) in events.iter().zip(from..) {
        if event.revision != expected {
            let found = event.revision;
            return Err(LogError::Corrupt(format!(
                "{stream} goes on with revision {found} instead of {expected}"
            )));
        }
    }
    Ok(events)
}

pub(super) async fn last(pool: &PgPool, stream: &str) -> Result<Option<RecordedEvent>, LogError> {
    let row = sqlx::query_as!(
        Row,
        "SELECT position, stream, revision, event_id, event_type, data, metadata FROM log.events
         WHERE stream = $1 ORDER BY revision DESC LIMIT 1",
        stream
    )
    .fetch_optional(pool)
    .await?;
    row.map(recorded).transpose()
}

pub(super) async fn all(
    db: &mut PgConnection,
    after: Position,
    limit: usize,
) -> Result<Vec<RecordedEvent>, LogError> {
    let mut events: Vec<RecordedEvent> = Vec::new();
    let (mut bytes, mut page) = (0, FIRST_PAGE.min(limit));
    // The first page tells how many more there is room for, so that hardly any row is sent in vain.
    while page > 0 {
        let from = events.last().map_or(after, |event| event.position);
        let before = events.len();
        if !some(db, from, page, &mut events, &mut bytes).await? || before > 0 {
            break;
        }
        let room = (MOST_BYTES - bytes.min(MOST_BYTES)) / (bytes / events.len()).max(1);
        page = room.min(limit - events.len());
    }
    for (event, before) in events.iter().zip(after.0..) {
        if event.position.0 != before + 1 {
            let found = event.position.0;
            return Err(LogError::Corrupt(format!(
                "after position {before} comes {found}: events are missing"
            )));
        }
    }
    Ok(events)
}

/// Reads at most `limit` events more, as far as there is room for their bytes. Says whether there were that
/// many.
async fn some(
    db: &mut PgConnection,
    after: Position,
    limit: usize,
    events: &mut Vec<RecordedEvent>,
    bytes: &mut usize,
) -> Result<bool, LogError> {
    let mut rows = sqlx::query_as!(
        Row,
        "SELECT position, stream, revision, event_id, event_type, data, metadata FROM log.events
         WHERE position > $1 ORDER BY position LIMIT $2",
        at_most(after.0),
        at_most(limit as u64)
    )
    .fetch(db);
    for _ in 0..limit {
        let Some(row) = rows.try_next().await? else { return Ok(false) };
        *bytes += row.data.len() + row.metadata.len();
        if *bytes > MOST_BYTES && !events.is_empty() {
            return Ok(false);
        }
        events.push(recorded(row)?);
    }
    Ok(true)
}

pub(super) async fn head(pool: &PgPool) -> Result<Position, LogError> {
    let row = sqlx::query!(
        r#"SELECT position, COALESCE((SELECT max(position) FROM log.events), 0) AS "last!" FROM log.head"#
    );
    let row = row.fetch_one(pool).await?;
    if row.last != row.position {
        // Whatever came next would leave a gap for ever, or come where something is.
        return Err(LogError::Corrupt(head_differs(row.last, row.position)));
    }
    Ok(Position(unsigned(row.position)?))
}

#[cfg(test)]
mod tests {
    use super::at_most;

    #[test]
    fn a_number_beyond_the_tables_is_their_end() {
        assert_eq!(at_most(7), 7);
        assert_eq!(at_most(u64::MAX), i64::MAX);
    }
}
