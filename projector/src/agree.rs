//! Whether the log is the one that the tables were folded from, and has not lost any of it.
//!
//! A log that was restored to an earlier moment than the tables, or has lost its end, gives positions to new events
//! that the tables have passed already: nobody would ever fold these. So before anything is folded, and before a
//! process serves, two things are asked. Does the log have the newest event that the tables show, the very same? That
//! is one event to read, and also finds a log that has grown again since. And does it reach the checkpoint? What is
//! between the two are reservations, read marks and names, which the tables do not show one by one.

use std::time::Duration;

use domain::{RunId, TenantId};
use eventlog::streams::run_stream;
use eventlog::{EventLog, Position, RecordedEvent};
use sqlx::PgPool;
use tokio::time::timeout;
use uuid::Uuid;

use crate::error::{Lost, ProjectorError, unsigned};
use crate::tables::{Schema, Tables};

/// How long the log's end is waited for: where others use the log as well, its last event of ours may be long looked
/// for, and by then the newest event that the tables show was found.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where an event that was folded is in the log.
#[derive(Debug, Clone)]
pub(crate) struct Folded {
    stream: String,
    revision: u64,
    position: Position,
    id: Uuid,
}

impl Folded {
    /// The place of a record.
    pub fn of(record: &RecordedEvent) -> Self {
        let RecordedEvent { revision, position, id, .. } = *record;
        Self { stream: record.stream.clone(), revision, position, id }
    }

    /// Makes sure that the log has the event, the very same, of tables that have reached that position.
    ///
    /// # Errors
    /// [`ProjectorError::LogBehind`] where it has not, or the log's.
    pub async fn must_be_in(&self, log: &dyn EventLog, reached: Position) -> Result<(), ProjectorError> {
        let found = log.read_stream(&self.stream, self.revision, 1).await?;
        // A stream that begins later has let its oldest events go, which tells nothing.
        let there = found.first().is_some_and(|event| {
            event.revision != self.revision || (event.position, event.id) == (self.position, self.id)
        });
        if there {
            return Ok(());
        }
        let lost = Lost::Event { position: self.position, stream: self.stream.clone() };
        Err(ProjectorError::LogBehind { reached, lost })
    }
}

/// Makes sure that the log has what the tables of that migrated database were folded from.
///
/// # Errors
/// [`ProjectorError::LogBehind`] where it has not, or that the database or the log fails.
pub async fn check_log(log: &dyn EventLog, pool: &PgPool) -> Result<(), ProjectorError> {
    let tables = Tables::new(pool.clone(), Schema::Live);
    let reached = tables.checkpoint().await?;
    check(log, &tables, reached).await
}

/// The same, for tables that have reached that position.
pub(crate) async fn check(
    log: &dyn EventLog,
    tables: &Tables,
    reached: Position,
) -> Result<(), ProjectorError> {
    if reached.0 == 0 {
        return Ok(());
    }
    if let Some(newest) = newest(tables).await? {
        newest.must_be_in(log, reached).await?;
    }
    match timeout(PATIENCE, log.head()).await {
        Ok(head) => match head? {
            head if head < reached => Err(ProjectorError::LogBehind { reached, lost: Lost::End(head) }),
            _ => Ok(()),
        },
        Err(_) => {
            tracing::debug!("the end of the log is still looked for; what the tables show last is there");
            Ok(())
        }
    }
}

/// The newest event of a run that the tables show.
async fn newest(tables: &Tables) -> Result<Option<Folded>, ProjectorError> {
    // By the index of each tenant; every tenant with a run has counters.
    let row = sqlx::query!(
        r#"SELECT e.tenant AS "tenant!", e.run_id AS "run_id!", e.revision AS "revision!",
                  e.position AS "position!", e.event_id AS "event_id!"
           FROM (SELECT DISTINCT tenant FROM run_counts) AS t
           CROSS JOIN LATERAL (
               SELECT * FROM run_events WHERE tenant = t.tenant ORDER BY position DESC LIMIT 1) AS e
           ORDER BY e.position DESC LIMIT 1"#
    );
    let Some(row) = row.fetch_optional(&mut *tables.begin().await?).await? else { return Ok(None) };
    // Rows that name no run of anybody were written by somebody else: `verify` names them.
    let (Ok(tenant), Ok(run)) = (row.tenant.parse::<TenantId>(), RunId::new(row.run_id)) else {
        return Ok(None);
    };
    Ok(Some(Folded {
        stream: run_stream(&tenant, run),
        revision: unsigned(row.revision)?,
        position: Position(unsigned(row.position)?),
        id: row.event_id,
    }))
}
