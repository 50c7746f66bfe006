//! One lane: its reports in order, each of them to its run, and what became of them.

use access::Inlet;
use chrono::{DateTime, Utc};
use commands::{AppendRequest, CommandError, Looked};
use domain::{LinkedRun, Origin};
use redaction::CleanText;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{OrderError, Orderer};
use crate::ids::lane_lock;
use crate::order::{Seen, Step, step};
use crate::ready::{Waiting, ready};
use crate::receiver::{ReceiveError, keep_aside};
use crate::report::{self, Aside};

/// How many reports of a lane are looked at together.
const REPORTS: i64 = 500;

/// How long a lane rests whose run takes nothing at the moment.
const LANE_RESTS: f64 = 10.0;

/// What became of the reports of a lane.
#[derive(Debug, Default)]
struct Fates {
    done: Vec<Uuid>,
    aside: Vec<(Waiting, String)>,
    ended: Vec<Uuid>,
    appended: u64,
    doubles: u64,
    late: u64,
    /// What the log said to the first report that it did not take; what comes after it waits with it.
    stopped: Option<CommandError>,
}

impl Orderer {
    /// Takes a lane's reports to the log, unless another orderer is at it.
    pub(super) async fn lane(&self, inlet_id: Uuid, lane: &str) -> Result<u64, OrderError> {
        // Before a connection is held, so that none waits for another.
        let inlet = self.inlet(inlet_id).await?;
        let mut transaction = database::begin(self.pool()).await?;
        let mine = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock($1) AS "mine!""#,
            lane_lock(inlet_id, lane)
        );
        if !mine.fetch_one(&mut *transaction).await? {
            return Ok(0);
        }
        let waiting = waiting(&mut transaction, &inlet, lane).await?;
        let now = sqlx::query_scalar!(r#"SELECT clock_timestamp() AS "now!""#);
        let now = now.fetch_one(&mut *transaction).await?;
        let mut fates = Fates::default();
        for one in ready(waiting, now) {
            if let Err(error) = self.take(&mut transaction, &inlet, one, &mut fates).await? {
                fates.stopped = Some(error);
                break;
            }
        }
        self.write_down(&mut transaction, &inlet, lane, &fates).await?;
        transaction.commit().await?;
        tell(&inlet, &fates);
        match fates.stopped {
            // Nobody's reports are taken at the moment.
            Some(error) if is_of_all(&error) => Err(error.into()),
            Some(error) => {
                tracing::warn!(%error, inlet = %inlet_id, "a run takes no events at the moment");
                Ok(fates.appended)
            }
            None => Ok(fates.appended),
        }
    }

    /// Takes one report to the log. The inner error is the log's: the report waits.
    async fn take(
        &self,
        transaction: &mut PgConnection,
        inlet: &Inlet,
        mut one: Waiting,
        fates: &mut Fates,
    ) -> Result<Result<(), CommandError>, OrderError> {
        let (run, looked) = match self.run_of(transaction, inlet, &one).await? {
            Ok(Some(found)) => found,
            Ok(None) => {
                fates
                    .aside
                    .push((one, "It names no run, and no run is open that it could be of.".to_owned()));
                return Ok(Ok(()));
            }
            Err(error) => return Ok(Err(error)),
        };
        if looked.status.is_none() {
            match self.parent_of(transaction, inlet, &one).await? {
                Ok(parent) => one.report.about.parent = parent.map(|run_id| LinkedRun { run_id }),
                Err(error) => return Ok(Err(error)),
            }
        }
        let events = match step(inlet, seen(&looked), &one.report, one.received_at) {
            Step::Append(events) => events,
            other => {
                match other {
                    Step::Aside(why) => fates.aside.push((one, why.to_owned())),
                    Step::Late => {
                        fates.late += 1;
                        fates.done.push(one.report.event_id);
                    }
                    Step::Double | Step::Append(_) => {
                        fates.doubles += 1;
                        fates.done.push(one.report.event_id);
                    }
                }
                if looked.ended_as.is_some() && !looked.presumed {
                    fates.ended.push(run.uuid());
                }
                return Ok(Ok(()));
            }
        };
        let (count, ends) =
            (events.len() as u64, events.last().is_some_and(|event| event.body.is_terminal()));
        let request = AppendRequest {
            tenant: inlet.tenant.clone(),
            run,
            actor: inlet.principal.clone(),
            origin: Some(Origin::Request { token_id: inlet.inlet_id, request_id: one.request_id.clone() }),
            expected_revision: None,
            events,
        };
        match self.commands.append(request).await {
            Ok(_) => {
                fates.appended += count;
                fates.done.push(one.report.event_id);
                fates.ended.extend(ends.then_some(run.uuid()));
                Ok(Ok(()))
            }
            // Nothing would come of another try.
            Err(
                error @ (CommandError::Rejected { .. }
                | CommandError::EventIdTaken { .. }
                | CommandError::TooLarge { .. }
                | CommandError::Unfaithful(_)
                | CommandError::Key(_)),
            ) => {
                fates.aside.push((one, format!("The run does not take it: {error}.")));
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    async fn write_down(
        &self,
        transaction: &mut PgConnection,
        inlet: &Inlet,
        lane: &str,
        fates: &Fates,
    ) -> Result<(), OrderError> {
        let mut gone = fates.done.clone();
        for (Waiting { report, request_id, received_at, .. }, why) in &fates.aside {
            gone.push(report.event_id);
            let content = serde_json::to_value(report).map_err(ReceiveError::from)?;
            let aside = [Aside { event_id: report.event_id, why: CleanText::new(why), content }];
            keep_aside(&mut *transaction, inlet.inlet_id, &aside, request_id, *received_at).await?;
        }
        sqlx::query!(
            "DELETE FROM inlet.received WHERE inlet_id = $1 AND event_id = ANY($2)",
            inlet.inlet_id,
            &gone
        )
        .execute(&mut *transaction)
        .await?;
        sqlx::query!(
            "UPDATE inlet.runs SET ended = true WHERE inlet_id = $1 AND run_id = ANY($2) AND NOT ended",
            inlet.inlet_id,
            &fates.ended
        )
        .execute(&mut *transaction)
        .await?;
        if fates.stopped.as_ref().is_some_and(|error| !is_of_all(error)) {
            sqlx::query!(
                "UPDATE inlet.received SET due_at = clock_timestamp() + make_interval(secs => $3)
                 WHERE inlet_id = $1 AND lane = $2 AND due_at <= clock_timestamp()",
                inlet.inlet_id,
                lane,
                LANE_RESTS
            )
            .execute(&mut *transaction)
            .await?;
        }
        Ok(())
    }
}

/// What waits in a lane, those first that came first. What can't be read is of a newer program, or made by hand: it
/// waits for who can read it.
async fn waiting(
    transaction: &mut PgConnection,
    inlet: &Inlet,
    lane: &str,
) -> Result<Vec<Waiting>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT event_id, report::text AS "report!", request_id, received_at, due_at FROM inlet.received
           WHERE inlet_id = $1 AND lane = $2 ORDER BY received_at, place, event_id LIMIT $3"#,
        inlet.inlet_id,
        lane,
        REPORTS
    );
    let rows = rows.fetch_all(&mut *transaction).await?.into_iter().enumerate().filter_map(|(seq, row)| {
        let (received_at, due_at): (DateTime<Utc>, DateTime<Utc>) = (row.received_at, row.due_at);
        let read = report::read(&row.report).map_err(|error| error.to_string());
        let request_id = row.request_id.parse().map_err(|error: domain::InvalidId| error.to_string());
        match read.and_then(|report| Ok((report, request_id?))) {
            Ok((report, request_id)) => Some(Waiting { seq, report, request_id, received_at, due_at }),
            Err(error) => {
                let (inlet, id) = (inlet.inlet_id, row.event_id);
                tracing::error!(%inlet, %id, error, "a report can't be read; it is left where it is");
                None
            }
        }
    });
    Ok(rows.collect())
}

/// Whether nobody's events are taken at the moment, and not just that run's.
fn is_of_all(error: &CommandError) -> bool {
    matches!(error, CommandError::Overloaded | CommandError::Log(_))
}

fn seen(looked: &Looked) -> Seen {
    let Looked { status, started, ended_as, presumed, queued_at, has_event } = *looked;
    Seen { status, started, ended_as, presumed, queued_at, knows: has_event }
}

fn tell(inlet: &Inlet, fates: &Fates) {
    let aside = fates.aside.len() as u64;
    for (became, count) in
        [("events", fates.appended), ("double", fates.doubles), ("late", fates.late), ("set_aside", aside)]
    {
        let labels = [("inlet_type", inlet.inlet_type.as_str()), ("became", became)];
        metrics::counter!("runledger_inlet_taken_total", &labels).increment(count);
    }
}
