//! A worker that is gone, and another one that goes on.

use crate::support::*;
use domain::{EventBody, Resumed, Started, Status};
use redaction::CleanText;

fn by(worker: &str, heartbeat: u64) -> (Option<CleanText>, Option<domain::HeartbeatSeconds>) {
    (Some(CleanText::new(worker)), Some(heartbeat.try_into().unwrap()))
}

fn started_by(worker: &str, heartbeat: u64) -> EventBody {
    let (worker, heartbeat_seconds) = by(worker, heartbeat);
    EventBody::Started(Started { worker, heartbeat_seconds })
}

fn resumed_by(worker: &str, heartbeat: u64) -> EventBody {
    let (worker, heartbeat_seconds) = by(worker, heartbeat);
    EventBody::Resumed(Resumed { worker, heartbeat_seconds })
}

#[test]
fn a_successor_takes_over_with_what_was_done() {
    let run = given([queued(), started_by("w-1", 60), succeeded("a")])
        .when([resumed_by("w-2", 30), succeeded("b"), completed()])
        .then(&["Resumed", "ItemSucceeded", "Completed"]);
    assert_eq!((run.status, run.counts.succeeded), (Some(Status::Succeeded), 2));
    assert_eq!((run.worker.unwrap().as_str(), run.heartbeat_seconds), ("w-2", Some(30)));
    assert_eq!(run.started_at, Some(noon() + chrono::TimeDelta::seconds(1)), "it was started once");
}

#[test]
fn what_the_one_before_promised_holds_no_longer() {
    let run = given([queued(), started_by("w-1", 60)]).when([resumed()]).then(&["Resumed"]);
    assert_eq!((run.worker.as_ref(), run.heartbeat_seconds, run.heartbeat_due_at()), (None, None, None));
}

#[test]
fn behind_a_presumed_end_it_takes_over_and_the_end_stays_presumed() {
    let run =
        given([queued(), started(), presumed_failed()]).when([resumed_by("w-2", 30)]).then(&["Resumed"]);
    assert_eq!((run.status, run.presumed, run.is_at_work()), (Some(Status::Failed), true, true));
    assert_eq!(run.worker.unwrap().as_str(), "w-2");
    let run =
        given([queued(), started(), presumed_failed(), resumed()]).when([completed()]).then(&["Completed"]);
    assert_eq!((run.status, run.superseded), (Some(Status::Succeeded), true));
}

#[test]
fn several_successors_may_follow_one_another_but_only_the_one_that_saw_the_last() {
    given([queued(), started(), resumed()]).when([resumed()]).then(&["Resumed"]);
    // Both looked at revision 1; the first one of them has it.
    given([queued(), started()]).expecting(1).when([resumed()]).then(&["Resumed"]);
    given([queued(), started(), resumed()]).expecting(1).when([resumed()]).then_refused();
}
