//! Folding what is quarantined, once the reason is gone.

use domain::RunId;
use eventlog::streams::run_of;

use super::Maintenance;
use super::refold::{read_marks, refold};
use crate::apply::{lock_checkpoint, tell};
use crate::batch::CountFrom;
use crate::error::{ProjectorError, unsigned};
use crate::tables::Schema;

/// What became of one stream that was quarantined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retried {
    /// Which stream.
    pub stream: String,
    /// How many of its events were quarantined.
    pub before: u64,
    /// How many still are: the first of them can still not be folded, or it is another one.
    pub after: u64,
    /// Why, where any are.
    pub error: Option<String>,
}

impl Maintenance {
    /// Folds the events that are quarantined, each stream in its order and in one transaction, the stream that
    /// was quarantined first comes first. All other runs go on between two streams, and wait while one is folded:
    /// a run of 100,000 events takes some seconds. With a run, only that one.
    ///
    /// # Errors
    /// [`ProjectorError`]; streams that were done before stay done.
    pub async fn retry(&self, run: Option<RunId>) -> Result<Vec<Retried>, ProjectorError> {
        let of_run = run.map(|run| format!("run-%-{run}"));
        let mut tx = self.tables(Schema::Live).begin().await?;
        let streams = sqlx::query_scalar!(
            r#"SELECT stream FROM dead_letters WHERE $1::text IS NULL OR stream LIKE $1
               GROUP BY stream ORDER BY min(position)"#,
            of_run
        )
        .fetch_all(&mut *tx)
        .await?;
        drop(tx);
        let mut retried = Vec::with_capacity(streams.len());
        for stream in streams {
            retried.extend(self.retry_stream(stream).await?);
        }
        Ok(retried)
    }

    /// None where it is no longer held.
    async fn retry_stream(&self, stream: String) -> Result<Option<Retried>, ProjectorError> {
        let mut tx = self.tables(Schema::Live).begin().await?;
        // No other process folds while we have this: an event that comes now waits behind us.
        let checkpoint = lock_checkpoint(&mut tx, None).await?;
        let quarantined = sqlx::query!(
            r#"WITH gone AS (DELETE FROM dead_letters WHERE stream = $1 RETURNING revision)
               SELECT count(*) AS "events!", min(revision) AS first FROM gone"#,
            stream
        )
        .fetch_one(&mut *tx)
        .await?;
        let Some(first) = quarantined.first else { return Ok(None) };
        if let Some((tenant, run)) = run_of(&stream) {
            sqlx::query!(
                "UPDATE runs SET held_revision = NULL, held_position = NULL, held_error = NULL
                 WHERE run_id = $1 AND tenant = $2",
                run.uuid(),
                tenant
            )
            .execute(&mut *tx)
            .await?;
        }
        let after =
            refold(&mut tx, &*self.log, &stream, unsigned(first)?, checkpoint, CountFrom::START).await?;
        if let Some((_, run)) = run_of(&stream) {
            // Read before, in tables that knew the run's end: what is told now was read then.
            read_marks(&mut tx, &*self.log, run, checkpoint).await?;
        }
        let error = sqlx::query_scalar!(
            "SELECT error FROM dead_letters WHERE stream = $1 ORDER BY revision LIMIT 1",
            stream
        )
        .fetch_optional(&mut *tx)
        .await?;
        // What was read before this moment has changed without the checkpoint having moved.
        tell(&mut tx, checkpoint).await?;
        tx.commit().await?;
        Ok(Some(Retried { stream, before: unsigned(quarantined.events)?, after, error }))
    }
}
