//! Runs that belong to others, and runs that were started long ago.

use std::time::Duration;

use access::Role;
use chrono::{SecondsFormat, TimeDelta, Utc};
use commands::CommandsConfig;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Setup, TestApp};

fn child(of: &str, n: u32) -> Value {
    json!({"kind": "part", "context": {"n": n}, "parent": {"run_id": of}})
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_parent_shows_how_its_parts_are(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (producer, reader) = (app.producer(), app.client(Role::Readonly));
    let parent = producer.new_run("whole", json!({})).await;
    let mut parts = Vec::new();
    for n in 0..4 {
        parts.push(producer.post_run(&child(&parent, n)).await.expect(201).text_at("/run_id"));
    }
    let none = reader.get(&format!("/runs/{}", parts[0])).await;
    producer.append(&parts[0], json!([{"type": "Started"}])).await.expect(200);
    producer.append(&parts[1], json!([{"type": "Started"}, {"type": "Completed"}])).await.expect(200);
    let failed = json!([{"type": "Failed", "reason_code": "timeout", "message": "m"}]);
    let position = producer.append(&parts[2], failed).await.expect(200).number_at("/position");
    let shown = reader.get(&format!("/runs/{parent}?after={position}")).await.expect(200);
    assert_eq!(
        shown.body["children"],
        json!({"queued": 1, "running": 1, "succeeded": 1, "partially_succeeded": 0, "failed": 1})
    );
    assert!(none.status == 404 || none.body["children"] == Value::Null);
    // Its tag tells that its parts have changed, and still names its revision.
    let tag = shown.header("etag").to_owned();
    producer.append_at(&parent, &tag, json!([{"type": "Started"}])).await.expect(200);
    let position =
        producer.append(&parts[0], json!([{"type": "Completed"}])).await.expect(200).number_at("/position");
    let later = reader.get(&format!("/runs/{parent}?after={position}")).await.expect(200);
    assert_eq!(
        (&later.body["children"]["running"], &later.body["children"]["succeeded"]),
        (&json!(0), &json!(2))
    );
    assert_ne!(later.header("etag"), tag);

    let list = reader.get(&format!("/runs?parent={parent}&sort=queued_at")).await.expect(200);
    let listed: Vec<_> =
        list.body["runs"].as_array().unwrap().iter().map(|run| run["run_id"].clone()).collect();
    assert_eq!(listed, parts);
    assert_eq!(list.body["runs"][0]["parent"], json!({"run_id": parent}));
    let page = async |path: String| {
        let asked = reader.request(Method::GET, &format!("//t/demo/runs{path}"));
        Answer::of(asked).await.expect(200).text
    };
    let of_parent = page(format!("/{parent}")).await;
    assert!(of_parent.contains("4 parts: 1 queued, 2 succeeded, 1 failed"), "{of_parent}");
    assert!(of_parent.contains(&format!("/t/demo/runs?parent={parent}")), "{of_parent}");
    let of_part = page(format!("/{}", parts[0])).await;
    assert!(of_part.contains("Part of") && of_part.contains(&format!("/t/demo/runs/{parent}")), "{of_part}");
    let of_all = page(String::new()).await;
    assert!(of_all.contains("4 parts: 1 queued") && of_all.contains("part of another"), "{of_all}");
    let filtered = page(format!("?parent={parent}")).await;
    assert!(filtered.contains(&parts[3]) && !filtered.contains(&format!("run-{parent}")), "{filtered}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_shows_which_ones_follow_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (producer, reader) = (app.producer(), app.client(Role::Readonly));
    let run = producer.new_run("whole", json!({})).await;
    let ended = json!([{"type": "Started"}, {"type": "Failed", "reason_code": "timeout", "message": "m"}]);
    let position = producer.append(&run, ended).await.expect(200).number_at("/position");
    let shown = async |position: u64| reader.get(&format!("/runs/{run}?after={position}")).await.expect(200);
    let before = shown(position).await;
    assert!(before.body.get("retried_by").is_none() && before.body.get("resumed_by").is_none());

    let follow = async |link: &str, n: usize| {
        let body = json!({"kind": "whole", "context": {"link": link, "n": n}, (link): {"run_id": run}});
        let told = producer.post_run(&body).await.expect(201);
        (json!({"run_id": told.text_at("/run_id")}), told.number_at("/position"))
    };
    let (retry, _) = follow("retry_of", 0).await;
    let (mut resumed, mut last) = (Vec::new(), 0);
    for n in 0..22 {
        let (next, position) = follow("resumes", n).await;
        (resumed, last) = ([vec![next], resumed].concat(), position);
    }
    let after = shown(last).await;
    assert_eq!(after.body["retried_by"], json!([retry]));
    assert_eq!(after.body["resumed_by"], json!(resumed[..20]), "the newest 20, the newest first");
    assert_ne!(after.header("etag"), before.header("etag"));
    assert_eq!(after.body["revision"], before.body["revision"]);
    let past = reader.get(&format!("/runs/{run}?revision=2")).await.expect(200);
    assert!(past.body.get("retried_by").is_none(), "a past state is of the run alone");
    let list = reader.get("/runs?limit=200").await.expect(200).body;
    assert!(list["runs"].as_array().unwrap().iter().all(|run| run.get("resumed_by").is_none()));
    let page = async |path: &str| {
        let asked = reader.request(Method::GET, &format!("//t/demo/runs/{path}"));
        Answer::of(asked).await.expect(200).text
    };
    let of_run = page(&run).await;
    let retry = retry["run_id"].as_str().unwrap();
    assert!(of_run.contains("<dt>Retried by</dt>") && of_run.contains(&format!("/t/demo/runs/{retry}")));
    assert_eq!(of_run.matches("<dt>Resumed by</dt>").count(), 20);
    assert!(!page(retry).await.contains("Retried by"));

    // A table says of each run what it belongs to, and how its producer calls it.
    let body = json!({"kind": "named", "context": {}, "parent": {"run_id": run}, "retry_of": {"run_id": retry},
        "resumes": {"run_id": run}, "ref": {"source": "ci", "id": "job 7"}});
    let told = producer.post_run(&body).await.expect(201);
    let path = format!("/runs?kind=named&format=csv&after={}", told.number_at("/position"));
    let table = reader.get(&path).await.expect(200).text;
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].ends_with(",view,parent_id,retry_of,resumes,ref_source,ref_id,late"), "{}", lines[0]);
    assert!(lines[1].ends_with(&format!(",{run},{retry},{run},ci,job 7,false")), "{}", lines[1]);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn only_runs_of_the_tenant_can_be_named(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let elsewhere = producer.at(&app.another_api().await);
    let run = producer.new_run("whole", json!({})).await;
    let foreign = app.client_of("other", Role::Producer).new_run("whole", json!({})).await;
    let unknown = uuid::Uuid::now_v7().to_string();
    for link in ["parent", "retry_of", "resumes"] {
        for other in [&foreign, &unknown] {
            let body = json!({"kind": "part", "context": {"link": link}, (link): {"run_id": other}});
            let refused = producer.post_run(&body).await.problem(422, "validation_failed");
            assert_eq!(refused.text_at("/errors/0/pointer"), format!("/{link}/run_id"));
        }
        let wrong = json!({"kind": "part", "context": {}, (link): {"run_id": uuid::Uuid::new_v4()}});
        producer.post_run(&wrong).await.problem(422, "validation_failed");
        // Of a process that has not heard of the run before.
        let body = json!({"kind": "part", "context": {"link": link}, (link): {"run_id": run}});
        let part = elsewhere.post_run(&body).await.expect(201);
        let path = format!("/runs/{}?after={}", part.text_at("/run_id"), part.number_at("/position"));
        let shown = producer.get(&path).await.expect(200);
        assert_eq!(shown.body[link], json!({"run_id": run}));
        let past = producer.get(&format!("{path}&revision=0")).await.expect(200);
        assert_eq!(past.body, shown.body);
    }
    let asked = producer.request(Method::GET, "//t/demo/runs?kind=part");
    Answer::of(asked).await.expect(200);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_successor_takes_a_run_over(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (producer, reader) = (app.producer(), app.client(Role::Readonly));
    let run = producer.new_run("whole", json!({})).await;
    let begun = json!([{"type": "Started", "worker": "w-1", "heartbeat_seconds": 60}]);
    producer.append(&run, begun).await.expect(200);
    // Two saw that it was silent: one of them gets it.
    let resumed = |worker: &str| json!([{"type": "Resumed", "worker": worker, "heartbeat_seconds": 30}]);
    let taken = producer.append_at(&run, "\"1\"", resumed("w-2")).await.expect(200);
    producer.append_at(&run, "\"1\"", resumed("w-3")).await.problem(412, "revision_mismatch");
    let shown = reader.get(&format!("/runs/{run}?after={}", taken.number_at("/position"))).await.expect(200);
    assert_eq!((shown.text_at("/worker"), shown.number_at("/heartbeat_seconds")), ("w-2".to_owned(), 30));
    let page =
        Answer::of(reader.request(Method::GET, &format!("//t/demo/runs/{run}"))).await.expect(200).text;
    assert!(
        page.contains("<b>Resumed</b>") && page.contains("by w-2, with a heartbeat every 30 s"),
        "{page}"
    );
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_happened_long_ago_is_told_as_of_then(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let ago = |hours: i64| {
        let time = Utc::now() - TimeDelta::hours(hours);
        time.to_rfc3339_opts(SecondsFormat::Micros, true)
    };
    let (queued, started, ended) = (ago(72), ago(71), ago(70));
    let body = json!({"kind": "late", "context": {}, "occurred_at": queued, "events": [
        {"type": "Started", "occurred_at": started}, {"type": "Completed", "occurred_at": ended},
    ]});
    let told = producer.post_run(&body).await.expect(201);
    let run = told.text_at("/run_id");
    let shown = producer.get(&format!("/runs/{run}?after={}", told.number_at("/position"))).await.expect(200);
    assert_eq!((&shown.body["queued_at"], &shown.body["ended_at"]), (&json!(queued), &json!(ended)));
    assert_eq!(
        (&shown.body["clock_skew"], shown.body["duration_seconds"].as_f64().unwrap().round()),
        (&json!(false), 3_600.0)
    );
    // It is found by when it was queued, also by the beginning of its id.
    let list = producer.get(&format!("/runs?q={}&until={}", &run[..6], ago(71))).await.expect(200);
    assert_eq!(list.text_at("/runs/0/run_id"), run);

    // Nothing is older than its run, by more than clocks differ.
    let now = producer.new_run("late", json!({"now": true})).await;
    let refused = producer.append(&now, json!([{"type": "Started", "occurred_at": ago(25)}])).await;
    let refused = refused.problem(422, "validation_failed");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/events/0/occurred_at");
    assert!(refused.text_at("/detail").contains("when the run was queued"), "{}", refused.text);
    let body =
        json!({"kind": "late", "context": {"x": 1}, "events": [{"type": "Started", "occurred_at": ago(25)}]});
    let refused = producer.post_run(&body).await.problem(422, "validation_failed");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/events/0/occurred_at");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_ledger_may_take_events_for_a_while_only(pool: PgPoolOptions, database: PgConnectOptions) {
    let max_age = TimeDelta::from_std(Duration::from_secs(7_200)).ok();
    let commands = CommandsConfig { max_age, ..CommandsConfig::default() };
    let app = TestApp::with(pool, database, Setup { commands, ..Setup::default() }).await;
    let producer = app.producer();
    let ago = |hours: i64| (Utc::now() - TimeDelta::hours(hours)).to_rfc3339();
    let body = |time: String| json!({"kind": "late", "context": {"at": time}, "occurred_at": time, "ref": {"source": "t", "id": time}});
    producer.post_run(&body(ago(1))).await.expect(201);
    let refused = producer.post_run(&body(ago(3))).await.problem(422, "validation_failed");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/occurred_at");
    assert!(refused.text_at("/detail").contains("7200 s"), "{}", refused.text);
    let run = producer.new_run("late", json!({})).await;
    let events = json!([{"type": "Started"}, {"type": "Progressed", "occurred_at": ago(3)}]);
    let refused = producer.append(&run, events).await.problem(422, "validation_failed");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/events/1/occurred_at");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_wrong_is_named_as_it_was_sent(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let start = |more: serde_json::Value| {
        let mut body = json!({"kind": "k", "context": {}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    for (more, pointer) in [
        (json!({"ref": ["source", "id"]}), "/ref"),
        (json!({"parent": ["01890a5d-ac96-774b-bcce-b302099a8057"]}), "/parent"),
    ] {
        let refused = producer.post("/runs", &start(more)).await.problem(422, "validation_failed");
        assert_eq!(refused.text_at("/errors/0/pointer"), pointer);
    }
    let twice = json!({"events": [{"type": "Started"}, {"type": "Started"}]});
    let refused = producer.post("/runs", &start(twice)).await.problem(409, "illegal_transition");
    assert_eq!(refused.number_at("/event_index"), 1);
    app.stop().await;
}
