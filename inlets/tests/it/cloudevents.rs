//! CloudEvents: their three modes, our own events, CDEvents.

use access::InletType;
use inlets::cloudevents::{CloudEvent, batched, structured, translate};
use inlets::{Incoming, Malformed, RunName};
use serde_json::{Value, json};

use crate::{aside, inlet, report, said};

fn own(event_type: &str, data: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": "e-1", "source": "/jobs", "type": format!("com.runledger.{event_type}"),
        "subject": "run-7", "time": "2026-11-28T08:15:00Z", "datacontenttype": "application/json", "data": data,
    })
}

fn cdevent(event_type: &str, content: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": "e-1", "source": "/ci", "type": format!("dev.cdevents.{event_type}.0.2.0"),
        "data": {
            "context": {"version": "0.4.1", "chainId": "chain-1", "timestamp": "2026-11-28T08:15:00Z"},
            "subject": {"id": "run-9", "source": "/ci/main", "content": content},
        },
    })
}

fn sent(event: &Value) -> Result<Incoming, Malformed> {
    structured(&inlet(InletType::CloudEvents), &[7; 32].into(), event.to_string().as_bytes())
}

#[test]
fn our_own_events_are_what_they_say() {
    for (event_type, data, becomes) in [
        (
            "Started",
            json!({"worker": "w-1", "heartbeat_seconds": 30}),
            json!({"worker": "w-1", "heartbeat_seconds": 30}),
        ),
        ("Started", json!(null), json!({"heartbeat_seconds": 3600})),
        ("ItemSucceeded", json!({"item": "a"}), json!({"item": "a"})),
        (
            "ItemFailed",
            json!({"item": "a", "reason_code": "timeout", "message": "token=abc123def456"}),
            json!({"item": "a", "reason_code": "timeout", "message": "token=[redacted:token]"}),
        ),
        ("ItemSkipped", json!({"item": "a"}), json!({"item": "a"})),
        ("Progressed", json!({"message": "half"}), json!({"message": "half"})),
        ("Completed", json!({}), json!({})),
        (
            "Failed",
            json!({"reason_code": "timeout", "message": "m"}),
            json!({"reason_code": "timeout", "message": "m"}),
        ),
        (
            "Aborted",
            json!({"reason_code": "cancelled", "message": "m"}),
            json!({"reason_code": "cancelled", "message": "m"}),
        ),
    ] {
        let report = report(sent(&own(event_type, &data)).unwrap());
        assert_eq!(said(&report), (event_type.to_owned(), becomes), "{data}");
        assert_eq!(report.run, RunName::Named("/jobs\nrun-7".to_owned()));
        assert_eq!(report.about.context, json!({"source": "/jobs", "subject": "run-7"}));
        assert_eq!(report.about.correlation_id.unwrap().as_str(), "run-7");
    }
    let queued = json!({"title": "Sync", "context": {"password": "x1y2z3"}, "labels": {"env": "prod"}, "items_total": 3});
    let queued = report(sent(&own("Queued", &queued)).unwrap());
    assert_eq!(said(&queued).0, "Queued");
    assert_eq!(queued.about.context, json!({"password": "[redacted:password]"}));
    assert_eq!((queued.about.title.unwrap().as_str(), queued.about.items_total.unwrap().get()), ("Sync", 3));
}

#[test]
fn our_own_events_that_are_wrong_are_kept_and_told() {
    for (event_type, data, says) in [
        ("Exploded", json!({}), "unknown event type"),
        ("Failed", json!({"reason_code": "timeout", "message": "m", "presumed": true}), "presumed"),
        ("Failed", json!({"reason_code": "timeout", "message": " "}), "empty"),
        ("Failed", json!({"reason_code": "No", "message": "m"}), "lower-case"),
        ("Started", json!({"heartbeat_seconds": 0}), "1 to 86400"),
        ("Started", json!("w-1"), "object"),
        ("ItemFailed", json!({"item": "a"}), "reason_code"),
        ("Queued", json!({"kind": "other"}), "kind"),
        ("Queued", json!({"context": 7}), "object"),
        ("Queued", json!({"context": {"a": "b\u{0}"}}), "U+0000"),
        ("Queued", json!({"initiator": {"id": "ann\u{200b}"}}), "initiator"),
    ] {
        let kept = aside(sent(&own(event_type, &data)).unwrap());
        assert!(kept.why.as_str().contains(says), "{event_type} {data}: {}", kept.why);
        assert_eq!(kept.content["type"], format!("com.runledger.{event_type}"));
    }
    let mut without = own("Started", &json!({}));
    without.as_object_mut().unwrap().remove("subject");
    assert!(aside(sent(&without).unwrap()).why.as_str().contains("subject"));
}

#[test]
fn cdevents_of_pipelines_and_tasks_become_runs() {
    let (none, heartbeat) = (json!({}), json!({"heartbeat_seconds": 3600}));
    let failed = |message: &str| json!({"reason_code": "unknown", "message": message});
    for (event_type, content, becomes, data) in [
        ("pipelinerun.queued", none.clone(), "Queued", json!(null)),
        ("pipelinerun.started", none.clone(), "Started", heartbeat.clone()),
        ("taskrun.started", none.clone(), "Started", heartbeat),
        ("pipelinerun.finished", none.clone(), "Completed", none.clone()),
        ("pipelinerun.finished", json!({"outcome": "success"}), "Completed", none.clone()),
        ("taskrun.finished", json!({"outcome": "failure"}), "Failed", failed("The outcome is \"failure\".")),
        ("taskrun.finished", json!({"outcome": "error", "errors": "OOM"}), "Failed", failed("OOM")),
        (
            "pipelinerun.finished",
            json!({"outcome": "cancel"}),
            "Aborted",
            json!({"reason_code": "cancelled", "message": "It was cancelled."}),
        ),
    ] {
        let report = report(sent(&cdevent(event_type, &content)).unwrap());
        assert_eq!(said(&report), (becomes.to_owned(), data), "{event_type} {content}");
        assert_eq!(report.at.unwrap().to_rfc3339(), "2026-11-28T08:15:00+00:00");
        assert_eq!(report.about.correlation_id.unwrap().as_str(), "chain-1");
    }
    let content = json!({"taskName": "test", "url": "https://ci.example/9", "pipelineRun": {"id": "p-1"}});
    let task = report(sent(&cdevent("taskrun.started", &content)).unwrap());
    assert_eq!(
        task.about.context,
        json!({
            "taskrun": {"source": "/ci/main", "id": "run-9"}, "name": "test", "url": "https://ci.example/9",
            "chain": "chain-1", "parent": {"source": "/ci/main", "id": "p-1"},
        })
    );
    assert_eq!(task.about.title.unwrap().as_str(), "test");
    // A pipeline's run and a task's of the same id are two.
    let pipeline = report(sent(&cdevent("pipelinerun.started", &none)).unwrap());
    assert_ne!(pipeline.run, task.run);
    for (event_type, says) in [("taskrun.paused", "paused"), ("build.started", "build"), ("", "cdevents")] {
        let kept = aside(sent(&cdevent(event_type, &json!({}))).unwrap());
        assert!(kept.why.as_str().contains(says), "{event_type}: {}", kept.why);
    }
}

#[test]
fn source_and_id_together_are_what_an_event_is() {
    let id = |source: &str, id: &str| {
        let mut event = own("Started", &json!({}));
        (event["source"], event["id"]) = (json!(source), json!(id));
        report(sent(&event).unwrap()).event_id
    };
    assert_eq!(id("/a", "1"), id("/a", "1"));
    assert_ne!(id("/a", "1"), id("/b", "1"));
    assert_ne!(id("/a", "1"), id("/a", "2"));
    let mut other = own("Completed", &json!({}));
    other["source"] = json!("/a");
    other["id"] = json!("1");
    assert_eq!(report(sent(&other).unwrap()).event_id, id("/a", "1"));
}

#[test]
fn binary_and_structured_say_the_same() {
    let body = br#"{"worker":"w-1"}"#;
    let headers: [(&str, &[u8]); 6] = [
        ("specversion", b"1.0"),
        ("id", b"e-1"),
        ("source", b"/jobs"),
        ("type", b"com.runledger.Started"),
        ("subject", b"run%207%20%C3%A9"),
        ("time", b"2026-11-28T08:15:00Z"),
    ];
    let event =
        CloudEvent::binary(headers.into_iter(), Some("application/json; charset=utf-8"), body).unwrap();
    assert_eq!(event.subject.as_deref(), Some("run 7 é"));
    let binary = report(translate(&inlet(InletType::CloudEvents), &[7; 32].into(), event));
    let mut event = own("Started", &json!({"worker": "w-1"}));
    event["subject"] = json!("run 7 é");
    assert_eq!(binary, report(sent(&event).unwrap()));
    let foreign = CloudEvent::binary(headers.into_iter(), Some("text/plain"), b"hello").unwrap();
    assert_eq!((foreign.data, foreign.foreign.as_deref()), (Value::Null, Some("text/plain")));
    // Which of two would be meant?
    let twice = headers.into_iter().chain([("type", &b"com.runledger.Completed"[..])]);
    let refused = CloudEvent::binary(twice, None, b"").unwrap_err();
    assert_eq!(refused.pointer, "ce-type");
    assert!(refused.detail.contains("more than once") && !refused.unreadable, "{refused}");
    let empty = CloudEvent::binary(headers.into_iter(), None, b"").unwrap();
    assert_eq!((empty.data, empty.foreign), (Value::Null, None));
    let packed = json!({"specversion": "1.0", "id": "e-1", "source": "/jobs", "type": "com.runledger.Started",
        "subject": "run-7", "data_base64": "eyJ3b3JrZXIiOiJ3LTEifQ=="});
    assert_eq!(said(&report(sent(&packed).unwrap())).1["worker"], "w-1");
}

#[test]
fn an_envelope_that_is_none_is_refused_by_its_attribute() {
    for (member, value) in [
        ("specversion", json!("0.3")),
        ("id", json!("")),
        ("source", json!(null)),
        ("type", json!(7)),
        ("subject", json!("a\nb")),
        ("time", json!("yesterday")),
        ("data_base64", json!("%%%")),
    ] {
        let mut event = own("Started", &json!({}));
        event.as_object_mut().unwrap().remove("data");
        event[member] = value;
        assert_eq!(sent(&event).unwrap_err().pointer, format!("/{member}"));
    }
    let mut both = own("Started", &json!({}));
    both["data_base64"] = json!("e30=");
    assert!(sent(&both).unwrap_err().detail.contains("exclude"));
    let batch = json!([own("Started", &json!({})), {"specversion": "1.0"}]).to_string();
    let refused = batched(&inlet(InletType::CloudEvents), &[7; 32].into(), batch.as_bytes()).unwrap_err();
    assert!(refused.pointer.starts_with("/1/"), "{refused}");
    assert!(sent(&json!("x")).is_err());
}
