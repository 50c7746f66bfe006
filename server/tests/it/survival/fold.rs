//! A fresh fold of the whole log, by the domain alone: what the read tables must say of each run.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::{Event, Run, Status, evolve};
use eventlog::RecordedEvent;
use eventlog::streams::{StreamKind, run_event, stream_kind};
use uuid::Uuid;

#[derive(Default)]
pub struct Expected {
    /// Status and revision.
    pub runs: BTreeMap<Uuid, (String, i64)>,
    /// Run, transition, recipient.
    pub notifications: BTreeSet<(Uuid, String, String)>,
}

pub fn fold(records: &[RecordedEvent]) -> Expected {
    let mut expected = Expected::default();
    let mut runs: HashMap<Uuid, Run> = HashMap::new();
    for record in records.iter().filter(|record| stream_kind(&record.stream) == StreamKind::Run) {
        let event = run_event(record).expect("every event can be read");
        let id = event.run.uuid();
        let run = runs.remove(&id).unwrap_or_default();
        let before = run.status;
        let run = evolve(run, &event);
        expected.note(&event, &run, before);
        runs.insert(id, run);
    }
    for (id, run) in runs {
        let status = run.status.map(Status::as_str).unwrap_or_default().to_owned();
        expected.runs.insert(id, (status, run.revision.map_or(-1, u64::cast_signed)));
    }
    expected
}

impl Expected {
    fn note(&mut self, event: &Event, run: &Run, before: Option<Status>) {
        let queued = run.queued.as_ref().expect("a run begins with Queued");
        let recipient = queued.initiator.as_ref().filter(|initiator| !initiator.id.is_system());
        let transition = match run.status.filter(|status| before != Some(*status)) {
            Some(Status::Queued) => Some("queued"),
            Some(Status::Running) | None => None,
            Some(_) => Some("ended"),
        };
        if let (Some(recipient), Some(transition)) = (recipient, transition) {
            self.notifications.insert((event.run.uuid(), transition.to_owned(), recipient.id.to_string()));
        }
    }
}
