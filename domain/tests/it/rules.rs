//! What may happen to a run, and what may not.

use crate::support::*;
use chrono::TimeDelta;
use domain::{EndedAs, EventBody, Rejection, Status};

type Make = fn() -> EventBody;

fn every_event() -> [(&'static str, Make); 11] {
    [
        ("Queued", queued),
        ("Started", started),
        ("Resumed", resumed),
        ("ItemSucceeded", || succeeded("a")),
        ("ItemFailed", || failed_item("a")),
        ("ItemSkipped", || skipped("a")),
        ("Progressed", progressed),
        ("Completed", completed),
        ("Failed", failed),
        (PRESUMED, presumed_failed),
        ("Aborted", aborted),
    ]
}

/// `Failed`, presumed.
const PRESUMED: &str = "Failed?";

#[track_caller]
fn only_legal(history: fn() -> Vec<EventBody>, legal: &[&str]) {
    for (label, make) in every_event() {
        let outcome = given(history()).when([make()]);
        let name = label.trim_end_matches('?');
        if legal.contains(&label) {
            outcome.then(&[name]);
        } else {
            let refused = outcome.then_refused();
            let expected =
                matches!(refused, Rejection::Illegal { index: 0, event_type, .. } if event_type == name);
            assert!(expected || refused == Rejection::NotFound, "{label}: {refused:?}");
        }
    }
}

#[test]
fn a_run_begins_with_queued() {
    only_legal(Vec::new, &["Queued"]);
    assert_eq!(given([]).when([started()]).then_refused(), Rejection::NotFound);
}

#[test]
fn a_queued_run_is_started_or_ends() {
    only_legal(|| vec![queued()], &["Started", "Failed", PRESUMED, "Aborted"]);
}

#[test]
fn a_running_run_takes_items_progress_and_an_end() {
    let legal = [&AT_WORK[..], &[PRESUMED]].concat();
    only_legal(|| vec![queued(), started()], &legal);
}

#[test]
fn nothing_follows_a_terminal_event() {
    only_legal(|| vec![queued(), started(), completed()], &[]);
    only_legal(|| vec![queued(), failed()], &[]);
    only_legal(|| vec![queued(), started(), aborted()], &[]);
}

/// What may happen to a run that a worker is at.
const AT_WORK: [&str; 8] =
    ["Resumed", "ItemSucceeded", "ItemFailed", "ItemSkipped", "Progressed", "Completed", "Failed", "Aborted"];

#[test]
fn a_presumed_end_leaves_open_what_was_open_but_for_another_one() {
    only_legal(|| vec![queued(), started(), presumed_failed()], &AT_WORK);
    only_legal(|| vec![queued(), started(), presumed_failed(), progressed()], &AT_WORK);
    only_legal(|| vec![queued(), presumed_failed()], &["Started", "Failed", "Aborted"]);
    only_legal(|| vec![queued(), presumed_failed(), started()], &AT_WORK);
}

#[test]
fn nothing_follows_the_real_end_after_a_presumed_one() {
    for end in [completed as Make, failed, aborted] {
        let history = vec![queued(), started(), presumed_failed(), end()];
        for (name, make) in every_event() {
            let refused = given(history.clone()).when([make()]).then_refused();
            assert!(matches!(refused, Rejection::Illegal { .. }), "{name}: {refused:?}");
        }
    }
}

#[test]
fn a_presumed_end_is_failed_and_marked() {
    let run = given([queued(), started(), succeeded("a")]).when([presumed_failed()]).then(&["Failed"]);
    assert_eq!((run.status, run.ended_as), (Some(Status::Failed), Some(EndedAs::Failed)));
    assert_eq!((run.presumed, run.superseded), (true, false));
    assert_eq!(run.reason_code.as_ref().unwrap().as_str(), "stale");
    assert!(run.ended_at.is_some() && run.heartbeat_due_at().is_none());
}

#[test]
fn work_goes_on_behind_a_presumed_end() {
    let late = [succeeded("a"), failed_item("b"), progressed()];
    let run = given([queued(), started(), presumed_failed()]).when(late).then(&[
        "ItemSucceeded",
        "ItemFailed",
        "Progressed",
    ]);
    assert_eq!((run.counts.succeeded, run.counts.failed), (1, 1));
    assert_eq!((run.status, run.presumed, run.superseded), (Some(Status::Failed), true, false));
}

#[test]
fn a_run_taken_up_after_all_stays_failed_until_its_real_end() {
    let run = given([queued(), presumed_failed()]).when([started()]).then(&["Started"]);
    assert_eq!((run.status, run.presumed), (Some(Status::Failed), true));
    assert!(run.started_at.is_some() && run.is_at_work());
}

#[test]
fn the_real_end_takes_the_place_of_the_presumed_one() {
    let late = [queued(), started(), succeeded("a"), presumed_failed(), failed_item("b"), completed()];
    let run = given(late).run;
    assert_eq!((run.status, run.ended_as), (Some(Status::PartiallySucceeded), Some(EndedAs::Completed)));
    assert_eq!((run.presumed, run.superseded), (false, true));
    assert_eq!((run.reason_code, run.message), (None, None), "they were the presumption's");
    assert_eq!(run.ended_at, Some(noon() + TimeDelta::seconds(5)));

    for (end, ended_as) in [(failed(), EndedAs::Failed), (aborted(), EndedAs::Aborted)] {
        let run = given([queued(), presumed_failed(), end]).run;
        assert_eq!((run.status, run.ended_as), (Some(Status::Failed), Some(ended_as)));
        assert_eq!((run.presumed, run.superseded), (false, true));
        assert_eq!(run.reason_code.unwrap().as_str(), "timeout");
        assert_eq!(run.message.unwrap().as_str(), "no answer in 30 s");
    }
}

#[test]
fn a_run_whose_real_end_came_first_supersedes_nothing() {
    let run = given([queued(), started(), failed()]).run;
    assert_eq!((run.presumed, run.superseded), (false, false));
}

#[test]
fn a_batch_is_judged_event_by_event() {
    let run = given([queued()]).when([started(), succeeded("a"), completed()]).then(&[
        "Started",
        "ItemSucceeded",
        "Completed",
    ]);
    assert_eq!(run.revision, Some(3));

    let refused = given([queued()]).when([started(), completed(), succeeded("a")]).then_refused();
    assert!(matches!(refused, Rejection::Illegal { index: 2, event_type: "ItemSucceeded", .. }));
}

#[test]
fn a_repeated_event_changes_nothing_even_after_the_end() {
    for history in [vec![queued(), started()], vec![queued(), started(), completed()]] {
        let before = given(history.clone()).run;
        let after = given(history).when_proposed(vec![proposed(id(1), started())]).then(&[]);
        assert_eq!(before, after);
    }
}

#[test]
fn a_batch_may_repeat_some_events_and_add_others() {
    let events = vec![
        proposed(id(1), started()),
        proposed(id(7), succeeded("a")),
        proposed(id(7), succeeded("a")),
        proposed(id(8), completed()),
    ];
    let run = given([queued(), started()]).when_proposed(events).then(&["ItemSucceeded", "Completed"]);
    assert_eq!((run.revision, run.counts.succeeded), (Some(3), 1));
}

#[test]
fn a_stale_revision_is_refused_with_the_actual_one() {
    let refused = given([queued(), started()]).expecting(0).when([completed()]).then_refused();
    assert_eq!(refused, Rejection::RevisionMismatch { expected: vec![0], actual: 1 });
    given([queued(), started()]).expecting(1).when([completed()]).then(&["Completed"]);
}

#[test]
fn a_pure_repeat_needs_no_fresh_revision() {
    given([queued(), started()]).expecting(0).when_proposed(vec![proposed(id(1), started())]).then(&[]);
}

#[test]
fn times_that_cannot_be_right_are_refused() {
    for at in ["1999-12-31T23:59:59Z", "2026-03-03T12:00:00Z", "+200000-01-01T00:00:00Z"] {
        let mut event = proposed(id(9), started());
        event.occurred_at = Some(at.parse().unwrap());
        let refused = given([queued()]).when_proposed(vec![event]).then_refused();
        assert_eq!(refused, Rejection::ImplausibleTimes(vec![(0, at.parse().unwrap())]));
    }
    // All of them, and before what is not possible now.
    let late = "2999-01-01T00:00:00Z".parse().unwrap();
    let mut events = [started(), started(), completed()].map(|body| proposed(id(9), body));
    for (n, event) in (9..).zip(&mut events) {
        event.id = id(n);
    }
    events[0].occurred_at = Some(late);
    events[2].occurred_at = Some(late);
    let refused = given([queued()]).when_proposed(events.into()).then_refused();
    assert_eq!(refused, Rejection::ImplausibleTimes(vec![(0, late), (2, late)]));
}

#[test]
fn our_time_never_runs_backwards_within_a_run() {
    let given = given([queued()]);
    let earlier = noon() - TimeDelta::minutes(5);
    let events = domain::decide(&given.run, command(vec![proposed(id(9), started())]), earlier).unwrap();
    assert_eq!(events[0].recorded_at, noon());
    assert_eq!(events[0].occurred_at, earlier);
}

#[test]
fn the_end_of_a_completed_run_depends_on_its_items() {
    let end = |items: Vec<EventBody>| {
        let history = [queued(), started()].into_iter().chain(items).chain([completed()]);
        let run = given(history).run;
        assert_eq!(run.ended_as, Some(EndedAs::Completed));
        run.status.unwrap()
    };
    assert_eq!(end(vec![]), Status::Succeeded);
    assert_eq!(end(vec![succeeded("a"), skipped("b")]), Status::Succeeded);
    assert_eq!(end(vec![skipped("b")]), Status::Succeeded);
    assert_eq!(end(vec![succeeded("a"), failed_item("b")]), Status::PartiallySucceeded);
    assert_eq!(end(vec![failed_item("a"), skipped("b")]), Status::Failed);
}

#[test]
fn the_last_outcome_of_an_item_counts() {
    let items = [failed_item("a"), failed_item("a"), failed_item("b"), succeeded("a"), skipped("b")];
    let run = given([queued(), started()].into_iter().chain(items).chain([completed()])).run;
    assert_eq!((run.counts.succeeded, run.counts.failed, run.counts.skipped), (1, 0, 1));
    assert_eq!(run.status, Some(Status::Succeeded));
}

#[test]
fn failed_and_aborted_are_failed_and_say_which() {
    for (end, ended_as) in [(failed(), EndedAs::Failed), (aborted(), EndedAs::Aborted)] {
        let run = given([queued(), started(), succeeded("a"), end]).run;
        assert_eq!((run.status, run.ended_as), (Some(Status::Failed), Some(ended_as)));
        assert_eq!(run.reason_code.unwrap().as_str(), "timeout");
        assert_eq!(run.message.unwrap().as_str(), "no answer in 30 s");
    }
}

#[test]
fn a_promised_heartbeat_is_due_while_the_run_runs() {
    let promise = || EventBody::Started(serde_json::from_str(r#"{"heartbeat_seconds": 60}"#).unwrap());
    let run = given([queued(), promise(), progressed()]).run;
    assert_eq!(run.heartbeat_due_at(), Some(noon() + TimeDelta::seconds(62)));
    assert_eq!(given([queued(), promise(), completed()]).run.heartbeat_due_at(), None);
    assert_eq!(given([queued(), started()]).run.heartbeat_due_at(), None);
}

#[test]
fn a_queued_run_is_due_when_its_limit_is_over() {
    let limit = Some(TimeDelta::minutes(10));
    let run = given([queued()]).run;
    assert_eq!(run.due_at(limit), Some(noon() + TimeDelta::minutes(10)));
    assert_eq!(run.due_at(None), None);
    // A running run keeps its own promise, and one that has ended owes nothing.
    assert_eq!(given([queued(), started()]).run.due_at(limit), None);
    for end in [failed(), presumed_failed()] {
        assert_eq!(given([queued(), end]).run.due_at(limit), None);
    }
}
