//! A few runs a minute, compared with the log for as long as the projector runs.

use std::time::Duration;

use domain::RunId;
use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Findings, Maintenance};
use crate::error::ProjectorError;
use crate::tables::Schema;

/// Compares a run at random every so often, until it is stopped. What differs raises
/// `runledger_verify_wrong_rows_total` and is told as an error, with the command that mends it. A comparison
/// that fails raises `runledger_verify_failures_total`: rows that nobody looks at are not right for that.
pub(crate) async fn sample(maintenance: &Maintenance, every: Duration, stop: &CancellationToken) {
    let (runs, wrong) =
        (counter!("runledger_verify_runs_total"), counter!("runledger_verify_wrong_rows_total"));
    let failures = counter!("runledger_verify_failures_total");
    // There from the start, so that an alert on them has something to watch.
    wrong.absolute(0);
    failures.absolute(0);
    while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
        match stop.run_until_cancelled(maintenance.verify_some_run(Uuid::new_v4())).await {
            None => return,
            Some(Ok(None)) => {}
            Some(Ok(Some((run, findings)))) => {
                runs.increment(1);
                wrong.increment(findings.wrong);
                #[expect(clippy::cast_precision_loss, reason = "a gauge")]
                gauge!("runledger_verify_last_wrong_rows").set(findings.wrong as f64);
                for difference in &findings.differences {
                    tracing::error!(%run, %difference, "a row is not as the log says: see `runledger projector verify`");
                }
            }
            Some(Err(error)) => {
                failures.increment(1);
                tracing::warn!(%error, "no run was compared; the next one is tried");
            }
        }
    }
}

impl Maintenance {
    /// Compares one run of those that the tables know, picked by a number: any number picks one. None
    /// while there is no run.
    ///
    /// # Errors
    /// [`ProjectorError`].
    pub async fn verify_some_run(
        &self,
        picked_by: Uuid,
    ) -> Result<Option<(RunId, Findings)>, ProjectorError> {
        let Some(run) = self.some_run(picked_by.as_u128()).await? else { return Ok(None) };
        // Where the rows don't agree whose run it is, they are compared with what came first in the log: the
        // fold gives the run to that one. Where the log knows it of nobody, any of them is wrong.
        let candidates = self.candidates(run).await?;
        let first = candidates.into_iter().min_by_key(|(_, begins)| begins.map_or(u64::MAX, |at| at.0));
        // It may have been removed since it was picked.
        let Some((stream, _)) = first else { return Ok(None) };
        Ok(Some((run, self.verify_stream(run, &stream).await?)))
    }

    /// A run with a row, or at least with a timeline: ids begin with a time, so a number between the first
    /// and the last id picks any time with the same chance.
    async fn some_run(&self, number: u128) -> Result<Option<RunId>, ProjectorError> {
        let mut tx = self.tables(Schema::Live).begin().await?;
        let ends = sqlx::query!(
            r#"SELECT LEAST((SELECT run_id FROM runs ORDER BY run_id LIMIT 1),
                            (SELECT run_id FROM run_events ORDER BY run_id LIMIT 1)) AS first,
                      GREATEST((SELECT run_id FROM runs ORDER BY run_id DESC LIMIT 1),
                               (SELECT run_id FROM run_events ORDER BY run_id DESC LIMIT 1)) AS last"#
        )
        .fetch_one(&mut *tx)
        .await?;
        let (Some(first), Some(last)) = (ends.first, ends.last) else { return Ok(None) };
        let (first, last) = (first.as_u128(), last.as_u128());
        let from = Uuid::from_u128(first + number % (last - first).saturating_add(1));
        let run = sqlx::query_scalar!(
            r#"SELECT LEAST((SELECT run_id FROM runs WHERE run_id >= $1 ORDER BY run_id LIMIT 1),
                            (SELECT run_id FROM run_events WHERE run_id >= $1 ORDER BY run_id LIMIT 1)) AS run"#,
            from
        )
        .fetch_one(&mut *tx)
        .await?;
        // What is no id of a run was written by somebody else; `verify` names it.
        Ok(run.and_then(|run| RunId::new(run).ok()))
    }
}
