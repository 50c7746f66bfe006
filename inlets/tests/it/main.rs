//! What becomes of what emitters say: a row for each row of the tables in `docs/inlets.md`, and for what they send that
//! nobody expects. Nothing here needs a database.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test's failure is a panic")]

mod cloudevents;
mod openlineage;
mod order;
mod pings;
mod strange;

use access::{Inlet, InletType};
use domain::HeartbeatSeconds;
use inlets::{Aside, Incoming, Report, Said};
use uuid::Uuid;

/// An inlet whose runs promise a sign of life every hour.
fn inlet(inlet_type: InletType) -> Inlet {
    Inlet {
        inlet_id: Uuid::from_u128(7),
        tenant: "demo".parse().unwrap(),
        inlet_type,
        kind: "jobs.nightly".parse().unwrap(),
        principal: "inlet".parse().unwrap(),
        heartbeat_seconds: Some(HeartbeatSeconds::try_from(3_600).unwrap()),
    }
}

#[track_caller]
fn report(incoming: Incoming) -> Report {
    match incoming {
        Incoming::Report(report) => {
            // It is kept as JSON, and is the same afterwards.
            let json = serde_json::to_string(&report).unwrap();
            assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), *report, "{json}");
            *report
        }
        Incoming::Aside(aside) => panic!("set aside: {}", aside.why),
    }
}

#[track_caller]
fn aside(incoming: Incoming) -> Aside {
    match incoming {
        Incoming::Report(report) => panic!("a report: {report:?}"),
        Incoming::Aside(aside) => *aside,
    }
}

/// What was said, as the type of an event and its fields.
fn said(report: &Report) -> (String, serde_json::Value) {
    match &report.said {
        Said::Queued => ("Queued".to_owned(), serde_json::Value::Null),
        Said::Event(body) => (body.type_name().to_owned(), serde_json::to_value(body).unwrap()),
    }
}
