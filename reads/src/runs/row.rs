//! Rows of `projection.runs`.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{Course, EndedAs, RunId, Stamp, Status, TenantId};
use serde_json::value::RawValue;
use sqlx::types::Json;
use sqlx::{PgConnection, Postgres, QueryBuilder};
use uuid::Uuid;

use super::order::By;
use super::view::{
    ChildCounts, InitiatorView, ItemCounts, LinkedRunView, Liveness, Quarantined, RunLinks, RunReference,
    RunView, seconds,
};
use crate::corrupt::{Corrupt, non_negative, parse_enum};
use crate::error::ReadError;

const TABLE: &str = "projection.runs";

/// How many runs are shown that try a run once more, and as many that go on with it.
const MOST_FOLLOWERS: u32 = 20;

/// The columns of a run `r` that every reader of rows wants.
const COLUMNS: &str = "r.run_id, r.kind, r.title, r.status, r.ended_as, r.presumed, r.superseded, r.items_total,
    r.items_succeeded, r.items_failed, r.items_skipped, r.initiator_id, r.initiator_name, r.labels, r.idempotency_key,
    r.ref_source, r.ref_id, r.parent_id, r.retry_of, r.resumes, r.items_tallied,
    r.worker, r.progress_message, r.reason_code, r.message, r.queued_at, r.started_at, r.ended_at,
    r.started_recorded_at, r.ended_recorded_at, r.started_by, r.ended_by, r.last_event_at, r.heartbeat_seconds, r.heartbeat_due_at,
    r.held_revision, r.held_position, r.held_error, r.revision, r.position,
    (SELECT jsonb_object_agg(c.status, c.runs) FROM projection.run_children AS c
     WHERE c.tenant = r.tenant AND c.parent_id = r.run_id) AS children";

/// How long a run `r` may wait in the queue: its kind's policy says so as a whole, or else the tenant's usual one.
pub(super) const QUEUED_LIMIT: &str = "(SELECT p.queued_limit_seconds FROM policy.stale_policies AS p
    WHERE p.tenant = r.tenant AND p.kind IN (r.kind, '*') ORDER BY p.kind = '*' LIMIT 1)";

/// A query of the rows of runs `r`, up to its tables.
pub(super) fn select() -> QueryBuilder<Postgres> {
    let limit = format!("CASE WHEN r.status = 'queued' THEN {QUEUED_LIMIT} END AS queued_limit_seconds");
    QueryBuilder::new(format!("SELECT {COLUMNS}, {limit}"))
}

/// A row, as it is read.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct RunRow {
    pub(super) run_id: Uuid,
    pub(super) kind: String,
    pub(super) title: Option<String>,
    pub(super) status: String,
    pub(super) ended_as: Option<String>,
    pub(super) presumed: bool,
    pub(super) superseded: bool,
    pub(super) items_total: Option<i64>,
    pub(super) items_succeeded: i64,
    pub(super) items_failed: i64,
    pub(super) items_skipped: i64,
    pub(super) initiator_id: Option<String>,
    pub(super) initiator_name: Option<String>,
    pub(super) labels: Json<Box<RawValue>>,
    /// Lists do without.
    #[sqlx(default)]
    pub(super) context: Option<Json<Box<RawValue>>>,
    pub(super) idempotency_key: Option<String>,
    pub(super) ref_source: Option<String>,
    pub(super) ref_id: Option<String>,
    pub(super) parent_id: Option<Uuid>,
    pub(super) retry_of: Option<Uuid>,
    pub(super) resumes: Option<Uuid>,
    pub(super) items_tallied: bool,
    pub(super) children: Option<Json<ChildCounts>>,
    /// Lists do without.
    #[sqlx(default)]
    pub(super) retried_by: Option<Vec<Uuid>>,
    /// Lists do without.
    #[sqlx(default)]
    pub(super) resumed_by: Option<Vec<Uuid>>,
    pub(super) worker: Option<String>,
    pub(super) progress_message: Option<String>,
    pub(super) reason_code: Option<String>,
    pub(super) message: Option<String>,
    pub(super) queued_at: DateTime<Utc>,
    pub(super) started_at: Option<DateTime<Utc>>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) started_recorded_at: Option<DateTime<Utc>>,
    pub(super) ended_recorded_at: Option<DateTime<Utc>>,
    pub(super) started_by: Option<String>,
    pub(super) ended_by: Option<String>,
    pub(super) last_event_at: DateTime<Utc>,
    pub(super) heartbeat_seconds: Option<i32>,
    pub(super) heartbeat_due_at: Option<DateTime<Utc>>,
    /// How long it may wait in the queue; only of a queued run.
    pub(super) queued_limit_seconds: Option<i32>,
    pub(super) held_revision: Option<i64>,
    pub(super) held_position: Option<i64>,
    pub(super) held_error: Option<String>,
    pub(super) revision: i64,
    pub(super) position: i64,
}

impl RunRow {
    /// The time that lists are in order by; none where it has not come.
    pub(super) fn time(&self, by: By) -> Option<DateTime<Utc>> {
        match by {
            By::Queued => Some(self.queued_at),
            By::Ended => self.ended_at,
        }
    }

    /// What is shown of the row at `now`.
    pub(super) fn into_view(self, tenant: &TenantId, now: DateTime<Utc>) -> Result<RunView, Corrupt> {
        let id = self.run_id;
        let number = |column, value| non_negative(TABLE, column, id, value);
        let run_id = RunId::new(id).map_err(|error| Corrupt::new(TABLE, "run_id", id, error))?;
        let status = parse_enum(TABLE, "status", id, &self.status, Status::parse)?;
        let ended_as =
            self.ended_as.map(|text| parse_enum(TABLE, "ended_as", id, &text, EndedAs::parse)).transpose()?;
        let labels: BTreeMap<String, String> = serde_json::from_str(self.labels.get())
            .map_err(|error| Corrupt::new(TABLE, "labels", id, error))?;
        let linked = |column, run: Option<Uuid>| {
            let run = run.map(|run| RunId::new(run).map(|run_id| LinkedRunView { run_id }));
            run.transpose().map_err(|error| Corrupt::new(TABLE, column, id, error))
        };
        let followers = |column, runs: Option<Vec<Uuid>>| {
            let link = |run| RunId::new(run).map(|run_id| LinkedRunView { run_id });
            let runs = runs.filter(|runs| !runs.is_empty());
            let runs = runs.map(|runs| runs.into_iter().map(link).collect::<Result<Vec<_>, _>>());
            runs.transpose().map_err(|error| Corrupt::new(TABLE, column, id, error))
        };
        let quarantined = match (self.held_revision, self.held_position, self.held_error) {
            (Some(revision), Some(position), Some(message)) => Some(Quarantined {
                revision: number("held_revision", revision)?,
                position: number("held_position", position)?,
                message,
            }),
            _ => None,
        };
        let heartbeat = self.heartbeat_seconds.map(i64::from);
        let waits_until = self
            .queued_limit_seconds
            .and_then(|seconds| self.queued_at.checked_add_signed(TimeDelta::try_seconds(seconds.into())?));
        let started = Stamp::new(self.started_at, self.started_recorded_at);
        let ended = Stamp::new(self.ended_at, self.ended_recorded_at);
        let course = Course::new(self.queued_at, started, ended);
        Ok(RunView {
            run_id,
            kind: self.kind,
            title: self.title,
            status,
            ended_as,
            presumed: self.presumed,
            superseded: self.superseded,
            items: ItemCounts {
                total: self.items_total.map(|n| number("items_total", n)).transpose()?,
                succeeded: number("items_succeeded", self.items_succeeded)?,
                failed: number("items_failed", self.items_failed)?,
                skipped: number("items_skipped", self.items_skipped)?,
                tallied: self.items_tallied,
            },
            initiator: self.initiator_id.map(|id| InitiatorView { id, name: self.initiator_name }),
            reference: self.ref_source.zip(self.ref_id).map(|(source, id)| RunReference { source, id }),
            parent: linked("parent_id", self.parent_id)?,
            retry_of: linked("retry_of", self.retry_of)?,
            resumes: linked("resumes", self.resumes)?,
            children: self.children.map(|Json(counts)| counts),
            retried_by: followers("retry_of", self.retried_by)?,
            resumed_by: followers("resumes", self.resumed_by)?,
            labels,
            label_names: BTreeMap::new(),
            context: self.context.map(|Json(context)| context),
            idempotency_key: self.idempotency_key,
            reason_code: self.reason_code,
            message: self.message,
            progress_message: self.progress_message,
            worker: self.worker,
            queued_at: self.queued_at,
            started_at: self.started_at,
            ended_at: self.ended_at,
            started_recorded_at: self.started_recorded_at,
            ended_recorded_at: self.ended_recorded_at,
            started_by: self.started_by,
            ended_by: self.ended_by,
            clock_skew: course.clock_skew,
            duration_seconds: course.took().map(seconds),
            usual: None,
            late: false,
            last_event_at: self.last_event_at,
            heartbeat_seconds: heartbeat.map(|n| number("heartbeat_seconds", n)).transpose()?,
            liveness: Liveness::at(now, status, self.heartbeat_due_at.or(waits_until)),
            held: quarantined,
            revision: number("revision", self.revision)?,
            position: number("position", self.position)?,
            links: RunLinks::new(tenant.as_str(), run_id),
        })
    }
}

/// The tenant's run.
///
/// # Errors
/// [`ReadError::NotFound`] when it has no such run, or the database's.
pub(super) async fn find(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run: RunId,
) -> Result<RunRow, ReadError> {
    let mut row = select();
    row.push(", r.context");
    for (column, name) in [("retry_of", "retried_by"), ("resumes", "resumed_by")] {
        // In the order of its index.
        row.push(format_args!(
            ", ARRAY(SELECT s.run_id FROM projection.runs AS s WHERE s.tenant = r.tenant AND s.{column} = r.run_id
               ORDER BY s.queued_at DESC, s.run_id DESC LIMIT {MOST_FOLLOWERS}) AS {name}"
        ));
    }
    row.push(" FROM projection.runs AS r WHERE r.tenant = ").push_bind(tenant.as_str());
    row.push(" AND r.run_id = ").push_bind(run.uuid());
    let row = row.build_query_as::<RunRow>();
    row.fetch_optional(conn).await?.ok_or_else(|| ReadError::no_such_run(run))
}

/// How long a run of that kind may wait in the queue, by today's policy.
///
/// # Errors
/// The database's.
pub(super) async fn queued_limit(
    conn: &mut PgConnection,
    tenant: &TenantId,
    kind: &str,
) -> Result<Option<TimeDelta>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new("SELECT ");
    query.push(QUEUED_LIMIT).push(" FROM (SELECT ").push_bind(tenant.as_str()).push(" AS tenant, ");
    query.push_bind(kind).push(" AS kind) AS r");
    let seconds: Option<i32> = query.build_query_scalar().fetch_one(conn).await?;
    Ok(seconds.and_then(|seconds| TimeDelta::try_seconds(seconds.into())))
}

/// Makes sure that the tenant has that run.
///
/// # Errors
/// [`ReadError::NotFound`] when it has not, or the database's.
pub async fn must_exist(conn: &mut PgConnection, tenant: &TenantId, run: RunId) -> Result<(), ReadError> {
    revision_of(conn, tenant, run).await.map(|_| ())
}

/// The revision of the last event of the tenant's run.
///
/// # Errors
/// [`ReadError::NotFound`] when the tenant has no such run, or the database's.
pub async fn revision_of(conn: &mut PgConnection, tenant: &TenantId, run: RunId) -> Result<u64, ReadError> {
    let revision = sqlx::query_scalar!(
        "SELECT revision FROM projection.runs WHERE tenant = $1 AND run_id = $2",
        tenant.as_str(),
        run.uuid()
    );
    let revision = revision.fetch_optional(conn).await?.ok_or_else(|| ReadError::no_such_run(run))?;
    Ok(non_negative(TABLE, "revision", run, revision)?)
}
