//! `projection.runs`. New runs are inserted with all that `Queued` said; later batches write only what
//! can change ([`super::steady`]), so that a large context is written once.

use chrono::{DateTime, Utc};
use domain::text::CleanText;
use domain::{EndedAs, Run, Status};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::batch::{Changes, run_id};
use crate::decode::Decoded;
use crate::error::{ProjectorError, bigint};

/// The columns that are written of new runs and of known ones, a vector each.
#[derive(Default)]
pub(super) struct Columns<'a> {
    pub ids: Vec<Uuid>,
    pub statuses: Vec<&'a str>,
    pub ended_as: Vec<Option<&'a str>>,
    pub presumed: Vec<bool>,
    pub superseded: Vec<bool>,
    pub totals: Vec<Option<i64>>,
    pub succeeded: Vec<i64>,
    pub failed: Vec<i64>,
    pub skipped: Vec<i64>,
    pub workers: Vec<Option<&'a str>>,
    pub progress: Vec<Option<&'a str>>,
    pub reasons: Vec<Option<&'a str>>,
    pub messages: Vec<Option<&'a str>>,
    pub started: Vec<Option<DateTime<Utc>>>,
    pub ended: Vec<Option<DateTime<Utc>>>,
    pub last: Vec<Option<DateTime<Utc>>>,
    pub heartbeats: Vec<Option<i32>>,
    pub due: Vec<Option<DateTime<Utc>>>,
    pub revisions: Vec<i64>,
    pub positions: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, id: Uuid, run: &'a Run, position: u64) -> Result<(), ProjectorError> {
        let text = |text: &'a Option<CleanText>| text.as_ref().map(CleanText::as_str);
        let seconds = |seconds| i32::try_from(seconds).map_err(|_| ProjectorError::TooLarge(seconds));
        self.ids.push(id);
        self.statuses.push(run.status.map_or("", Status::as_str));
        self.ended_as.push(run.ended_as.map(EndedAs::as_str));
        self.presumed.push(run.presumed);
        self.superseded.push(run.superseded);
        self.totals.push(run.items_total.map(bigint).transpose()?);
        self.succeeded.push(bigint(run.counts.succeeded)?);
        self.failed.push(bigint(run.counts.failed)?);
        self.skipped.push(bigint(run.counts.skipped)?);
        self.workers.push(text(&run.worker));
        self.progress.push(text(&run.progress_message));
        self.reasons.push(run.reason_code.as_ref().map(|code| code.as_str()));
        self.messages.push(text(&run.message));
        self.started.push(run.started_at);
        self.ended.push(run.ended_at);
        self.last.push(run.last_event_at);
        self.heartbeats.push(run.heartbeat_seconds.map(seconds).transpose()?);
        self.due.push(run.heartbeat_due_at());
        self.revisions.push(bigint(run.revision.unwrap_or_default())?);
        self.positions.push(bigint(position)?);
        Ok(())
    }
}

/// What only an insert writes.
#[derive(Default)]
struct Fixed<'a> {
    tenants: Vec<&'a str>,
    kinds: Vec<&'a str>,
    titles: Vec<Option<&'a str>>,
    initiators: Vec<Option<&'a str>>,
    names: Vec<Option<&'a str>>,
    labels: Vec<String>,
    contexts: Vec<String>,
    keys: Vec<String>,
    queued: Vec<Option<DateTime<Utc>>>,
}

/// Inserts the runs that have no row yet.
pub(super) async fn insert(
    db: &mut PgConnection,
    decoded: &Decoded<'_>,
    changes: &Changes<'_>,
) -> Result<(), ProjectorError> {
    let mut c = Columns::default();
    let mut f = Fixed::default();
    for (slot, stream) in changes.slots.iter().zip(&decoded.streams) {
        let (Ok(state), Some((tenant, id))) = (&slot.state, stream.run) else { continue };
        let (Some(position), Some(queued), false) = (state.position, &state.run.queued, state.stored) else {
            continue;
        };
        c.push(id.uuid(), &state.run, position)?;
        f.tenants.push(tenant);
        f.kinds.push(queued.kind.as_str());
        f.titles.push(queued.title.as_ref().map(CleanText::as_str));
        f.initiators.push(queued.initiator.as_ref().map(|initiator| initiator.id.as_str()));
        let name = queued.initiator.as_ref().and_then(|initiator| initiator.name.as_ref());
        f.names.push(name.map(CleanText::as_str));
        let unwritable = |error: serde_json::Error| sqlx::Error::Encode(error.into());
        f.labels.push(serde_json::to_string(&queued.labels).map_err(unwritable)?);
        f.contexts.push(serde_json::to_string(&queued.context).map_err(unwritable)?);
        f.keys.push(queued.idempotency_key.to_string());
        f.queued.push(state.run.queued_at);
    }
    if c.ids.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO runs (run_id, status, ended_as, items_total, items_succeeded, items_failed,
             items_skipped, worker, progress_message, reason_code, message, started_at, ended_at,
             last_event_at, heartbeat_seconds, heartbeat_due_at, revision, position,
             tenant, kind, title, initiator_id, initiator_name, idempotency_key, queued_at, labels, context,
             presumed, superseded)
         SELECT t.run_id, t.status, t.ended_as, t.total, t.succeeded, t.failed, t.skipped, t.worker, t.progress,
             t.reason, t.message, t.started, t.ended, t.last, t.heartbeat, t.due, t.revision, t.position,
             t.tenant, t.kind, t.title, t.initiator, t.name, t.key, t.queued, t.labels::jsonb, t.context::json,
             t.presumed, t.superseded
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[],
             $7::bigint[], $8::text[], $9::text[], $10::text[], $11::text[], $12::timestamptz[],
             $13::timestamptz[], $14::timestamptz[], $15::int[], $16::timestamptz[], $17::bigint[],
             $18::bigint[], $19::text[], $20::text[], $21::text[], $22::text[], $23::text[], $24::text[],
             $25::timestamptz[], $26::text[], $27::text[], $28::boolean[], $29::boolean[])
             AS t (run_id, status, ended_as, total, succeeded, failed, skipped, worker, progress, reason,
             message, started, ended, last, heartbeat, due, revision, position, tenant, kind, title, initiator,
             name, key, queued, labels, context, presumed, superseded)",
        &c.ids,
        &c.statuses as _,
        &c.ended_as as _,
        &c.totals as _,
        &c.succeeded,
        &c.failed,
        &c.skipped,
        &c.workers as _,
        &c.progress as _,
        &c.reasons as _,
        &c.messages as _,
        &c.started as _,
        &c.ended as _,
        &c.last as _,
        &c.heartbeats as _,
        &c.due as _,
        &c.revisions,
        &c.positions,
        &f.tenants as _,
        &f.kinds as _,
        &f.titles as _,
        &f.initiators as _,
        &f.names as _,
        &f.keys,
        &f.queued as _,
        &f.labels,
        &f.contexts,
        &c.presumed,
        &c.superseded
    )
    .execute(db)
    .await?;
    Ok(())
}

/// What is to be written of the runs that have a row.
pub(super) fn known<'a>(
    decoded: &Decoded<'_>,
    changes: &'a Changes<'_>,
) -> Result<Columns<'a>, ProjectorError> {
    let mut c = Columns::default();
    for (index, slot) in changes.slots.iter().enumerate() {
        let (Ok(state), Some(id)) = (&slot.state, run_id(decoded, index)) else { continue };
        if let (Some(position), true) = (state.position, state.stored) {
            c.push(id.uuid(), &state.run, position)?;
        }
    }
    Ok(c)
}
