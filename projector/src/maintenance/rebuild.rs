//! Building the read tables anew from the log.

use std::time::Duration;

use domain::{RunId, TenantId};
use eventlog::Position;
use sqlx::PgConnection;

use super::catch_up::ShadowTables;
use super::refold::{read_marks, refold};
use super::{Maintenance, Progress, shadow};
use crate::agree::check_log;
use crate::apply::{lock_checkpoint, tell};
use crate::batch::CountFrom;
use crate::error::{ProjectorError, bigint};
use crate::tables::{Schema, Tables};

/// How long the swap waits for readers before it lets others pass, and for how long. Far less than
/// Postgres' `deadlock_timeout`, so that it never ends a reader.
const WAIT_FOR_READERS: &str = "100ms";
const LET_PASS: Duration = Duration::from_millis(200);

/// What new tables must have reached before they take the place of the live ones.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// As far as these went, so that no reader sees a position that goes back.
    LiveTables,
    /// The end of the log.
    EndOfLog,
}

/// What a rebuild did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Where the new tables began: after 0 where an earlier rebuild was gone on with.
    pub from: Position,
    /// The position that they reflect.
    pub to: Position,
    /// How many events of the new tables are quarantined.
    pub quarantined: u64,
}

impl Maintenance {
    /// Builds all read tables beside the live ones and swaps them in one transaction. Readers see the old
    /// tables or the new ones, and never a position that goes back. Goes on with what an earlier rebuild
    /// of the same program left, unless `anew`. `source` is the name of the log: the new tables are said to
    /// be folded from it in the same transaction. Where the live ones are folded from another log, their
    /// position means nothing here, and the end of this log is what the new ones must have reached.
    ///
    /// # Errors
    /// [`ProjectorError`]; the live tables are as they were then, and a rebuild can go on.
    /// [`ProjectorError::LogBehind`] where the log has lost what they were folded from: callers that were given a
    /// position must be told first.
    pub async fn rebuild(
        &self,
        source: &str,
        anew: bool,
        told: &(dyn Fn(Progress) + Sync),
    ) -> Result<Rebuilt, ProjectorError> {
        let live = sqlx::query_scalar!("SELECT name FROM log.source").fetch_optional(&self.pool).await?;
        if live.is_none_or(|live| live == source) {
            check_log(&*self.log, &self.pool).await?;
        }
        self.fold_anew(source, anew, Goal::LiveTables, told).await
    }

    /// As [`Maintenance::rebuild`], from nothing, for a log that was restored: the new tables go as far as the log does,
    /// also where the live ones went further. To be called after all holders of positions are told so.
    ///
    /// # Errors
    /// As there.
    pub async fn rebuild_restored(
        &self,
        source: &str,
        told: &(dyn Fn(Progress) + Sync),
    ) -> Result<Rebuilt, ProjectorError> {
        self.fold_anew(source, true, Goal::EndOfLog, told).await
    }

    async fn fold_anew(
        &self,
        source: &str,
        anew: bool,
        goal: Goal,
        told: &(dyn Fn(Progress) + Sync),
    ) -> Result<Rebuilt, ProjectorError> {
        let next = self.tables(Schema::Next);
        let made_by = self.made_by(source).await?;
        let mut shadow = ShadowTables::begin(&*self.log, next.clone(), &made_by, anew).await?;
        let from = shadow.reached;
        let head = || async { Ok(self.log.head().await?) };
        shadow.up_to(head, told).await?;
        shadow.beating(shadow::analyze(&next)).await?;
        loop {
            shadow.up_to(head, told).await?;
            if let Some(rebuilt) = self.swap(&mut shadow, &next, source, goal).await? {
                return Ok(Rebuilt { from, ..rebuilt });
            }
            shadow.beat().await?;
            tokio::time::sleep(LET_PASS).await;
        }
    }

    /// Which program makes the tables, and from which log: rows of another program are not gone on with, nor those of
    /// other columns, nor positions of another log.
    async fn made_by(&self, source: &str) -> Result<String, ProjectorError> {
        let migration: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM public._sqlx_migrations")
            .fetch_one(&self.pool)
            .await?;
        let (version, migration) = (env!("CARGO_PKG_VERSION"), migration.unwrap_or_default());
        Ok(format!("runledger {version}, migration {migration}, log {source}"))
    }

    /// Swaps, unless readers are in the way. Every reader's transaction begins with a lock on the
    /// checkpoints, and so does the projector's: a transaction that has it exclusively is alone.
    async fn swap(
        &self,
        shadow: &mut ShadowTables<'_>,
        next: &Tables,
        source: &str,
        goal: Goal,
    ) -> Result<Option<Rebuilt>, ProjectorError> {
        let mut tx = self.tables(Schema::Live).begin().await?;
        shadow::run(&mut tx, format!("SET LOCAL lock_timeout = '{WAIT_FOR_READERS}'")).await?;
        let swapped = async {
            shadow::run(&mut tx, "LOCK TABLE checkpoints IN ACCESS EXCLUSIVE MODE".into()).await?;
            let live = lock_checkpoint(&mut tx, None).await?;
            let goal = match goal {
                Goal::LiveTables if same_log(&mut tx, source).await? => live,
                _ => self.log.head().await?,
            };
            shadow.rest(goal).await?;
            let quarantined = next.dead_letters().await?.0;
            shadow.lock_for_swap(&mut tx).await?;
            shadow::swap_in(&mut tx, Schema::Next).await?;
            let to = shadow.reached;
            sqlx::query!(
                "UPDATE checkpoints SET position = $1, updated_at = now() WHERE name = 'monitoring'",
                bigint(to.0)?
            )
            .execute(&mut *tx)
            .await?;
            sqlx::query!(
                "INSERT INTO log.source (name) VALUES ($1) ON CONFLICT (one) DO UPDATE SET name = excluded.name",
                source
            )
            .execute(&mut *tx)
            .await?;
            tell(&mut tx, to).await?;
            Ok(Rebuilt { from: live, to, quarantined })
        };
        match swapped.await {
            Ok(rebuilt) => {
                tx.commit().await?;
                Ok(Some(rebuilt))
            }
            Err(error) if in_the_way(&error) => {
                tx.rollback().await?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Folds one run anew, in place of the rows that the live tables have of it. Counters are not touched
    /// by what they have counted before. Without a tenant, the run is looked for in the tables. The projector
    /// waits meanwhile, and everything is one transaction: a run of 100,000 events takes some seconds.
    ///
    /// # Errors
    /// [`ProjectorError::WhoseRun`] where it is of no tenant, or of several, [`ProjectorError::NoEvents`]
    /// where it is of another one; any other, with everything as it was.
    pub async fn rebuild_run(
        &self,
        run: RunId,
        tenant: Option<&TenantId>,
    ) -> Result<Rebuilt, ProjectorError> {
        let stream = self.stream_of(run, tenant).await?;
        let mut tx = self.tables(Schema::Live).begin().await?;
        let checkpoint = lock_checkpoint(&mut tx, None).await?;
        if self.begin_of(&stream, checkpoint).await?.is_none() {
            return Err(ProjectorError::NoEvents(stream));
        }
        let quarantined_from =
            sqlx::query_scalar!("SELECT min(revision) FROM dead_letters WHERE stream = $1", stream)
                .fetch_one(&mut *tx)
                .await?;
        let counted = quarantined_from.map_or(Ok(u64::MAX), crate::error::unsigned)?;
        // Rows that name a tenant whose log knows nothing of the run were changed, and are in the way.
        let mut tenants = Vec::new();
        for (tenant, other) in self.streams_in_tables(&mut tx, run).await? {
            if other == stream || self.begin_of(&other, checkpoint).await?.is_none() {
                tenants.push(tenant);
            }
        }
        remove_run(&mut tx, run, &tenants, &stream).await?;
        let quarantined = refold(&mut tx, &*self.log, &stream, 0, checkpoint, CountFrom(counted)).await?;
        read_marks(&mut tx, &*self.log, run, checkpoint).await?;
        tell(&mut tx, checkpoint).await?;
        tx.commit().await?;
        Ok(Rebuilt { from: Position(0), to: checkpoint, quarantined })
    }
}

/// Whether the live tables are folded from that log, or from none yet.
async fn same_log(db: &mut PgConnection, source: &str) -> Result<bool, ProjectorError> {
    let live = sqlx::query_scalar!("SELECT name FROM log.source FOR UPDATE").fetch_optional(db).await?;
    Ok(live.is_none_or(|live| live == source))
}

/// Removes all rows of a run that these tenants have, but for what it adds to the counters.
async fn remove_run(
    db: &mut PgConnection,
    run: RunId,
    tenants: &[String],
    stream: &str,
) -> Result<(), ProjectorError> {
    let id = run.uuid();
    sqlx::query!("DELETE FROM runs WHERE run_id = $1 AND tenant = ANY($2)", id, tenants)
        .execute(&mut *db)
        .await?;
    sqlx::query!("DELETE FROM run_items WHERE run_id = $1 AND tenant = ANY($2)", id, tenants)
        .execute(&mut *db)
        .await?;
    sqlx::query!("DELETE FROM run_events WHERE run_id = $1 AND tenant = ANY($2)", id, tenants)
        .execute(&mut *db)
        .await?;
    sqlx::query!("DELETE FROM notifications WHERE run_id = $1 AND tenant = ANY($2)", id, tenants)
        .execute(&mut *db)
        .await?;
    sqlx::query!("DELETE FROM dead_letters WHERE stream = $1", stream).execute(db).await?;
    Ok(())
}

/// SQLSTATE `lock_not_available`: a reader holds the lock.
fn in_the_way(error: &ProjectorError) -> bool {
    matches!(error, ProjectorError::Database(sqlx::Error::Database(error)) if error.code().as_deref() == Some("55P03"))
}
