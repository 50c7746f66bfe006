//! Keeps what comes in, in one transaction, before the emitter is answered.

use std::sync::Arc;
use std::time::Duration;

use access::Inlet;
use chrono::{DateTime, Utc};
use domain::RequestId;
use moka::future::Cache;
use sqlx::PgPool;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::ids::run_id;
use crate::report::{Aside, Incoming, Report};
use crate::set_aside::MOST_ASIDE;

/// For how long it is believed how much of an inlet waits.
const COUNTED_FOR: Duration = Duration::from_secs(1);

/// The settings of a [`Receiver`].
#[derive(Debug, Clone, Copy)]
pub struct ReceiverConfig {
    /// How long it is waited for what belongs before a report, from when the report came in.
    pub grace: Duration,
    /// How many reports of an inlet may wait; more are refused until some were taken.
    pub backlog: u32,
}

impl Default for ReceiverConfig {
    fn default() -> Self {
        Self { grace: Duration::from_secs(2), backlog: 100_000 }
    }
}

/// Keeps what comes in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Receiver {
    pool: PgPool,
    config: ReceiverConfig,
    /// How many reports of an inlet wait, as it was a moment ago.
    waiting: Cache<Uuid, i64>,
    came: Arc<Notify>,
}

/// What became of what came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Received {
    /// How many are kept as reports.
    pub reports: u64,
    /// How many are kept as they are.
    pub aside: u64,
    /// How many are there already.
    pub doubles: u64,
}

/// As many reports of the inlet wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{most} reports of this inlet wait already")]
pub struct Full {
    /// How many may.
    pub most: u32,
}

/// Why nothing was kept.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// There is no room.
    #[error(transparent)]
    Full(#[from] Full),
    /// It can't be written down.
    #[error(transparent)]
    Unwritable(#[from] serde_json::Error),
    /// The database failed.
    #[error(transparent)]
    Database(#[from] Arc<sqlx::Error>),
}

impl From<sqlx::Error> for ReceiveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(Arc::new(error))
    }
}

impl Receiver {
    /// A receiver that keeps what comes in in the database of that pool.
    #[must_use]
    pub fn new(pool: PgPool, config: ReceiverConfig) -> Self {
        let waiting = Cache::builder().max_capacity(10_000).time_to_live(COUNTED_FOR).build();
        Self { pool, config, waiting, came: Arc::default() }
    }

    /// The database.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Resolves when something has come in since it was asked last.
    pub(crate) async fn came(&self) {
        self.came.notified().await;
    }

    /// Keeps what came in through an inlet by one request: all of it, or nothing.
    ///
    /// # Errors
    /// [`ReceiveError`]; nothing was kept, unless the database went away just then.
    pub async fn receive(
        &self,
        inlet: &Inlet,
        incoming: Vec<Incoming>,
        request: &RequestId,
    ) -> Result<Received, ReceiveError> {
        self.has_room(inlet.inlet_id).await?;
        let (mut reports, mut asides) = (Vec::new(), Vec::new());
        for one in incoming {
            match one {
                Incoming::Report(report) => reports.push(*report),
                Incoming::Aside(aside) => asides.push(*aside),
            }
        }
        let came = (reports.len() + asides.len()) as u64;
        let mut transaction = database::begin(&self.pool).await?;
        let kept = keep(&mut transaction, inlet, &reports, request, self.config.grace).await?;
        let aside = keep_aside(&mut transaction, inlet.inlet_id, &asides, request, Utc::now()).await?;
        transaction.commit().await?;
        self.came.notify_one();
        let received = Received { reports: kept, aside, doubles: came - kept - aside };
        tell(inlet, received);
        Ok(received)
    }

    async fn has_room(&self, inlet: Uuid) -> Result<(), ReceiveError> {
        let most = self.config.backlog;
        let count = async {
            // What was set aside and will be forgotten soon takes room as well.
            let waiting = sqlx::query_scalar!(
                r#"SELECT (SELECT count(*) FROM (
                       SELECT FROM inlet.received WHERE inlet_id = $1 LIMIT $2
                   ) AS waiting) + (SELECT count(*) FROM (
                       SELECT FROM inlet.set_aside WHERE inlet_id = $1 OFFSET $3 LIMIT $2
                   ) AS excess) AS "waiting!""#,
                inlet,
                i64::from(most),
                MOST_ASIDE
            );
            waiting.fetch_one(&self.pool).await
        };
        match self.waiting.try_get_with(inlet, count).await? {
            waiting if waiting < i64::from(most) => Ok(()),
            _ => Err(Full { most }.into()),
        }
    }
}

fn tell(inlet: &Inlet, received: Received) {
    let Received { reports, aside, doubles } = received;
    for (became, count) in [("report", reports), ("set_aside", aside), ("double", doubles)] {
        let labels = [("inlet_type", inlet.inlet_type.as_str()), ("became", became)];
        metrics::counter!("runledger_inlet_received_total", &labels).increment(count);
    }
}

/// Keeps reports, and which runs they name. Gives how many were not there yet.
async fn keep(
    transaction: &mut sqlx::PgConnection,
    inlet: &Inlet,
    reports: &[Report],
    request: &RequestId,
    grace: Duration,
) -> Result<u64, ReceiveError> {
    if reports.is_empty() {
        return Ok(0);
    }
    let now = Utc::now();
    let named = reports.iter().filter_map(|report| Some((report.named()?, &report.lane)));
    // In one order, so that no two transactions wait for each other.
    let mut named: Vec<(String, &String)> = named.collect();
    named.sort();
    named.dedup();
    let (names, lanes): (Vec<String>, Vec<String>) =
        named.iter().map(|(name, lane)| (name.clone(), (*lane).clone())).unzip();
    let runs: Vec<Uuid> = names.iter().map(|name| run_id(inlet.inlet_id, name, now)).collect();
    sqlx::query!(
        "INSERT INTO inlet.runs (inlet_id, ref, lane, run_id)
         SELECT $1, n.ref, n.lane, n.run_id FROM UNNEST($2::text[], $3::text[], $4::uuid[]) AS n (ref, lane, run_id)
         ON CONFLICT DO NOTHING",
        inlet.inlet_id,
        &names,
        &lanes,
        &runs
    )
    .execute(&mut *transaction)
    .await?;
    let mut sorted: Vec<(i32, &Report)> = (0..).zip(reports).collect();
    sorted.sort_by_key(|(_, report)| report.event_id);
    let (places, sorted): (Vec<i32>, Vec<&Report>) = sorted.into_iter().unzip();
    let ids: Vec<Uuid> = sorted.iter().map(|report| report.event_id).collect();
    let lanes: Vec<String> = sorted.iter().map(|report| report.lane.clone()).collect();
    let written: Vec<String> = sorted.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    // Nothing belongs before a beginning, but that of the run that it is a part of.
    let waits: Vec<f64> =
        sorted.iter().map(|report| if report.said.starts() { 0.0 } else { grace.as_secs_f64() }).collect();
    let parents: Vec<Option<String>> = sorted.iter().map(|report| report.part_of().cloned()).collect();
    let kept = sqlx::query!(
        "INSERT INTO inlet.received (inlet_id, event_id, lane, report, request_id, due_at, place)
         SELECT $1, r.event_id, r.lane, r.report::json, $5, clock_timestamp() + make_interval(secs =>
             CASE WHEN r.part_of IS NULL OR EXISTS (
                 SELECT FROM inlet.runs AS p WHERE p.inlet_id = $1 AND p.ref = r.part_of
             ) THEN r.wait ELSE $9 END), r.place
         FROM UNNEST($2::uuid[], $3::text[], $4::text[], $6::float8[], $7::int[], $8::text[])
             AS r (event_id, lane, report, wait, place, part_of)
         ON CONFLICT DO NOTHING",
        inlet.inlet_id,
        &ids,
        &lanes,
        &written,
        request.as_str(),
        &waits,
        &places,
        &parents as &[Option<String>],
        grace.as_secs_f64()
    );
    Ok(kept.execute(&mut *transaction).await?.rows_affected())
}

/// Keeps what is set aside. Gives how many were not there yet.
///
/// # Errors
/// The database's, or what can't be written.
pub(crate) async fn keep_aside(
    transaction: &mut sqlx::PgConnection,
    inlet: Uuid,
    asides: &[Aside],
    request: &RequestId,
    received_at: DateTime<Utc>,
) -> Result<u64, ReceiveError> {
    let mut kept = 0;
    for Aside { event_id, why, content } in asides {
        let insert = sqlx::query!(
            "INSERT INTO inlet.set_aside (inlet_id, event_id, why, content, request_id, received_at)
             VALUES ($1, $2, $3, $4::text::json, $5, $6) ON CONFLICT DO NOTHING",
            inlet,
            event_id,
            why.as_str(),
            serde_json::to_string(content)?,
            request.as_str(),
            received_at
        );
        kept += insert.execute(&mut *transaction).await?.rows_affected();
    }
    Ok(kept)
}
