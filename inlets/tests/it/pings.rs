//! Pings.

use access::InletType;
use inlets::pings::{Ping, Signal, translate};
use inlets::{Malformed, Report, RunName};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{inlet, said};

const RID: &str = "0193B3F0-6A1E-4C4D-9D2B-3F1A5C7E9B10";

fn ping(signal: &str, rid: Option<&str>, body: &str) -> Result<Report, Malformed> {
    let signal = if signal.is_empty() { Signal::Success } else { Signal::parse(signal).unwrap() };
    let ping = Ping { slug: "backup", signal, rid, body: body.as_bytes(), fresh: Uuid::from_u128(1) };
    translate(&inlet(InletType::Pings), ping)
}

#[test]
fn each_signal_becomes_an_event() {
    let failed = |reason: &str, message: &str| json!({"reason_code": reason, "message": message});
    for (signal, body, event, data) in [
        ("", "", "Completed", json!({})),
        ("", "12 files\ndone\n", "Completed", json!({"message": "12 files done"})),
        ("0", "", "Completed", json!({})),
        ("start", "ignored", "Started", json!({"heartbeat_seconds": 3600})),
        ("log", "", "Progressed", json!({})),
        ("log", "half way", "Progressed", json!({"message": "half way"})),
        ("fail", "", "Failed", failed("unknown", "The job says that it failed.")),
        ("fail", "disk full", "Failed", failed("unknown", "disk full")),
        ("1", "", "Failed", failed("unknown", "Exit code 1")),
        ("2", "a\nb", "Failed", failed("unknown", "Exit code 2: a b")),
        ("124", "", "Failed", failed("timeout", "Exit code 124")),
        ("126", "", "Failed", failed("permission_denied", "Exit code 126")),
        ("127", "", "Failed", failed("not_found", "Exit code 127")),
        ("130", "", "Failed", failed("cancelled", "Exit code 130")),
        ("143", "", "Failed", failed("cancelled", "Exit code 143")),
        ("255", "", "Failed", failed("unknown", "Exit code 255")),
        ("fail", "password=hunter2", "Failed", failed("unknown", "password=[redacted:password]")),
    ] {
        let report = ping(signal, None, body).unwrap();
        assert_eq!(said(&report), (event.to_owned(), data), "{signal} {body}");
        assert_eq!(report.begins, signal != "log", "{signal}");
        assert_eq!(report.at, None, "a ping tells no time");
    }
}

#[test]
fn what_is_no_signal_is_none() {
    for name in ["Start", "starts", "256", "-1", "+1", "1.0", "", "0x1", "99999999999"] {
        assert_eq!(Signal::parse(name), None, "{name}");
    }
}

#[test]
fn a_rid_binds_the_pings_of_a_run() {
    let (start, end) = (ping("start", Some(RID), "").unwrap(), ping("", Some(RID), "").unwrap());
    assert_eq!(start.run, end.run);
    assert_eq!(start.run, RunName::Named(format!("backup {}", RID.to_lowercase())));
    assert_eq!((start.lane.as_str(), end.lane.as_str()), ("backup", "backup"));
    assert_ne!(start.event_id, end.event_id);
    // The same twice is known by its id, but for what is said, of which there may be more.
    assert_eq!(ping("start", Some(&RID.to_lowercase()), "").unwrap().event_id, start.event_id);
    assert_eq!(ping("", Some(RID), "more").unwrap().event_id, end.event_id);
    assert_eq!(ping("log", Some(RID), "").unwrap().event_id, Uuid::from_u128(1));
    assert_eq!(start.about.correlation_id.unwrap().as_str(), RID.to_lowercase());
}

#[test]
fn without_a_rid_a_start_is_a_new_run_and_an_end_is_of_the_newest() {
    assert_eq!(ping("start", None, "").unwrap().run, RunName::New);
    for signal in ["", "fail", "log", "3"] {
        assert_eq!(ping(signal, None, "").unwrap().run, RunName::Newest, "{signal}");
    }
}

#[test]
fn the_slug_is_the_title_and_all_that_is_known() {
    let about = ping("", None, "").unwrap().about;
    assert_eq!(about.title.unwrap().as_str(), "backup");
    assert_eq!(about.context, json!({"slug": "backup"}));
    assert_eq!(serde_json::to_value(about.labels).unwrap(), json!({"slug": "backup"}));
}

#[test]
fn a_slug_or_a_rid_that_is_none_is_told() {
    assert!(ping("", Some("run-7"), "").unwrap_err().detail.contains("UUID"));
    let secret = "ghp_x7Kq2mVb9TzLw4RnYc8PdHs6JfGa3EuXoC1i";
    for slug in ["", "a b", "a/b", "ä", "a\u{0}", &"a".repeat(101), secret] {
        let ping = Ping { slug, signal: Signal::Success, rid: None, body: b"", fresh: Uuid::from_u128(1) };
        let refused = translate(&inlet(InletType::Pings), ping).unwrap_err();
        assert_eq!(refused.pointer, "slug", "{slug}");
    }
}

#[test]
fn of_a_long_output_the_last_lines_are_told() {
    let body = format!("{}\nlast words", "noise noise\n".repeat(20_000));
    let (_, data) = said(&ping("1", None, &body).unwrap());
    let Value::String(message) = &data["message"] else { panic!("{data}") };
    assert!(message.starts_with("Exit code 1: noise") && message.ends_with("last words"), "{message}");
    assert!(message.chars().count() <= 300);
}
