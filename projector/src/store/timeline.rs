//! Columns of `projection.run_items` and `projection.run_events`.

use chrono::{DateTime, Utc};
use domain::text::CleanText;
use uuid::Uuid;

use crate::batch::{Changes, run_id};
use crate::decode::Decoded;
use crate::error::{ProjectorError, bigint};

/// Columns of `run_items`, a vector each.
#[derive(Default)]
pub(super) struct Items<'a> {
    pub tenants: Vec<&'a str>,
    pub runs: Vec<Uuid>,
    pub items: Vec<&'a str>,
    pub labels: Vec<Option<&'a str>>,
    pub outcomes: Vec<&'a str>,
    pub reasons: Vec<Option<&'a str>>,
    pub messages: Vec<Option<&'a str>>,
    pub times: Vec<DateTime<Utc>>,
    pub revisions: Vec<i64>,
    pub positions: Vec<i64>,
}

impl<'a> Items<'a> {
    pub fn of(decoded: &Decoded<'_>, changes: &'a Changes<'a>) -> Result<Self, ProjectorError> {
        let mut c = Self::default();
        for change in &changes.items {
            let Some(run) = run_id(decoded, change.slot) else { continue };
            c.tenants.push(change.event.tenant.as_str());
            c.runs.push(run.uuid());
            c.items.push(change.said.item.as_str());
            c.labels.push(change.said.label.map(CleanText::as_str));
            c.outcomes.push(change.said.outcome.as_str());
            c.reasons.push(change.said.reason_code.map(|code| code.as_str()));
            c.messages.push(change.said.message.map(CleanText::as_str));
            c.times.push(change.event.occurred_at);
            c.revisions.push(bigint(change.event.revision)?);
            c.positions.push(bigint(change.position)?);
        }
        Ok(c)
    }
}

/// Columns of `run_events`, a vector each.
#[derive(Default)]
pub(super) struct Events<'a> {
    pub tenants: Vec<&'a str>,
    pub runs: Vec<Uuid>,
    pub revisions: Vec<i64>,
    pub positions: Vec<i64>,
    pub ids: Vec<Uuid>,
    pub types: Vec<&'a str>,
    pub versions: Vec<i16>,
    pub occurred: Vec<DateTime<Utc>>,
    pub recorded: Vec<DateTime<Utc>>,
    pub actors: Vec<&'a str>,
    pub correlations: Vec<Option<&'a str>>,
    pub causations: Vec<Option<&'a str>>,
    pub data: Vec<&'a str>,
}

impl<'a> Events<'a> {
    pub fn of(changes: &'a Changes<'a>) -> Result<Self, ProjectorError> {
        let mut c = Self::default();
        for (entry, event) in &changes.timeline {
            c.tenants.push(event.tenant.as_str());
            c.runs.push(event.run.uuid());
            c.revisions.push(bigint(event.revision)?);
            c.positions.push(bigint(entry.record.position.0)?);
            c.ids.push(event.id);
            c.types.push(event.body.type_name());
            let version = i16::try_from(event.schema_version);
            c.versions.push(version.map_err(|_| ProjectorError::TooLarge(event.schema_version.into()))?);
            c.occurred.push(event.occurred_at);
            c.recorded.push(event.recorded_at);
            c.actors.push(event.actor.as_str());
            c.correlations.push(event.correlation_id.as_ref().map(|id| id.as_str()));
            c.causations.push(event.causation_id.as_ref().map(|id| id.as_str()));
            let data = std::str::from_utf8(&entry.record.data);
            c.data.push(data.map_err(|error| sqlx::Error::Encode(error.into()))?);
        }
        Ok(c)
    }
}
