//! Folding the log once more, to see whether the live tables say the same.

use domain::{RunId, TenantId};
use eventlog::Position;
use eventlog::streams::run_of;
use sqlx::AssertSqlSafe;

use super::catch_up::ShadowTables;
use super::compare::{Findings, Which, compare, unreadable};
use super::refold::{read_marks, refold};
use super::{Maintenance, Progress, shadow};
use crate::agree::check_log;
use crate::apply::lock_checkpoint;
use crate::batch::CountFrom;
use crate::error::ProjectorError;
use crate::tables::Schema;

/// How a comparison begins: as all readers do, with the lock before the snapshot. What a snapshot from before
/// a swap would see of the tables from after it is not all there. One that hangs is ended by the database, so
/// that no swap waits for it.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ";
const LOCK: &str = "SET LOCAL idle_in_transaction_session_timeout = '30s';
    LOCK TABLE projection.checkpoints IN ACCESS SHARE MODE";

impl Maintenance {
    /// Folds the whole log into tables of its own and compares every row of the live ones with them, as
    /// they are at one moment. The projector stands still for that moment only. `told` hears how far the
    /// fold has come, `comparing` which table is being compared.
    ///
    /// # Errors
    /// [`ProjectorError`]; differences are no error.
    pub async fn verify(
        &self,
        told: &(dyn Fn(Progress) + Sync),
        comparing: &(dyn Fn(&str) + Sync),
    ) -> Result<Findings, ProjectorError> {
        check_log(&*self.log, &self.pool).await?;
        let (live, check) = (self.tables(Schema::Live), self.tables(Schema::Check));
        let mut shadow = ShadowTables::begin(&*self.log, check.clone(), "a check", true).await?;
        shadow.up_to(|| live.checkpoint(), told).await?;
        shadow.beating(shadow::analyze(&check)).await?;
        shadow.up_to(|| live.checkpoint(), told).await?;

        // While the checkpoint is locked, both sets of tables are brought to it, and one snapshot of both
        // is taken. What is compared afterwards can't move any more.
        let mut lock = live.begin().await?;
        let checkpoint = lock_checkpoint(&mut lock, None).await?;
        shadow.rest(checkpoint).await?;
        let begin = format!("{SNAPSHOT} READ ONLY; {LOCK}");
        let mut snapshot = database::begin_with(&self.pool, AssertSqlSafe(begin)).await?;
        sqlx::query("SELECT position FROM projection.checkpoints").execute(&mut *snapshot).await?;
        lock.rollback().await?;

        let compared = compare(&mut snapshot, Schema::Check.name(), Which::All, comparing);
        let mut findings = shadow.beating(compared).await?;
        findings.unreadable = unreadable(&mut snapshot, &*self.log, Schema::Check.name()).await?;
        snapshot.rollback().await?;
        // Tables that are another process's by now are left alone.
        shadow.beat().await?;
        shadow::remove(&check).await?;
        Ok(findings)
    }

    /// Folds one run once more, aside, and compares its rows. Nothing stands still for it. Without a tenant,
    /// the run is looked for in the tables.
    ///
    /// # Errors
    /// [`ProjectorError`]; differences are no error.
    pub async fn verify_run(
        &self,
        run: RunId,
        tenant: Option<&TenantId>,
    ) -> Result<Findings, ProjectorError> {
        let stream = self.stream_of(run, tenant).await?;
        self.verify_stream(run, &stream).await
    }

    pub(super) async fn verify_stream(&self, run: RunId, stream: &str) -> Result<Findings, ProjectorError> {
        if run_of(stream).is_none() {
            return Err(ProjectorError::WhoseRun(run));
        }
        let mut tx = database::begin_with(&self.pool, AssertSqlSafe(format!("{SNAPSHOT}; {LOCK}"))).await?;
        let checkpoint =
            sqlx::query_scalar!("SELECT position FROM projection.checkpoints WHERE name = 'monitoring'");
        let checkpoint = checkpoint.fetch_optional(&mut *tx).await?.ok_or(ProjectorError::NoCheckpoint)?;
        let checkpoint = Position(crate::error::unsigned(checkpoint)?);
        let tables = shadow::names(&mut tx).await?;
        for table in tables {
            let sql =
                format!("CREATE TEMP TABLE {table} (LIKE projection.{table} INCLUDING ALL) ON COMMIT DROP");
            shadow::run(&mut tx, sql).await?;
        }
        shadow::run(
            &mut tx,
            "CREATE TRIGGER labels_are_filed AFTER INSERT ON pg_temp.runs REFERENCING NEW TABLE AS added
             FOR EACH STATEMENT EXECUTE FUNCTION projection.file_labels();
             SET LOCAL search_path = pg_temp"
                .into(),
        )
        .await?;
        refold(&mut tx, &*self.log, stream, 0, checkpoint, CountFrom(u64::MAX)).await?;
        read_marks(&mut tx, &*self.log, run, checkpoint).await?;
        let mut findings = compare(&mut tx, "pg_temp", Which::Run(run, stream), &|_| {}).await?;
        findings.unreadable = unreadable(&mut tx, &*self.log, "pg_temp").await?;
        tx.rollback().await?;
        Ok(findings)
    }
}
