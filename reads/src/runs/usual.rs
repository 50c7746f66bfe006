//! How long runs of a kind usually take, and which of those that are running are late.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Days, TimeDelta, Utc};
use domain::usual::Histogram;
use domain::{Status, TenantId};
use serde::Serialize;
use sqlx::PgConnection;
use utoipa::ToSchema;

use super::view::{RunView, seconds};
use crate::corrupt::{Corrupt, non_negative};
use crate::error::ReadError;

const TABLE: &str = "projection.run_durations";

/// How many days are looked back, and today.
const DAYS: u64 = 30;

/// What fewer runs took is no custom yet.
const FEWEST: u64 = 5;

/// How long the runs of a kind took that succeeded, wholly or in part, and ended within the last 30 days. Told to within
/// a factor of 1.4, since only that is counted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, ToSchema)]
#[schema(as = UsualDuration)]
pub struct Usual {
    /// Half of them took this long at most, in seconds.
    pub p50_seconds: f64,
    /// Of 100 of them 95 took this long at most, in seconds. A run that has been running for longer is late.
    pub p95_seconds: f64,
    /// How many they are: 5 at least.
    pub runs: u64,
}

/// Until when a run must have been started to be late by now, for each kind of which runs are running.
pub(super) type LateSince = BTreeMap<String, DateTime<Utc>>;

/// What a kind's runs took.
struct Custom {
    runs: u64,
    half: TimeDelta,
    most: TimeDelta,
}

impl Custom {
    /// None where too few are known.
    fn of(histogram: &Histogram) -> Option<Self> {
        let runs = Some(histogram.runs()).filter(|runs| *runs >= FEWEST)?;
        Some(Self { runs, half: histogram.percentile(50)?, most: histogram.percentile(95)? })
    }

    fn late_since(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        now.checked_sub_signed(self.most)
    }

    fn usual(&self) -> Usual {
        Usual { p50_seconds: seconds(self.half), p95_seconds: seconds(self.most), runs: self.runs }
    }
}

async fn customs(
    conn: &mut PgConnection,
    tenant: &TenantId,
    kinds: &[String],
    now: DateTime<Utc>,
) -> Result<BTreeMap<String, Custom>, ReadError> {
    if kinds.is_empty() {
        return Ok(BTreeMap::new());
    }
    let today = now.date_naive();
    let rows = sqlx::query!(
        r#"SELECT kind, bucket, sum(runs)::bigint AS "runs!" FROM projection.run_durations
           WHERE tenant = $1 AND kind = ANY ($2) AND day >= $3
           GROUP BY kind, bucket"#,
        tenant.as_str(),
        kinds,
        today.checked_sub_days(Days::new(DAYS)).unwrap_or(today)
    )
    .fetch_all(conn)
    .await?;
    let mut histograms: BTreeMap<String, Histogram> = BTreeMap::new();
    for row in rows {
        let key = format!("{tenant} {} {}", row.kind, row.bucket);
        let runs = non_negative(TABLE, "runs", &key, row.runs)?;
        let known = usize::try_from(row.bucket).is_ok_and(|bucket| {
            let histogram = histograms.entry(row.kind).or_default();
            histogram.add(bucket, runs)
        });
        if !known {
            return Err(Corrupt::new(TABLE, "bucket", &key, "there is no such bucket").into());
        }
    }
    let custom = |(kind, histogram): (String, Histogram)| Some((kind, Custom::of(&histogram)?));
    Ok(histograms.into_iter().filter_map(custom).collect())
}

/// Says of the runs that `of` chooses how long their kinds usually take, and whether they are late at `now`.
///
/// # Errors
/// The database's.
pub(super) async fn tell(
    conn: &mut PgConnection,
    tenant: &TenantId,
    runs: &mut [RunView],
    of: impl Fn(&RunView) -> bool,
    now: DateTime<Utc>,
) -> Result<(), ReadError> {
    let kinds: BTreeSet<String> = runs.iter().filter(|run| of(run)).map(|run| run.kind.clone()).collect();
    let customs = customs(conn, tenant, &Vec::from_iter(kinds), now).await?;
    for run in runs.iter_mut().filter(|run| of(run)) {
        let Some(custom) = customs.get(&run.kind) else { continue };
        run.usual = Some(custom.usual());
        run.late = run.status == Status::Running
            && run.started_at.zip(custom.late_since(now)).is_some_and(|(started, since)| started < since);
    }
    Ok(())
}

/// Since when running runs are late, of all kinds or of one.
///
/// # Errors
/// The database's.
pub(super) async fn late_since(
    conn: &mut PgConnection,
    tenant: &TenantId,
    kind: Option<&str>,
    now: DateTime<Utc>,
) -> Result<LateSince, ReadError> {
    let kinds = sqlx::query_scalar!(
        "SELECT kind FROM projection.run_counts
         WHERE tenant = $1 AND status = 'running' AND runs > 0 AND ($2::text IS NULL OR kind = $2)",
        tenant.as_str(),
        kind
    )
    .fetch_all(&mut *conn)
    .await?;
    let customs = customs(conn, tenant, &kinds, now).await?;
    Ok(customs.into_iter().filter_map(|(kind, custom)| Some((kind, custom.late_since(now)?))).collect())
}
