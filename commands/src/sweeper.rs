//! The sweeper: looks for stalled runs and presumes them failed, where a policy says so.
//!
//! It finds them in the read tables, which may be behind, and lets [`Commands::presume_failed`] decide on each
//! by the log. Any number of sweepers may run at once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{RunId, TenantId};
use eventlog::LogError;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Commands;
use super::error::CommandError;
use super::stale::StaleLimits;

/// How many runs are fetched at once.
const PAGE: i64 = 500;

/// The settings of a [`Sweeper`].
#[derive(Debug, Clone)]
pub struct SweeperConfig {
    /// How long it rests between two sweeps.
    pub pause: Duration,
    /// How long a run may be stalled before it is presumed failed.
    pub grace: TimeDelta,
}

impl Default for SweeperConfig {
    fn default() -> Self {
        Self { pause: Duration::from_secs(5), grace: TimeDelta::seconds(60) }
    }
}

/// Presumes stalled runs failed. It has the clock of its [`Commands`].
#[derive(Debug)]
pub struct Sweeper {
    commands: Commands,
    pool: PgPool,
    config: SweeperConfig,
}

/// Why a sweep ended early.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The database failed.
    #[error(transparent)]
    Database(#[from] sqlx::Error),
    /// The log takes nothing at the moment.
    #[error(transparent)]
    Command(CommandError),
}

/// A run that looks stalled.
struct Suspect {
    run_id: Uuid,
    queued_limit_seconds: Option<i32>,
}

impl Sweeper {
    /// A sweeper that appends through `commands` what it finds in the database of that pool, all tenants'.
    #[must_use]
    pub fn new(commands: Commands, pool: PgPool, config: SweeperConfig) -> Self {
        Self { commands, pool, config }
    }

    /// Sweeps again and again until `stop`. Whatever fails is tried again in the next sweep.
    pub async fn run(self, stop: CancellationToken) {
        // Before the start, and while log or database were away, no producer could give a sign of life. It
        // gets the time for one first.
        let amends = self.config.grace.to_std().unwrap_or_default().max(self.config.pause);
        let mut rest = amends;
        while stop.run_until_cancelled(tokio::time::sleep(rest)).await.is_some() {
            let Some(swept) = stop.run_until_cancelled(self.sweep()).await else { return };
            rest = self.config.pause;
            if let Err(error) = swept {
                metrics::counter!("runledger_sweeper_failures_total").increment(1);
                tracing::error!(%error, "looking for stuck runs failed; trying again");
                rest = amends;
            }
        }
    }

    /// Looks at all stalled runs once, and says how many it presumed failed.
    ///
    /// # Errors
    /// [`SweepError`]; what was appended until then stays.
    pub async fn sweep(&self) -> Result<u64, SweepError> {
        let Some(since) = self.commands.now().checked_sub_signed(self.config.grace) else { return Ok(0) };
        let willing =
            sqlx::query_scalar!("SELECT DISTINCT tenant FROM policy.stale_policies WHERE fail_stale");
        let mut failed = 0;
        // One tenant at a time, so that an index leads to its active runs.
        for tenant in willing.fetch_all(&self.pool).await? {
            let mut after = Uuid::nil();
            loop {
                let page = self.suspects(&tenant, since, after).await?;
                for suspect in &page {
                    after = suspect.run_id;
                    failed += u64::from(self.presume_if_stale(&tenant, suspect).await?);
                }
                if i64::try_from(page.len()).is_ok_and(|len| len < PAGE) {
                    break;
                }
            }
        }
        Ok(failed)
    }

    async fn presume_if_stale(&self, tenant: &str, suspect: &Suspect) -> Result<bool, SweepError> {
        let run = suspect.run_id;
        let (Ok(tenant), Ok(id)) = (tenant.parse::<TenantId>(), RunId::new(run)) else {
            tracing::error!(tenant, %run, "a row names no run; it is left alone");
            return Ok(false);
        };
        let queued_limit = suspect.queued_limit_seconds.and_then(|n| TimeDelta::try_seconds(n.into()));
        let limits = StaleLimits { queued_limit, grace: self.config.grace };
        match self.commands.presume_failed(&tenant, id, limits).await {
            Ok(true) => {
                metrics::counter!("runledger_stale_runs_total").increment(1);
                tracing::info!(%tenant, %run, "a run was silent for too long and is presumed failed");
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(
                error @ (CommandError::Overloaded
                | CommandError::Log(LogError::Unavailable(_) | LogError::Refused(_))),
            ) => Err(SweepError::Command(error)),
            // One run's trouble is not the others'.
            Err(error) => {
                metrics::counter!("runledger_sweeper_failures_total").increment(1);
                tracing::error!(%tenant, %run, %error, "a stuck run could not be judged");
                Ok(false)
            }
        }
    }

    /// The tenant's next runs that were stalled at `since` by their rows, and that a policy lets be failed.
    async fn suspects(
        &self,
        tenant: &str,
        since: DateTime<Utc>,
        after: Uuid,
    ) -> Result<Vec<Suspect>, sqlx::Error> {
        sqlx::query_as!(
            Suspect,
            r#"SELECT s.run_id AS "run_id!", p.queued_limit_seconds
               FROM (
                   SELECT r.kind, r.run_id, NULL::timestamptz AS queued_at FROM projection.runs AS r
                   WHERE r.tenant = $1 AND r.status = 'running' AND r.heartbeat_due_at < $2
                   UNION ALL
                   SELECT r.kind, r.run_id, r.queued_at FROM projection.runs AS r
                   WHERE r.tenant = $1 AND r.status = 'queued' AND r.queued_at < $2
                     AND NOT EXISTS (
                         SELECT FROM projection.run_events AS e
                         WHERE e.run_id = r.run_id AND e.revision = 0 AND e.origin = 'import'
                     )
               ) AS s
               CROSS JOIN LATERAL (
                   SELECT o.fail_stale, o.queued_limit_seconds FROM policy.stale_policies AS o
                   WHERE o.tenant = $1 AND o.kind IN (s.kind, '*') ORDER BY o.kind = '*' LIMIT 1
               ) AS p
               WHERE p.fail_stale AND s.run_id > $3
                 AND (s.queued_at IS NULL OR s.queued_at < $2 - make_interval(secs => p.queued_limit_seconds))
               ORDER BY s.run_id LIMIT $4"#,
            tenant,
            since,
            after,
            PAGE
        )
        .fetch_all(&self.pool)
        .await
    }
}
