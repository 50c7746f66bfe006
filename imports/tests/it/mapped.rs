//! What a mapping can say, and what is found in rows.

use domain::EventBody;
use imports::{Planned, Planner, Step, Unfinished};
use serde_json::{Value, json};

use crate::{commands, planner, row, told};

const MAPPING: &str = r#"
    kind = { prefix = "old.", columns = ["what"] }
    title = "title"
    message = "error"
    reference = { source = "old", key = ["site", "id"] }
    initiator = { id = "user", prefix = "user:", name = "user_name" }
    labels = { site = "site", none = "nothing" }
    context = { site = "site", big = "big", token = "token" }
    times = { queued = "a", started = "b", ended = "c" }
    status = { column = "state", values = { ok = "succeeded", bad = { is = "failed", reason = "timeout" }, on = "running", waits = "queued", half = "partially_succeeded" } }
"#;

fn usual(change: Value) -> Value {
    let mut row = json!({"site": "s1", "id": 7, "what": "Nightly Backup", "title": "t", "user": 12, "user_name": "Ann",
        "a": "2025-03-01T10:00:00Z", "b": "2025-03-01T10:00:01Z", "c": "2025-03-01T10:00:05Z", "state": "ok"});
    for (column, value) in change.as_object().unwrap() {
        row[column] = value.clone();
    }
    row
}

fn planned(planner: &Planner, change: Value) -> Box<Planned> {
    match planner.plan(&row(usual(change))) {
        Step::Import(planned) => planned,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_row_becomes_a_run_with_all_that_is_said_of_it() {
    let planner = planner(MAPPING, None, None);
    let start = planned(&planner, json!({"big": 9_007_199_254_740_993_u64})).request.start;
    assert_eq!(start.kind.as_str(), "old.nightly_backup");
    assert_eq!(start.title.unwrap().as_str(), "t");
    let reference = start.reference.unwrap();
    assert_eq!((reference.source.as_str(), reference.id.as_str()), ("old", "s1/7"));
    let initiator = start.initiator.unwrap();
    assert_eq!((initiator.id.as_str(), initiator.name.unwrap().as_str()), ("user:12", "Ann"));
    let labels: Vec<_> = start.labels.iter().map(|(name, value)| (name, value.as_str())).collect();
    assert_eq!(labels, [("site", "s1")]);
    assert_eq!(start.context, json!({"site": "s1", "big": "9007199254740993"}));
    assert_eq!(start.actor.as_str(), "ann@desk-7");
}

#[test]
fn ids_follow_from_the_key_and_the_run_is_of_its_time() {
    let planner = planner(MAPPING, None, None);
    let ids = |change: Value| {
        let request = planned(&planner, change).request;
        let events = request.start.events.iter().map(|event| event.id);
        (request.run, request.start.event_id.unwrap(), events.collect::<Vec<_>>())
    };
    let first = ids(json!({}));
    assert_eq!(first, ids(json!({"title": "another"})));
    assert_ne!(first.1, ids(json!({"id": 8})).1);
    // The parts of a key do not run together.
    assert_eq!(first.1.get_version_num(), 5);
    let millis = first.0.uuid().get_timestamp().unwrap().to_unix();
    assert_eq!(millis.0, 1_740_823_200);
    let later = ids(json!({"a": "2025-03-01T09:00:00Z"}));
    assert!(later.1 == first.1 && later.0 != first.0);
}

#[test]
fn what_is_wrong_with_a_row_is_told_by_a_code() {
    let planner = planner(MAPPING, None, None);
    for (change, code) in [
        (json!({"id": null}), "no_key"),
        (json!({"id": "7\u{200b}"}), "bad_key"),
        (json!({"id": "x".repeat(300)}), "bad_key"),
        (json!({"state": "odd"}), "unmapped_status"),
        (json!({"state": ""}), "no_status"),
        (json!({"a": null}), "no_time"),
        (json!({"a": "yesterday"}), "unreadable_time"),
        (json!({"a": "2025-03-01 10:00:00"}), "no_zone"),
        (json!({"c": "2026-03-01T10:00:00Z"}), "implausible_time"),
        (json!({"a": 7}), "implausible_time"),
        (json!({"what": null}), "no_kind"),
        (json!({"what": "x".repeat(200)}), "bad_kind"),
        (json!({"state": "half"}), "no_counts"),
    ] {
        assert_eq!(told(&planner, usual(change.clone())), format!("refused: {code}"), "{change}");
    }
}

#[test]
fn what_is_lost_of_a_row_is_noted() {
    let planner = planner(MAPPING, None, None);
    let secret = "login failed: password=hunter2";
    for (change, notes) in [
        (json!({"state": "bad", "error": secret}), vec!["redacted"]),
        (json!({"state": "bad", "error": "x ".repeat(200)}), vec!["cut"]),
        (json!({"user": "x".repeat(300)}), vec!["initiator_left_out"]),
        (json!({"c": null}), vec!["missing_end"]),
        (json!({"c": "2025-03-01T09:00:00Z"}), vec!["end_before_start"]),
        (json!({"b": "2025-03-01T09:00:00Z"}), vec!["start_before_queued"]),
    ] {
        let found: Vec<_> = planned(&planner, change.clone()).notes.iter().map(|note| note.code).collect();
        assert_eq!(found, notes, "{change}");
    }
    let failed = planned(&planner, json!({"state": "bad", "error": secret}));
    let EventBody::Failed(failed) = &failed.request.start.events[1].body else { panic!() };
    assert_eq!(failed.message.as_str(), "login failed: password=[redacted:password]");
    assert_eq!(failed.reason_code.as_str(), "timeout");
    // In the context by its name.
    let rehearsed =
        commands().rehearse_import(planned(&planner, json!({"token": "hunter2"})).request).unwrap();
    assert_eq!(rehearsed.changes.into_parts().0.len(), 1);
}

#[test]
fn what_is_not_done_is_left_out_kept_or_failed() {
    for (unfinished, state, becomes) in [
        (None, "on", "left out: unfinished"),
        (
            Some(Unfinished::Keep),
            "on",
            "s1/7 old.nightly_backup running: 2025-03-01 10:00:00, Started 2025-03-01 10:00:01",
        ),
        (Some(Unfinished::Keep), "waits", "s1/7 old.nightly_backup queued: 2025-03-01 10:00:00"),
        (
            Some(Unfinished::FailStale),
            "on",
            "s1/7 old.nightly_backup failed: 2025-03-01 10:00:00, Started 2025-03-01 10:00:01, \
             Failed 2025-03-01 10:00:01 stale",
        ),
        (
            Some(Unfinished::FailStale),
            "waits",
            "s1/7 old.nightly_backup failed: 2025-03-01 10:00:00, Failed 2025-03-01 10:00:00 stale",
        ),
    ] {
        let planner = planner(MAPPING, unfinished, None);
        assert_eq!(told(&planner, usual(json!({"state": state}))), becomes, "{unfinished:?}");
    }
}
