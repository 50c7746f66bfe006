//! OpenLineage over HTTP.

use std::time::Duration;

use inlets::ReceiverConfig;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, TestApp};

use super::{Emitter, events_of, lineage, ordered, runs, set_aside, waiting, with_inlets, without_grace};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_key_may_stand_in_the_path_or_come_as_a_bearer(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "openlineage").await;
    emitter.post("/api/v1/lineage", &lineage("START", "r-1", 0)).await.expect(200);
    let bearer = emitter.client.with_token(Some(&emitter.key));
    bearer.post("//in/api/v1/lineage", &lineage("COMPLETE", "r-1", 9)).await.expect(200);
    emitter.client.post("//in/api/v1/lineage", &lineage("FAIL", "r-1", 9)).await.problem(401, "unauthorized");
    bearer.post("//api/v1/lineage", &lineage("RUNNING", "r-1", 5)).await.expect(200);
    bearer.post("//api/v1/lineage/batch", &json!([lineage("RUNNING", "r-1", 6)])).await.expect(200);
    emitter.client.post("//api/v1/lineage", &lineage("FAIL", "r-1", 9)).await.problem(401, "unauthorized");
    ordered(&app).await;
    let all = runs(&app).await;
    assert_eq!((all.len(), &all[0]["status"]), (1, &json!("succeeded")));
    assert_eq!(all[0]["title"], "orders.daily");
    assert_eq!(all[0]["started_at"], "2026-01-05T08:15:00Z");
    assert_eq!(all[0]["ended_at"], "2026-01-05T08:15:09Z");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn of_a_batch_what_can_be_kept_is_kept(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "openlineage").await;
    let batch = json!([
        lineage("START", "r-1", 0),
        {"eventType": "START"},
        lineage("FAIL", "r-2", 5),
        lineage("PAUSE", "r-1", 6),
        lineage("START", "r-1", 0),
    ]);
    let answer = emitter.post("/api/v1/lineage/batch", &batch).await.expect(200);
    assert_eq!(answer.text_at("/status"), "partial_success");
    assert_eq!(
        answer.body["summary"],
        json!({"received": 5, "successful": 4, "failed": 1, "retriable": 0, "non_retriable": 1})
    );
    assert_eq!(answer.body["failed_events"][0]["index"], 1);
    assert!(answer.text_at("/failed_events/0/reason").contains("eventTime"), "{}", answer.text);
    ordered(&app).await;
    let all = runs(&app).await;
    let mut statuses: Vec<_> = all.iter().map(|run| run["status"].as_str().unwrap()).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, ["failed", "running"], "a FAIL under another id is a run of its own");
    let aside = set_aside(&app, &emitter).await;
    assert!(aside.len() == 1 && aside[0].0.contains("PAUSE"), "{aside:?}");
    app.stop().await;
}

/// START twice, a COMPLETE before it, RUNNING after the end, another end: nothing of it is an error to the emitter.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn late_and_double_are_normal(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "openlineage").await;
    let send = async |event_type: &str, second: u32| {
        emitter.post("/api/v1/lineage", &lineage(event_type, "r-1", second)).await.expect(200)
    };
    for (event_type, second) in
        [("COMPLETE", 30), ("RUNNING", 20), ("START", 10), ("START", 11), ("START", 10), ("COMPLETE", 30)]
    {
        send(event_type, second).await;
    }
    ordered(&app).await;
    let whole = ["Queued", "Started", "Progressed", "Progressed", "Completed"];
    let run = runs(&app).await.remove(0);
    assert_eq!(events_of(&app, &run).await, whole);
    assert_eq!(
        (&run["started_at"], &run["ended_at"]),
        (&json!("2026-01-05T08:15:10Z"), &json!("2026-01-05T08:15:30Z"))
    );
    for (event_type, second) in [("RUNNING", 40), ("COMPLETE", 41), ("FAIL", 42), ("START", 43), ("FAIL", 42)]
    {
        send(event_type, second).await;
    }
    ordered(&app).await;
    let run = runs(&app).await.remove(0);
    assert_eq!(
        (events_of(&app, &run).await, &run["status"]),
        (whole.map(str::to_owned).to_vec(), &json!("succeeded"))
    );
    let why: Vec<_> = set_aside(&app, &emitter).await.into_iter().map(|(why, _)| why).collect();
    assert_eq!(why.len(), 2, "{why:?}");
    assert!(
        why.iter().any(|why| why.contains("another end")) && why.iter().any(|why| why.contains("beginning"))
    );
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_can_not_be_kept_is_told_how_to_mend_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "openlineage").await;
    let raw = async |body: &'static [u8]| {
        Answer::of(emitter.request(Method::POST, "/api/v1/lineage").body(body)).await
    };
    raw(b"{").await.problem(400, "malformed_request");
    raw(b"").await.problem(400, "malformed_request");
    raw(b"\xff\xfe").await.problem(400, "malformed_request");
    raw(br#"{"run": 1, "run": 2}"#).await.problem(400, "malformed_request");
    raw(b"[]").await.problem(422, "validation_failed");
    let problem = raw(b"{}").await.problem(422, "validation_failed");
    assert_eq!(problem.text_at("/errors/0/pointer"), "/eventTime");
    emitter.post("/api/v1/lineage/batch", &json!({})).await.problem(422, "validation_failed");
    app.stop().await;
}

fn part(id: &str, of: &str) -> Value {
    let mut event = lineage("START", id, 5);
    event["run"]["facets"] =
        json!({"parent": {"run": {"runId": of}, "job": {"namespace": "n", "name": "dag"}}});
    event
}

/// A run that says of which it is a part is a link to it, if the ledger has that one by then.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_parent_is_a_link(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "openlineage").await;
    emitter.post("/api/v1/lineage", &lineage("START", "r-whole", 0)).await.expect(200);
    ordered(&app).await;
    let whole = runs(&app).await[0]["run_id"].clone();
    emitter.post("/api/v1/lineage", &part("r-part", "R-WHOLE")).await.expect(200);
    emitter.post("/api/v1/lineage", &part("r-other", "r-nobody")).await.expect(200);
    ordered(&app).await;
    let reader = app.client(access::Role::Operator);
    assert_eq!(runs(&app).await.len(), 3);
    let parts = reader.get(&format!("/runs?parent={}", whole.as_str().unwrap())).await.expect(200);
    let parts = parts.body["runs"].as_array().unwrap().clone();
    assert_eq!(parts.len(), 1, "{parts:?}");
    let part = reader.get(&format!("/runs/{}", parts[0]["run_id"].as_str().unwrap())).await.expect(200);
    assert_eq!((&part.body["parent"]["run_id"], &part.body["context"]["run_id"]), (&whole, &json!("r-part")));
    app.stop().await;
}

/// All runs as their pages have them.
async fn whole_runs(app: &TestApp) -> Vec<Value> {
    let reader = app.client(access::Role::Operator);
    let mut all = Vec::new();
    for run in runs(app).await {
        all.push(reader.get(&format!("/runs/{}", run["run_id"].as_str().unwrap())).await.expect(200).body);
    }
    all
}

/// What the emitter calls the parts of a run, and how many of them run, as the run counts.
async fn parts_of(app: &TestApp, whole: &str) -> (Vec<String>, Value) {
    let all = whole_runs(app).await;
    let whole = all.iter().find(|run| run["context"]["run_id"] == whole).expect("it has begun");
    let parts = all.iter().filter(|run| run["parent"]["run_id"] == whole["run_id"]);
    let names = parts.map(|run| run["context"]["run_id"].as_str().unwrap().to_owned());
    (names.collect(), whole["children"]["running"].clone())
}

/// A part that comes first waits for the whole, but no longer than for anything else.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_part_may_come_before_the_whole(pool: PgPoolOptions, database: PgConnectOptions) {
    let grace = Duration::from_secs(600);
    let app = with_inlets(pool, database, ReceiverConfig { grace, ..ReceiverConfig::default() }).await;
    let emitter = Emitter::new(&app, "openlineage").await;
    let send = async |event: Value| drop(emitter.post("/api/v1/lineage", &event).await.expect(200));
    let due = async |lanes: &str| {
        let due = "UPDATE inlet.received SET due_at = now() WHERE lane LIKE $1";
        sqlx::query(due).bind(lanes).execute(&app.pool).await.unwrap();
    };
    send(part("r-part", "r-whole")).await;
    send(part("r-itself", "r-itself")).await;
    assert_eq!((ordered(&app).await, waiting(&app).await), (2, 1), "nobody is a part of itself");
    send(lineage("START", "r-whole", 0)).await;
    assert_eq!((ordered(&app).await, waiting(&app).await), (2, 1), "the whole waits for nothing");
    due("%").await;
    assert_eq!((ordered(&app).await, waiting(&app).await), (2, 0));
    assert_eq!(parts_of(&app, "r-whole").await, (vec!["r-part".to_owned()], json!(1)));
    send(part("r-second", "r-whole")).await;
    assert_eq!((ordered(&app).await, waiting(&app).await), (2, 0), "its whole is there");
    let parts = vec!["r-part".to_owned(), "r-second".to_owned()];
    assert_eq!(parts_of(&app, "r-whole").await, (parts, json!(2)));

    // The whole is heard of in time, and begins after its part.
    send(part("r-early", "r-late")).await;
    send(lineage("COMPLETE", "r-late", 9)).await;
    due("r-early").await;
    assert_eq!((ordered(&app).await, waiting(&app).await), (2, 1));
    due("%").await;
    assert_eq!((ordered(&app).await, waiting(&app).await), (3, 0));
    assert_eq!(parts_of(&app, "r-late").await, (vec!["r-early".to_owned()], json!(1)));

    // Nobody tells of the whole in time.
    send(part("r-alone", "r-nobody")).await;
    assert_eq!((ordered(&app).await, waiting(&app).await), (0, 1));
    due("%").await;
    assert_eq!((ordered(&app).await, waiting(&app).await), (2, 0));
    let all = whole_runs(&app).await;
    let alone = all.iter().find(|run| run["context"]["run_id"] == "r-alone").expect("it has begun");
    assert_eq!(alone["parent"], Value::Null);
    app.stop().await;
}
