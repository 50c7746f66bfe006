//! One line of `curl` in a crontab.

use access::Role;
use api::ApiConfig;
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Setup, TestApp};
use uuid::Uuid;

use super::{Emitter, events_of, ordered, runs, set_aside, waiting, without_grace};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_ping_by_any_method_is_a_run(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "pings").await;
    let head = Answer::of(emitter.request(Method::HEAD, "/by-head")).await.expect(200);
    assert_eq!(head.text, "");
    emitter.ping("/by-get").await;
    // As `curl --data-raw` sends it: it calls whatever it sends a form.
    let posted = emitter
        .request(Method::POST, "/by-post/3")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("{}\nno space left on device", "x=1&y=2 ".repeat(4_000)));
    assert_eq!(Answer::of(posted).await.expect(200).text, "OK");
    ordered(&app).await;
    let runs = runs(&app).await;
    let shown: Vec<_> =
        runs.iter().map(|run| (run["title"].as_str().unwrap(), run["status"].as_str().unwrap())).collect();
    assert_eq!(shown, [("by-head", "succeeded"), ("by-get", "succeeded"), ("by-post", "failed")]);
    assert_eq!(events_of(&app, &runs[0]).await, ["Queued", "Started", "Completed"]);
    assert_eq!(runs[0]["kind"], "jobs.nightly");
    assert_eq!(runs[2]["reason_code"], "unknown");
    let message = runs[2]["message"].as_str().unwrap();
    assert!(
        message.starts_with("Exit code 3: ") && message.ends_with("no space left on device"),
        "{message}"
    );
    // By whom, and by which request.
    let id = runs[0]["run_id"].as_str().unwrap();
    let events = app.client(Role::Auditor).get(&format!("/runs/{id}/events")).await.expect(200);
    let event = &events.body["events"][2];
    assert_eq!(event["actor"], "inlet-pings");
    assert_eq!(event["metadata"]["token_id"], emitter.inlet_id.as_str(), "{event}");
    assert_eq!(event["metadata"]["request_id"], head.header("x-request-id"), "{event}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_start_and_an_end_are_one_run(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter =
        Emitter::with(&app, &json!({"inlet_type": "pings", "kind": "cron", "heartbeat_seconds": 86_400}))
            .await;
    emitter.ping("/job/start").await;
    ordered(&app).await;
    let started = &runs(&app).await[0];
    assert_eq!(
        (&started["status"], &started["heartbeat_seconds"]),
        (&json!("running"), &json!(86_400)),
        "{started}"
    );
    let log = emitter.request(Method::POST, "/job/log").body("half way\n");
    Answer::of(log).await.expect(200);
    emitter.ping("/job").await;
    ordered(&app).await;
    let all = runs(&app).await;
    assert_eq!(all.len(), 1, "{all:?}");
    assert_eq!(events_of(&app, &all[0]).await, ["Queued", "Started", "Progressed", "Completed"]);
    // The next end is of nothing that is open: it is a run of its own. So is that of another job.
    emitter.ping("/job/fail").await;
    emitter.ping("/other-job").await;
    ordered(&app).await;
    let all = runs(&app).await;
    let shown: Vec<_> =
        all.iter().map(|run| (run["title"].as_str().unwrap(), run["status"].as_str().unwrap())).collect();
    assert_eq!(shown, [("job", "succeeded"), ("job", "failed"), ("other-job", "succeeded")]);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn without_a_rid_the_newest_open_run_ends_first(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "pings").await;
    for path in ["/job/start", "/job/start", "/job/fail", "/job"] {
        emitter.ping(path).await;
        ordered(&app).await;
    }
    let all = runs(&app).await;
    let statuses: Vec<_> = all.iter().map(|run| run["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["succeeded", "failed"]);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_rid_binds_whatever_the_order_and_however_often(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "pings").await;
    let (one, two) = (Uuid::new_v4(), Uuid::new_v4());
    // The end overtakes its start, and both are told twice; two runs of the job are at work at once.
    for path in [
        format!("/job?rid={one}"),
        format!("/job/start?rid={two}"),
        format!("/job/start?rid={one}"),
        format!("/job?rid={one}"),
        format!("/job/7?rid={two}"),
        format!("/job/start?rid={one}"),
    ] {
        emitter.ping(&path).await;
    }
    ordered(&app).await;
    // Again, after all was taken.
    emitter.ping(&format!("/job?rid={one}")).await;
    emitter.ping(&format!("/job/start?rid={two}")).await;
    ordered(&app).await;
    let all = runs(&app).await;
    assert_eq!(all.len(), 2, "{all:?}");
    for run in &all {
        let events = events_of(&app, run).await;
        let end = if run["status"] == "failed" { "Failed" } else { "Completed" };
        assert_eq!(events, ["Queued", "Started", end], "{run}");
    }
    assert_eq!((waiting(&app).await, set_aside(&app, &emitter).await), (0, vec![]));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_word_of_a_run_that_nobody_began_is_kept_and_told(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "pings").await;
    let log = emitter.request(Method::POST, "/job/log").body("password=hunter2 is wrong");
    Answer::of(log).await.expect(200);
    assert_eq!(ordered(&app).await, 0);
    let aside = set_aside(&app, &emitter).await;
    assert_eq!(aside.len(), 1);
    assert!(aside[0].0.contains("no run"), "{aside:?}");
    assert!(!aside[0].1.to_string().contains("hunter2"), "{aside:?}");
    assert!(runs(&app).await.is_empty());
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_no_ping_is_refused(pool: PgPoolOptions, database: PgConnectOptions) {
    let api = ApiConfig { max_body_bytes: 10_000, ..ApiConfig::default() };
    let app = TestApp::with(pool, database, Setup { api, ..Setup::default() }).await;
    let emitter = Emitter::new(&app, "pings").await;
    let get = async |path: &str| Answer::of(emitter.request(Method::GET, path)).await;
    get("/job/begin").await.problem(404, "not_found");
    get("/job/256").await.problem(404, "not_found");
    get("/job/start/again").await.problem(404, "not_found");
    get("/job%20one").await.problem(422, "validation_failed");
    get(&format!("/{}", emitter.key)).await.problem(422, "validation_failed");
    get("/job?rid=7").await.problem(422, "validation_failed");
    get("/job?rid=7&rid=8").await.problem(422, "validation_failed");
    Answer::of(emitter.request(Method::PUT, "/job")).await.problem(405, "method_not_allowed");
    let large = emitter.request(Method::POST, "/job").body("x".repeat(10_001));
    Answer::of(large).await.problem(413, "body_too_large");
    // What others' servers know and we do not.
    emitter.ping("/job?create=1").await;
    assert_eq!(waiting(&app).await, 1);
    app.stop().await;
}
