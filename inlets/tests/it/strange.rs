//! Whatever comes in: it is translated, set aside or refused, and nothing panics.

use access::InletType;
use inlets::cloudevents::{CloudEvent, batched, structured, translate};
use inlets::pings::{Ping, Signal};
use inlets::{Incoming, Seen, openlineage, pings, step};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::inlet;

/// Any JSON, with members that mean something here more often than others.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        3 => prop::sample::select(vec![
            "START", "COMPLETE", "FAIL", "com.runledger.Failed", "com.runledger.Queued", "com.runledger.ItemFailed",
            "dev.cdevents.taskrun.finished.0.2.0", "dev.cdevents.", "com.runledger.", "2026-11-28T08:15:00Z", "1.0",
            "timeout", "password=hunter2", "\u{0}", "",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        word.prop_map(Value::from),
    ];
    let name = prop_oneof![
        4 => prop::sample::select(vec![
            "eventType", "eventTime", "run", "runId", "facets", "job", "namespace", "name", "parent", "errorMessage",
            "message", "inputs", "dataset", "specversion", "id", "source", "type", "subject", "time", "data",
            "data_base64", "datacontenttype", "context", "content", "outcome", "item", "reason_code", "labels",
            "initiator", "title", "items_total", "heartbeat_seconds", "worker", "presumed",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    leaf.prop_recursive(5, 60, 8, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// What was translated can be kept, read again, and be put into order.
fn kept(incoming: Incoming) {
    match incoming {
        Incoming::Report(report) => {
            let json = serde_json::to_string(&report).unwrap();
            assert_eq!(serde_json::from_str::<inlets::Report>(&json).unwrap(), *report);
            let received_at = "2026-11-28T09:00:00Z".parse().unwrap();
            let _step = step(&inlet(InletType::Pings), Seen::default(), &report, received_at);
        }
        Incoming::Aside(aside) => drop(serde_json::to_string(&aside.content).unwrap()),
    }
}

fn everything(body: &[u8]) {
    let secret = [7; 32].into();
    let (lineage, events) = (inlet(InletType::OpenLineage), inlet(InletType::CloudEvents));
    openlineage::one(&lineage, body).into_iter().for_each(kept);
    openlineage::batch(&lineage, body).into_iter().flatten().flatten().for_each(kept);
    structured(&events, &secret, body).into_iter().for_each(kept);
    batched(&events, &secret, body).into_iter().flatten().for_each(kept);
    let attributes: [(&str, &[u8]); 5] = [
        ("specversion", b"1.0"),
        ("id", b"1"),
        ("source", body),
        ("subject", b"s"),
        ("type", b"com.runledger.ItemFailed"),
    ];
    let binary = CloudEvent::binary(attributes.into_iter(), Some("application/json"), body);
    binary.into_iter().for_each(|event| kept(translate(&events, &secret, event)));
    for signal in [Signal::Success, Signal::Fail, Signal::Exit(9), Signal::Log] {
        let slug = std::str::from_utf8(body).unwrap_or("job");
        for slug in [slug, "job"] {
            let ping = Ping { slug, signal, rid: None, body, fresh: Uuid::from_u128(1) };
            let pinged = pings::translate(&inlet(InletType::Pings), ping);
            pinged.into_iter().for_each(|report| kept(Incoming::Report(Box::new(report))));
        }
    }
}

proptest! {
    #[test]
    fn no_bytes_panic(body in prop::collection::vec(any::<u8>(), 0..600)) {
        everything(&body);
    }

    #[test]
    fn no_json_panics(body in any_json()) {
        everything(body.to_string().as_bytes());
    }

    /// With what every event has, the rest may be anything.
    #[test]
    fn nothing_in_an_envelope_panics(inner in any_json(), event_type in prop::sample::select(vec![
        "com.runledger.Queued", "com.runledger.Started", "com.runledger.ItemFailed", "com.runledger.Failed",
        "dev.cdevents.pipelinerun.finished.0.3.0", "dev.cdevents.taskrun.started.0.2.0", "x",
    ])) {
        let envelope = json!({"specversion": "1.0", "id": "1", "source": "/s", "subject": "r", "type": event_type, "data": inner});
        everything(envelope.to_string().as_bytes());
        let lineage = json!({
            "eventType": "FAIL", "eventTime": "2026-11-28T08:15:00Z", "run": {"runId": "r", "facets": inner},
            "job": {"namespace": "n", "name": "j", "facets": inner}, "inputs": inner,
        });
        everything(lineage.to_string().as_bytes());
    }
}

#[test]
fn deep_and_strange_json_is_refused_and_not_followed() {
    everything("[".repeat(100_000).as_bytes());
    everything(format!("{}1{}", "{\"a\":".repeat(5_000), "}".repeat(5_000)).as_bytes());
    everything(br#"{"$serde_json::private::RawValue": "1"}"#);
    everything(br#"{"specversion":"1.0","specversion":"1.0"}"#);
    everything(br#"{"a": 1e999}"#);
}
