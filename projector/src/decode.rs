//! From records of the log to what they say. Pure.

use std::borrow::Cow;
use std::collections::HashMap;

use domain::admin::AdminEvent;
use domain::{Event, Named, RunId};
use eventlog::RecordedEvent;
use eventlog::streams::{
    NotificationRead, Referenced, StreamKind, admin_event, named, notification_read, referenced, run_event,
    run_of, stream_kind,
};

/// What a batch says, in the order of the log. Records of other kinds of streams are left out.
#[derive(Default)]
pub(crate) struct Decoded<'a> {
    /// The streams of runs that occur, each once.
    pub streams: Vec<RunStream<'a>>,
    /// The events of runs.
    pub entries: Vec<Entry<'a>>,
    /// Which runs references name.
    pub references: Vec<Reference<'a>>,
    /// Which notifications were read.
    pub reads: Vec<Read<'a>>,
    /// What was done to the tenants' administration.
    pub admin: Vec<Administered<'a>>,
    /// What ids are called.
    pub names: Vec<Name<'a>>,
    /// Records of reference, notification, administration and directory streams that can't be read: each stands alone.
    pub refused: Vec<Quarantined<'a>>,
}

/// A run's stream.
pub(crate) struct RunStream<'a> {
    /// Its name as the dead letters hold it.
    pub name: Cow<'a, str>,
    /// The tenant and run in its name; none where the name is malformed.
    pub run: Option<(&'a str, RunId)>,
}

/// An event of a run.
pub(crate) struct Entry<'a> {
    /// As the log has it.
    pub record: &'a RecordedEvent,
    /// Which of [`Decoded::streams`] it belongs to.
    pub stream: usize,
    /// What it says, or why it can't be read.
    pub event: Result<Event, String>,
}

/// A reference names a run from now on.
pub(crate) struct Reference<'a> {
    /// As the log has it.
    pub record: &'a RecordedEvent,
    /// What it says.
    pub what: Referenced,
}

/// A notification was read.
pub(crate) struct Read<'a> {
    /// As the log has it.
    pub record: &'a RecordedEvent,
    /// What it says.
    pub read: NotificationRead,
}

/// Something was done to a tenant's administration.
pub(crate) struct Administered<'a> {
    /// As the log has it.
    pub record: &'a RecordedEvent,
    /// What it says.
    pub event: AdminEvent,
}

/// An id has a name.
pub(crate) struct Name<'a> {
    /// As the log has it.
    pub record: &'a RecordedEvent,
    /// What it says.
    pub what: Named,
}

/// An event that is quarantined: it goes to the dead letters.
pub(crate) struct Quarantined<'a> {
    /// As the log has it.
    pub record: &'a RecordedEvent,
    /// Why.
    pub error: String,
}

/// Reads all records of a batch.
pub(crate) fn decode<'a>(records: &[&'a RecordedEvent]) -> Decoded<'a> {
    let mut decoded = Decoded::default();
    let mut index: HashMap<&str, usize> = HashMap::new();
    for &record in records {
        match stream_kind(&record.stream) {
            StreamKind::Run => {
                let stream = *index.entry(&record.stream).or_insert_with(|| {
                    let run = run_of(&record.stream);
                    decoded.streams.push(RunStream { name: storable(&record.stream), run });
                    decoded.streams.len() - 1
                });
                let event = event_of(record, decoded.streams[stream].run);
                decoded.entries.push(Entry { record, stream, event });
            }
            StreamKind::Reference => match referenced(record) {
                Ok(what) => decoded.references.push(Reference { record, what }),
                Err(error) => decoded.refused.push(Quarantined { record, error: error.to_string() }),
            },
            StreamKind::Notification => match notification_read(record) {
                Ok(read) => decoded.reads.push(Read { record, read }),
                Err(error) => decoded.refused.push(Quarantined { record, error: error.to_string() }),
            },
            StreamKind::Admin => match admin_event(record) {
                Ok(event) => decoded.admin.push(Administered { record, event }),
                Err(error) => decoded.refused.push(Quarantined { record, error: error.to_string() }),
            },
            StreamKind::Directory => match named(record) {
                Ok(what) => decoded.names.push(Name { record, what }),
                Err(error) => decoded.refused.push(Quarantined { record, error: error.to_string() }),
            },
            StreamKind::Reservation | StreamKind::Foreign => {}
        }
    }
    decoded
}

/// Postgres has no text with U+0000, and a name that holds one must not stop the line.
pub(crate) fn storable(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { text.replace('\0', "\u{fffd}").into() } else { text.into() }
}

fn event_of(record: &RecordedEvent, run: Option<(&str, RunId)>) -> Result<Event, String> {
    if run.is_none() {
        return Err("the stream's name is not run-{tenant}-{run}".into());
    }
    run_event(record).map_err(|error| error.to_string())
}
