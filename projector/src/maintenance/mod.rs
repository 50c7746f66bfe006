//! What an operator does with the read tables: mend what is quarantined, build them anew, compare them with the log.

mod catch_up;
mod compare;
mod rebuild;
mod refold;
mod retry;
mod sampler;
mod shadow;
mod verify;

use std::sync::Arc;

use domain::{RunId, TenantId};
use eventlog::streams::run_stream;
use eventlog::{EventLog, Position};
use sqlx::{PgConnection, PgPool};

use crate::error::ProjectorError;
use crate::tables::{Schema, Tables};

pub use compare::{Difference, Findings, Unreadable, Wrong};
pub use rebuild::Rebuilt;
pub(crate) use refold::refold;
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
    /// How many events it has been through so far. Positions do not tell on every log.
    pub events: u64,
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

    /// The stream of a run. Without a tenant it is looked for in all tables that name one: where they name
    /// several, the log says which of them has the run.
    async fn stream_of(&self, run: RunId, tenant: Option<&TenantId>) -> Result<String, ProjectorError> {
        if let Some(tenant) = tenant {
            return Ok(run_stream(tenant, run));
        }
        let mut candidates = self.candidates(run).await?;
        if candidates.len() > 1 {
            candidates.retain(|(_, begins)| begins.is_some());
        }
        let mut candidates = candidates.into_iter();
        match (candidates.next(), candidates.next()) {
            (Some((stream, _)), None) => Ok(stream),
            _ => Err(ProjectorError::WhoseRun(run)),
        }
    }

    /// The streams that the tables name for a run, with where each begins in the log.
    async fn candidates(&self, run: RunId) -> Result<Vec<(String, Option<Position>)>, ProjectorError> {
        let live = self.tables(Schema::Live);
        let streams = {
            let mut tx = live.begin().await?;
            let mut streams: Vec<String> =
                self.streams_in_tables(&mut tx, run).await?.into_iter().map(|(_, stream)| stream).collect();
            let quarantined = sqlx::query_scalar!(
                "SELECT DISTINCT stream FROM dead_letters WHERE stream LIKE 'run-%-' || $1::uuid",
                run.uuid()
            );
            streams.extend(quarantined.fetch_all(&mut *tx).await?);
            streams.sort();
            streams.dedup();
            streams
        };
        let mut candidates = Vec::with_capacity(streams.len());
        if let [stream] = streams.as_slice() {
            // Nobody to be told from: the log need not be asked.
            return Ok(vec![(stream.clone(), None)]);
        }
        let checkpoint = live.checkpoint().await?;
        for stream in streams {
            let begins = self.begin_of(&stream, checkpoint).await?;
            candidates.push((stream, begins));
        }
        Ok(candidates)
    }

    /// The tenants that rows of a run name, with the streams that the run has there.
    async fn streams_in_tables(
        &self,
        db: &mut PgConnection,
        run: RunId,
    ) -> Result<Vec<(String, String)>, ProjectorError> {
        let tenants = sqlx::query_scalar!(
            r#"SELECT tenant AS "tenant!" FROM runs WHERE run_id = $1
               UNION SELECT tenant FROM run_events WHERE run_id = $1
               UNION SELECT tenant FROM run_items WHERE run_id = $1
               UNION SELECT tenant FROM notifications WHERE run_id = $1"#,
            run.uuid()
        );
        let tenants = tenants.fetch_all(db).await?.into_iter();
        // Not `run_stream`: what was written there by hand need not be a tenant's name.
        Ok(tenants.map(|tenant| (tenant.clone(), format!("run-{tenant}-{run}"))).collect())
    }

    /// Where a stream begins in the log, if it does so by this position.
    async fn begin_of(&self, stream: &str, by: Position) -> Result<Option<Position>, ProjectorError> {
        let first = self.log.read_stream(stream, 0, 1).await?;
        Ok(first.first().map(|event| event.position).filter(|position| *position <= by))
    }
}
