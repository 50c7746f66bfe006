//! What an operator does with the read tables: mend what is held, build them anew, compare them with the log.

mod beside;
mod catch_up;
mod compare;
mod rebuild;
mod refold;
mod retry;
mod sampler;
mod verify;

use std::sync::Arc;

use domain::{RunId, TenantId};
use eventlog::streams::run_stream;
use eventlog::{EventLog, Position};
use sqlx::PgPool;

use crate::error::ProjectorError;
use crate::tables::{Schema, Tables};

pub use compare::{Difference, Findings, Wrong};
pub use rebuild::Rebuilt;
pub use retry::Retried;
pub(crate) use sampler::sample;

/// Work on the read tables of a database, from its log. The projector may go on meanwhile.
#[derive(Clone)]
pub struct Maintenance {
    log: Arc<dyn EventLog>,
    pool: PgPool,
}

/// How far a piece of work has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// The position that it has reached.
    pub reached: Position,
    /// The position that it goes to; it may move on.
    pub goal: Position,
}

impl Maintenance {
    /// Work from that log on the migrated database of that pool, which needs 4 connections.
    #[must_use]
    pub fn new(log: Arc<dyn EventLog>, pool: PgPool) -> Self {
        Self { log, pool }
    }

    fn tables(&self, schema: Schema) -> Tables {
        Tables::new(self.pool.clone(), schema)
    }

    /// The stream of a run. Without a tenant it is looked for in all tables that name one.
    async fn stream_of(&self, run: RunId, tenant: Option<&TenantId>) -> Result<String, ProjectorError> {
        if let Some(tenant) = tenant {
            return Ok(run_stream(tenant, run));
        }
        let mut tx = self.tables(Schema::Live).begin().await?;
        let streams = sqlx::query_scalar!(
            r#"SELECT DISTINCT stream AS "stream!" FROM (
                   SELECT 'run-' || tenant || '-' || run_id AS stream FROM runs WHERE run_id = $1
                   UNION ALL SELECT 'run-' || tenant || '-' || run_id FROM run_events WHERE run_id = $1
                   UNION ALL SELECT stream FROM dead_letters WHERE stream LIKE 'run-%-' || $1::uuid
               ) AS known"#,
            run.uuid()
        )
        .fetch_all(&mut *tx)
        .await?;
        let [stream] = streams.as_slice() else { return Err(ProjectorError::WhoseRun(run)) };
        Ok(stream.clone())
    }
}
