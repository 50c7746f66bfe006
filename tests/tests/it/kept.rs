//! What is kept of a request, and that its producer is told where it is not what was sent.

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Setup, TestApp};

async fn app(pool: PgPoolOptions, database: PgConnectOptions) -> TestApp {
    TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_was_cut_redacted_or_cleaned_is_told(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    let producer = app.producer();
    let start = json!({
        "kind": "t.x", "title": "two\nlines", "labels": {"env": "prod", "note": "x".repeat(400)},
        "initiator": {"id": "ann", "name": "Ann\u{200b}"},
        "context": {"user": "svc", "password": "hunter2hunter2", "list": [{"text": "token=abcdef0123456789abcdef"}]},
    });
    let answer = producer.post_run(&start).await.expect(201);
    assert_eq!(
        answer.body["changed"],
        json!([
            {"pointer": "/initiator/name", "what": "cleaned"},
            {"pointer": "/labels/note", "what": "cut"},
            {"pointer": "/title", "what": "cleaned"},
            {"pointer": "/context/list/0/text", "what": "redacted"},
            {"pointer": "/context/password", "what": "redacted"},
        ])
    );
    // Of the run that is there nothing was changed.
    assert_eq!(producer.post_run(&start).await.expect(200).body["changed"], json!([]));
    let run = answer.text_at("/run_id");
    let events = json!([
        {"type": "Started", "worker": "w-1"},
        {"type": "ItemFailed", "item": "a", "reason_code": "timeout", "message": "password=hunter2hunter2"},
        {"type": "ItemSucceeded", "item": "b".repeat(500)},
        {"type": "Progressed", "message": "m".repeat(20)},
    ]);
    let answer = producer.append(&run, events).await.expect(200);
    assert_eq!(
        answer.body["changed"],
        json!([
            {"pointer": "/events/1/message", "what": "redacted"},
            {"pointer": "/events/2/item", "what": "cut"},
        ])
    );
    let many: Vec<Value> = (0..150).map(|_| json!({"type": "Progressed", "message": "a\tb"})).collect();
    let answer = producer.append(&run, many.into()).await.expect(200);
    assert_eq!(answer.body["changed"].as_array().unwrap().len(), 100);
    assert_eq!(answer.number_at("/changed_not_named"), 50);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn all_bad_events_are_named_and_none_is_taken(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("t.x", json!({})).await;
    let events = json!([
        {"type": "Started"},
        {"type": "Started", "heartbeat_seconds": 0},
        "x",
        {"type": "ItemFailed", "item": "a", "reason_code": "timeout", "message": " \u{200b} "},
        {"type": "Completed", "occurred_at": "2026-01-01T00:00:00"},
        {"type": "Exploded"},
        {"type": "ItemSucceeded", "item": "a", "correlation_id": "a\u{ad}b"},
    ]);
    let problem = producer.append(&run, events).await.problem(422, "validation_failed");
    let errors = problem.body["errors"].as_array().unwrap();
    let places: Vec<_> = errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect();
    assert_eq!(
        places,
        [
            "/events/1/heartbeat_seconds",
            "/events/2",
            "/events/3/message",
            "/events/4/occurred_at",
            "/events/5/type",
            "/events/6/correlation_id",
        ]
    );
    assert!(problem.text_at("/errors/3/detail").contains("offset"), "{}", problem.text);
    assert_eq!(
        producer.append(&run, json!([{"type": "Started"}])).await.expect(200).number_at("/revision"),
        1
    );
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_double_that_is_whole_is_a_whole_number(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    let producer = app.producer();
    let start = r#"{"kind": "t.x", "context": {}, "items_total": 3.0}"#;
    let run = producer.post_raw("/runs", start).await.expect(201).text_at("/run_id");
    let events = r#"{"events": [{"type": "Started", "heartbeat_seconds": 6e1},
                                {"type": "Progressed", "items_total": 4.0}]}"#;
    producer.post_raw(&format!("/runs/{run}/events"), events).await.expect(200);
    let stored: Vec<String> = sqlx::query_scalar(
        "SELECT convert_from(data, 'UTF8') FROM log.events WHERE stream LIKE 'run-%' ORDER BY position",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert!(stored[0].contains(r#""items_total":3,"#), "{}", stored[0]);
    assert_eq!(stored[1..], [r#"{"heartbeat_seconds":60}"#, r#"{"items_total":4}"#]);
    for wrong in ["3.5", "-1.0", "1e300", "9007199254740993.0"] {
        let start = format!(r#"{{"kind": "t.x", "context": {{}}, "items_total": {wrong}}}"#);
        let problem = producer.post_raw("/runs", start).await.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), "/items_total");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_begins_like_an_array_and_is_none_is_malformed(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("t.x", json!({})).await;
    for path in ["/runs".to_owned(), format!("/runs/{run}/events")] {
        for broken in ["[1,", " [", "[1 2]", "[{]"] {
            producer.post_raw(&path, broken).await.problem(400, "malformed_request");
        }
        producer.post_raw(&path, "[1, 2]").await.problem(422, "validation_failed");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_id_that_holds_what_nobody_sees_is_refused(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    let producer = app.producer();
    for unseen in
        ["\u{200b}", "\u{202e}", "\u{fe0f}", "\u{ad}", "\u{a0}b", "\u{2800}", "\u{e0041}", "\u{3164}"]
    {
        let body = json!({"kind": "t.x", "context": {}, "initiator": {"id": format!("ann{unseen}")}});
        let problem = producer.post_run(&body).await.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), "/initiator/id");
        assert!(problem.text_at("/errors/0/detail").contains("U+"), "{}", problem.text);
    }
    app.stop().await;
}
