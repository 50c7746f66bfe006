//! How streams are named, and how what they hold is read from records. How it is put into records is told in
//! [`fact`](crate::fact).

use domain::admin::AdminEvent;
use domain::key::IdempotencyKey;
use domain::{Event, Named, Namespace, Reference, RunId, TenantId, wire};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::port::RecordedEvent;

const RUN: &str = "run-";
const RESERVATION: &str = "runkey-";
const REFERENCE: &str = "runref-";
const NOTIFICATION: &str = "notification-";
const ADMIN: &str = "admin-";
const DIRECTORY: &str = "directory-";

/// How the names of all of our streams begin.
#[cfg(feature = "kurrent")]
pub(crate) const PREFIXES: [&str; 6] = [RUN, RESERVATION, REFERENCE, NOTIFICATION, ADMIN, DIRECTORY];

/// What a record's stream is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamKind {
    /// The events of one run.
    Run,
    /// Which run holds an idempotency key.
    Reservation,
    /// Which run a producer's reference names.
    Reference,
    /// Whether a notification has been read.
    Notification,
    /// What was done to a tenant's administration.
    Admin,
    /// What ids of a namespace are called.
    Directory,
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

/// The stream that says which run a producer's reference names, in one event that is the only one for ever:
/// `runref-{digest}`, see [`Reference::digest`]. The tenant is part of the digest.
#[must_use]
pub fn reference_stream(tenant: &TenantId, reference: &Reference) -> String {
    let digits = reference.digest(tenant).map(|byte| format!("{byte:02x}"));
    format!("{REFERENCE}{}", digits.concat())
}

/// The stream of one notification, which holds one event for each time that it was read: `notification-{id}`.
#[must_use]
pub fn notification_stream(notification: Uuid) -> String {
    format!("{NOTIFICATION}{notification}")
}

/// The stream of what was done to a tenant's administration: `admin-{tenant}`.
#[must_use]
pub fn admin_stream(tenant: &TenantId) -> String {
    format!("{ADMIN}{tenant}")
}

/// Tenant of `admin-{tenant}`; none where the name is of another form.
#[must_use]
pub fn admin_of(stream: &str) -> Option<&str> {
    stream.strip_prefix(ADMIN)
}

/// The stream of what ids of a namespace are called: `directory-{tenant}-{namespace}`.
#[must_use]
pub fn directory_stream(tenant: &TenantId, namespace: &Namespace) -> String {
    format!("{DIRECTORY}{tenant}-{namespace}")
}

/// Whether it is `directory-{tenant}-{namespace}`: a namespace has no dash, so the last one is between the two.
fn is_directory(stream: &str) -> bool {
    let parts = stream.strip_prefix(DIRECTORY).and_then(|rest| rest.rsplit_once('-'));
    parts.is_some_and(|(tenant, namespace)| {
        tenant.parse::<TenantId>().is_ok() && namespace.parse::<Namespace>().is_ok()
    })
}

/// What a stream of that name is about.
#[must_use]
pub fn stream_kind(stream: &str) -> StreamKind {
    if stream.starts_with(RUN) {
        StreamKind::Run
    } else if stream.starts_with(RESERVATION) {
        StreamKind::Reservation
    } else if stream.starts_with(REFERENCE) {
        StreamKind::Reference
    } else if stream.starts_with(NOTIFICATION) {
        StreamKind::Notification
    } else if stream.strip_prefix(ADMIN).is_some_and(|tenant| tenant.parse::<TenantId>().is_ok()) {
        StreamKind::Admin
    } else if is_directory(stream) {
        StreamKind::Directory
    } else {
        StreamKind::Foreign
    }
}

/// Tenant and run of `run-{tenant}-{run}`; none where the name is of another form.
#[must_use]
pub fn run_of(stream: &str) -> Option<(&str, RunId)> {
    const UUID_CHARS: usize = 36;
    let rest = stream.strip_prefix(RUN)?;
    let (tenant, run) = rest.split_at_checked(rest.len().checked_sub(UUID_CHARS)?)?;
    let id: RunId = run.parse().ok()?;
    // One spelling only: the same run under another name would be folded twice.
    (id.to_string() == run).then_some((tenant.strip_suffix('-')?, id))
}

/// Why a record of ours can't be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// Its bytes are not what they should be.
    #[error(transparent)]
    Run(#[from] wire::WireError),
    /// It says that it is of another run than its stream is.
    #[error("its metadata says run {run} of tenant {tenant}")]
    Elsewhere {
        /// Which run.
        run: RunId,
        /// Whose.
        tenant: TenantId,
    },
    /// A stream of its kind holds no such events.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// Its bytes are no such event.
    #[error("its data is malformed: {0}")]
    Malformed(#[from] serde_json::Error),
    /// It says that it is of another tenant than its stream is.
    #[error("its metadata says tenant {0}")]
    OtherTenant(TenantId),
    /// It says that it is about another notification than its stream is.
    #[error("it is about notification {0}")]
    OtherNotification(Uuid),
    /// It says that it is of another reference than its stream is.
    #[error("it is about another reference")]
    OtherReference,
    /// It says that it is of another namespace, or another tenant, than its stream is.
    #[error("it is of namespace {namespace} of tenant {tenant}")]
    OtherNamespace {
        /// Whose.
        tenant: TenantId,
        /// Which one.
        namespace: Namespace,
    },
}

/// The run's event in a record of a run's stream.
///
/// # Errors
/// See [`wire::decode`]; or that it is another run's.
pub fn run_event(record: &RecordedEvent) -> Result<Event, Unreadable> {
    let event = wire::decode(stored(record))?;
    if run_stream(&event.tenant, event.run) != record.stream {
        return Err(Unreadable::Elsewhere { run: event.run, tenant: event.tenant });
    }
    Ok(event)
}

/// The run that holds the key, in a record of a reservation stream.
///
/// # Errors
/// When it is no such record.
pub fn reserved(record: &RecordedEvent) -> Result<Reserved, Unreadable> {
    of_type(record, RESERVED)
}

/// The run that a reference names, in a record of a reference's stream.
///
/// # Errors
/// When it is no such record, or about another reference.
pub fn referenced(record: &RecordedEvent) -> Result<Referenced, Unreadable> {
    let referenced: Referenced = of_type(record, REFERENCED)?;
    if reference_stream(&referenced.tenant, &referenced.reference) != record.stream {
        return Err(Unreadable::OtherReference);
    }
    Ok(referenced)
}

/// That a notification was read, in a record of its stream.
///
/// # Errors
/// When it is no such record, or about another notification.
pub fn notification_read(record: &RecordedEvent) -> Result<NotificationRead, Unreadable> {
    let read: NotificationRead = of_type(record, NOTIFICATION_READ)?;
    if notification_stream(read.notification_id) != record.stream {
        return Err(Unreadable::OtherNotification(read.notification_id));
    }
    Ok(read)
}

/// What was done to a tenant's administration, in a record of its stream.
///
/// # Errors
/// See [`AdminEvent::decode`]; or that it is another tenant's.
pub fn admin_event(record: &RecordedEvent) -> Result<AdminEvent, Unreadable> {
    let event = AdminEvent::decode(stored(record))?;
    if admin_stream(&event.tenant) != record.stream {
        return Err(Unreadable::OtherTenant(event.tenant));
    }
    Ok(event)
}

/// What an id is called, in a record of a directory's stream.
///
/// # Errors
/// When it is no such record, or of another namespace.
pub fn named(record: &RecordedEvent) -> Result<Named, Unreadable> {
    let named: Named = of_type(record, NAMED)?;
    if directory_stream(&named.tenant, &named.namespace) != record.stream {
        return Err(Unreadable::OtherNamespace { tenant: named.tenant, namespace: named.namespace });
    }
    Ok(named)
}

fn stored(record: &RecordedEvent) -> wire::Stored<'_> {
    wire::Stored {
        id: record.id,
        revision: record.revision,
        event_type: &record.event_type,
        data: &record.data,
        metadata: &record.metadata,
    }
}

fn of_type<T: DeserializeOwned>(record: &RecordedEvent, event_type: &str) -> Result<T, Unreadable> {
    if record.event_type != event_type {
        return Err(Unreadable::UnknownType(record.event_type.clone()));
    }
    Ok(serde_json::from_slice(&record.data)?)
}

/// Whether a record can be read as what its stream is about. Others' streams are none of our business.
///
/// # Errors
/// Why not.
pub fn check(record: &RecordedEvent) -> Result<(), Unreadable> {
    match stream_kind(&record.stream) {
        StreamKind::Run => run_event(record).map(drop),
        StreamKind::Reservation => reserved(record).map(drop),
        StreamKind::Reference => referenced(record).map(drop),
        StreamKind::Notification => notification_read(record).map(drop),
        StreamKind::Admin => admin_event(record).map(drop),
        StreamKind::Directory => named(record).map(drop),
        StreamKind::Foreign => Ok(()),
    }
}

/// The wire name of [`Reserved`].
pub const RESERVED: &str = "Reserved";

/// In a reservation stream: from now on this run holds the key. The newest one counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reserved {
    /// The run that holds the key, as soon as its stream has a Queued event.
    pub run_id: RunId,
}

/// The wire name of [`Referenced`].
pub const REFERENCED: &str = "Referenced";

/// In a reference's stream: this run is the one that it names, from now on and for ever.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Referenced {
    /// Whose run.
    pub tenant: TenantId,
    /// The producer's name for it.
    #[serde(rename = "ref")]
    pub reference: Reference,
    /// The run that it names, as soon as the run's stream has a Queued event.
    pub run_id: RunId,
    /// Of the work that was asked for under it. No other can be asked for, not even before the run is queued.
    pub idempotency_key: IdempotencyKey,
}

/// The wire name of [`Named`].
pub const NAMED: &str = "Named";

/// The wire name of [`NotificationRead`].
pub const NOTIFICATION_READ: &str = "NotificationRead";

/// In a notification's stream: its recipient has read it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRead {
    /// Which notification.
    pub notification_id: Uuid,
    /// Whose run it is about.
    pub tenant: TenantId,
    /// The principal that read it.
    pub recipient: domain::PrincipalId,
    /// When, by our clock.
    pub read_at: chrono::DateTime<chrono::Utc>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_dash_is_before_the_namespace() {
        for stream in ["directory-acme-policies", "directory-a-b-c", "directory-a--b-c.d_e"] {
            assert_eq!(stream_kind(stream), StreamKind::Directory, "{stream}");
        }
        for stream in [
            "directory-acme",
            "directory-acme-",
            "directory--policies",
            "directory-acme-Policies",
            "directory-",
        ] {
            assert_eq!(stream_kind(stream), StreamKind::Foreign, "{stream}");
        }
    }
}
