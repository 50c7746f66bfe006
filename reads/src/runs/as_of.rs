//! A run as it was, folded from its events.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{Course, Event, LinkedRun, PrincipalId, Run, RunId, Status, TenantId, evolve, wire};
use futures::TryStreamExt;
use serde_json::value::RawValue;
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

use super::moment::{AsOf, not_reached, not_yet, revision_at};
use super::row;
use super::view::{
    InitiatorView, ItemCounts, LinkedRunView, Liveness, RunLinks, RunReference, RunView, seconds,
};
use crate::corrupt::{Corrupt, non_negative};
use crate::error::ReadError;
use crate::items::PastItems;

const TABLE: &str = "projection.run_events";

struct EventRow {
    revision: i64,
    position: i64,
    event_id: Uuid,
    event_type: String,
    schema_version: i16,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    actor: String,
    data: Json<Box<RawValue>>,
}

/// The tenant's run as it was.
///
/// # Errors
/// [`ReadError::NotFound`] when the tenant has no such run or it was not there yet, or the database's.
pub(super) async fn view(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run_id: RunId,
    as_of: AsOf,
) -> Result<RunView, ReadError> {
    fold(conn, tenant, run_id, as_of, |_, _| ()).await
}

/// The tenant's run as it was after the event of that revision, and its items as they were then.
///
/// # Errors
/// As [`view`].
pub(super) async fn view_with_items(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run_id: RunId,
    revision: u64,
) -> Result<(RunView, PastItems), ReadError> {
    let mut items = PastItems::until(revision);
    let take = |run: &Run, event: &Event| items.take(run, event);
    let run = fold(conn, tenant, run_id, AsOf::Revision(revision), take).await?;
    Ok((run, items))
}

/// Folds the events up to that moment. `look` sees each event, and the run before it.
async fn fold(
    conn: &mut PgConnection,
    tenant: &TenantId,
    run_id: RunId,
    as_of: AsOf,
    mut look: impl FnMut(&Run, &Event),
) -> Result<RunView, ReadError> {
    let last_revision = match as_of {
        // Before the first event there is none.
        AsOf::Time(time) => revision_at(conn, tenant, run_id, time).await?.unwrap_or(-1),
        // What does not fit no run has reached.
        AsOf::Revision(revision) => i64::try_from(revision).unwrap_or(i64::MAX),
    };
    let mut run = Run::default();
    let mut position = 0;
    {
        // Row by row: a run may have more events than we want in memory.
        let mut rows = sqlx::query_as!(
            EventRow,
            r#"SELECT revision, position, event_id, event_type, schema_version, occurred_at, recorded_at, actor,
                      data AS "data: Json<Box<RawValue>>"
               FROM projection.run_events
               WHERE tenant = $1 AND run_id = $2 AND revision <= $3
               ORDER BY revision"#,
            tenant.as_str(),
            run_id.uuid(),
            last_revision
        )
        .fetch(&mut *conn);
        while let Some(row) = rows.try_next().await? {
            position = non_negative(TABLE, "position", row.event_id, row.position)?;
            let event = into_event(row, tenant, run_id)?;
            look(&run, &event);
            run = evolve(run, &event);
            // Only decisions need them.
            run.event_ids.clear();
        }
    }
    match (as_of, run.revision) {
        (AsOf::Revision(wanted), Some(last)) if last < wanted => Err(not_reached(run_id, wanted, last)),
        (_, None) => {
            row::must_exist(conn, tenant, run_id).await?;
            let AsOf::Time(time) = as_of else {
                return Err(Corrupt::new(TABLE, "revision", run_id, "the run has no events").into());
            };
            Err(not_yet(run_id, time))
        }
        (_, Some(_)) => {
            let now = match as_of {
                AsOf::Time(time) => time.min(Utc::now()),
                AsOf::Revision(_) => run.last_event_at.unwrap_or_else(Utc::now),
            };
            // Policies have no history: today's says how long it might have waited.
            let limit = match (run.status, run.queued.as_deref()) {
                (Some(Status::Queued), Some(queued)) => {
                    row::queued_limit(conn, tenant, queued.kind.as_str()).await?
                }
                _ => None,
            };
            show(&run, tenant, run_id, position, (now, run.due_at(limit)))
        }
    }
}

fn into_event(row: EventRow, tenant: &TenantId, run: RunId) -> Result<Event, ReadError> {
    let id = row.event_id;
    let corrupt = |column, what: &dyn std::fmt::Display| Corrupt::new(TABLE, column, id, what);
    let schema_version =
        u16::try_from(row.schema_version).map_err(|error| corrupt("schema_version", &error))?;
    let body = wire::decode_body_of(&row.event_type, schema_version, row.data.get().as_bytes())
        .map_err(|error| corrupt("data", &error))?;
    Ok(Event {
        id,
        schema_version,
        tenant: tenant.clone(),
        run,
        revision: non_negative(TABLE, "revision", id, row.revision)?,
        occurred_at: row.occurred_at,
        recorded_at: row.recorded_at,
        actor: PrincipalId::try_from(row.actor).map_err(|error| corrupt("actor", &error))?,
        // They say nothing about the run.
        correlation_id: None,
        causation_id: None,
        origin: None,
        body,
    })
}

fn show(
    run: &Run,
    tenant: &TenantId,
    run_id: RunId,
    position: u64,
    (now, due_at): (DateTime<Utc>, Option<DateTime<Utc>>),
) -> Result<RunView, ReadError> {
    let missing = |what| Corrupt::new(TABLE, "event_type", run_id, format!("the fold has no {what}"));
    let queued = run.queued.as_deref().ok_or_else(|| missing("Queued"))?;
    let status = run.status.ok_or_else(|| missing("status"))?;
    let context = serde_json::value::to_raw_value(&queued.context).map_err(ReadError::failed)?;
    let text = |text: &redaction::CleanText| text.as_str().to_owned();
    let linked = |link: LinkedRun| LinkedRunView { run_id: link.run_id };
    let course = Course::of(run);
    Ok(RunView {
        run_id,
        kind: queued.kind.as_str().to_owned(),
        title: queued.title.as_ref().map(text),
        status,
        ended_as: run.ended_as,
        presumed: run.presumed,
        superseded: run.superseded,
        items: ItemCounts {
            total: run.items_total,
            succeeded: run.counts.succeeded,
            failed: run.counts.failed,
            skipped: run.counts.skipped,
            tallied: run.tallied,
        },
        initiator: queued.initiator.as_ref().map(|initiator| InitiatorView {
            id: initiator.id.as_str().to_owned(),
            name: initiator.name.as_ref().map(text),
        }),
        reference: queued.reference.as_ref().map(RunReference::from),
        parent: queued.parent.map(linked),
        retry_of: queued.retry_of.map(linked),
        resumes: queued.resumes.map(linked),
        children: None,
        retried_by: None,
        resumed_by: None,
        labels: queued.labels.iter().map(|(name, value)| (name.to_owned(), text(value))).collect(),
        label_names: BTreeMap::new(),
        context: Some(context),
        idempotency_key: queued.idempotency_key.map(|key| key.to_string()),
        reason_code: run.reason_code.as_ref().map(|code| code.as_str().to_owned()),
        message: run.message.as_ref().map(text),
        progress_message: run.progress_message.as_ref().map(text),
        worker: run.worker.as_ref().map(text),
        queued_at: run.queued_at.ok_or_else(|| missing("queued_at"))?,
        started_at: run.started_at,
        ended_at: run.ended_at,
        started_recorded_at: run.started_recorded_at,
        ended_recorded_at: run.ended_recorded_at,
        started_by: run.started_by.as_ref().map(|by| by.as_str().to_owned()),
        ended_by: run.ended_by.as_ref().map(|by| by.as_str().to_owned()),
        clock_skew: course.is_some_and(|course| course.clock_skew),
        duration_seconds: course.and_then(|course| course.took()).map(seconds),
        usual: None,
        late: false,
        last_event_at: run.last_event_at.ok_or_else(|| missing("last_event_at"))?,
        heartbeat_seconds: run.heartbeat_seconds,
        liveness: Liveness::at(now, status, due_at),
        // It was folded for this answer, as far as was asked: nothing of it is quarantined.
        held: None,
        revision: run.revision.ok_or_else(|| missing("revision"))?,
        position,
        links: RunLinks::new(tenant.as_str(), run_id),
    })
}
