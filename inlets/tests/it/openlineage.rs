//! OpenLineage.

use access::InletType;
use inlets::openlineage::{batch, translate};
use inlets::{Incoming, Malformed, RunName};
use serde_json::{Value, json};

use crate::{aside, inlet, report, said};

const RUN: &str = "0193b3f0-6a1e-7c4d-9d2b-3f1a5c7e9b10";

fn event(event_type: &str, facets: &Value) -> Value {
    json!({
        "eventType": event_type,
        "eventTime": "2026-11-28T08:15:00.123456789Z",
        "run": {"runId": RUN, "facets": facets},
        "job": {"namespace": "warehouse", "name": "orders.daily", "facets": {"jobType": {"integration": "DBT", "jobType": "MODEL"}}},
        "inputs": [{"namespace": "pg", "name": "raw.orders"}],
        "outputs": [],
        "producer": "https://github.com/OpenLineage/OpenLineage",
    })
}

fn translated(event: Value) -> Result<Incoming, Malformed> {
    translate(&inlet(InletType::OpenLineage), event)
}

#[test]
fn each_type_becomes_an_event() {
    let none = json!({});
    let error = json!({"errorMessage": {"message": "relation \"x\" does not exist\nline 2", "programmingLanguage": "SQL"}});
    let secret = json!({"errorMessage": {"message": "connect failed: password=hunter2"}});
    for (event_type, facets, becomes, data) in [
        ("START", &none, "Started", json!({"heartbeat_seconds": 3600})),
        ("RUNNING", &none, "Progressed", json!({})),
        ("OTHER", &none, "Progressed", json!({})),
        ("COMPLETE", &none, "Completed", json!({})),
        (
            "FAIL",
            &none,
            "Failed",
            json!({"reason_code": "unknown", "message": "The run failed; the emitter does not say why."}),
        ),
        (
            "FAIL",
            &error,
            "Failed",
            json!({"reason_code": "unknown", "message": "relation \"x\" does not exist line 2"}),
        ),
        (
            "FAIL",
            &secret,
            "Failed",
            json!({"reason_code": "unknown", "message": "connect failed: password=[redacted:password]"}),
        ),
        ("ABORT", &none, "Aborted", json!({"reason_code": "cancelled", "message": "The run was aborted."})),
    ] {
        let report = report(translated(event(event_type, facets)).unwrap());
        assert_eq!(said(&report), (becomes.to_owned(), data), "{event_type}");
        assert_eq!(report.run, RunName::Named(RUN.to_owned()));
        assert_eq!(report.at.unwrap().to_rfc3339(), "2026-11-28T08:15:00.123456789+00:00");
    }
    let mut without = event("START", &none);
    without.as_object_mut().unwrap().remove("eventType");
    assert_eq!(said(&report(translated(without).unwrap())).0, "Progressed");
}

#[test]
fn the_job_and_its_facets_say_what_the_run_is() {
    let facets = json!({
        "parent": {"run": {"runId": "0193B3F0-0000-7c4d-9d2b-3f1a5c7e9b10"}, "job": {"namespace": "airflow", "name": "dag"}},
        "nominalTime": {"nominalStartTime": "2026-11-28T00:00:00Z"},
        "processing_engine": {"name": "Spark", "version": "3.5"},
    });
    let about = report(translated(event("START", &facets)).unwrap()).about;
    assert_eq!(about.title.unwrap().as_str(), "orders.daily");
    assert_eq!(
        about.context,
        json!({
            "job": {"namespace": "warehouse", "name": "orders.daily"},
            "run_id": RUN,
            "parent": {"run_id": "0193b3f0-0000-7c4d-9d2b-3f1a5c7e9b10", "namespace": "airflow", "name": "dag"},
            "nominal_start": "2026-11-28T00:00:00Z",
            "producer": "https://github.com/OpenLineage/OpenLineage",
            "inputs": ["pg raw.orders"],
        })
    );
    let labels = serde_json::to_value(about.labels).unwrap();
    assert_eq!(labels["job"], "orders.daily");
    assert_eq!((&labels["integration"], &labels["engine"]), (&json!("DBT"), &json!("Spark")));
    assert_eq!(about.correlation_id.unwrap().as_str(), RUN);
}

#[test]
fn the_same_event_has_the_same_id_in_whatever_order_its_members_come() {
    let one = report(translated(event("START", &json!({"a": 1, "b": 2}))).unwrap());
    let again: Value = serde_json::from_str(
        &event("START", &json!({})).to_string().replace("\"facets\":{},", "\"facets\":{\"b\":2,\"a\":1},"),
    )
    .unwrap();
    let again = report(translated(again).unwrap());
    assert_eq!(one.event_id, again.event_id);
    let other = report(translated(event("START", &json!({"a": 1, "b": 3}))).unwrap());
    assert_ne!(one.event_id, other.event_id);
}

#[test]
fn events_of_no_run_and_of_unknown_types_are_kept_as_they_are() {
    let dataset = json!({"eventTime": "2026-11-28T08:15:00Z", "dataset": {"namespace": "a", "name": "b", "password": "hunter2"}});
    let kept = aside(translated(dataset).unwrap());
    assert!(kept.why.as_str().contains("no run"), "{}", kept.why);
    assert_eq!(kept.content["dataset"]["password"], "[redacted:password]");
    let kept = aside(translated(event("PAUSE", &json!({}))).unwrap());
    assert!(kept.why.as_str().contains("\"PAUSE\""), "{}", kept.why);
}

/// A type that is no text is no sign of life: what it was to say is not known.
#[test]
fn a_type_that_is_no_text_is_kept_as_it_is() {
    for value in [json!(5), json!(true), json!(["START"]), json!({"type": "START"}), json!("x".repeat(400))] {
        let mut strange = event("START", &json!({}));
        strange["eventType"] = value.clone();
        let kept = aside(translated(strange).unwrap());
        assert_eq!(kept.content["eventType"], value);
        assert!(kept.why.as_str().ends_with("FAIL, ABORT or OTHER."), "{}", kept.why);
    }
    let mut nothing = event("START", &json!({}));
    nothing["eventType"] = Value::Null;
    assert_eq!(said(&report(translated(nothing).unwrap())).0, "Progressed");
}

#[test]
fn what_no_event_lacks_is_asked_for_by_its_name() {
    for (pointer, value) in [
        ("/eventTime", json!(null)),
        ("/eventTime", json!("soon")),
        ("/run/runId", json!(7)),
        ("/run/runId", json!("a\u{0}b")),
        ("/run/runId", json!("x".repeat(301))),
        ("/job/namespace", json!("")),
        ("/job/name", json!(null)),
    ] {
        let mut broken = event("START", &json!({}));
        *broken.pointer_mut(pointer).unwrap() = value.clone();
        assert_eq!(translated(broken).unwrap_err().pointer, pointer, "{value}");
    }
    assert_eq!(translated(json!([])).unwrap_err().pointer, "");
    // A time without a zone is UTC.
    let mut naive = event("START", &json!({}));
    naive["eventTime"] = json!("2026-11-28T08:15:00.5");
    assert_eq!(report(translated(naive).unwrap()).at.unwrap().to_rfc3339(), "2026-11-28T08:15:00.500+00:00");
}

#[test]
fn of_a_batch_each_is_taken_by_itself() {
    let body = json!([event("START", &json!({})), {"run": 7}, event("COMPLETE", &json!({}))]);
    let read = batch(&inlet(InletType::OpenLineage), body.to_string().as_bytes()).unwrap();
    assert_eq!(read.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert!(batch(&inlet(InletType::OpenLineage), b"{}").is_err());
    assert!(batch(&inlet(InletType::OpenLineage), b"[{]").unwrap_err().unreadable);
}

#[test]
fn of_what_is_set_aside_and_large_the_beginning_is_kept() {
    let dataset = json!({"eventTime": "2026-11-28T08:15:00Z", "dataset": {"name": "ä".repeat(200_000), "password": "hunter2"}});
    let kept = aside(translated(dataset).unwrap()).content;
    let kept = kept.as_str().unwrap();
    assert!(kept.len() < 70_000 && kept.ends_with('…') && !kept.contains("hunter2"), "{}", kept.len());
    // So are names that nobody would read.
    let mut long = event("START", &json!({}));
    long["inputs"] = json!([{"namespace": "n".repeat(5_000), "name": "x"}]);
    assert!(report(translated(long).unwrap()).about.context.to_string().len() < 1_000);
}
