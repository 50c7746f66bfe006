//! Properties of rules and fold over any sequence of events, legal and illegal.

use std::collections::HashMap;

use crate::support::*;
use chrono::TimeDelta;
use domain::{Counts, EventBody, Run, Status, decide, evolve, wire};
use proptest::prelude::*;

fn any_event() -> impl Strategy<Value = EventBody> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    prop_oneof![
        2 => Just(queued()),
        3 => Just(started()),
        1 => Just(resumed()),
        6 => name.clone().prop_map(succeeded),
        6 => name.clone().prop_map(failed_item),
        3 => name.prop_map(skipped),
        2 => Just(progressed()),
        1 => Just(completed()),
        1 => any_tally(),
        1 => Just(failed()),
        2 => Just(presumed_failed()),
        1 => Just(aborted()),
    ]
}

fn any_tally() -> impl Strategy<Value = EventBody> {
    (0u64..5, 0u64..5, 0u64..5).prop_map(|(succeeded, failed, skipped)| tallied(succeeded, failed, skipped))
}

/// What a worker reports on its way.
fn any_work() -> impl Strategy<Value = EventBody> {
    let name = prop::sample::select(vec!["a", "b", "c", "d"]);
    prop_oneof![
        name.clone().prop_map(succeeded),
        name.clone().prop_map(failed_item),
        name.prop_map(skipped),
        Just(progressed()),
        Just(resumed()),
    ]
}

/// Proposes the events one by one and keeps what is accepted; ids repeat where `ids` does.
fn live(bodies: &[EventBody], ids: &[u8]) -> (Run, Vec<domain::Event>) {
    let mut run = Run::default();
    let mut log = Vec::new();
    for (n, (body, event_id)) in bodies.iter().zip(ids).enumerate() {
        let at = noon() + TimeDelta::seconds(n.try_into().unwrap());
        let wish = command(vec![proposed(id((*event_id).into()), body.clone())]);
        if let Ok(events) = decide(&run, wish, at) {
            run = events.iter().fold(run, evolve);
            log.extend(events);
        }
    }
    (run, log)
}

proptest! {
    #[test]
    fn accepted_histories_are_lawful(
        bodies in prop::collection::vec(any_event(), 0..60),
        ids in prop::collection::vec(any::<u8>(), 60),
    ) {
        let (run, log) = live(&bodies, &ids);

        for (n, event) in log.iter().enumerate() {
            prop_assert_eq!(event.revision, n as u64, "revisions are dense from 0");
        }
        let mut seen: Vec<_> = log.iter().map(|event| event.id).collect();
        seen.sort();
        seen.dedup();
        prop_assert_eq!(seen.len(), log.len(), "no event twice");
        prop_assert!(log.iter().rev().skip(1).all(|event| !event.body.is_terminal()), "nothing after the end");
        if let Some(first) = log.first() {
            prop_assert!(matches!(first.body, EventBody::Queued(_)));
        }

        // The counts are those of the last outcome of each distinct item, counted the slow way.
        let mut last = HashMap::new();
        for event in &log {
            match &event.body {
                EventBody::ItemSucceeded(e) => { last.insert(e.item.clone(), 's'); }
                EventBody::ItemFailed(e) => { last.insert(e.item.clone(), 'f'); }
                EventBody::ItemSkipped(e) => { last.insert(e.item.clone(), 'k'); }
                _ => {}
            }
        }
        let count = |c| last.values().filter(|outcome| **outcome == c).count() as u64;
        let named = Counts { succeeded: count('s'), failed: count('f'), skipped: count('k') };
        let tally = log.last().and_then(|event| match &event.body {
            EventBody::Completed(e) => e.tally.map(Counts::from),
            _ => None,
        });
        prop_assert_eq!(run.counts, tally.unwrap_or(named));
        prop_assert_eq!(run.tallied, tally.is_some());
        prop_assert!(run.counts.cover(named), "nothing that has a name is left out");
        let presumed = log.iter().filter(|event| event.body.is_presumed()).count();
        let ended = log.last().is_some_and(|event| event.body.is_terminal());
        prop_assert!(presumed <= 1, "one presumption is enough");
        prop_assert_eq!(run.status.is_some_and(|s| !s.is_active()), ended || presumed == 1);
        prop_assert_eq!((run.presumed, run.superseded), (presumed == 1 && !ended, presumed == 1 && ended));
        prop_assert_eq!(run.is_open(), !log.is_empty() && !ended);
        if let Some(EventBody::Completed(_)) = log.last().map(|event| &event.body) {
            prop_assert_eq!(run.status, Some(Status::of_completed(run.counts)));
        }
    }

    #[test]
    fn a_fold_through_the_wire_is_the_same_fold(
        bodies in prop::collection::vec(any_event(), 0..60),
        ids in prop::collection::vec(any::<u8>(), 60),
    ) {
        let (run, log) = live(&bodies, &ids);
        let reread: Vec<_> = log.iter().map(|event| {
            let encoded = wire::encode(event).unwrap();
            wire::decode(wire::Stored {
                id: event.id,
                revision: event.revision,
                event_type: encoded.event_type,
                data: &encoded.data,
                metadata: &encoded.metadata,
            }).unwrap()
        }).collect();
        prop_assert_eq!(&reread, &log);
        prop_assert_eq!(reread.iter().fold(Run::default(), evolve), run);
    }

    #[test]
    fn the_fold_takes_any_sequence_of_events(
        bodies in prop::collection::vec(any_event(), 0..40),
    ) {
        // Not what decide would let through: the fold must stand it all the same.
        let template = live(&[queued()], &[0]).1.remove(0);
        let run = bodies.into_iter().enumerate().fold(Run::default(), |run, (n, body)| {
            evolve(run, &domain::Event { revision: n as u64, id: id(n as u128), body, ..template.clone() })
        });
        if run.revision.is_some() && run.status.is_none() {
            prop_assert!(run.queued.is_none());
        }
        prop_assert!(!(run.presumed && run.superseded));
        prop_assert!(!run.presumed || run.status == Some(Status::Failed));
    }

    #[test]
    fn a_presumed_end_that_was_wrong_leaves_no_trace_but_its_mark(
        before in prop::collection::vec(any_work(), 0..20),
        after in prop::collection::vec(any_work(), 0..20),
        end in prop_oneof![Just(completed()), Just(failed()), Just(aborted())],
    ) {
        let bodies = [vec![queued(), started()], before, vec![presumed_failed()], after, vec![end]].concat();
        let ids: Vec<u8> = (0..).take(bodies.len()).collect();
        let (with, mut log) = live(&bodies, &ids);
        prop_assert!(with.superseded && log.len() == bodies.len());
        log.retain(|event| !event.body.is_presumed());
        let without = log.iter().fold(Run::default(), evolve);
        let same = Run { superseded: true, event_ids: with.event_ids.clone(), ..without };
        prop_assert_eq!(with, same);
    }

    #[test]
    fn knowing_only_the_touched_items_is_enough(
        bodies in prop::collection::vec(any_event(), 0..60),
        ids in prop::collection::vec(any::<u8>(), 60),
        cut in 0usize..60,
    ) {
        let (whole, log) = live(&bodies, &ids);
        let cut = cut.min(log.len());
        let mut partial = log[..cut].iter().fold(Run::default(), evolve);
        let touched: Vec<_> = log[cut..].iter().filter_map(|event| match &event.body {
            EventBody::ItemSucceeded(e) => Some(e.item.clone()),
            EventBody::ItemFailed(e) => Some(e.item.clone()),
            EventBody::ItemSkipped(e) => Some(e.item.clone()),
            _ => None,
        }).collect();
        partial.items.retain(|item, _| touched.contains(item));
        partial.event_ids.clear();
        let resumed = log[cut..].iter().fold(partial, evolve);
        prop_assert_eq!(resumed.counts, whole.counts);
        prop_assert_eq!(resumed.status, whole.status);
        prop_assert_eq!((resumed.presumed, resumed.superseded), (whole.presumed, whole.superseded));
    }
}

#[test]
fn a_run_that_was_imported_stays_so_whoever_goes_on_with_it() {
    let mut wish = command(vec![proposed(id(1), queued())]);
    wish.origin = Some(domain::Origin::Import);
    let taken = decide(&Run::default(), wish, noon()).unwrap();
    assert!(taken[0].is_imported());
    let run = taken.iter().fold(Run::default(), evolve);
    let further = decide(&run, command(vec![proposed(id(2), started())]), noon()).unwrap();
    assert!(!further[0].is_imported());
    assert!(further.iter().fold(run, evolve).imported);
    let ours = decide(&Run::default(), command(vec![proposed(id(1), queued())]), noon()).unwrap();
    assert!(!ours.iter().fold(Run::default(), evolve).imported);
}
