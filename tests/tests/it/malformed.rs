//! Bodies that are wrong in every way we could think of: never a 5xx, and the answer says where.

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Setup, TestApp};

/// Bodies that can't be read as JSON at all, or hold a number that is none.
fn not_json() -> Vec<Vec<u8>> {
    let mut bodies: Vec<Vec<u8>> = vec![
        b"".to_vec(),
        b" ".to_vec(),
        b"{".to_vec(),
        b"{\"kind\": \"a\"".to_vec(),
        b"{\"kind\": \"a\", }".to_vec(),
        b"{'kind': 'a'}".to_vec(),
        b"{\"kind\": \"\x00\", \"context\": {}}".to_vec(),
        b"{\"kind\": \"a\", \"context\": {\"a\": \"\xff\xfe\"}}".to_vec(),
        b"{\"kind\": \"a\", \"context\": {\"a\": \"\\ud800\"}}".to_vec(),
        b"{\"kind\": \"a\", \"context\": {\"a\": 1e999}}".to_vec(),
        b"{\"kind\": \"a\", \"context\": {\"a\": NaN}}".to_vec(),
        b"\xef\xbb\xbf{}".to_vec(),
        b"kind=a".to_vec(),
        b"\x00\x01\x02\x03".to_vec(),
    ];
    let deep = format!("{{\"kind\": \"a\", \"context\": {{\"a\": {}", "[".repeat(200_000));
    bodies.push(deep.into_bytes());
    bodies.push(format!("{{\"kind\": {}", "{\"a\":".repeat(200_000)).into_bytes());
    bodies
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(json!(1), |inner, _| json!([inner]))
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_start_says_what_is_wrong_with_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    for body in not_json() {
        let shown = String::from_utf8_lossy(&body).chars().take(60).collect::<String>();
        let answer = producer.post_raw("/runs", body).await;
        assert!(answer.status == 400 || answer.status == 422, "{shown}: {}", answer.text);
        assert!(answer.text.len() < 2_000, "{shown}");
        let code = if answer.status == 400 { "malformed_request" } else { "validation_failed" };
        let status = answer.status;
        answer.problem(status, code);
    }
    let good = || json!({"kind": "a", "context": {}});
    let with = |name: &str, value: Value| {
        let mut body = good();
        body[name] = value;
        body
    };
    let long = "x".repeat(5_000);
    let cases = vec![
        (with("initiator", json!({"id": "AKIAIOSFODNN7EXAMPL9"})), "/initiator/id"),
        (with("context", json!({"AKIAIOSFODNN7EXAMPL9": 1})), "/context"),
        (with("labels", json!({"ghp_abcdefghijklmnopqrstuvwxyz0123456789": "x"})), "/labels"),
        (json!([]), ""),
        (json!(["a", {"x": 1}]), ""),
        (json!(null), ""),
        (json!("a"), ""),
        (json!(7), ""),
        (json!({}), "/kind"),
        (json!({"context": {}}), "/kind"),
        (json!({"kind": "a"}), "/context"),
        (with("kind", json!(7)), "/kind"),
        (with("kind", json!("")), "/kind"),
        (with("kind", json!("A b")), "/kind"),
        (with("kind", json!(long)), "/kind"),
        (with("kind", json!("a\u{0}")), "/kind"),
        (with("context", json!([])), "/context"),
        (with("context", json!(null)), "/context"),
        (with("context", json!("x")), "/context"),
        (with("context", json!({"a": "\u{0}"})), "/context/a"),
        (with("context", json!({"a": {"b\u{0}": 1}})), "/context/a/b\u{0}"),
        (with("context", json!({"a": [1, 9_007_199_254_740_993_u64]})), "/context/a/1"),
        (with("context", json!({"a": 1e300})), "/context/a"),
        (with("context", json!({"a": "x".repeat(70_000)})), "/context"),
        (with("initiator", json!([])), "/initiator"),
        (with("initiator", json!(["alice", "Alice"])), "/initiator"),
        (with("initiator", json!("alice")), "/initiator"),
        (with("initiator", json!({})), "/initiator/id"),
        (with("initiator", json!({"id": 1})), "/initiator/id"),
        (with("initiator", json!({"id": ""})), "/initiator/id"),
        (with("initiator", json!({"id": "a\u{0}b"})), "/initiator/id"),
        (with("initiator", json!({"id": long})), "/initiator/id"),
        (with("initiator", json!({"id": "a", "mail": "x"})), "/initiator/mail"),
        (with("initiator", json!({"id": "a", "name": 1})), "/initiator/name"),
        (with("unordered", json!("a")), "/unordered"),
        (with("unordered", json!([1])), "/unordered/0"),
        (with("unordered", json!(vec!["/a"; 33])), "/unordered"),
        (with("items_total", json!(-1)), "/items_total"),
        (with("items_total", json!(1.5)), "/items_total"),
        (with("items_total", json!("1")), "/items_total"),
        (with("items_total", json!(9_007_199_254_740_992_u64)), "/items_total"),
        (with("items_total", json!(1e40)), "/items_total"),
        (with("labels", json!([])), "/labels"),
        (with("labels", json!({"a": 1})), "/labels/a"),
        (with("labels", json!({"a b": "x"})), "/labels"),
        (with("labels", json!({"": "x"})), "/labels"),
        (with("title", json!(7)), "/title"),
        (with("title", json!({"a": 1})), "/title"),
        (with("Kind", json!("a")), "/Kind"),
        (with("idempotency_key", json!("a")), "/idempotency_key"),
    ];
    for (body, pointer) in cases {
        let shown = body.to_string().chars().take(80).collect::<String>();
        let answer = producer.post_run(&body).await;
        assert_eq!(answer.status, 422, "{shown}: {}", answer.text);
        let problem = answer.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), pointer, "{shown}: {}", problem.text);
        assert!(!problem.text_at("/errors/0/detail").is_empty());
    }
    // Deeper than a context may be, yet not too deep to be read.
    let answer =
        producer.post_run(&with("context", json!({"a": nested(40)}))).await.problem(422, "validation_failed");
    assert!(answer.text_at("/errors/0/pointer").starts_with("/context/a/0/0"), "{}", answer.text);
    let texts = json!({"kind": "a", "context": {"n": 1}, "title": "\u{0}\u{1b}[31m\u{202e}", "labels": {"a": "\u{0}"}});
    producer.post_run(&texts).await.expect(201);
    // A member twice is no JSON that two readers agree on.
    for (body, pointer) in [
        (r#"{"kind": "a", "kind": "b", "context": {}}"#, "/kind"),
        (r#"{"kind": "a", "context": {"a": [{"b": 1, "b": 2}]}}"#, "/context/a/0/b"),
        (r#"{"kind": "a", "context": {}, "labels": {"a": "x", "a": "y"}}"#, "/labels/a"),
    ] {
        let problem = producer.post_raw("/runs", body).await.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), pointer, "{body}: {}", problem.text);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_append_says_what_is_wrong_with_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    let run = producer.new_run("malformed", json!({})).await;
    let path = format!("/runs/{run}/events");
    for body in not_json() {
        let shown = String::from_utf8_lossy(&body).chars().take(60).collect::<String>();
        let answer = producer.post_raw(&path, body).await;
        assert!(answer.status == 400 || answer.status == 422, "{shown}: {}", answer.text);
    }
    let number = r#"{"events": [{"type": "Started"}, {"type": "Progressed", "items_total": 1e999}]}"#;
    let problem = producer.post_raw(&path, number).await.problem(400, "malformed_request");
    assert_eq!(problem.text_at("/errors/0/pointer"), "/events/1/items_total");

    let failed = |name: &str, value: Value| {
        let mut event = json!({"type": "ItemFailed", "item": "a", "reason_code": "timeout", "message": "m"});
        event[name] = value;
        event
    };
    let cases = vec![
        (json!(7), "/events/1"),
        (json!([]), "/events/1"),
        (json!(["Started"]), "/events/1"),
        (json!(null), "/events/1"),
        (json!({}), "/events/1/type"),
        (json!({"type": null}), "/events/1/type"),
        (json!({"type": "started"}), "/events/1/type"),
        (json!({"type": "Queued", "kind": "a", "context": {}}), "/events/1/type"),
        (json!({"type": "x".repeat(100_000)}), "/events/1/type"),
        (failed("id", json!("7")), "/events/1/id"),
        (failed("id", json!(7)), "/events/1/id"),
        (failed("id", json!("00000000-0000-0000-0000-000000000000")), "/events/1/id"),
        (failed("occurred_at", json!("yesterday")), "/events/1/occurred_at"),
        (failed("occurred_at", json!(1_700_000_000)), "/events/1/occurred_at"),
        (failed("occurred_at", json!("2024-02-30T00:00:00Z")), "/events/1/occurred_at"),
        (failed("occurred_at", json!("1999-12-31T23:59:59Z")), "/events/1/occurred_at"),
        (failed("occurred_at", json!("+262142-01-01T00:00:00Z")), "/events/1/occurred_at"),
        (failed("correlation_id", json!("")), "/events/1/correlation_id"),
        (failed("causation_id", json!("a\u{0}")), "/events/1/causation_id"),
        (failed("causation_id", json!("AKIAIOSFODNN7EXAMPL9")), "/events/1/causation_id"),
        (failed("item", json!("")), "/events/1/item"),
        (failed("item", json!("\u{0}\u{7}")), "/events/1/item"),
        (failed("item", json!(["a"])), "/events/1/item"),
        (failed("reason_code", json!("Not Found")), "/events/1/reason_code"),
        (failed("reason_code", json!("a".repeat(65))), "/events/1/reason_code"),
        (failed("reason_code", json!(null)), "/events/1/reason_code"),
        (failed("message", json!(null)), "/events/1/message"),
        (failed("revision", json!(7)), "/events/1/revision"),
        (failed("recorded_at", json!("2024-01-01T00:00:00Z")), "/events/1/recorded_at"),
        (failed("tenant", json!("other")), "/events/1/tenant"),
        (json!({"type": "ItemFailed", "item": "a", "message": "m"}), "/events/1/reason_code"),
        (json!({"type": "ItemFailed", "item": "a", "reason_code": "timeout"}), "/events/1/message"),
        (json!({"type": "ItemSucceeded"}), "/events/1/item"),
        (json!({"type": "Progressed", "items_total": -1}), "/events/1/items_total"),
        (json!({"type": "Started", "heartbeat_seconds": 0}), "/events/1/heartbeat_seconds"),
        (json!({"type": "Started", "heartbeat_seconds": 86_401}), "/events/1/heartbeat_seconds"),
        (json!({"type": "Started", "heartbeat_seconds": 1e300}), "/events/1/heartbeat_seconds"),
    ];
    for (event, pointer) in cases {
        let shown = event.to_string().chars().take(80).collect::<String>();
        let answer = producer.append(&run, json!([{"type": "Started"}, event])).await;
        assert_eq!(answer.status, 422, "{shown}: {}", answer.text);
        assert!(answer.text.len() < 2_000, "{shown}");
        let problem = answer.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), pointer, "{shown}: {}", problem.text);
    }
    for (body, pointer) in [
        (json!({}), "/events"),
        (json!({"events": {}}), "/events"),
        (json!({"events": "x"}), "/events"),
        (json!({"events": null}), "/events"),
        (json!({"events": [{"type": "Started"}], "run": 1}), "/run"),
        (json!([[{"type": "Started"}]]), ""),
    ] {
        let problem = producer.post(&path, &body).await.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), pointer, "{body}: {}", problem.text);
    }
    let twice = r#"{"events": [{"type": "Started"}, {"type": "Progressed", "type": "Completed"}]}"#;
    let problem = producer.post_raw(&path, twice).await.problem(422, "validation_failed");
    assert_eq!(problem.text_at("/errors/0/pointer"), "/events/1/type");
    let id = "0b8f3a52-1c1e-4a7e-9b58-0d5a2c9a4f10";
    let one_id = json!([{"type": "Started", "id": id}, {"type": "Completed", "id": id}]);
    let problem = producer.append(&run, one_id).await.problem(422, "validation_failed");
    assert_eq!(problem.text_at("/errors/0/pointer"), "/events/1/id");
    for (coding, status, code) in
        [("gzip", 400, "malformed_request"), ("deflate", 415, "unsupported_media_type")]
    {
        let zipped = producer.request(reqwest::Method::POST, &path).header("content-encoding", coding);
        let zipped = zipped.header("content-type", "application/json").body("x");
        tests::Answer::of(zipped).await.problem(status, code);
    }
    let text = producer.request(reqwest::Method::POST, &path).body("{\"events\": []}");
    tests::Answer::of(text).await.problem(415, "unsupported_media_type");
    // None of it was taken in.
    let answer = producer.append(&run, json!([{"type": "Started"}])).await.expect(200);
    assert_eq!(answer.number_at("/revision"), 1);
    app.stop().await;
}
