//! How long ago an event may have happened.

use crate::support::*;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{CLOCKS_APART, EventBody, ProposedEvent, Rejection};

fn at(time: DateTime<Utc>, n: u128, body: EventBody) -> ProposedEvent {
    ProposedEvent { occurred_at: Some(time), ..proposed(id(n), body) }
}

#[test]
fn a_ledger_takes_events_for_as_long_as_it_says() {
    // The rules are asked an hour after noon.
    let now = noon() + TimeDelta::hours(1);
    let most = TimeDelta::hours(2);
    given([queued()]).taking_for(most).when_proposed(vec![at(now - most, 9, started())]).then(&["Started"]);
    let late = now - most - TimeDelta::microseconds(1);
    let events = vec![proposed(id(9), started()), at(late, 10, progressed()), at(late, 11, completed())];
    let refused = given([queued()]).taking_for(most).when_proposed(events).then_refused();
    assert_eq!(refused, Rejection::TooOld { times: vec![(1, late), (2, late)], most });
    assert!(refused.to_string().contains("7200 s"), "{refused}");
}

#[test]
fn what_is_there_may_be_repeated_however_late() {
    let long_ago = noon() - TimeDelta::days(400);
    let repeat = vec![at(long_ago, 1, started())];
    given([queued(), started()]).taking_for(TimeDelta::seconds(1)).when_proposed(repeat).then(&[]);
}

#[test]
fn nothing_is_older_than_its_run_by_more_than_clocks_differ() {
    let queued_at = noon();
    given([queued()]).when_proposed(vec![at(queued_at - CLOCKS_APART, 9, started())]).then(&["Started"]);
    let before = queued_at - CLOCKS_APART - TimeDelta::microseconds(1);
    let refused = given([queued()]).when_proposed(vec![at(before, 9, started())]).then_refused();
    assert_eq!(refused, Rejection::OlderThanRun { times: vec![(0, before)], queued_at });
}

#[test]
fn a_run_that_begins_long_ago_takes_what_happened_since() {
    let then = noon() - TimeDelta::days(30);
    let later = then + TimeDelta::hours(1);
    let run = given([])
        .when_proposed(vec![at(then, 9, queued()), at(later, 10, started()), at(later, 11, completed())])
        .then(&["Queued", "Started", "Completed"]);
    assert_eq!((run.queued_at, run.ended_at), (Some(then), Some(later)));
    let events = vec![proposed(id(9), queued()), at(later, 10, started())];
    let refused = given([]).when_proposed(events).then_refused();
    assert!(
        matches!(refused, Rejection::OlderThanRun { .. }),
        "queued now, and started a month ago: {refused}"
    );
}
