//! What our streams hold, put into records: the one way in.
//!
//! The law of it: what is about to be appended is read back from its own bytes and equals what was decided, or
//! it is refused. The log keeps for ever what it takes, and a reader that can't read one event of a stream can't
//! read what follows either.

use domain::admin::AdminEvent;
use domain::{Event, Named, Origin, wire};
use uuid::Uuid;

use crate::port::{NewEvent, Position, RecordedEvent};
use crate::streams::{
    NAMED, NOTIFICATION_READ, NotificationRead, REFERENCED, RESERVED, Referenced, Reserved, Unreadable,
    admin_event, admin_stream, directory_stream, named, notification_read, notification_stream,
    reference_stream, referenced, reserved, run_event, run_stream,
};

/// What is to be appended to a stream of ours.
#[derive(Debug, Clone, Copy)]
pub enum Fact<'a> {
    /// A run's event.
    Run(&'a Event),
    /// A run holds an idempotency key from now on. With the id that the event gets, and what brought it.
    Reserved(Uuid, &'a Reserved, Option<&'a Origin>),
    /// A run is named by a producer's reference from now on. With the id that the event gets, and what brought it.
    Referenced(Uuid, &'a Referenced, Option<&'a Origin>),
    /// A notification was read. With the id that the event gets, and what brought it.
    NotificationRead(Uuid, &'a NotificationRead, Option<&'a Origin>),
    /// Something was done to a tenant's administration.
    Admin(&'a AdminEvent),
    /// An id has a name. With the id that the event gets, and what brought it.
    Named(Uuid, &'a Named, Option<&'a Origin>),
}

/// What was decided would not be read back from the log as it is.
#[derive(Debug, thiserror::Error)]
#[error("{event_type} with the id {id} would not be read back as it was decided: {why}")]
pub struct Unfaithful {
    /// The wire name.
    pub event_type: String,
    /// The event's id.
    pub id: Uuid,
    /// What became of it. It may quote the event.
    pub why: String,
}

impl Fact<'_> {
    /// The record of it, which was read back and says the same.
    ///
    /// # Errors
    /// [`Unfaithful`]; then it must not be appended.
    pub fn record(self) -> Result<NewEvent, Unfaithful> {
        match self {
            Self::Run(event) => {
                let encoded = wire::encode(event);
                let written = encoded.map(|encoded| (encoded.data, encoded.metadata));
                let stream = run_stream(&event.tenant, event.run);
                let address = RecordAddress { stream, revision: event.revision, id: event.id };
                address.read_back(event.body.type_name(), written, event, run_event)
            }
            Self::Reserved(id, what, origin) => {
                // The stream is named by the key, which the event does not repeat.
                let address = RecordAddress { stream: String::new(), revision: 0, id };
                let decided = (what.clone(), origin.cloned());
                address.read_back(RESERVED, written(what, origin), &decided, |record| {
                    Ok((reserved(record)?, wire::decode_origin(&record.metadata)?))
                })
            }
            Self::Referenced(id, what, origin) => {
                let stream = reference_stream(&what.tenant, &what.reference);
                let address = RecordAddress { stream, revision: 0, id };
                let decided = (what.clone(), origin.cloned());
                address.read_back(REFERENCED, written(what, origin), &decided, |record| {
                    Ok((referenced(record)?, wire::decode_origin(&record.metadata)?))
                })
            }
            Self::NotificationRead(id, what, origin) => {
                let address =
                    RecordAddress { stream: notification_stream(what.notification_id), revision: 0, id };
                let decided = (what.clone(), origin.cloned());
                address.read_back(NOTIFICATION_READ, written(what, origin), &decided, |record| {
                    Ok((notification_read(record)?, wire::decode_origin(&record.metadata)?))
                })
            }
            Self::Admin(event) => {
                let written = event.encode().map(|encoded| (encoded.data, encoded.metadata));
                let address =
                    RecordAddress { stream: admin_stream(&event.tenant), revision: 0, id: event.id };
                address.read_back(event.body.type_name(), written, event, admin_event)
            }
            Self::Named(id, what, origin) => {
                let stream = directory_stream(&what.tenant, &what.namespace);
                let address = RecordAddress { stream, revision: 0, id };
                let decided = (what.clone(), origin.cloned());
                address.read_back(NAMED, written(what, origin), &decided, |record| {
                    Ok((named(record)?, wire::decode_origin(&record.metadata)?))
                })
            }
        }
    }
}

type Written = Result<(Vec<u8>, Vec<u8>), serde_json::Error>;

fn written(what: &impl serde::Serialize, origin: Option<&Origin>) -> Written {
    Ok((serde_json::to_vec(what)?, wire::encode_origin(origin)?))
}

/// The stream, revision and id that an event is to have.
struct RecordAddress {
    stream: String,
    revision: u64,
    id: Uuid,
}

impl RecordAddress {
    fn read_back<T: PartialEq>(
        self,
        event_type: &str,
        written: Written,
        decided: &T,
        read: impl FnOnce(&RecordedEvent) -> Result<T, Unreadable>,
    ) -> Result<NewEvent, Unfaithful> {
        let Self { stream, revision, id } = self;
        let refused = |why: String| Unfaithful { event_type: event_type.to_owned(), id, why };
        let (data, metadata) = written.map_err(|error| refused(error.to_string()))?;
        let position = Position::default();
        let event_type = event_type.to_owned();
        let record = RecordedEvent { position, stream, revision, id, event_type, data, metadata };
        let found = read(&record).map_err(|error| refused(error.to_string()))?;
        if found != *decided {
            return Err(refused("what is read differs from what was decided".to_owned()));
        }
        let RecordedEvent { id, event_type, data, metadata, .. } = record;
        Ok(NewEvent { id, event_type, data, metadata })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use domain::{EventBody, Progressed, wire};

    fn event() -> Event {
        Event {
            id: Uuid::from_u128(7),
            schema_version: wire::SCHEMA_VERSION,
            tenant: "acme".parse().unwrap(),
            run: "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap(),
            revision: 3,
            occurred_at: DateTime::UNIX_EPOCH,
            recorded_at: DateTime::UNIX_EPOCH,
            actor: "ann".parse().unwrap(),
            correlation_id: None,
            causation_id: None,
            origin: Some(Origin::Sweeper),
            body: EventBody::Progressed(Progressed { message: None, items_total: None }),
        }
    }

    #[test]
    fn what_reads_back_the_same_becomes_a_record() {
        let event = event();
        let record = Fact::Run(&event).record().unwrap();
        assert_eq!(
            (record.id, record.event_type.as_str(), &record.data[..]),
            (event.id, "Progressed", &b"{}"[..])
        );
        let reserved = Reserved { run_id: event.run };
        let record = Fact::Reserved(event.id, &reserved, None).record().unwrap();
        assert_eq!((record.event_type.as_str(), &record.metadata[..]), (RESERVED, &b"{}"[..]));
        let origin = Origin::Request { token_id: Uuid::nil(), request_id: "r-1".parse().unwrap() };
        let record = Fact::Reserved(event.id, &reserved, Some(&origin)).record().unwrap();
        assert_eq!(wire::decode_origin(&record.metadata).unwrap(), Some(origin));
    }

    #[test]
    fn what_would_be_read_otherwise_is_refused() {
        // A version that is not what is written.
        let event = Event { schema_version: wire::SCHEMA_VERSION + 1, ..event() };
        let refused = Fact::Run(&event).record().unwrap_err();
        assert_eq!((refused.id, refused.event_type.as_str()), (event.id, "Progressed"));
        assert!(refused.why.contains("differs"), "{refused}");
    }

    #[test]
    fn what_could_not_be_read_at_all_is_refused() {
        let address = || RecordAddress { stream: String::new(), revision: 0, id: Uuid::nil() };
        let reserved_of = Reserved { run_id: event().run };
        for data in [&b"{"[..], b"{}", br#"{"run_id":"7"}"#] {
            let written = Ok((data.to_vec(), b"{}".to_vec()));
            address().read_back(RESERVED, written, &reserved_of, reserved).unwrap_err();
        }
    }

    /// What the law costs: each event is read once more.
    #[test]
    #[ignore = "a measurement"]
    #[allow(clippy::print_stdout)]
    fn cost_of_a_fact() {
        let body = serde_json::json!({"item": "volume-0042", "reason_code": "permission_denied",
            "message": "the volume may not be read by this worker: 403 from storage.example"});
        let body = wire::decode_body("ItemFailed", body.to_string().as_bytes()).unwrap();
        let event = Event { body, ..event() };
        let timed = |what: &dyn Fn()| {
            let begun = std::time::Instant::now();
            (0..20_000).for_each(|_| what());
            begun.elapsed() / 20_000
        };
        let encoded = timed(&|| drop(std::hint::black_box(wire::encode(&event).unwrap())));
        let kept = timed(&|| drop(std::hint::black_box(Fact::Run(&event).record().unwrap())));
        println!("encoded: {encoded:?}; read back as well: {kept:?}");
    }
}
