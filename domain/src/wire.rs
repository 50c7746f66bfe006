//! The form in which events are stored, and the upcasters through which older forms are read.
//!
//! An event is a type name, a JSON object of its own fields (`data`) and a JSON object about it
//! (`metadata`). Its id and revision are kept by the log. `tests/wire/` pins every form ever written.

use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::event::{Event, EventBody, Origin};
use crate::ids::{CorrelationId, PrincipalId, RequestId, RunId, TenantId};
use crate::json::Strict;

/// The version in which events are written today.
pub const SCHEMA_VERSION: u16 = 3;

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoded {
    /// The wire name.
    pub event_type: &'static str,
    /// The event's own fields: a JSON object in UTF-8.
    pub data: Vec<u8>,
    /// What is said about it: a JSON object in UTF-8.
    pub metadata: Vec<u8>,
}

/// An event as it was stored, with what the log knows of it.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// The event's id.
    pub id: Uuid,
    /// Its revision in the run's stream.
    pub revision: u64,
    /// The wire name.
    pub event_type: &'a str,
    /// See [`Encoded::data`].
    pub data: &'a [u8],
    /// See [`Encoded::metadata`].
    pub metadata: &'a [u8],
}

/// Why a stored event can't be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The type is not one of [`EventBody::TYPES`].
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// It was written by a later version of the program.
    #[error("schema version {0} is newer than {SCHEMA_VERSION}, the newest this program reads")]
    TooNew(u16),
    /// It was written in a version that no upcaster starts from.
    #[error("no upcaster reads schema version {version} of {event_type}")]
    NoUpcaster {
        /// The wire name.
        event_type: String,
        /// The version it says.
        version: u16,
    },
    /// The bytes are not what the version promises.
    #[error("the {part} of {event_type} is malformed: {source}")]
    Malformed {
        /// `data` or `metadata`.
        part: &'static str,
        /// The wire name.
        event_type: String,
        /// What the parser says.
        source: serde_json::Error,
    },
}

#[derive(Serialize, Deserialize)]
struct Metadata<T, P, C, R> {
    schema_version: u16,
    tenant: T,
    run_id: RunId,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    actor: P,
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    correlation_id: Option<C>,
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    causation_id: Option<C>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_id: Option<Uuid>,
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    request_id: Option<R>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Own>,
}

/// What is said about the events of the other streams.
#[derive(Serialize, Deserialize)]
struct Brought<R> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_id: Option<Uuid>,
    #[serde(default = "Option::default", skip_serializing_if = "Option::is_none")]
    request_id: Option<R>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Own>,
}

/// What appends without a request.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Own {
    Sweeper,
    Import,
}

type Parts<'a> = (Option<Uuid>, Option<&'a RequestId>, Option<Own>);

fn parts(origin: Option<&Origin>) -> Parts<'_> {
    match origin {
        None => (None, None, None),
        Some(Origin::Request { token_id, request_id }) => (Some(*token_id), Some(request_id), None),
        Some(Origin::Sweeper) => (None, None, Some(Own::Sweeper)),
        Some(Origin::Import) => (None, None, Some(Own::Import)),
    }
}

fn origin_of(token_id: Option<Uuid>, request_id: Option<RequestId>, own: Option<Own>) -> Option<Origin> {
    match (token_id, request_id, own) {
        (Some(token_id), Some(request_id), _) => Some(Origin::Request { token_id, request_id }),
        (_, _, Some(Own::Sweeper)) => Some(Origin::Sweeper),
        (_, _, Some(Own::Import)) => Some(Origin::Import),
        _ => None,
    }
}

/// Writes what is said about an event that is no run's.
///
/// # Errors
/// When serde can't write it, which nothing well formed causes.
pub fn encode_origin(origin: Option<&Origin>) -> Result<Vec<u8>, serde_json::Error> {
    let (token_id, request_id, origin) = parts(origin);
    serde_json::to_vec(&Brought { token_id, request_id, origin })
}

/// Reads what is said about an event that is no run's.
///
/// # Errors
/// When it is no such thing.
pub fn decode_origin(metadata: &[u8]) -> Result<Option<Origin>, serde_json::Error> {
    let brought: Brought<RequestId> = serde_json::from_slice(metadata)?;
    Ok(origin_of(brought.token_id, brought.request_id, brought.origin))
}

/// One step from an older form of a type's `data` to the next version.
struct Upcaster {
    event_type: &'static str,
    from: u16,
    step: fn(Value) -> Value,
}

/// A new form gets a new version, an entry here for every type it changes, and golden files of its own; the old
/// files stay.
///
/// - 1 to 2: until then an idempotency key was the bare SHA-256 of the context as it was sent, which gives away
///   what was redacted. Nobody is shown such a key any more.
/// - 2 to 3: `Queued` may have `ref`, `parent`, `retry_of` and `resumes`, `Completed` a `tally`, and there is `Resumed`.
///   What was written before has none of these, and needs no step.
const UPCASTERS: &[Upcaster] = &[Upcaster {
    event_type: "Queued",
    from: 1,
    step: |mut queued| {
        if let Value::Object(fields) = &mut queued {
            fields.remove("idempotency_key");
        }
        queued
    },
}];

/// Writes an event in today's form.
///
/// # Errors
/// When serde can't write it, which no well-formed [`Event`] causes.
pub fn encode(event: &Event) -> Result<Encoded, serde_json::Error> {
    let data = serde_json::to_vec(&event.body)?;
    let (token_id, request_id, origin) = parts(event.origin.as_ref());
    let metadata = serde_json::to_vec(&Metadata {
        schema_version: SCHEMA_VERSION,
        tenant: &event.tenant,
        run_id: event.run,
        occurred_at: event.occurred_at,
        recorded_at: event.recorded_at,
        actor: &event.actor,
        correlation_id: event.correlation_id.as_ref(),
        causation_id: event.causation_id.as_ref(),
        token_id,
        request_id,
        origin,
    })?;
    Ok(Encoded { event_type: event.body.type_name(), data, metadata })
}

/// Reads a stored event of any version, through the upcasters where it is an old one.
///
/// # Errors
/// A [`WireError`]; the caller holds the event back rather than guess.
pub fn decode(stored: Stored<'_>) -> Result<Event, WireError> {
    let malformed =
        |part| move |source| WireError::Malformed { part, event_type: stored.event_type.to_owned(), source };
    let meta: Metadata<TenantId, PrincipalId, CorrelationId, RequestId> =
        serde_json::from_slice(stored.metadata).map_err(malformed("metadata"))?;
    let body = decode_body_of(stored.event_type, meta.schema_version, stored.data)?;
    Ok(Event {
        id: stored.id,
        schema_version: meta.schema_version,
        tenant: meta.tenant,
        run: meta.run_id,
        revision: stored.revision,
        occurred_at: meta.occurred_at,
        recorded_at: meta.recorded_at,
        actor: meta.actor,
        correlation_id: meta.correlation_id,
        causation_id: meta.causation_id,
        origin: origin_of(meta.token_id, meta.request_id, meta.origin),
        body,
    })
}

/// Reads the fields of an event of the named type in the form of any version.
///
/// # Errors
/// A [`WireError`].
pub fn decode_body_of(event_type: &str, schema_version: u16, data: &[u8]) -> Result<EventBody, WireError> {
    match upcast_data(event_type, schema_version, data)? {
        None => decode_body(event_type, data),
        Some(new) => {
            let data = serde_json::to_vec(&new).map_err(malformed(event_type))?;
            decode_body(event_type, &data)
        }
    }
}

/// The fields of a stored event in today's form; none where they are in it already.
///
/// # Errors
/// A [`WireError`].
pub fn upcast_data(event_type: &str, schema_version: u16, data: &[u8]) -> Result<Option<Value>, WireError> {
    if schema_version == SCHEMA_VERSION {
        return Ok(None);
    }
    // Of most types the form has not changed: they need not be read to know that.
    let steps = steps(UPCASTERS, SCHEMA_VERSION, event_type, schema_version)?;
    if steps.is_empty() {
        return Ok(None);
    }
    let Strict(old) = serde_json::from_slice(data).map_err(malformed(event_type))?;
    Ok(Some(steps.into_iter().fold(old, |data, up| (up.step)(data))))
}

fn malformed(event_type: &str) -> impl Fn(serde_json::Error) -> WireError {
    move |source| WireError::Malformed { part: "data", event_type: event_type.to_owned(), source }
}

/// Reads the fields of an event of the named type in today's form.
///
/// # Errors
/// [`WireError::UnknownType`] or [`WireError::Malformed`].
pub fn decode_body(event_type: &str, data: &[u8]) -> Result<EventBody, WireError> {
    fn read<T: DeserializeOwned>(event_type: &str, data: &[u8]) -> Result<T, WireError> {
        serde_json::from_slice(data).map_err(|source| WireError::Malformed {
            part: "data",
            event_type: event_type.to_owned(),
            source,
        })
    }
    Ok(match event_type {
        "Queued" => EventBody::Queued(read(event_type, data)?),
        "Started" => EventBody::Started(read(event_type, data)?),
        "Resumed" => EventBody::Resumed(read(event_type, data)?),
        "ItemSucceeded" => EventBody::ItemSucceeded(read(event_type, data)?),
        "ItemFailed" => EventBody::ItemFailed(read(event_type, data)?),
        "ItemSkipped" => EventBody::ItemSkipped(read(event_type, data)?),
        "Progressed" => EventBody::Progressed(read(event_type, data)?),
        "Completed" => EventBody::Completed(read(event_type, data)?),
        "Failed" => EventBody::Failed(read(event_type, data)?),
        "Aborted" => EventBody::Aborted(read(event_type, data)?),
        unknown => return Err(WireError::UnknownType(unknown.to_owned())),
    })
}

/// The steps from a version of a type to today's, in order.
fn steps<'c>(
    chain: &'c [Upcaster],
    current: u16,
    event_type: &str,
    version: u16,
) -> Result<Vec<&'c Upcaster>, WireError> {
    if version > current {
        return Err(WireError::TooNew(version));
    }
    let first = chain.iter().map(|up| up.from).min().unwrap_or(current);
    if version < first {
        return Err(WireError::NoUpcaster { event_type: event_type.to_owned(), version });
    }
    // A version in which this type did not change has no step for it.
    let step = |from| chain.iter().find(|up| up.event_type == event_type && up.from == from);
    Ok((version..current).filter_map(step).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CHAIN: &[Upcaster] = &[
        Upcaster { event_type: "Started", from: 1, step: |old| json!({"worker": old["host"]}) },
        Upcaster { event_type: "Started", from: 3, step: |old| json!({"worker": {"name": old["worker"]}}) },
    ];

    fn upcast(
        chain: &[Upcaster],
        current: u16,
        event_type: &str,
        version: u16,
        data: Value,
    ) -> Result<Value, WireError> {
        Ok(steps(chain, current, event_type, version)?.into_iter().fold(data, |data, up| (up.step)(data)))
    }

    #[test]
    fn an_old_form_goes_through_every_step_in_order() {
        let new = upcast(CHAIN, 4, "Started", 1, json!({"host": "w1"})).unwrap();
        assert_eq!(new, json!({"worker": {"name": "w1"}}));
        let new = upcast(CHAIN, 4, "Started", 2, json!({"worker": "w1"})).unwrap();
        assert_eq!(new, json!({"worker": {"name": "w1"}}));
    }

    #[test]
    fn a_type_that_never_changed_passes_as_it_is() {
        assert_eq!(upcast(CHAIN, 4, "Completed", 1, json!({})).unwrap(), json!({}));
    }

    #[test]
    fn unknown_versions_are_refused() {
        assert!(matches!(upcast(CHAIN, 4, "Started", 5, json!({})), Err(WireError::TooNew(5))));
        assert!(matches!(
            upcast(CHAIN, 4, "Started", 0, json!({})),
            Err(WireError::NoUpcaster { version: 0, .. })
        ));
    }
}
