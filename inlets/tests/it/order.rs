//! What a report means by what the run is at: given a run, when a report comes, then these events.

use access::InletType;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{EndedAs, EventBody, Status};
use inlets::openlineage::translate;
use inlets::{Report, Seen, Step, step};
use serde_json::json;

use crate::{inlet, report};

const NOW: &str = "2026-11-28T09:00:00Z";

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap()
}

fn lineage(event_type: &str, time: &str) -> Report {
    let event = json!({"eventType": event_type, "eventTime": time, "run": {"runId": "r-1"}, "job": {"namespace": "n", "name": "j"}});
    report(translate(&inlet(InletType::OpenLineage), event).unwrap())
}

fn at(status: Status) -> Seen {
    let ended_as = match status {
        Status::Succeeded | Status::PartiallySucceeded => Some(EndedAs::Completed),
        Status::Failed => Some(EndedAs::Failed),
        Status::Queued | Status::Running => None,
    };
    Seen { status: Some(status), started: status != Status::Queued, ended_as, ..Seen::default() }
}

fn names(step: &Step) -> Vec<&'static str> {
    match step {
        Step::Append(events) => events.iter().map(|event| event.body.type_name()).collect(),
        Step::Double => vec!["double"],
        Step::Late => vec!["late"],
        Step::Aside(_) => vec!["aside"],
    }
}

#[test]
fn what_is_reported_becomes_what_the_run_lacks() {
    let presumed = Seen { presumed: true, ..at(Status::Failed) };
    let aborted = Seen { ended_as: Some(EndedAs::Aborted), ..at(Status::Failed) };
    for (given, seen, when, then) in [
        ("no run", Seen::default(), "START", &["Queued", "Started"][..]),
        ("no run", Seen::default(), "RUNNING", &["Queued", "Started", "Progressed"]),
        ("no run", Seen::default(), "COMPLETE", &["Queued", "Started", "Completed"]),
        ("no run", Seen::default(), "FAIL", &["Queued", "Started", "Failed"]),
        ("no run", Seen::default(), "ABORT", &["Queued", "Started", "Aborted"]),
        ("queued", at(Status::Queued), "START", &["Started"]),
        ("queued", at(Status::Queued), "RUNNING", &["Started", "Progressed"]),
        ("queued", at(Status::Queued), "COMPLETE", &["Started", "Completed"]),
        ("queued", at(Status::Queued), "FAIL", &["Failed"]),
        ("queued", at(Status::Queued), "ABORT", &["Aborted"]),
        ("running", at(Status::Running), "START", &["Progressed"]),
        ("running", at(Status::Running), "OTHER", &["Progressed"]),
        ("running", at(Status::Running), "COMPLETE", &["Completed"]),
        ("running", at(Status::Running), "FAIL", &["Failed"]),
        ("running", at(Status::Running), "ABORT", &["Aborted"]),
        ("succeeded", at(Status::Succeeded), "START", &["aside"]),
        ("succeeded", at(Status::Succeeded), "RUNNING", &["late"]),
        ("succeeded", at(Status::Succeeded), "COMPLETE", &["late"]),
        ("succeeded", at(Status::Succeeded), "FAIL", &["aside"]),
        ("failed", at(Status::Failed), "FAIL", &["late"]),
        ("failed", at(Status::Failed), "COMPLETE", &["aside"]),
        ("aborted", aborted, "ABORT", &["late"]),
        ("aborted", aborted, "FAIL", &["aside"]),
        ("presumed failed", presumed, "COMPLETE", &["Completed"]),
        ("presumed failed", presumed, "RUNNING", &["Progressed"]),
        ("known", Seen { knows: true, ..at(Status::Running) }, "COMPLETE", &["double"]),
        ("known", Seen { knows: true, ..at(Status::Succeeded) }, "FAIL", &["double"]),
    ] {
        let step = step(&inlet(InletType::OpenLineage), seen, &lineage(when, "2026-11-28T08:15:00Z"), now());
        assert_eq!(names(&step), then, "given {given}, when {when}");
    }
}

#[test]
fn the_ids_of_what_is_appended_follow_from_the_report() {
    let complete = lineage("COMPLETE", "2026-11-28T08:15:00Z");
    let ids = || {
        let Step::Append(events) = step(&inlet(InletType::OpenLineage), Seen::default(), &complete, now())
        else {
            panic!("nothing to append")
        };
        events.iter().map(|event| event.id).collect::<Vec<_>>()
    };
    assert_eq!(ids(), ids());
    assert_eq!(ids()[2], complete.event_id);
    assert_eq!(ids().iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
}

#[test]
fn what_only_goes_on_begins_no_run() {
    let log = Report { begins: false, ..lineage("RUNNING", NOW) };
    assert_eq!(names(&step(&inlet(InletType::Pings), Seen::default(), &log, now())), ["aside"]);
    assert_eq!(names(&step(&inlet(InletType::Pings), at(Status::Running), &log, now())), ["Progressed"]);
}

#[test]
fn times_that_can_not_be_are_those_of_the_receipt() {
    let queued_at = now() - TimeDelta::minutes(5);
    for (said, seen, then) in [
        ("2026-11-28T08:58:00Z", at(Status::Running), now() - TimeDelta::minutes(2)),
        // Before there were ledgers, and long after now.
        ("1970-01-01T00:00:00Z", at(Status::Running), now()),
        ("2026-12-28T08:58:00Z", at(Status::Running), now()),
        // Before the run was queued.
        ("2026-11-28T08:15:00Z", Seen { queued_at: Some(queued_at), ..at(Status::Running) }, queued_at),
    ] {
        let step = step(&inlet(InletType::OpenLineage), seen, &lineage("COMPLETE", said), now());
        let Step::Append(events) = step else { panic!("{said}") };
        assert_eq!(events.last().unwrap().occurred_at, Some(then), "{said}");
    }
}

#[test]
fn a_run_is_of_the_inlets_kind_and_promises_what_the_inlet_does() {
    let Step::Append(events) =
        step(&inlet(InletType::OpenLineage), Seen::default(), &lineage("COMPLETE", NOW), now())
    else {
        panic!("nothing to append")
    };
    let EventBody::Queued(queued) = &events[0].body else { panic!("no Queued") };
    assert_eq!((queued.kind.as_str(), queued.idempotency_key), ("jobs.nightly", None));
    let EventBody::Started(started) = &events[1].body else { panic!("no Started") };
    assert_eq!(started.heartbeat_seconds.unwrap().get(), 3_600);
}
