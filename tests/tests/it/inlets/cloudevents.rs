//! CloudEvents by HTTP.

use std::time::Duration;

use api::{ApiConfig, CorsOrigin};
use inlets::ReceiverConfig;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Setup, TestApp};

use super::{Emitter, events_of, ordered, runs, set_aside, without_grace};

fn event(id: &str, event_type: &str, data: &Value) -> Value {
    json!({"specversion": "1.0", "id": id, "source": "/jobs/7", "type": event_type, "subject": "sync", "data": data})
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_event_comes_in_three_modes(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "cloudevents").await;
    let queued = event(
        "1",
        "com.runledger.Queued",
        &json!({"title": "Sync", "labels": {"env": "prod"}, "items_total": 2}),
    );
    let send = |mode: &str, body: &Value| {
        emitter
            .request(Method::POST, "")
            .header("content-type", format!("application/{mode}; charset=UTF-8"))
            .body(body.to_string())
    };
    Answer::of(send("cloudevents+json", &queued)).await.expect(202);
    let binary = emitter
        .request(Method::POST, "")
        .header("ce-specversion", "1.0")
        .header("ce-id", "2")
        .header("ce-source", "/jobs/7")
        .header("ce-type", "com.runledger.Started")
        .header("ce-subject", "sync")
        .header("content-type", "application/json")
        .body(r#"{"worker": "w-1"}"#);
    Answer::of(binary).await.expect(202);
    let batch = json!([
        event("3", "com.runledger.ItemSucceeded", &json!({"item": "a"})),
        event(
            "4",
            "com.runledger.ItemFailed",
            &json!({"item": "b", "reason_code": "timeout", "message": "m"})
        ),
        event("5", "com.runledger.Completed", &json!({})),
    ]);
    for _ in 0..2 {
        Answer::of(send("cloudevents-batch+json", &batch)).await.expect(202);
    }
    ordered(&app).await;
    let run = runs(&app).await.remove(0);
    assert_eq!(
        events_of(&app, &run).await,
        ["Queued", "Started", "ItemSucceeded", "ItemFailed", "Completed"]
    );
    assert_eq!((&run["title"], &run["status"]), (&json!("Sync"), &json!("partially_succeeded")));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_pipeline_and_its_task_are_two_runs(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "cloudevents").await;
    let cdevent = |id: &str, what: &str, subject: &str, content: Value| {
        let data = json!({"context": {"version": "0.4.1"}, "subject": {"id": subject, "content": content}});
        event(id, &format!("dev.cdevents.{what}.0.2.0"), &data)
    };
    let batch = json!([
        cdevent("1", "pipelinerun.queued", "p-1", json!({"pipelineName": "release"})),
        cdevent("2", "pipelinerun.started", "p-1", json!({"pipelineName": "release"})),
        cdevent("3", "taskrun.started", "t-1", json!({"taskName": "test", "pipelineRun": {"id": "p-1"}})),
        cdevent("4", "taskrun.finished", "t-1", json!({"outcome": "failure", "errors": "2 of 90 failed"})),
        cdevent("5", "pipelinerun.finished", "p-1", json!({"outcome": "success"})),
        cdevent("6", "build.started", "b-1", json!({})),
    ]);
    let sent = emitter.request(Method::POST, "").header("content-type", "application/cloudevents-batch+json");
    Answer::of(sent.body(batch.to_string())).await.expect(202);
    ordered(&app).await;
    let mut shown: Vec<_> = runs(&app)
        .await
        .iter()
        .map(|run| (run["title"].as_str().unwrap().to_owned(), run["status"].as_str().unwrap().to_owned()))
        .collect();
    shown.sort();
    assert_eq!(
        shown,
        [("release".to_owned(), "succeeded".to_owned()), ("test".to_owned(), "failed".to_owned())]
    );
    let aside = set_aside(&app, &emitter).await;
    assert!(aside.len() == 1 && aside[0].1["type"] == "dev.cdevents.build.started.0.2.0", "{aside:?}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_sender_of_webhooks_is_told_that_it_may(pool: PgPoolOptions, database: PgConnectOptions) {
    let inlets = ReceiverConfig { grace: Duration::ZERO, ..ReceiverConfig::default() };
    let cors_origins = vec!["https://tools.example".parse::<CorsOrigin>().unwrap()];
    let api = ApiConfig { inlets, cors_origins, ..ApiConfig::default() };
    let app = TestApp::with(pool, database, Setup { api, ..Setup::default() }).await;
    let emitter = Emitter::new(&app, "cloudevents").await;
    let asked = emitter.request(Method::OPTIONS, "").header("WebHook-Request-Origin", "events.example");
    let answer = Answer::of(asked).await.expect(200);
    assert_eq!(answer.header("webhook-allowed-origin"), "events.example");
    assert_eq!((answer.header("webhook-allowed-rate"), answer.header("allow")), ("*", "POST, OPTIONS"));
    let bearer = emitter.client.with_token(Some(&emitter.key));
    let asked = bearer.request(Method::OPTIONS, "//in").header("WebHook-Request-Origin", "events.example");
    assert_eq!(Answer::of(asked).await.expect(200).header("webhook-allowed-origin"), "events.example");
    let stranger =
        emitter.client.request(Method::OPTIONS, "//in/nothing").header("WebHook-Request-Origin", "x");
    Answer::of(stranger).await.problem(401, "unauthorized");
    // A browser asks by the same method, and is answered as ever.
    let browser = app.producer().request(Method::OPTIONS, "/runs").header("origin", "https://tools.example");
    let browser = Answer::of(browser.header("access-control-request-method", "POST")).await.expect(200);
    assert_eq!(browser.header("access-control-allow-origin"), "https://tools.example");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_no_cloudevent_is_refused_as_a_whole(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let emitter = Emitter::new(&app, "cloudevents").await;
    let send = async |content_type: &str, body: String| {
        Answer::of(emitter.request(Method::POST, "").header("content-type", content_type).body(body)).await
    };
    let good = event("1", "com.runledger.Started", &json!({}));
    send("application/json", good.to_string()).await.problem(415, "unsupported_media_type");
    send("application/cloudevents+avro", good.to_string()).await.problem(415, "unsupported_media_type");
    send("application/cloudevents+json", "{".to_owned()).await.problem(400, "malformed_request");
    let problem = send("application/cloudevents+json", json!({"specversion": "0.3"}).to_string()).await;
    assert_eq!(problem.problem(422, "validation_failed").text_at("/errors/0/pointer"), "/specversion");
    let batch = json!([good, {"specversion": "1.0"}]).to_string();
    let problem = send("application/cloudevents-batch+json", batch).await.problem(422, "validation_failed");
    assert_eq!(problem.text_at("/errors/0/pointer"), "/1/id");
    assert_eq!(super::waiting(&app).await, 0);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_context_keeps_the_rules_of_a_start(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "cloudevents").await;
    let deep = (0..40).fold(json!({}), |inner, _| json!({"in": inner}));
    let wrong = [json!({"a": "b\u{0}"}), deep, json!({"n": 9_007_199_254_740_993_u64}), json!(["a"])];
    let mut batch: Vec<Value> = (0..)
        .zip(wrong)
        .map(|(n, context)| {
            let mut queued = event(&n.to_string(), "com.runledger.Queued", &json!({"context": context}));
            queued["subject"] = json!(format!("run-{n}"));
            queued
        })
        .collect();
    let mut completed = event("5", "com.runledger.Completed", &json!(["done", [1, 2, 3]]));
    completed["subject"] = json!("run-5");
    batch.push(completed);
    let sent = emitter.request(Method::POST, "").header("content-type", "application/cloudevents-batch+json");
    Answer::of(sent.body(json!(batch).to_string())).await.expect(202);
    let aside = set_aside(&app, &emitter).await;
    let why: Vec<_> = aside.iter().map(|(why, _)| why.as_str()).collect();
    assert_eq!(why.len(), 5, "{why:?}");
    assert!(why.iter().filter(|why| why.starts_with("Its context: ")).count() == 4, "{why:?}");
    assert!(why.iter().any(|why| why.contains("must be a JSON object")), "{why:?}");
    ordered(&app).await;
    assert!(runs(&app).await.is_empty());
    app.stop().await;
}
