//! What `POST .../runs` takes. It is made once and sent as it is, as often as it must be, by every program that has to
//! say that the run exists.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::RunId;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::event::{Event, count, now, text};

/// A run to be: its kind, its context, and what else may be said of it when it starts. The ledger judges it; what it
/// refuses is told as a [`Trouble`](crate::Trouble).
#[derive(Debug, Clone)]
#[must_use]
pub struct Start {
    body: Map<String, Value>,
    pub(crate) events: Vec<Event>,
    pub(crate) heartbeat: Option<Duration>,
}

impl Start {
    /// A start of an operation of this kind, `backup_set.add_policies`, on what `context` names: a JSON object, from which
    /// the ledger knows that two operations are the same.
    pub fn new(kind: &str, context: impl Into<Value>) -> Self {
        Self { body: Map::new(), events: Vec::new(), heartbeat: None }
            .with("kind", kind)
            .with("context", context)
    }

    /// The longest silence that the worker promises. Signs of life come three times as often, while it advances.
    pub fn heartbeat(mut self, silence: Duration) -> Self {
        self.heartbeat = Some(silence);
        self
    }

    /// The principal that is told when the run is queued and when it has ended.
    pub fn initiator(self, id: &str) -> Self {
        self.with("initiator", json!({"id": id}))
    }

    /// As [`Self::initiator`], with the name people know.
    pub fn initiator_named(self, id: &str, name: &str) -> Self {
        self.with("initiator", json!({"id": id, "name": text(&name)}))
    }

    /// How many items it expects to touch.
    pub fn items_total(self, items: u64) -> Self {
        self.with("items_total", count(items).get())
    }

    /// For people.
    pub fn title(self, title: &str) -> Self {
        self.with("title", text(&title).as_str())
    }

    /// Labels to find it by.
    pub fn labels<N: Into<String>, V: AsRef<str>>(self, labels: impl IntoIterator<Item = (N, V)>) -> Self {
        let labels: BTreeMap<String, _> =
            labels.into_iter().map(|(name, value)| (name.into(), text(&value.as_ref()))).collect();
        self.with("labels", json!(labels))
    }

    /// JSON Pointers to arrays of the context whose order means nothing.
    pub fn unordered<P: AsRef<str>>(self, pointers: impl IntoIterator<Item = P>) -> Self {
        let pointers: Vec<String> = pointers.into_iter().map(|pointer| pointer.as_ref().to_owned()).collect();
        self.with("unordered", pointers)
    }

    /// A name of the caller's own for this start: under it, it is the same run for as long as the ledger keeps it. What
    /// HTTP calls an `Idempotency-Key` is its short form; without one, a reference is made.
    pub fn reference(self, source: &str, id: &str) -> Self {
        self.with("ref", json!({"source": source, "id": id}))
    }

    /// Ties it to what else belongs together.
    pub fn correlation_id(self, id: &str) -> Self {
        self.with("correlation_id", id)
    }

    /// The run that it is a part of.
    pub fn parent(self, run: RunId) -> Self {
        self.with("parent", json!({"run_id": run}))
    }

    /// The run whose work it tries once more.
    pub fn retry_of(self, run: RunId) -> Self {
        self.with("retry_of", json!({"run_id": run}))
    }

    /// The run with whose items it goes on.
    pub fn resumes(self, run: RunId) -> Self {
        self.with("resumes", json!({"run_id": run}))
    }

    /// What has happened to the run already, in order, from [`started`](crate::event::started) on, or why it never begins,
    /// [`failed`](crate::event::failed): at most 1,000 events. They are recorded with the start, or nothing of it is. For
    /// [`Ledger::start`](crate::Ledger::start) and the outbox: nobody can claim such a run. One that is worked on here says
    /// that it has started by itself, and reports them behind.
    pub fn events(mut self, events: impl IntoIterator<Item = Event>) -> Self {
        self.events.extend(events);
        self
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.body.insert(name.to_owned(), value.into());
        self
    }

    /// The body, with a reference and a time of its own where the caller gave none.
    pub(crate) fn body(mut self) -> Value {
        if !self.body.contains_key("ref") {
            let id = Uuid::new_v4().to_string();
            self = self
                .with("ref", json!({"source": "runledger-client", "id": id}))
                .with("occurred_at", json!(now()));
        }
        if !self.events.is_empty() {
            let events = json!(self.events);
            self = self.with("events", events);
        }
        Value::Object(self.body)
    }
}
