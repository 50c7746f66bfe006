//! Which run a report is of.

use access::Inlet;
use commands::{CommandError, Looked};
use domain::{RunId, Status};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{OrderError, Orderer};
use crate::ids::run_id;
use crate::ready::Waiting;
use crate::report::RunName;

/// How many open runs of a lane are thought of for a ping that names none.
const CANDIDATES: i64 = 20;

impl Orderer {
    /// Which run a report is of, and what the log has of it; none where there is none that it could be of.
    pub(super) async fn run_of(
        &self,
        transaction: &mut PgConnection,
        inlet: &Inlet,
        one: &Waiting,
    ) -> Result<Result<Option<(RunId, Looked)>, CommandError>, OrderError> {
        let Waiting { report, received_at, .. } = one;
        if let Some(name) = report.named() {
            let run = sqlx::query_scalar!(
                "SELECT run_id FROM inlet.runs WHERE inlet_id = $1 AND ref = $2",
                inlet.inlet_id,
                name
            );
            let run = run.fetch_optional(&mut *transaction).await?;
            let run = run.unwrap_or_else(|| run_id(inlet.inlet_id, &name, *received_at));
            return Ok(self.look(inlet, run, report.event_id).await.map(Some));
        }
        // A run of its own, should it need one; or that it has from an earlier try.
        let own_name = report.event_id.to_string();
        let own = run_id(inlet.inlet_id, &own_name, *received_at);
        let own = match self.look(inlet, own, report.event_id).await {
            Ok(own) => own,
            Err(error) => return Ok(Err(error)),
        };
        if own.1.has_event {
            return Ok(Ok(Some(own)));
        }
        let candidates = sqlx::query_scalar!(
            "SELECT run_id FROM inlet.runs WHERE inlet_id = $1 AND lane = $2 AND NOT ended
             ORDER BY begun_at DESC LIMIT $3",
            inlet.inlet_id,
            report.lane,
            CANDIDATES
        );
        let mut newest_open = None;
        for run in candidates.fetch_all(&mut *transaction).await? {
            match self.look(inlet, run, report.event_id).await {
                Ok(found) if found.1.has_event => return Ok(Ok(Some(found))),
                Ok(found) if found.1.status.is_some_and(Status::is_active) => {
                    newest_open.get_or_insert(found);
                }
                Ok(_) => {}
                Err(error) => return Ok(Err(error)),
            }
        }
        if newest_open.is_some() || !report.begins || report.run != RunName::Newest {
            return Ok(Ok(newest_open));
        }
        sqlx::query!(
            "INSERT INTO inlet.runs (inlet_id, ref, lane, run_id) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
            inlet.inlet_id,
            own_name,
            report.lane,
            own.0.uuid()
        )
        .execute(&mut *transaction)
        .await?;
        Ok(Ok(Some(own)))
    }

    /// The run that a report's run is a part of, if the log has it by then, or will have: one is begun whose reports
    /// wait, whichever of the two came first.
    pub(super) async fn parent_of(
        &self,
        transaction: &mut PgConnection,
        inlet: &Inlet,
        one: &Waiting,
    ) -> Result<Result<Option<RunId>, CommandError>, OrderError> {
        let Some(name) = one.report.part_of() else { return Ok(Ok(None)) };
        // What waits is looked at first: what is deleted before that is in the log.
        let parent = sqlx::query!(
            r#"SELECT p.run_id, EXISTS (
                   SELECT FROM inlet.received AS r
                   WHERE r.inlet_id = $1 AND r.lane = p.lane
                     AND r.report->'run'->>'named' = $2 AND (r.report->>'begins')::boolean
               ) AS "waits!"
               FROM inlet.runs AS p WHERE p.inlet_id = $1 AND p.ref = $2"#,
            inlet.inlet_id,
            name
        );
        let Some(parent) = parent.fetch_optional(transaction).await? else { return Ok(Ok(None)) };
        let looked = self.look(inlet, parent.run_id, one.report.event_id).await;
        Ok(looked.map(|(run, looked)| (parent.waits || looked.status.is_some()).then_some(run)))
    }

    async fn look(&self, inlet: &Inlet, run: Uuid, event: Uuid) -> Result<(RunId, Looked), CommandError> {
        let run = RunId::new(run).map_err(|error| CommandError::Internal(error.to_string()))?;
        Ok((run, self.commands.look(&inlet.tenant, run, event).await?))
    }
}
