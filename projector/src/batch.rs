//! A batch folded in memory. Pure: rows in, changes out.

use std::collections::HashMap;
use std::sync::Arc;

use domain::reason::ReasonCode;
use domain::{Event, EventBody, ItemName, Namespace, Outcome, PrincipalId, Run, RunId, evolve};
use eventlog::RecordedEvent;
use redaction::CleanText;

use crate::counters::Counters;
use crate::decode::{Administered, Decoded, Entry, Name, Quarantined, Read, Reference};
use crate::directory::newest;
use crate::notifications::{Notification, notification_for};

/// A run as far as the projection knows it.
#[derive(Default)]
pub(crate) struct RunState {
    /// The fold. Of a run that comes from its row, `queued`, `event_ids` and all items that the batch
    /// does not touch are missing: [`evolve`] needs none of them.
    pub run: Run,
    /// What `Queued` said, as far as later rows repeat it; none before `Queued`.
    pub facts: Option<Facts>,
    /// Whether the run has a row.
    pub stored: bool,
    /// The last event folded in this batch.
    pub position: Option<u64>,
}

/// What `Queued` said and later rows repeat.
#[derive(Clone)]
pub(crate) struct Facts {
    pub kind: Arc<str>,
    pub title: Option<String>,
    pub initiator: Option<PrincipalId>,
    /// The run that it is a part of.
    pub parent: Option<RunId>,
}

/// A run's stream within a batch.
pub(crate) struct Slot {
    /// The run, or why its row can't be gone on from.
    pub state: Result<RunState, String>,
    /// Whether an event of the stream is quarantined, so that all later ones are.
    pub quarantined: bool,
}

/// All that a batch changes. The slots are those of [`Decoded::streams`].
#[derive(Default)]
pub(crate) struct Changes<'a> {
    pub slots: Vec<Slot>,
    pub items: Vec<ItemChange<'a>>,
    pub timeline: Vec<(&'a Entry<'a>, &'a Event)>,
    /// With the slot and the event that brought it about.
    pub notifications: Vec<(usize, &'a RecordedEvent, Notification)>,
    pub reads: Vec<&'a Read<'a>>,
    pub references: &'a [Reference<'a>],
    pub admin: &'a [Administered<'a>],
    /// Of each id that the batch names, what counts.
    pub names: Vec<&'a Name<'a>>,
    pub counters: Counters<'a>,
    pub quarantined: Vec<Quarantined<'a>>,
}

/// The last outcome of an item in a batch.
pub(crate) struct ItemChange<'a> {
    /// Whose item.
    pub slot: usize,
    /// The last outcome, with the label and the namespace that an earlier event of the batch may have given.
    pub last: ItemOutcome<'a>,
    /// The event that says so.
    pub event: &'a Event,
    /// Its position.
    pub position: u64,
}

/// An item's outcome, as one event reports it.
#[derive(Clone, Copy)]
pub(crate) struct ItemOutcome<'a> {
    pub item: &'a ItemName,
    pub label: Option<&'a CleanText>,
    pub namespace: Option<&'a Namespace>,
    pub outcome: Outcome,
    pub reason_code: Option<&'a ReasonCode>,
    pub message: Option<&'a CleanText>,
}

/// The outcome that an event reports, if the event is about an item.
pub(crate) fn item_outcome(body: &EventBody) -> Option<ItemOutcome<'_>> {
    Some(match body {
        EventBody::ItemSucceeded(e) => ItemOutcome {
            item: &e.item,
            label: e.label.as_ref(),
            namespace: e.namespace.as_ref(),
            outcome: Outcome::Succeeded,
            reason_code: None,
            message: None,
        },
        EventBody::ItemFailed(e) => ItemOutcome {
            item: &e.item,
            label: e.label.as_ref(),
            namespace: e.namespace.as_ref(),
            outcome: Outcome::Failed,
            reason_code: Some(&e.reason_code),
            message: Some(&e.message),
        },
        EventBody::ItemSkipped(e) => ItemOutcome {
            item: &e.item,
            label: e.label.as_ref(),
            namespace: e.namespace.as_ref(),
            outcome: Outcome::Skipped,
            reason_code: e.reason_code.as_ref(),
            message: None,
        },
        _ => return None,
    })
}

/// What is to be done with an event.
enum Verdict<'a> {
    /// The row has it already.
    Known,
    Fold(&'a Event),
    Quarantine(String),
}

/// From which revision on events go into the counters. Those of a run that is folded anew were counted
/// before.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CountFrom(pub u64);

impl CountFrom {
    /// All of them.
    pub const START: Self = Self(0);
}

/// Folds a batch into the runs that it touches.
pub(crate) fn fold<'a>(decoded: &'a Decoded<'a>, slots: Vec<Slot>, count: CountFrom) -> Changes<'a> {
    let reads = decoded.reads.iter().collect();
    let mut changes = Changes { slots, reads, ..Changes::default() };
    changes.references = &decoded.references;
    changes.admin = &decoded.admin;
    changes.names = newest(&decoded.names);
    let mut items: HashMap<(usize, &ItemName), usize> = HashMap::new();
    for refused in &decoded.refused {
        changes.quarantined.push(Quarantined { record: refused.record, error: refused.error.clone() });
    }
    for entry in &decoded.entries {
        match verdict(&changes.slots[entry.stream], entry) {
            Verdict::Known => {}
            Verdict::Quarantine(error) => {
                changes.slots[entry.stream].quarantined = true;
                changes.quarantined.push(Quarantined { record: entry.record, error });
            }
            Verdict::Fold(event) => {
                let tenant = decoded.streams[entry.stream].run.map_or("", |(tenant, _)| tenant);
                changes.fold_one(entry, event, tenant, count, &mut items);
            }
        }
    }
    changes
}

fn verdict<'a>(slot: &Slot, entry: &'a Entry<'_>) -> Verdict<'a> {
    let revision = entry.record.revision;
    let state = match &slot.state {
        Ok(state) => state,
        Err(error) => return Verdict::Quarantine(error.clone()),
    };
    let next = state.run.next_revision();
    if revision < next {
        return Verdict::Known;
    }
    if slot.quarantined {
        return Verdict::Quarantine("an earlier event of this run is held".into());
    }
    match &entry.event {
        Err(error) => Verdict::Quarantine(error.clone()),
        Ok(_) if revision > next => {
            Verdict::Quarantine(format!("it has revision {revision} where {next} comes next"))
        }
        Ok(event) if state.run.status.is_none() && !matches!(event.body, EventBody::Queued(_)) => {
            Verdict::Quarantine(format!("the run begins with {}, not with Queued", event.body.type_name()))
        }
        Ok(event) => Verdict::Fold(event),
    }
}

impl<'a> Changes<'a> {
    fn fold_one(
        &mut self,
        entry: &'a Entry<'a>,
        event: &'a Event,
        tenant: &'a str,
        count: CountFrom,
        items: &mut HashMap<(usize, &'a ItemName), usize>,
    ) {
        let Ok(state) = &mut self.slots[entry.stream].state else { return };
        let position = entry.record.position.0;
        let before = state.run.status;
        let (at_work, presumed) = (state.run.is_at_work(), state.run.presumed);
        state.run = evolve(std::mem::take(&mut state.run), event);
        state.position = Some(position);
        if let (None, Some(queued)) = (before, &state.run.queued) {
            state.facts = Some(Facts {
                kind: queued.kind.as_str().into(),
                title: queued.title.as_ref().map(|title| title.as_str().to_owned()),
                initiator: queued.initiator.as_ref().map(|initiator| initiator.id.clone()),
                parent: queued.parent.map(|parent| parent.run_id),
            });
        }
        self.timeline.push((entry, event));

        // The fold ignores items of a run that nobody is at, and so do their rows.
        let outcome = item_outcome(&event.body).filter(|_| at_work);
        if let Some(mut last) = outcome {
            let place = *items.entry((entry.stream, last.item)).or_insert(self.items.len());
            let earlier = self.items.get(place);
            last.label = last.label.or(earlier.and_then(|earlier| earlier.last.label));
            last.namespace = last.namespace.or(earlier.and_then(|earlier| earlier.last.namespace));
            let change = ItemChange { slot: entry.stream, last, event, position };
            match self.items.get_mut(place) {
                Some(earlier) => *earlier = change,
                None => self.items.push(change),
            }
        }

        let Some(facts) = &state.facts else { return };
        if event.revision >= count.0 {
            let status = (before, state.run.status);
            let outcome = outcome.map(|item| item.outcome);
            self.counters.count(tenant, &facts.kind, event, position, status, outcome);
            self.counters.count_duration(tenant, &facts.kind, &state.run, before);
            if let Some(parent) = facts.parent {
                self.counters.count_child(tenant, parent, position, status);
            }
        }
        let changed = before != state.run.status || presumed != state.run.presumed;
        // Who asked for it was told by the system that it was taken over from.
        let changed = changed && !event.is_imported();
        let told = changed.then(|| notification_for(event.run, &state.run, facts.initiator.as_ref()));
        if let Some(notification) = told.flatten() {
            self.notifications.push((entry.stream, entry.record, notification));
        }
    }
}

/// The run of a slot, where it has one: only such slots are ever folded into.
pub(crate) fn run_id(decoded: &Decoded<'_>, slot: usize) -> Option<RunId> {
    decoded.streams[slot].run.map(|(_, run)| run)
}
