//! Reading the log.

use sqlx::PgPool;
use uuid::Uuid;

use super::unsigned;
use crate::error::LogError;
use crate::port::{Position, RecordedEvent};

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
    .await
    .map_err(unavailable)?;
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
    .await
    .map_err(unavailable)?;
    row.map(recorded).transpose()
}

pub(super) async fn all(
    pool: &PgPool,
    after: Position,
    limit: usize,
) -> Result<Vec<RecordedEvent>, LogError> {
    let rows = sqlx::query_as!(
        Row,
        "SELECT position, stream, revision, event_id, event_type, data, metadata FROM log.events
         WHERE position > $1 ORDER BY position LIMIT $2",
        at_most(after.0),
        at_most(limit as u64)
    )
    .fetch_all(pool)
    .await
    .map_err(unavailable)?;
    let events = rows.into_iter().map(recorded).collect::<Result<Vec<_>, _>>()?;
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

pub(super) async fn head(pool: &PgPool) -> Result<Position, LogError> {
    let position = sqlx::query_scalar!("SELECT position FROM log.head").fetch_one(pool);
    Ok(Position(unsigned(position.await.map_err(unavailable)?)?))
}

/// What the database's trouble means to a reader.
pub(super) fn unavailable(error: sqlx::Error) -> LogError {
    LogError::Unavailable(error.to_string())
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
