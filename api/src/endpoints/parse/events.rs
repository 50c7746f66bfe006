//! The body of `POST .../events`.

use std::collections::HashMap;

use commands::Changes;
use domain::ProposedEvent;
use domain::key::IdempotencySecret;
use reads::forms;
use serde::Deserialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;
use uuid::Uuid;

use super::event::read;
use crate::problem::Problem;
use crate::problem_code::ProblemCode;

/// How many events one request may append.
const MAX_EVENTS: usize = 1_000;

/// What `POST .../events` takes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsBody {
    /// 1 to 1,000 events, in order; all are appended or none.
    #[schema(value_type = Vec<forms::EventItem>, min_items = 1, max_items = 1000)]
    events: Vec<Box<RawValue>>,
}

impl EventsBody {
    /// The events and what of them is kept otherwise than it was sent, or what is wrong with each bad one. The
    /// ledger's secret tells items apart whose names lose something.
    pub fn read(self, secret: &IdempotencySecret) -> Result<(Vec<ProposedEvent>, Changes), Problem> {
        if self.events.is_empty() {
            return Err(Problem::invalid("/events", "at least one event is needed"));
        }
        let mut changes = Changes::default();
        let events = read_all(&self.events, secret, &mut changes)?;
        Ok((events, changes))
    }
}

/// Reads the member `events` of a body, which may be empty.
///
/// # Errors
/// 422 that names what is wrong with each, 413 where there are too many.
pub(super) fn read_all(
    sent: &[Box<RawValue>],
    secret: &IdempotencySecret,
    changes: &mut Changes,
) -> Result<Vec<ProposedEvent>, Problem> {
    let count = sent.len();
    if count > MAX_EVENTS {
        let detail =
            format!("{count} events are too many for one request: send at most {MAX_EVENTS} at once.");
        return Err(Problem::new(ProblemCode::TooManyEvents, detail).with("max_events", MAX_EVENTS));
    }
    let mut events = Vec::with_capacity(count);
    let mut wrong = Vec::new();
    // Each by itself, so that the producer that mends a batch hears of all that is to be mended.
    for (index, sent) in sent.iter().enumerate() {
        match read(sent.get(), &format!("/events/{index}"), secret, changes) {
            Ok(event) => events.push(event),
            Err(problem) => wrong.push(problem),
        }
    }
    if let Some(problem) = Problem::of_all(wrong) {
        return Err(problem);
    }
    same_id_same_event(&events)?;
    Ok(events)
}

/// Two events of a request with one id are a repeat if they say the same, and a mistake if they do not.
fn same_id_same_event(events: &[ProposedEvent]) -> Result<(), Problem> {
    let mut first: HashMap<Uuid, usize> = HashMap::new();
    for (index, event) in events.iter().enumerate() {
        let earlier = *first.entry(event.id).or_insert(index);
        if events[earlier] != *event {
            let detail = format!("it is also the id of /events/{earlier}, which says something else");
            return Err(Problem::invalid(format!("/events/{index}/id"), detail));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn all_that_is_wrong_is_named_up_to_a_hundred() {
        let refused = |events: serde_json::Value| {
            let body: EventsBody = serde_json::from_str(&json!({ "events": events }).to_string()).unwrap();
            body.read(&[7; 32].into()).unwrap_err()
        };
        let problem = refused(json!([
            {"type": "Started"}, 7, {"type": "Exploded"}, {"type": "Started", "worker": 1}, [], {},
        ]));
        let places: Vec<_> = problem.errors.iter().map(|error| error.pointer.as_str()).collect();
        assert_eq!(
            places,
            ["/events/1", "/events/2/type", "/events/3/worker", "/events/4", "/events/5/type"]
        );
        assert_eq!(problem.status, 422);
        assert!(problem.detail.contains("4 more"), "{}", problem.detail);
        let problem = refused(vec![json!({}); 250].into());
        assert_eq!((problem.errors.len(), &problem.more["errors_not_named"]), (100, &json!(150)));
    }
}
