//! `projection.runs`. New runs are inserted with all that `Queued` said; later batches write only what
//! can change ([`super::upsert`]), so that a large context is written once.

use chrono::{DateTime, Utc};
use domain::{EndedAs, LinkedRun, Run, Status, search_key};
use redaction::CleanText;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::batch::{Changes, run_id};
use crate::decode::Decoded;
use crate::error::{ProjectorError, bigint};

/// What is written of known runs and of new ones.
#[derive(sqlx::Encode)]
pub(super) struct RunChange<'a> {
    run_id: Uuid,
    status: &'a str,
    ended_as: Option<&'a str>,
    presumed: bool,
    superseded: bool,
    items_total: Option<i64>,
    items_succeeded: i64,
    items_failed: i64,
    items_skipped: i64,
    items_tallied: bool,
    worker: Option<&'a str>,
    progress_message: Option<&'a str>,
    reason_code: Option<&'a str>,
    message: Option<&'a str>,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    started_recorded_at: Option<DateTime<Utc>>,
    ended_recorded_at: Option<DateTime<Utc>>,
    started_by: Option<&'a str>,
    ended_by: Option<&'a str>,
    last_event_at: Option<DateTime<Utc>>,
    heartbeat_seconds: Option<i32>,
    heartbeat_due_at: Option<DateTime<Utc>>,
    revision: i64,
    position: i64,
}

row_type!(RunChange<'_>, "projection.run_progress");

impl<'a> RunChange<'a> {
    fn of(run_id: Uuid, run: &'a Run, position: u64) -> Result<Self, ProjectorError> {
        let text = |text: &'a Option<CleanText>| text.as_ref().map(CleanText::as_str);
        let seconds = |seconds| i32::try_from(seconds).map_err(|_| ProjectorError::TooLarge(seconds));
        Ok(Self {
            run_id,
            status: run.status.map_or("", Status::as_str),
            ended_as: run.ended_as.map(EndedAs::as_str),
            presumed: run.presumed,
            superseded: run.superseded,
            items_total: run.items_total.map(bigint).transpose()?,
            items_succeeded: bigint(run.counts.succeeded)?,
            items_failed: bigint(run.counts.failed)?,
            items_skipped: bigint(run.counts.skipped)?,
            items_tallied: run.tallied,
            worker: text(&run.worker),
            progress_message: text(&run.progress_message),
            reason_code: run.reason_code.as_ref().map(|code| code.as_str()),
            message: text(&run.message),
            started_at: run.started_at,
            ended_at: run.ended_at,
            started_recorded_at: run.started_recorded_at,
            ended_recorded_at: run.ended_recorded_at,
            started_by: run.started_by.as_ref().map(|by| by.as_str()),
            ended_by: run.ended_by.as_ref().map(|by| by.as_str()),
            last_event_at: run.last_event_at,
            heartbeat_seconds: run.heartbeat_seconds.map(seconds).transpose()?,
            heartbeat_due_at: run.heartbeat_due_at(),
            revision: bigint(run.revision.unwrap_or_default())?,
            position: bigint(position)?,
        })
    }
}

/// What only an insert writes.
#[derive(sqlx::Encode)]
struct RunBeginning<'a> {
    tenant: &'a str,
    kind: &'a str,
    title: Option<&'a str>,
    title_key: Option<String>,
    initiator_id: Option<&'a str>,
    initiator_name: Option<&'a str>,
    labels: String,
    context: String,
    idempotency_key: Option<String>,
    queued_at: Option<DateTime<Utc>>,
    ref_source: Option<&'a str>,
    ref_id: Option<&'a str>,
    parent_id: Option<Uuid>,
    retry_of: Option<Uuid>,
    resumes: Option<Uuid>,
}

row_type!(RunBeginning<'_>, "projection.run_opening");

/// Inserts the runs that have no row yet.
pub(super) async fn insert(
    db: &mut PgConnection,
    decoded: &Decoded<'_>,
    changes: &Changes<'_>,
) -> Result<(), ProjectorError> {
    let (mut rows, mut beginnings) = (Vec::new(), Vec::new());
    for (slot, stream) in changes.slots.iter().zip(&decoded.streams) {
        let (Ok(state), Some((tenant, id))) = (&slot.state, stream.run) else { continue };
        let (Some(position), Some(queued), false) = (state.position, &state.run.queued, state.stored) else {
            continue;
        };
        rows.push(RunChange::of(id.uuid(), &state.run, position)?);
        let initiator = queued.initiator.as_ref();
        let name = initiator.and_then(|initiator| initiator.name.as_ref());
        let linked = |link: Option<LinkedRun>| link.map(|link| link.run_id.uuid());
        let unwritable = |error: serde_json::Error| sqlx::Error::Encode(error.into());
        beginnings.push(RunBeginning {
            tenant,
            kind: queued.kind.as_str(),
            title: queued.title.as_ref().map(CleanText::as_str),
            title_key: queued.title.as_ref().map(|title| search_key(title.as_str())),
            initiator_id: initiator.map(|initiator| initiator.id.as_str()),
            initiator_name: name.map(CleanText::as_str),
            labels: serde_json::to_string(&queued.labels).map_err(unwritable)?,
            context: serde_json::to_string(&queued.context).map_err(unwritable)?,
            idempotency_key: queued.idempotency_key.map(|key| key.to_string()),
            queued_at: state.run.queued_at,
            ref_source: queued.reference.as_ref().map(|reference| reference.source.as_str()),
            ref_id: queued.reference.as_ref().map(|reference| reference.id.as_str()),
            parent_id: linked(queued.parent),
            retry_of: linked(queued.retry_of),
            resumes: linked(queued.resumes),
        });
    }
    if rows.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO runs (run_id, status, ended_as, presumed, superseded, items_total, items_succeeded,
             items_failed, items_skipped, items_tallied, worker, progress_message, reason_code, message, started_at, ended_at,
             started_recorded_at, ended_recorded_at, started_by, ended_by, last_event_at, heartbeat_seconds,
             heartbeat_due_at, revision, position, tenant, kind, title, title_key, initiator_id, initiator_name, labels, context, idempotency_key, queued_at,
             ref_source, ref_id, parent_id, retry_of, resumes)
         SELECT t.run_id, t.status, t.ended_as, t.presumed, t.superseded, t.items_total, t.items_succeeded,
             t.items_failed, t.items_skipped, t.items_tallied, t.worker, t.progress_message, t.reason_code, t.message,
             t.started_at, t.ended_at, t.started_recorded_at, t.ended_recorded_at, t.started_by, t.ended_by,
             t.last_event_at, t.heartbeat_seconds, t.heartbeat_due_at, t.revision, t.position, t.tenant, t.kind, t.title, t.title_key, t.initiator_id, t.initiator_name, t.labels::jsonb,
             t.context::json, t.idempotency_key, t.queued_at,
             t.ref_source, t.ref_id, t.parent_id, t.retry_of, t.resumes
         FROM unnest($1::projection.run_progress[], $2::projection.run_opening[]) AS t",
        &rows as _,
        &beginnings as _
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What is to be written of the runs that have a row.
pub(super) fn known<'a>(
    decoded: &Decoded<'_>,
    changes: &'a Changes<'_>,
) -> Result<Vec<RunChange<'a>>, ProjectorError> {
    let mut rows = Vec::new();
    for (index, slot) in changes.slots.iter().enumerate() {
        let (Ok(state), Some(id)) = (&slot.state, run_id(decoded, index)) else { continue };
        if let (Some(position), true) = (state.position, state.stored) {
            rows.push(RunChange::of(id.uuid(), &state.run, position)?);
        }
    }
    Ok(rows)
}
