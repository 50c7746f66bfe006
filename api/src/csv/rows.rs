//! The columns of each list that is a table.

use chrono::{DateTime, SecondsFormat, Utc};
use reads::events::{EventMetadata, EventPage, EventView};
use reads::runs::{RunPage, RunView};
use serde::Deserialize;

use super::Tabular;

/// A column's name, and how it is written.
type Column<T> = (&'static str, fn(&T) -> String);
/// The same of an event, from what it says as well.
type EventColumn = (&'static str, fn(&EventView, &Said) -> String);

/// The columns of a run, in their order, and how each is written.
const OF_RUNS: [Column<RunView>; 33] = [
    ("run_id", |run| run.run_id.to_string()),
    ("kind", |run| run.kind.clone()),
    ("title", |run| text(run.title.as_ref())),
    ("status", |run| run.status.as_str().to_owned()),
    ("ended_as", |run| run.ended_as.map_or_else(String::new, |ended| ended.as_str().to_owned())),
    ("presumed", |run| run.presumed.to_string()),
    ("initiator_id", |run| text(run.initiator.as_ref().map(|initiator| &initiator.id))),
    ("initiator_name", |run| text(run.initiator.as_ref().and_then(|initiator| initiator.name.as_ref()))),
    ("started_by", |run| text(run.started_by.as_ref())),
    ("ended_by", |run| text(run.ended_by.as_ref())),
    ("queued_at", |run| time(Some(run.queued_at))),
    ("started_at", |run| time(run.started_at)),
    ("ended_at", |run| time(run.ended_at)),
    ("started_recorded_at", |run| time(run.started_recorded_at)),
    ("ended_recorded_at", |run| time(run.ended_recorded_at)),
    ("duration_seconds", |run| text(run.duration_seconds)),
    ("items_total", |run| text(run.items.total)),
    ("items_succeeded", |run| run.items.succeeded.to_string()),
    ("items_failed", |run| run.items.failed.to_string()),
    ("items_skipped", |run| run.items.skipped.to_string()),
    ("reason_code", |run| text(run.reason_code.as_ref())),
    ("message", |run| text(run.message.as_ref())),
    ("worker", |run| text(run.worker.as_ref())),
    ("labels", |run| serde_json::to_string(&run.labels).unwrap_or_default()),
    ("revision", |run| run.revision.to_string()),
    ("position", |run| run.position.to_string()),
    ("view", |run| run.links.view.clone()),
    // What came later stands behind what was there, for who counts columns.
    ("parent_id", |run| text(run.parent.map(|parent| parent.run_id))),
    ("retry_of", |run| text(run.retry_of.map(|other| other.run_id))),
    ("resumes", |run| text(run.resumes.map(|other| other.run_id))),
    ("ref_source", |run| text(run.reference.as_ref().map(|reference| &reference.source))),
    ("ref_id", |run| text(run.reference.as_ref().map(|reference| &reference.id))),
    ("late", |run| run.late.to_string()),
];

impl Tabular for RunPage {
    const DISPOSITION: &'static str = "attachment; filename=\"runs.csv\"";

    fn rows(&self) -> Box<dyn Iterator<Item = Vec<String>> + '_> {
        let names = OF_RUNS.map(|(name, _)| name.to_owned()).to_vec();
        let row = |run| OF_RUNS.iter().map(|(_, write)| write(run)).collect();
        Box::new(std::iter::once(names).chain(self.runs.iter().map(row)))
    }
}

/// What the data of an event may have that deserves a column.
#[derive(Debug, Default, Deserialize)]
struct Said {
    reason_code: Option<String>,
    item: Option<String>,
    label: Option<String>,
    message: Option<String>,
}

/// The columns of an event, in their order, and how each is written.
const OF_EVENTS: [EventColumn; 12] = [
    ("recorded_at", |event, _| time(Some(event.recorded_at))),
    ("occurred_at", |event, _| time(Some(event.occurred_at))),
    ("run_id", |event, _| text(event.run_id)),
    ("revision", |event, _| event.revision.to_string()),
    ("position", |event, _| event.position.to_string()),
    ("type", |event, _| event.event_type.clone()),
    ("actor", |event, _| event.actor.clone()),
    ("reason_code", |_, said| text(said.reason_code.as_ref())),
    ("item", |_, said| text(said.item.as_ref())),
    ("label", |_, said| text(said.label.as_ref())),
    ("message", |_, said| text(said.message.as_ref())),
    ("data", |event, _| event.data.get().to_owned()),
];

/// Those of its metadata, which auditors see.
const OF_METADATA: [Column<EventMetadata>; 7] = [
    ("event_id", |of| of.event_id.to_string()),
    ("schema_version", |of| of.schema_version.to_string()),
    ("token_id", |of| text(of.token_id)),
    ("request_id", |of| text(of.request_id.as_ref())),
    ("origin", |of| text(of.origin.as_ref())),
    ("correlation_id", |of| text(of.correlation_id.as_ref())),
    ("causation_id", |of| text(of.causation_id.as_ref())),
];

impl Tabular for EventPage {
    const DISPOSITION: &'static str = "attachment; filename=\"events.csv\"";

    fn rows(&self) -> Box<dyn Iterator<Item = Vec<String>> + '_> {
        let names = OF_EVENTS.iter().map(|(name, _)| *name).chain(OF_METADATA.iter().map(|(name, _)| *name));
        let names = names.map(str::to_owned).collect();
        let row = |event: &EventView| {
            let said: Said = serde_json::from_str(event.data.get()).unwrap_or_default();
            let of_event = OF_EVENTS.iter().map(|(_, write)| write(event, &said));
            let metadata = event.metadata.as_ref();
            let of_metadata = OF_METADATA.iter().map(|(_, write)| metadata.map_or_else(String::new, write));
            of_event.chain(of_metadata).collect()
        };
        Box::new(std::iter::once(names).chain(self.events.iter().map(row)))
    }
}

/// A value, or nothing.
fn text(value: Option<impl ToString>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

fn time(time: Option<DateTime<Utc>>) -> String {
    time.map_or_else(String::new, |time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
}
