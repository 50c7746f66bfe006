//! What a mapping can say, and what is found in rows.

use domain::{EventBody, ItemFailed, ItemSkipped, ItemSucceeded};
use imports::{Mapping, Planned, Planner, Settings, Step, Unfinished};
use serde_json::{Value, json};

use crate::{commands, planner, row, settings, told};

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
    assert_eq!(first.1.get_version_num(), 5);
    let millis = first.0.uuid().get_timestamp().unwrap().to_unix();
    assert_eq!(millis.0, 1_740_823_200);
    let later = ids(json!({"a": "2025-03-01T09:00:00Z"}));
    assert!(later.1 == first.1 && later.0 != first.0);
}

#[test]
fn rows_of_other_tenants_and_sources_have_other_ids() {
    let id = |tenant: &str, source: &str, site: &str| {
        let mapping = MAPPING.replace("source = \"old\"", &format!("source = \"{source}\""));
        let settings = Settings { tenant: tenant.parse().unwrap(), ..settings() };
        let planner = Planner::new(Mapping::parse(&mapping).unwrap(), settings).unwrap();
        let request = planned(&planner, json!({"site": site})).request;
        assert_eq!(request.start.tenant.as_str(), tenant);
        request.start.event_id.unwrap()
    };
    // The third says the same letters as the first.
    let ids = [id("acme", "old", "s1"), id("acme2", "old", "s1"), id("acme", "olds", "1")];
    assert!(ids[0] != ids[1] && ids[0] != ids[2] && ids[1] != ids[2], "{ids:?}");
}

#[test]
fn what_the_command_says_counts_before_what_the_mapping_says() {
    let mapping = MAPPING.replace("times = {", "unfinished = \"keep\"\n times = { zone = \"Europe/Berlin\",");
    let local = json!({"a": "2025-03-01 10:00:00", "b": null, "c": null, "state": "waits"});
    let becomes = |unfinished, zone| told(&planner(&mapping, unfinished, zone), usual(local.clone()));
    assert_eq!(becomes(None, None), "s1/7 old.nightly_backup queued: 2025-03-01 09:00:00");
    assert_eq!(becomes(None, Some("+03:00")), "s1/7 old.nightly_backup queued: 2025-03-01 07:00:00");
    assert_eq!(becomes(Some(Unfinished::Skip), None), "left out: unfinished");
}

#[test]
fn a_status_is_found_as_it_is_written_or_in_small_letters_and_cases_come_first() {
    let mapping = MAPPING.replace(
        "status = {",
        "case = [{ when = { flag = { equals = \"true\" }, state = \"set\" }, is = \"aborted\", reason = \"cancelled\" }]\n status = {",
    );
    let planner = planner(&mapping, None, None);
    for (change, status) in [
        (json!({"state": "OK"}), "succeeded"),
        (json!({"state": "Bad"}), "failed"),
        (json!({"state": "ok", "flag": true}), "failed"),
        (json!({"state": "ok", "flag": false}), "succeeded"),
    ] {
        let line = told(&planner, usual(change.clone()));
        assert!(line.starts_with(&format!("s1/7 old.nightly_backup {status}:")), "{change}: {line}");
    }
}

#[test]
fn a_correlation_is_on_every_event_and_one_that_nobody_sees_is_left_out() {
    let planner = planner(&format!("correlation = \"trace\"\n{MAPPING}"), None, None);
    let of = |trace: &str| {
        let start = planned(&planner, json!({"trace": trace})).request.start;
        let said =
            start.events.iter().map(|event| event.correlation_id.clone()).chain([start.correlation_id]);
        said.map(|id| id.map(|id| id.as_str().to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(of("t-1"), vec![Some("t-1".to_owned()); 3]);
    assert_eq!(of("t\u{200b}1"), vec![None; 3]);
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
        (json!({"user": "postgres://admin:Hunter2Pass@db/x"}), vec!["initiator_left_out"]),
        (json!({"state": "bad", "error": secret}), vec!["redacted"]),
        (json!({"state": "bad", "error": "x ".repeat(200)}), vec!["cut"]),
        (json!({"user": "x".repeat(300)}), vec!["initiator_left_out"]),
        (json!({"user": "a\u{200b}"}), vec!["initiator_left_out"]),
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

#[test]
fn of_a_python_traceback_its_end_is_the_message() {
    let frames = "  File \"/app/jobs.py\", line 7, in run\n    check(number)\n    ~~~~~^^^^^^^^\n".repeat(9);
    for (said, message) in [
        (
            format!("Traceback (most recent call last):\n{frames}ValueError: number 7\nis refused\n"),
            "ValueError: number 7 is refused",
        ),
        // Of nothing that was raised, its beginning.
        (
            "Traceback (most recent call last):\n  File \"a\", line 1".to_owned(),
            "Traceback (most recent call last): File \"a\", line 1",
        ),
        ("RuntimeException: no\n  File \"a\"\nb".to_owned(), "RuntimeException: no File \"a\" b"),
    ] {
        let planned = planned(&planner(MAPPING, None, None), json!({"state": "bad", "error": said}));
        let EventBody::Failed(failed) = &planned.request.start.events[1].body else { panic!() };
        assert_eq!((failed.message.as_str(), planned.notes.len()), (message, 0));
    }
}

#[test]
fn ids_that_are_secrets_or_the_ledgers_own_do_not_come_in() {
    let key = MAPPING.replace("key = [\"site\", \"id\"]", "key = \"id\"");
    assert_eq!(
        told(&planner(&key, None, None), usual(json!({"id": "AKIAIOSFODNN7EXAMPL9"}))),
        "refused: bad_key"
    );
    let bare = planner(&MAPPING.replace("prefix = \"user:\", ", ""), None, None);
    for id in ["system", "s\u{443}stem"] {
        let planned = planned(&bare, json!({"user": id}));
        assert!(planned.request.start.initiator.is_none(), "{id}");
        assert_eq!(planned.notes[0].code, "initiator_left_out");
    }
}

const COUNTED: &str = r#"
    [counts]
    total = "total"
    succeeded = { column = "total", minus = ["bad", "left"] }
    failed = "bad"
    skipped = "left"

    [items]
    column = "parts"
    id = "id"
    label = "name"
    namespace = "policies"
    status = "what"
    values = { fine = "succeeded", no = "failed" }
    otherwise = "skipped"
    message = "why"
    reason = "timeout"
"#;

#[test]
fn items_come_with_their_counts_names_and_namespace() {
    let planner = planner(&format!("{MAPPING}{COUNTED}"), None, None);
    let parts = json!([
        {"id": "p-1", "name": "Nightly", "what": "fine"},
        {"id": 2, "what": "no", "why": "password=hunter2 was wrong"},
        "p-3",
        {"id": "p-4", "what": "no"},
    ]);
    let of = |parts: Value| {
        planned(&planner, json!({"total": 9, "bad": "4", "left": 1, "parts": parts})).request.start
    };
    let start = of(parts.clone());
    assert_eq!(start.items_total.map(domain::ItemCount::get), Some(9));
    let [_, first, second, third, fourth, end] = &start.events[..] else { panic!("{start:?}") };
    let EventBody::ItemSucceeded(ItemSucceeded { item, label, namespace }) = &first.body else { panic!() };
    assert_eq!((item.as_str(), label.as_ref().unwrap().as_str()), ("p-1", "Nightly"));
    assert_eq!(namespace.as_ref().unwrap().as_str(), "policies");
    let EventBody::ItemFailed(ItemFailed { item, namespace, message, reason_code, .. }) = &second.body else {
        panic!()
    };
    assert_eq!((item.as_str(), namespace.as_ref().unwrap().as_str()), ("2", "policies"));
    assert_eq!(
        (message.as_str(), reason_code.as_str()),
        ("password=[redacted:password] was wrong", "timeout")
    );
    let EventBody::ItemSkipped(ItemSkipped { item, namespace, .. }) = &third.body else { panic!() };
    assert_eq!((item.as_str(), namespace.as_ref().unwrap().as_str()), ("p-3", "policies"));
    assert!(matches!(fourth.body, EventBody::ItemFailed(_)) && fourth.id != second.id);
    let EventBody::Completed(completed) = &end.body else { panic!() };
    let counts = domain::Counts::from(completed.tally.unwrap());
    assert_eq!((counts.succeeded, counts.failed, counts.skipped), (4, 4, 1));
    // A text that is the array in JSON says the same.
    assert_eq!(format!("{:?}", of(json!(parts.to_string())).events), format!("{:?}", start.events));
}

#[test]
fn counts_and_items_that_can_not_be_read_are_refused() {
    let planner = planner(&format!("{MAPPING}{COUNTED}"), None, None);
    for (change, code) in [
        (json!({"total": "many"}), "bad_count"),
        (json!({"total": 1, "bad": 2}), "bad_count"),
        (json!({"parts": "p-1"}), "bad_items"),
        (json!({"parts": {"id": "p-1"}}), "bad_items"),
        (json!({"parts": [{"name": "without an id"}]}), "bad_items"),
        (json!({"parts": [{"id": "p-1", "what": "odd"}]}), "bad_items"),
    ] {
        assert_eq!(told(&planner, usual(change.clone())), format!("refused: {code}"), "{change}");
    }
    let wrong = Mapping::parse(&format!("{MAPPING}{COUNTED}").replace("\"policies\"", "\"my policies\""));
    assert!(wrong.unwrap_err().to_string().contains("policies"));
}
