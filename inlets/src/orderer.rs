//! Takes what was kept to the log: each lane by one orderer at a time, each report once.
//!
//! A report is deleted in the transaction that began before its events were appended. An orderer that dies in between
//! leaves it there, and the next one sees by the ids of its events that the run has them. So any number of orderers
//! may run, in any number of processes.

use std::sync::Arc;
use std::time::Duration;

use access::{AccessError, Inlet, inlet_of};
use chrono::{DateTime, Utc};
use commands::{AppendRequest, CommandError, Commands, Looked};
use domain::{Origin, RunId};
use futures::{StreamExt, stream};
use moka::future::Cache;
use redaction::CleanText;
use sqlx::{PgConnection, PgPool};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::ids::{lane_lock, run_id};
use crate::order::{Seen, Step, step};
use crate::ready::{Waiting, ready};
use crate::receiver::{ReceiveError, Receiver, keep_aside};
use crate::report::{self, Aside, RunName};
use crate::set_aside::forget;

/// How many lanes are fetched at once.
const LANES: i64 = 200;

/// How many reports of a lane are looked at together.
const REPORTS: i64 = 500;

/// How many lanes are worked on at once. Each takes a connection to the database for as long.
const AT_ONCE: usize = 2;

/// How many open runs of a lane are thought of for a ping that names none.
const CANDIDATES: i64 = 20;

/// How long a lane rests whose run takes nothing at the moment.
const LANE_RESTS: f64 = 10.0;

/// How long it rests after a failure.
const AFTER_FAILURE: Duration = Duration::from_secs(3);

/// How often what was set aside long ago is forgotten.
const FORGETS: Duration = Duration::from_secs(600);

/// How often it is told how much waits.
const TELLS: Duration = Duration::from_secs(5);

/// How much of one inlet is kept that was set aside.
const MOST_ASIDE: i64 = 10_000;

/// The settings of an [`Orderer`].
#[derive(Debug, Clone, Copy)]
pub struct OrdererConfig {
    /// How long it rests where nothing comes in.
    pub pause: Duration,
    /// How many days what was set aside is kept.
    pub keep_days: u16,
}

impl Default for OrdererConfig {
    fn default() -> Self {
        Self { pause: Duration::from_millis(500), keep_days: 30 }
    }
}

/// Takes what was kept to the log of its [`Commands`].
#[derive(Debug, Clone)]
pub struct Orderer {
    commands: Commands,
    receiver: Receiver,
    config: OrdererConfig,
    /// Inlets that were looked up: nothing of theirs changes but by hand.
    inlets: Cache<Uuid, Arc<Inlet>>,
}

/// Why a round ended early.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The log takes nothing at the moment.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// What has to be set aside could not be kept.
    #[error(transparent)]
    Keep(#[from] ReceiveError),
    /// The inlet can't be read.
    #[error(transparent)]
    Inlet(#[from] Arc<AccessError>),
}

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
    /// An orderer that appends through `commands` what that receiver's database has, of whatever process.
    #[must_use]
    pub fn new(commands: Commands, receiver: Receiver, config: OrdererConfig) -> Self {
        let inlets = Cache::builder().max_capacity(10_000).time_to_live(Duration::from_secs(60)).build();
        Self { commands, receiver, config, inlets }
    }

    /// Works until `stop`. Whatever fails is tried again: until the log has it, the database keeps it.
    pub async fn run(self, stop: CancellationToken) {
        let (mut forgotten, mut told) = (Instant::now(), None::<Instant>);
        loop {
            let Some(round) = stop.run_until_cancelled(self.round()).await else { return };
            let rest = match round {
                Ok(_) => self.config.pause,
                Err(error) => {
                    metrics::counter!("runledger_inlet_failures_total").increment(1);
                    tracing::error!(%error, "what came in is not in the log yet; trying again");
                    AFTER_FAILURE
                }
            };
            if told.is_none_or(|told| told.elapsed() > TELLS) {
                told = Some(Instant::now());
                self.tell_backlog()
                    .await
                    .unwrap_or_else(|error| tracing::warn!(%error, "the backlog is not known"));
            }
            if forgotten.elapsed() > FORGETS {
                forgotten = Instant::now();
                self.forget().await;
            }
            let woken = async {
                tokio::select! {
                    () = tokio::time::sleep(rest) => {}
                    () = self.receiver.came(), if rest == self.config.pause => {}
                }
            };
            if stop.run_until_cancelled(woken).await.is_none() {
                return;
            }
        }
    }

    async fn forget(&self) {
        match forget(self.pool(), self.config.keep_days.into(), MOST_ASIDE).await {
            Ok(forgotten) => {
                metrics::counter!("runledger_inlet_forgotten_total").increment(forgotten);
            }
            Err(error) => tracing::warn!(%error, "what was set aside long ago is still there"),
        }
    }

    fn pool(&self) -> &PgPool {
        self.receiver.pool()
    }

    /// Takes to the log whatever is due, and says how many events that were.
    ///
    /// # Errors
    /// [`OrderError`]; what was taken until then stays.
    pub async fn round(&self) -> Result<u64, OrderError> {
        let lanes = sqlx::query!(
            "SELECT inlet_id, lane FROM inlet.received WHERE due_at <= clock_timestamp()
             GROUP BY inlet_id, lane ORDER BY min(due_at) LIMIT $1",
            LANES
        );
        let lanes = lanes.fetch_all(self.pool()).await?;
        let working = stream::iter(lanes).map(|row| async move { self.lane(row.inlet_id, &row.lane).await });
        let mut working = working.buffer_unordered(AT_ONCE);
        let mut appended = 0;
        while let Some(done) = working.next().await {
            appended += done?;
        }
        Ok(appended)
    }

    async fn tell_backlog(&self) -> Result<(), sqlx::Error> {
        let row = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM (SELECT FROM inlet.received LIMIT 1000000) AS r) AS "waiting!",
                   (SELECT count(*) FROM inlet.set_aside) AS "aside!",
                   COALESCE(extract(epoch FROM clock_timestamp() - min(due_at)), 0)::float8 AS "overdue!"
               FROM inlet.received"#
        );
        let row = row.fetch_one(self.pool()).await?;
        #[expect(clippy::cast_precision_loss, reason = "a gauge")]
        let gauge = |count: i64| count as f64;
        metrics::gauge!("runledger_inlet_waiting").set(gauge(row.waiting));
        metrics::gauge!("runledger_inlet_set_aside").set(gauge(row.aside));
        metrics::gauge!("runledger_inlet_overdue_seconds").set(row.overdue.max(0.0));
        Ok(())
    }

    /// Takes a lane's reports to the log, unless another orderer is at it.
    async fn lane(&self, inlet_id: Uuid, lane: &str) -> Result<u64, OrderError> {
        let mut transaction = self.pool().begin().await?;
        let mine = sqlx::query_scalar!(
            r#"SELECT pg_try_advisory_xact_lock($1) AS "mine!""#,
            lane_lock(inlet_id, lane)
        );
        if !mine.fetch_one(&mut *transaction).await? {
            return Ok(0);
        }
        let inlet = self.inlet(inlet_id).await?;
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

    async fn inlet(&self, inlet_id: Uuid) -> Result<Arc<Inlet>, Arc<AccessError>> {
        let look_up = async { inlet_of(self.pool(), inlet_id).await.map(Arc::new) };
        self.inlets.try_get_with(inlet_id, look_up).await
    }

    /// Takes one report to the log. The inner error is the log's: the report waits.
    async fn take(
        &self,
        transaction: &mut PgConnection,
        inlet: &Inlet,
        one: Waiting,
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

    /// Which run a report is of, and what the log has of it; none where there is none that it could be of.
    async fn run_of(
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
                Ok(found) if found.1.status.is_some_and(domain::Status::is_active) => {
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

    async fn look(&self, inlet: &Inlet, run: Uuid, event: Uuid) -> Result<(RunId, Looked), CommandError> {
        let run = RunId::new(run).map_err(|error| CommandError::Internal(error.to_string()))?;
        Ok((run, self.commands.look(&inlet.tenant, run, event).await?))
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
        r#"SELECT seq, report::text AS "report!", request_id, received_at, due_at FROM inlet.received
           WHERE inlet_id = $1 AND lane = $2 ORDER BY seq LIMIT $3"#,
        inlet.inlet_id,
        lane,
        REPORTS
    );
    let rows = rows.fetch_all(&mut *transaction).await?.into_iter().filter_map(|row| {
        let (seq, received_at, due_at): (_, DateTime<Utc>, DateTime<Utc>) =
            (row.seq, row.received_at, row.due_at);
        let read = report::read(&row.report).map_err(|error| error.to_string());
        let request_id = row.request_id.parse().map_err(|error: domain::InvalidId| error.to_string());
        match read.and_then(|report| Ok((report, request_id?))) {
            Ok((report, request_id)) => Some(Waiting { seq, report, request_id, received_at, due_at }),
            Err(error) => {
                tracing::error!(inlet = %inlet.inlet_id, seq, error, "a report can't be read; it is left where it is");
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
