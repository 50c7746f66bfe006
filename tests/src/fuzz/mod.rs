//! What must hold for any bytes that a stranger sends. `fuzz/` tries these with libFuzzer, `tests/fuzz.rs`
//! with a bounded number of changed examples.

use api::fuzzing;
use domain::key::{IdempotencySecret, canonical_request, check_context, idempotency_key};
use domain::wire;
use redaction::{CleanText, MAX_CHARS, redact_json};
use serde_json::Value;

mod sealed;

pub use sealed::{export, receipt, sealed_json, sealed_text};

/// The types of the events that are stored.
const TYPES: [&str; 10] = [
    "Queued",
    "Started",
    "ItemSucceeded",
    "ItemFailed",
    "ItemSkipped",
    "Progressed",
    "Completed",
    "Failed",
    "Aborted",
    "Unheard",
];

/// A target: its name, what it does with bytes, and what a search begins with.
pub struct Target {
    /// As in `cargo fuzz run NAME`.
    pub name: &'static str,
    /// Panics where something does not hold.
    pub run: fn(&[u8]),
    /// Inputs of all kinds.
    pub seeds: &'static [&'static str],
}

/// All targets.
pub const TARGETS: [Target; 11] = [
    Target {
        name: "event",
        run: event,
        seeds: &[
            r#"{"events": [{"type": "Started", "worker": "w", "heartbeat_seconds": 60}]}"#,
            r#"{"events": [{"type": "ItemFailed", "id": "0190f000-0000-7000-8000-000000000000", "item": "a",
               "reason_code": "gone", "message": "it was gone", "occurred_at": "2026-01-01T00:00:00Z"}]}"#,
            r#"{"kind": "a.b", "context": {"n": [1, 2.5, null]}, "labels": {"env": "prod"},
               "initiator": {"id": "ann", "name": "Ann"}, "unordered": ["/n"], "items_total": 3}"#,
            r#"{"message": "done", "reason_code": "other", "item": "x", "items_total": 18446744073709551615}"#,
        ],
    },
    Target {
        name: "stored_event",
        run: stored_event,
        seeds: &[
            r#"{"item": "a", "reason_code": "gone", "message": "it was gone"}"#,
            r#"{"worker": "w", "heartbeat_seconds": 60}"#,
            r#"{"kind": "a", "context": {}, "idempotency_key":
               "0000000000000000000000000000000000000000000000000000000000000000", "labels": {}}"#,
        ],
    },
    Target {
        name: "read_back",
        run: read_back,
        seeds: &[
            r#"{"kind": "a.b", "context": {"n": [1, -0.0, 2.5e-7, null], "v": {"$serde_json::private::RawValue": "[1,"}},
               "labels": {"env": "prod"}, "initiator": {"id": "ann", "name": "Ann"}, "title": "x  y",
               "items_total": 3.0}"#,
            r#"{"kind": "a", "context": {"$serde_json::private::RawValue": "{\"p\\u0061ssword\":\"hunter2\"}", "a": 1}}"#,
            r#"{"kind": "a", "context": {"deep": [[[[{"$serde_json::private::Number": "1e400"}]]]], "s": "\ud83d\ude00\u0001"}}"#,
            r#"{"events": [{"type": "Started", "worker": "w\u200b  1", "heartbeat_seconds": 6e1},
               {"type": "ItemFailed", "item": "a\tb", "label": "L", "reason_code": "gone", "message": "pa\u00adssword=hunter2 x",
                "occurred_at": "2016-12-31T23:59:60.1234567Z", "correlation_id": "c"},
               {"type": "Progressed", "items_total": 9007199254740991.0, "message": "token abcdefghijklmnop"}]}"#,
            r#"{"events": [{"type": "ItemSucceeded", "item": "AKIAIOSFODNN7EXAMPL9 and more"},
               {"type": "Failed", "reason_code": "a", "message": "-----BEGIN PRIVATE KEY-----\nMIIEvQ"}]}"#,
        ],
    },
    Target {
        name: "context",
        run: context,
        seeds: &[
            r#"{"a": [3, 1, {"b": -0.0}, 1e21, 9007199254740991], "\u20ac": "\ud83d\ude00", "": null}"#,
            r#"{"targets": ["b", "a", "b"], "n": 1.0, "deep": [[[[[[{"x": false}]]]]]]}"#,
            r#"{"numbers": [0.1, 333333333.33333329, 1e-7, 5e-324, 1.7976931348623157e308]}"#,
        ],
    },
    Target {
        name: "sanitizer",
        run: sanitizer,
        seeds: &[
            "could not connect to postgres://app:hunter2@db:5432/runs",
            "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl and {\"password\": \"x y z\"}",
            "\u{1b}[31mred\u{1b}[0m \u{202e}drawkcab\u{202c} caf\u{e9} \u{1f600} AKIAIOSFODNN7EXAMPLE",
            "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----",
        ],
    },
    Target {
        name: "cursor",
        run: cursor,
        seeds: &[
            r#"[1,"0011223344556677",{"queued_at_micros":1700000000123456,"run_id":"0190f000-0000-7000-8000-000000000000"}]"#,
            "status=failed&status=queued&label=env:prod&since=2026-01-01T00:00:00Z&q=Drift&limit=200",
            "kind=a.b&initiator=ann&liveness=stalled&sort=queued_at&until=2026-02-01T00:00:00%2B01:00",
        ],
    },
    Target {
        name: "token",
        run: token,
        seeds: &["rlg_0000000000000000000000000000000000000000000000000", "rlg_", "Bearer rlg_"],
    },
    sealed::TEXT,
    sealed::JSON,
    sealed::EXPORT,
    sealed::RECEIPT,
];

/// The bodies of the two commands: never a panic, and refused only in the ways that are documented.
pub fn event(data: &[u8]) {
    for refused in [fuzzing::start_body(data).err(), fuzzing::events_body(data).err()].into_iter().flatten() {
        assert!(matches!(refused, 400 | 413 | 422), "refused with {refused}");
    }
}

/// What the door takes is read back from its own bytes, and says the same.
pub fn read_back(data: &[u8]) {
    fuzzing::read_back(data).unwrap();
}

/// Events as they are stored: what can be read is the same after it was written and read again.
pub fn stored_event(data: &[u8]) {
    for event_type in TYPES {
        let Ok(body) = wire::decode_body(event_type, data) else { continue };
        assert_eq!(body.type_name(), event_type);
        let written = serde_json::to_vec(&body).unwrap();
        assert_eq!(wire::decode_body(event_type, &written).unwrap(), body);
    }
}

/// Canonical contexts: the canonical form is its own canonical form, and the key does not depend on how the
/// context was written.
pub fn context(data: &[u8]) {
    let Ok(context) = serde_json::from_slice::<Value>(data) else { return };
    if check_context(&context).is_err() {
        return;
    }
    let canonical = canonical_request("acme", "a", &context, &[]).unwrap();
    let again: Value = serde_json::from_slice(&canonical).unwrap();
    assert_eq!(canonical_request("acme", "a", &again[2], &[]).unwrap(), canonical);
    let secret = IdempotencySecret::from([7; 32]);
    let key = idempotency_key(&secret, "acme", "a", &context, &[]).unwrap();
    assert_eq!(idempotency_key(&secret, "acme", "a", &again[2], &[]).unwrap(), key);
    let names: Vec<String> = context.as_object().unwrap().keys().cloned().collect();
    if let Ok(sorted) = canonical_request("acme", "a", &context, &names) {
        let sorted: Value = serde_json::from_slice(&sorted).unwrap();
        let twice = canonical_request("acme", "a", &sorted[2], &names).unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&twice).unwrap(), sorted);
    }
}

/// Clean text: short, without control characters, and clean already.
pub fn sanitizer(data: &[u8]) {
    let raw = String::from_utf8_lossy(data);
    for clean in [CleanText::new(&raw), CleanText::for_item(&raw)] {
        let text = clean.as_str();
        assert!(text.chars().count() <= MAX_CHARS, "{} characters", text.chars().count());
        assert!(!text.chars().any(char::is_control), "{text:?}");
        let bidi = |c| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        assert!(!text.contains(bidi), "{text:?}");
    }
    let clean = CleanText::new(&raw);
    assert_eq!(CleanText::new(clean.as_str()), clean, "cleaned twice");
    if let Ok(mut value) = serde_json::from_slice::<Value>(data) {
        redact_json(&mut value);
        let once = value.clone();
        redact_json(&mut value);
        assert_eq!(value, once, "redacted twice");
    }
}

/// Queries of the list of runs, and cursors with any content.
pub fn cursor(data: &[u8]) {
    use base64::Engine;
    let content = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(data);
    let query = String::from_utf8_lossy(data);
    for query in [format!("cursor={content}"), format!("cursor={query}"), query.into_owned()] {
        if let Err(refused) = fuzzing::run_list(&query) {
            assert!(matches!(refused, 400 | 422), "{query} refused with {refused}");
        }
    }
}

/// Tokens: what has the form of one has it exactly, and one changed character is noticed.
pub fn token(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if !fuzzing::token(&text) {
        return;
    }
    assert!(text.starts_with("rlg_") && text.len() == 53, "{text}");
    for at in 4..53 {
        let mut changed = text.clone().into_owned().into_bytes();
        changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
        assert!(!fuzzing::token(std::str::from_utf8(&changed).unwrap()), "changed at {at}");
    }
}
