//! CloudEvents 1.0: our own events, and CDEvents' runs of pipelines and tasks.

mod cdevents;
mod event;
mod own;

use access::Inlet;
use domain::key::IdempotencySecret;
use serde_json::Value;

use crate::fault::Malformed;
use crate::ids::event_id;
use crate::json::read;
use crate::report::{Aside, Incoming, Report};

pub use event::CloudEvent;

/// What a structured body says: one event as JSON.
///
/// # Errors
/// [`Malformed`] where it is no CloudEvent.
pub fn structured(inlet: &Inlet, secret: &IdempotencySecret, body: &[u8]) -> Result<Incoming, Malformed> {
    Ok(translate(inlet, secret, CloudEvent::structured(&read(body)?, "")?))
}

/// What a batch says. It is taken in as a whole or not at all.
///
/// # Errors
/// [`Malformed`] where it is no array of CloudEvents.
pub fn batched(inlet: &Inlet, secret: &IdempotencySecret, body: &[u8]) -> Result<Vec<Incoming>, Malformed> {
    let Value::Array(events) = read(body)? else {
        return Err(Malformed::new("", "a batch is a JSON array of CloudEvents"));
    };
    let events = events.iter().enumerate().map(|(index, event)| {
        Ok(translate(inlet, secret, CloudEvent::structured(event, &format!("/{index}"))?))
    });
    events.collect()
}

/// What an event says of which run.
#[must_use]
pub fn translate(inlet: &Inlet, secret: &IdempotencySecret, event: CloudEvent) -> Incoming {
    // CloudEvents, 3.1.1: source and id together are what an event is known by.
    let id = event_id(inlet.inlet_id, &format!("cloudevents {}\n{}", event.source, event.id));
    let report = if event.event_type.starts_with(own::PREFIX) {
        own::report(inlet, secret, id, &event)
    } else if event.event_type.starts_with(cdevents::PREFIX) {
        cdevents::report(inlet, id, &event)
    } else {
        Err(format!("No run is told of by the type {:?}.", event.event_type))
    };
    match report.and_then(Report::checked) {
        Ok(report) => Incoming::Report(Box::new(report)),
        Err(why) => Incoming::Aside(Box::new(Aside::new(id, why, event.into_value()))),
    }
}
