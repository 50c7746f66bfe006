//! Rows of `projection.run_items` and `projection.run_events`.

use chrono::{DateTime, Utc};
use domain::{Event, Origin};
use redaction::CleanText;
use uuid::Uuid;

use crate::batch::{Changes, run_id};
use crate::decode::{Decoded, Entry};
use crate::error::{ProjectorError, bigint};

/// The last outcome of an item.
#[derive(sqlx::Encode)]
pub(super) struct ItemRow<'a> {
    tenant: &'a str,
    run_id: Uuid,
    item: &'a str,
    label: Option<&'a str>,
    outcome: &'a str,
    reason_code: Option<&'a str>,
    message: Option<&'a str>,
    occurred_at: DateTime<Utc>,
    revision: i64,
    position: i64,
    namespace: Option<&'a str>,
}

row_type!(ItemRow<'_>, "projection.item_outcome");

/// The items that the batch touches.
pub(super) fn items<'a>(
    decoded: &Decoded<'_>,
    changes: &'a Changes<'a>,
) -> Result<Vec<ItemRow<'a>>, ProjectorError> {
    let mut rows = Vec::with_capacity(changes.items.len());
    for change in &changes.items {
        let Some(run) = run_id(decoded, change.slot) else { continue };
        rows.push(ItemRow {
            tenant: change.event.tenant.as_str(),
            run_id: run.uuid(),
            item: change.last.item.as_str(),
            label: change.last.label.map(CleanText::as_str),
            outcome: change.last.outcome.as_str(),
            reason_code: change.last.reason_code.map(|code| code.as_str()),
            message: change.last.message.map(CleanText::as_str),
            occurred_at: change.event.occurred_at,
            revision: bigint(change.event.revision)?,
            position: bigint(change.position)?,
            namespace: change.last.namespace.map(|namespace| namespace.as_str()),
        });
    }
    Ok(rows)
}

/// An event in its run's timeline.
#[derive(sqlx::Encode)]
pub(super) struct EventRow<'a> {
    tenant: &'a str,
    run_id: Uuid,
    revision: i64,
    position: i64,
    event_id: Uuid,
    event_type: &'a str,
    schema_version: i16,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    actor: &'a str,
    correlation_id: Option<&'a str>,
    causation_id: Option<&'a str>,
    data: &'a str,
    token_id: Option<Uuid>,
    request_id: Option<&'a str>,
    origin: Option<&'a str>,
    reason_code: Option<&'a str>,
}

row_type!(EventRow<'_>, "projection.timeline_event");

/// The events that the batch folded.
pub(super) fn events<'a>(changes: &'a Changes<'a>) -> Result<Vec<EventRow<'a>>, ProjectorError> {
    changes.timeline.iter().map(|(entry, event)| EventRow::of(entry, event)).collect()
}

impl<'a> EventRow<'a> {
    fn of(entry: &'a Entry<'_>, event: &'a Event) -> Result<Self, ProjectorError> {
        let version = i16::try_from(event.schema_version);
        let data = std::str::from_utf8(&entry.record.data);
        let request = match &event.origin {
            Some(Origin::Request { token_id, request_id }) => Some((*token_id, request_id.as_str())),
            _ => None,
        };
        Ok(Self {
            tenant: event.tenant.as_str(),
            run_id: event.run.uuid(),
            revision: bigint(event.revision)?,
            position: bigint(entry.record.position.0)?,
            event_id: event.id,
            event_type: event.body.type_name(),
            schema_version: version.map_err(|_| ProjectorError::TooLarge(event.schema_version.into()))?,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            actor: event.actor.as_str(),
            correlation_id: event.correlation_id.as_ref().map(|id| id.as_str()),
            causation_id: event.causation_id.as_ref().map(|id| id.as_str()),
            data: data.map_err(|error| sqlx::Error::Encode(error.into()))?,
            token_id: request.map(|(token_id, _)| token_id),
            request_id: request.map(|(_, request_id)| request_id),
            origin: event.origin.as_ref().and_then(Origin::own_name),
            reason_code: event.body.reason_code().map(|code| code.as_str()),
        })
    }
}
