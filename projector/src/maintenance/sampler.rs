//! A few runs a minute, compared with the log for as long as the projector runs.

use std::time::Duration;

use domain::RunId;
use metrics::{counter, gauge};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Findings, Maintenance};
use crate::error::ProjectorError;
use crate::tables::Schema;

/// Compares one run after another, one every so often, until it is stopped. What differs raises
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
        match stop.run_until_cancelled(maintenance.verify_next_run()).await {
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
                for event in &findings.unreadable {
                    tracing::error!(%run, event.revision, %event.error, "an event of the log can't be read: restore the log");
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
    /// Compares the next run of those that the tables know. They are walked through in the order of their ids, one
    /// pass after another: each is looked at once a pass, however they came, and a pass ends at the run that was the
    /// last one when it began, however many come. How far the walk has come is kept in the database: it goes on there
    /// after a restart, and several processes share it. None while there is no run.
    ///
    /// # Errors
    /// [`ProjectorError`]; the run that was next then is looked at in the next pass.
    pub async fn verify_next_run(&self) -> Result<Option<(RunId, Findings)>, ProjectorError> {
        let Some(run) = self.take_next_run().await? else { return Ok(None) };
        // Where the rows don't agree whose run it is, they are compared with what came first in the log: the
        // fold gives the run to that one. Where the log knows it of nobody, any of them is wrong.
        let candidates = self.candidates(run).await?;
        let first = candidates.into_iter().min_by_key(|(_, begins)| begins.map_or(u64::MAX, |at| at.0));
        // It may have been removed since it was taken.
        let Some((stream, _)) = first else { return Ok(None) };
        Ok(Some((run, self.verify_stream(run, &stream).await?)))
    }

    /// Takes the next run of the walk for the caller alone: one with a row, or at least with a timeline.
    async fn take_next_run(&self) -> Result<Option<RunId>, ProjectorError> {
        let mut tx = self.tables(Schema::Live).begin().await?;
        let walk =
            sqlx::query!("SELECT taken, until FROM ledger.sampler FOR UPDATE").fetch_one(&mut *tx).await?;
        let mut until = walk.until;
        let mut next = run_after(&mut tx, walk.taken).await?;
        if next.is_none_or(|next| until.is_none_or(|until| next > until)) {
            counter!("runledger_verify_passes_total").increment(u64::from(walk.taken.is_some()));
            until = last_run(&mut tx).await?;
            next = run_after(&mut tx, None).await?;
        }
        sqlx::query!("UPDATE ledger.sampler SET taken = $1, until = $2", next, until)
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        // What is no id of a run was written by somebody else; `verify` names it.
        Ok(next.and_then(|run| RunId::new(run).ok()))
    }
}

/// The first run after another one, or of all.
async fn run_after(db: &mut PgConnection, run: Option<Uuid>) -> Result<Option<Uuid>, ProjectorError> {
    let next = sqlx::query_scalar!(
        r#"SELECT LEAST((SELECT run_id FROM runs WHERE run_id > $1 ORDER BY run_id LIMIT 1),
                        (SELECT run_id FROM run_events WHERE run_id > $1 ORDER BY run_id LIMIT 1)) AS run"#,
        // No run has this id.
        run.unwrap_or(Uuid::nil())
    );
    Ok(next.fetch_one(db).await?)
}

async fn last_run(db: &mut PgConnection) -> Result<Option<Uuid>, ProjectorError> {
    let last = sqlx::query_scalar!(
        r#"SELECT GREATEST((SELECT run_id FROM runs ORDER BY run_id DESC LIMIT 1),
                           (SELECT run_id FROM run_events ORDER BY run_id DESC LIMIT 1)) AS run"#
    );
    Ok(last.fetch_one(db).await?)
}
