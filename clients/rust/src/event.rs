//! The events that a worker reports, as the ledger takes them. Each gets its id and its time at the call: sent again,
//! however late, it is the same event.

use std::fmt::Display;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use domain::reason::{InvalidReasonCode, ReasonCode};
use domain::{Completed, EventBody, Failed, Failure, HeartbeatSeconds, ItemCount, Progressed, Started};
use redaction::CleanText;
use serde::Serialize;
use uuid::Uuid;

/// One event of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Event {
    #[serde(rename = "type")]
    name: &'static str,
    /// Under the same id it is the same event.
    pub id: Uuid,
    /// When it happened.
    pub occurred_at: DateTime<Utc>,
    #[serde(flatten)]
    fields: Fields,
}

#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
enum Fields {
    Whole(EventBody),
    Item(OfItem),
}

/// What becomes of an item. Its name is sent as it is: what tells two unclean names apart is a digest with a key
/// of the ledger's, so cleaned here it would be another item than other clients'.
#[derive(Debug, Clone, Serialize)]
struct OfItem {
    item: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    label: Option<CleanText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason_code: Option<ReasonCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<CleanText>,
}

/// One line of at most 300 characters without secrets, never empty.
pub(crate) fn text(said: &dyn Display) -> CleanText {
    let clean = CleanText::new(&said.to_string());
    if clean.is_empty() { CleanText::new("no message") } else { clean }
}

/// Now, as finely as the ledger keeps it.
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(6)
}

fn event(name: &'static str, fields: Fields) -> Event {
    Event { name, id: Uuid::new_v4(), occurred_at: now(), fields }
}

fn whole(body: EventBody) -> Event {
    event(body.type_name(), Fields::Whole(body))
}

/// A number of items; beyond what JSON readers take exactly, the greatest that they do.
pub(crate) fn count(items: u64) -> ItemCount {
    ItemCount::try_from(items.min(ItemCount::MOST)).unwrap_or_default()
}

/// A worker takes the run up. `heartbeat`: the longest silence that it promises, from a second to a day.
#[must_use]
pub fn started(worker: &str, heartbeat: Option<Duration>) -> Event {
    let seconds = |time: Duration| {
        time.as_secs_f64().round().clamp(HeartbeatSeconds::LEAST as f64, HeartbeatSeconds::MOST as f64)
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is whole and in range")]
    let heartbeat_seconds = heartbeat.and_then(|time| HeartbeatSeconds::try_from(seconds(time) as u64).ok());
    whole(EventBody::Started(Started { worker: Some(text(&worker)), heartbeat_seconds }))
}

fn of_item(
    item: impl Display,
    label: Option<&str>,
    reason_code: Option<ReasonCode>,
    message: Option<CleanText>,
) -> Fields {
    let label = label.map(|label| text(&label));
    Fields::Item(OfItem { item: item.to_string(), label, namespace: None, reason_code, message })
}

/// An item was done.
#[must_use]
pub fn succeeded(item: impl Display, label: Option<&str>) -> Event {
    event("ItemSucceeded", of_item(item, label, None, None))
}

/// An item could not be done.
///
/// # Errors
/// When `reason` is no reason code.
pub fn failed_item(
    item: impl Display,
    reason: &str,
    why: impl Display,
    label: Option<&str>,
) -> Result<Event, InvalidReasonCode> {
    let reason = ReasonCode::parse(reason)?;
    Ok(event("ItemFailed", of_item(item, label, Some(reason), Some(text(&why)))))
}

/// An item was left alone on purpose.
///
/// # Errors
/// When `reason` is no reason code.
pub fn skipped(
    item: impl Display,
    reason: Option<&str>,
    label: Option<&str>,
) -> Result<Event, InvalidReasonCode> {
    let reason = reason.map(ReasonCode::parse).transpose()?;
    Ok(event("ItemSkipped", of_item(item, label, reason, None)))
}

/// A sign of life, with or without news.
#[must_use]
pub fn progressed(message: Option<&str>, items_total: Option<u64>) -> Event {
    let message = message.map(|message| text(&message));
    whole(EventBody::Progressed(Progressed { message, items_total: items_total.map(count) }))
}

/// The run went through all it had to do.
#[must_use]
pub fn completed(message: Option<&str>) -> Event {
    let message = message.map(|message| text(&message));
    whole(EventBody::Completed(Completed { message, tally: None }))
}

/// The run could not proceed.
///
/// # Errors
/// When `reason` is no reason code.
pub fn failed(reason: &str, why: impl Display) -> Result<Event, InvalidReasonCode> {
    let failure = Failure { reason_code: ReasonCode::parse(reason)?, message: text(&why) };
    Ok(whole(EventBody::Failed(Failed::from(failure))))
}

/// The run was stopped.
///
/// # Errors
/// When `reason` is no reason code.
pub fn aborted(reason: &str, why: impl Display) -> Result<Event, InvalidReasonCode> {
    Ok(whole(EventBody::Aborted(Failure { reason_code: ReasonCode::parse(reason)?, message: text(&why) })))
}

impl Event {
    /// The wire name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// In which namespace of the directory the item is an id. Events of no item have none.
    #[must_use]
    pub fn within(mut self, namespace: &str) -> Self {
        if let Fields::Item(item) = &mut self.fields {
            item.namespace = Some(namespace.to_owned());
        }
        self
    }

    /// Nothing but a sign of life.
    pub(crate) fn is_progress(&self) -> bool {
        self.name == "Progressed"
    }

    /// Whether it ends the run.
    pub(crate) fn is_end(&self) -> bool {
        matches!(&self.fields, Fields::Whole(body) if body.is_terminal())
    }
}
