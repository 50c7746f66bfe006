//! Starting runs over HTTP: one active run for the same work.

use access::Role;
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, TestApp};

fn start(context: Value) -> Value {
    json!({"kind": "drift.check", "context": context})
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_new_run_is_created_and_found(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let body = json!({
        "kind": "backup_set.add_policies",
        "initiator": {"id": "readonly", "name": "Ria"},
        "context": {"backup_set": 7, "password": "hunter2hunter2"},
        "items_total": 3,
        "labels": {"env": "prod"},
        "title": "Add\npolicies",
    });
    let answer = app.producer().post_run(&body).await.expect(201);
    let run = answer.text_at("/run_id");
    let this = format!("/v1/tenants/demo/runs/{run}");
    assert_eq!(answer.header("location"), this);
    let position = answer.number_at("/position");
    assert_eq!(
        answer.body,
        json!({
            "run_id": run, "status": "queued", "reused": false, "repeated": false,
            "queued": {"by": "producer", "at": answer.text_at("/queued/at"), "title": "Add policies", "ref": null},
            "events": [], "revision": 0, "position": position,
            "epoch": answer.number_at("/epoch"),
            "changed": [
                {"pointer": "/title", "what": "cleaned"},
                {"pointer": "/context/password", "what": "redacted"},
            ],
            "links": {"self": this, "view": format!("/t/demo/runs/{run}")},
        })
    );
    let row = app.client(Role::Readonly).get(&format!("/runs/{run}?after={position}")).await.expect(200);
    assert_eq!(row.body["status"], "queued");
    assert_eq!(row.body["title"], "Add policies");
    assert_eq!(row.body["context"]["backup_set"], 7);
    assert!(!row.text.contains("hunter2"), "{}", row.text);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_same_work_is_reused_until_it_ends(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let first = producer.post_run(&start(json!({"a": 1, "b": [1, 2]}))).await.expect(201);
    let run = first.text_at("/run_id");

    // In another order of members and another spelling of a number.
    let text = r#"{"context": {"b": [1, 2], "a": 1.0}, "kind": "drift.check"}"#;
    let again = producer.post_raw("/runs", text).await.expect(200);
    assert_eq!(again.body["reused"], true);
    assert_eq!(again.text_at("/run_id"), run);
    assert_eq!(again.header("location"), first.header("location"));

    // Other work: another order of an array, another kind, another tenant.
    producer.post_run(&start(json!({"a": 1, "b": [2, 1]}))).await.expect(201);
    producer.post_run(&json!({"kind": "drift.fix", "context": {"a": 1, "b": [1, 2]}})).await.expect(201);
    let other = app.client_of("other", Role::Producer);
    other.post_run(&start(json!({"a": 1, "b": [1, 2]}))).await.expect(201);

    producer.append(&run, json!([{"type": "Started"}])).await.expect(200);
    let running = producer.post_run(&start(json!({"a": 1, "b": [1, 2]}))).await.expect(200);
    assert_eq!((running.body["status"].clone(), running.number_at("/revision")), (json!("running"), 1));

    producer.append(&run, json!([{"type": "Completed"}])).await.expect(200);
    let second = producer.post_run(&start(json!({"a": 1, "b": [1, 2]}))).await.expect(201);
    assert_ne!(second.text_at("/run_id"), run);
    let third = producer.post_run(&start(json!({"a": 1, "b": [1, 2]}))).await.expect(200);
    assert_eq!(third.text_at("/run_id"), second.text_at("/run_id"));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn arrays_called_unordered_may_come_in_any_order(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let body = |ids: Value| json!({"kind": "bulk.delete", "context": {"ids": ids}, "unordered": ["/ids"]});
    let first = producer.post_run(&body(json!(["a", "b", "c"]))).await.expect(201);
    let second = producer.post_run(&body(json!(["c", "a", "b", "a"]))).await.expect(200);
    assert_eq!(first.text_at("/run_id"), second.text_at("/run_id"));
    let wrong = json!({"kind": "bulk.delete", "context": {"ids": 7}, "unordered": ["ids"]});
    let problem = producer.post_run(&wrong).await.problem(422, "validation_failed");
    assert_eq!(problem.text_at("/errors/0/pointer"), "/unordered");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_hundred_starts_at_once_give_one_run(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = TestApp::start(pool, database).await;
    let here = app.producer();
    let there = here.at(&app.another_api().await);
    // Twice: with no reservation yet, and after a run that has ended.
    for round in 0..2 {
        let body = start(json!({"same": "work"}));
        let starts = (0..100).map(|n| if n % 2 == 0 { here.post_run(&body) } else { there.post_run(&body) });
        let answers: Vec<Answer> = join_all(starts).await;
        let created: Vec<_> = answers.iter().filter(|answer| answer.status == 201).collect();
        assert_eq!(created.len(), 1, "round {round}");
        let run = created[0].text_at("/run_id");
        for answer in &answers {
            assert!(answer.status == 201 || answer.status == 200, "{}", answer.text);
            assert_eq!(answer.text_at("/run_id"), run);
            assert_eq!(answer.body["reused"], answer.status == 200);
        }
        // A run that one API has ended is not taken for active by the other.
        let (ends, other) = if round == 0 { (&here, &there) } else { (&there, &here) };
        other.post_run(&body).await.expect(200);
        ends.append(&run, json!([{"type": "Aborted", "reason_code": "cancelled", "message": "m"}]))
            .await
            .expect(200);
    }
    let queued: i64 = sqlx::query_scalar("SELECT count(*) FROM log.events WHERE event_type = 'Queued'")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(queued, 2);
    app.stop().await;
}
