//! The writer's statements.

use std::time::Duration;

use database::DatabaseErrorKind;
use sqlx::postgres::{PgHasArrayType, PgTypeInfo};
use sqlx::{PgConnection, Postgres};
use uuid::Uuid;

use super::batch::Wanted;
use super::error::head_differs;
use super::{bigint, unsigned};
use crate::error::LogError;
use crate::port::{Position, StreamAppend};
use crate::repeat::There;

/// Why a statement failed, as far as the writer treats it differently.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another process has appended since the writer last looked.
    Foreign,
    /// A row is there already. Nothing of the batch was written.
    Violation(String),
    /// It is not known whether the statement was carried out, or the database does not answer.
    Lost(String),
    /// The database said no to all of it; nothing was written.
    Refused(LogError),
    /// The log breaks its own laws.
    Corrupt(String),
}

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let Some(refusal) = error.as_database_error() else { return Self::Lost(error.to_string()) };
        if refusal.is_unique_violation() {
            return Self::Violation(error.to_string());
        }
        match DatabaseErrorKind::of(&error) {
            DatabaseErrorKind::Unavailable => Self::Lost(error.to_string()),
            // Another writer was in the way; the lock keeps others off.
            DatabaseErrorKind::Conflict => Self::Foreign,
            _ => Self::Refused(error.into()),
        }
    }
}

impl From<LogError> for Failure {
    fn from(error: LogError) -> Self {
        match error {
            LogError::Unavailable(why) => Self::Lost(why),
            refused @ LogError::Refused(_) => Self::Refused(refused),
            LogError::Corrupt(why) => Self::Corrupt(why),
        }
    }
}

/// Sets what the writer's promises rest on in its session.
pub(super) async fn configure_session(
    db: &mut PgConnection,
    lock_timeout: Duration,
) -> Result<(), sqlx::Error> {
    // Only ever made stronger: a cluster may wait for its replicas as well.
    let weak =
        sqlx::query_scalar!("SELECT current_setting('synchronous_commit') = 'off'").fetch_one(&mut *db);
    if weak.await? == Some(true) {
        sqlx::query("SET synchronous_commit = on").execute(&mut *db).await?;
    }
    if sqlx::query_scalar!("SELECT current_setting('fsync') = 'off'").fetch_one(&mut *db).await? == Some(true)
    {
        tracing::warn!("the database runs with fsync off: a power cut can lose acknowledged events");
    }
    sqlx::query("SET default_transaction_isolation = 'read committed'").execute(&mut *db).await?;
    let lock_timeout = format!("{}ms", lock_timeout.as_millis());
    sqlx::query_scalar!("SELECT set_config('lock_timeout', $1, false)", lock_timeout).fetch_one(db).await?;
    Ok(())
}

/// The position of the last event.
pub(super) async fn head(db: &mut PgConnection) -> Result<u64, Failure> {
    Ok(unsigned(sqlx::query_scalar!("SELECT position FROM log.head").fetch_one(db).await?)?)
}

/// The position of the last event, locked until the transaction ends: no other process appends meanwhile. Checked
/// against the last event itself: what came after a loss could never be projected, and the loss could not be accepted
/// any more.
pub(super) async fn lock_head(db: &mut PgConnection) -> Result<u64, Failure> {
    let head = sqlx::query_scalar!("SELECT position FROM log.head FOR UPDATE").fetch_one(&mut *db).await?;
    // A statement of its own: it must see what was committed while the lock was waited for.
    let last = sqlx::query_scalar!(r#"SELECT COALESCE(max(position), 0) AS "last!" FROM log.events"#);
    let last = last.fetch_one(db).await?;
    if last == head { Ok(unsigned(head)?) } else { Err(Failure::Corrupt(head_differs(last, head))) }
}

/// The streams that have events after a position, and their last revision.
pub(super) async fn moved_since(db: &mut PgConnection, after: u64) -> Result<Vec<(String, u64)>, Failure> {
    let rows = sqlx::query!(
        r#"SELECT stream, max(revision) AS "last!" FROM log.events WHERE position > $1 GROUP BY stream"#,
        bigint(after)?
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| Ok((row.stream, unsigned(row.last)?))).collect()
}

/// The last revision of each of these streams, in their order.
pub(super) async fn heads_of(db: &mut PgConnection, streams: &[&str]) -> Result<Vec<Option<u64>>, Failure> {
    let rows = sqlx::query_scalar!(
        "SELECT (SELECT e.revision FROM log.events AS e WHERE e.stream = wanted.stream
                 ORDER BY e.revision DESC LIMIT 1)
         FROM unnest($1::text[]) WITH ORDINALITY AS wanted (stream, place) ORDER BY wanted.place",
        streams as _
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|last| Ok(last.map(unsigned).transpose()?)).collect()
}

/// What the streams have at these places, one entry for each: as many events as the append has, or fewer where
/// there are no more.
pub(super) async fn there(db: &mut PgConnection, wanted: &[Wanted<'_>]) -> Result<Vec<Vec<There>>, Failure> {
    let streams: Vec<&str> = wanted.iter().map(|at| at.append.stream.as_str()).collect();
    let firsts = wanted.iter().map(|at| bigint(at.first)).collect::<Result<Vec<i64>, _>>()?;
    let counts = wanted.iter().map(|at| bigint(at.append.events.len() as u64));
    let counts = counts.collect::<Result<Vec<i64>, _>>()?;
    // One walk along the stream's index for each, however many there are.
    let rows = sqlx::query!(
        r#"SELECT wanted.place AS "place!", there.event_id, there.position
           FROM unnest($1::text[], $2::bigint[], $3::bigint[])
               WITH ORDINALITY AS wanted (stream, first, count, place)
           CROSS JOIN LATERAL (
               SELECT e.revision, e.event_id, e.position FROM log.events AS e
               WHERE e.stream = wanted.stream AND e.revision >= wanted.first
               ORDER BY e.revision LIMIT wanted.count
           ) AS there
           ORDER BY wanted.place, there.revision"#,
        &streams as _,
        &firsts,
        &counts
    )
    .fetch_all(db)
    .await?;
    let mut there: Vec<Vec<There>> = wanted.iter().map(|_| Vec::new()).collect();
    for row in rows {
        let at = usize::try_from(unsigned(row.place)?).ok().and_then(|place| place.checked_sub(1));
        if let Some(there) = at.and_then(|at| there.get_mut(at)) {
            there.push((row.event_id, Position(unsigned(row.position)?)));
        }
    }
    Ok(there)
}

/// An event to insert.
#[derive(sqlx::Encode)]
struct NewRow<'a> {
    stream: &'a str,
    revision: i64,
    event_id: Uuid,
    event_type: &'a str,
    data: &'a [u8],
    metadata: &'a [u8],
}

impl sqlx::Type<Postgres> for NewRow<'_> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_name("log.new_event")
    }
}

impl PgHasArrayType for NewRow<'_> {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::array_of("log.new_event")
    }
}

/// Appends rows in one statement, provided that the log's last position is `head`, and that its last event is there.
/// Durable when it returns, unless a transaction is open.
pub(super) async fn insert(
    db: &mut PgConnection,
    appends: &[(&StreamAppend, u64)],
    events: usize,
    head: u64,
) -> Result<(), Failure> {
    let mut rows = Vec::with_capacity(events);
    for (append, first) in appends {
        for (revision, event) in (*first..).zip(&append.events) {
            rows.push(NewRow {
                stream: &append.stream,
                revision: bigint(revision)?,
                event_id: event.id,
                event_type: &event.event_type,
                data: &event.data,
                metadata: &event.metadata,
            });
        }
    }
    let written = sqlx::query!(
        "WITH moved AS (
             UPDATE log.head SET position = position + $2
             WHERE position = $3 AND position = COALESCE((SELECT max(position) FROM log.events), 0)
             RETURNING position - $2 AS before
         )
         INSERT INTO log.events (position, stream, revision, event_id, event_type, data, metadata)
         SELECT moved.before + e.place, e.stream, e.revision, e.event_id, e.event_type, e.data, e.metadata
         FROM unnest($1::log.new_event[])
             WITH ORDINALITY AS e (stream, revision, event_id, event_type, data, metadata, place), moved",
        &rows as _,
        bigint(events as u64)?,
        bigint(head)?
    )
    .execute(db)
    .await?
    .rows_affected();
    if written == events as u64 { Ok(()) } else { Err(Failure::Foreign) }
}
