//! How streams are named, and how a run's events are put into records and read from them.

use domain::key::IdempotencyKey;
use domain::{Event, RunId, TenantId, wire};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::port::{NewEvent, RecordedEvent};

const RUN: &str = "run-";
const RESERVATION: &str = "runkey-";
const NOTIFICATION: &str = "notification-";

/// How the names of all of our streams begin.
#[cfg(feature = "kurrent")]
pub(crate) const PREFIXES: [&str; 3] = [RUN, RESERVATION, NOTIFICATION];

/// What a record's stream is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// The events of one run.
    Run,
    /// Which run holds an idempotency key.
    Reservation,
    /// Whether a notification has been read.
    Notification,
    /// Somebody else's: not for this program to judge.
    Foreign,
}

/// The stream of a run: `run-{tenant}-{run}`.
#[must_use]
pub fn run_stream(tenant: &TenantId, run: RunId) -> String {
    format!("{RUN}{tenant}-{run}")
}

/// The stream of the runs that held an idempotency key, one after another: `runkey-{key}`. The tenant
/// is part of the key.
#[must_use]
pub fn reservation_stream(key: &IdempotencyKey) -> String {
    format!("{RESERVATION}{key}")
}

/// The stream of one notification, which holds one event at most: `notification-{id}`.
#[must_use]
pub fn notification_stream(notification: Uuid) -> String {
    format!("{NOTIFICATION}{notification}")
}

/// What a stream of that name is about.
#[must_use]
pub fn stream_kind(stream: &str) -> StreamKind {
    if stream.starts_with(RUN) {
        StreamKind::Run
    } else if stream.starts_with(RESERVATION) {
        StreamKind::Reservation
    } else if stream.starts_with(NOTIFICATION) {
        StreamKind::Notification
    } else {
        StreamKind::Foreign
    }
}

/// The record of a run's event.
///
/// # Errors
/// See [`wire::encode`].
pub fn record(event: &Event) -> Result<NewEvent, serde_json::Error> {
    let encoded = wire::encode(event)?;
    Ok(NewEvent {
        id: event.id,
        event_type: encoded.event_type.to_owned(),
        data: encoded.data,
        metadata: encoded.metadata,
    })
}

/// The run's event in a record of a run's stream.
///
/// # Errors
/// See [`wire::decode`].
pub fn run_event(record: &RecordedEvent) -> Result<Event, wire::WireError> {
    wire::decode(wire::Stored {
        id: record.id,
        revision: record.revision,
        event_type: &record.event_type,
        data: &record.data,
        metadata: &record.metadata,
    })
}

/// The wire name of [`Reserved`].
pub const RESERVED: &str = "Reserved";

/// In a reservation stream: from now on this run holds the key. The newest one counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// The run that holds the key, as soon as its stream has a Queued event.
    pub run_id: RunId,
}

/// The wire name of [`NotificationRead`].
pub const NOTIFICATION_READ: &str = "NotificationRead";

/// In a notification's stream: its recipient has read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRead {
    /// Which notification.
    pub notification_id: Uuid,
    /// Whose run it is about.
    pub tenant: TenantId,
    /// Who read it.
    pub recipient: domain::PrincipalId,
    /// When, by our clock.
    pub read_at: chrono::DateTime<chrono::Utc>,
}
