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
/// `runledger_verify_wrong_rows_total` and is told as an error, with the command that mends it.
pub(crate) async fn sample(maintenance: &Maintenance, every: Duration, stop: &CancellationToken) {
    let (runs, wrong) =
        (counter!("runledger_verify_runs_total"), counter!("runledger_verify_wrong_rows_total"));
    // There from the start, so that an alert on it has something to watch.
    wrong.absolute(0);
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
            // The projector says what is wrong with the database or the log.
            Some(Err(error)) => tracing::debug!(%error, "no run was compared"),
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
        Ok(Some((run, self.verify_run(run, None).await?)))
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
