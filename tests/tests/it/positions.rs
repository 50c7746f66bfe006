//! Positions that the log does not have, that the tables have not reached, and those of another epoch.

use std::time::Duration;

use access::Role;
use api::ApiConfig;
use futures::future::join_all;
use reads::Ledger;
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Client, Setup, Stream, TestApp};

/// Far longer than anything takes, and shorter than whoever waits is let wait.
const SOON: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(300);

/// Nobody who waits is ever let go, and few requests are in hand at once.
fn patient(max_requests: usize) -> ApiConfig {
    ApiConfig { max_requests, max_after_wait: LONG, request_timeout: LONG, ..ApiConfig::default() }
}

async fn asked(client: &Client, method: Method, path: &str, headers: &[(&str, String)]) -> Answer {
    let mut request = client.request(method, path);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    Answer::of(request).await
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_ahead_of_the_log_is_refused_at_once_and_disturbs_nobody(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let setup = Setup { api: patient(64), ..Setup::default() };
    let app = TestApp::with(pool, database, setup).await;
    let (producer, viewer) = (app.producer(), app.client(Role::Readonly));
    let run = producer.new_run("ahead", json!({})).await;
    let paths = [
        "/runs?after=9223372036854775807".to_owned(),
        format!("/runs/{run}?after=9223372036854775807"),
        format!("/runs/{run}/items?after=1000000000"),
        format!("/runs/{run}/events?after=1000000000"),
        "/notifications?after=1000000000".to_owned(),
        "/stats?after=1000000000".to_owned(),
        "/stream?after=9223372036854775807".to_owned(),
        format!("/runs/{run}/stream?after=1000000000"),
    ];
    for path in &paths {
        let refused = tokio::time::timeout(SOON, viewer.get(path)).await.expect("at once");
        let refused = refused.problem(412, "position_ahead");
        assert!(refused.body["position"].as_u64() > refused.body["head"].as_u64(), "{}", refused.text);
    }
    // 2,100 of one token, ten at a time, while others work.
    let flood = join_all((0..10).map(|n| {
        let (viewer, paths) = (viewer.clone(), &paths);
        async move {
            for m in 0..210 {
                viewer.get(&paths[(n + m) % paths.len()]).await.problem(412, "position_ahead");
            }
        }
    }));
    let others = async {
        for n in 0..20 {
            let run = producer.new_run("undisturbed", json!({"n": n})).await;
            let started = producer.append(&run, json!([{"type": "Started"}])).await.expect(200);
            let path = format!("/runs/{run}?after={}", started.number_at("/position"));
            let shown = app.client(Role::Operator).get(&path).await.expect(200);
            assert_eq!(shown.body["status"], "running");
        }
    };
    tokio::time::timeout(LONG, async { tokio::join!(flood, others) }).await.expect("nobody waits");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_waits_takes_no_room_from_others_and_is_counted(pool: PgPoolOptions, database: PgConnectOptions) {
    let setup = Setup { without_projector: true, api: patient(16), ..Setup::default() };
    let mut app = TestApp::with(pool, database, setup).await;
    let (producer, viewer) = (app.producer(), app.client(Role::Readonly));
    let position =
        producer.post_run(&json!({"kind": "waits", "context": {}})).await.expect(201).number_at("/position");
    let path = format!("/runs?after={position}");
    let (answers, mut answered) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..200 {
        let (viewer, path, answers) = (viewer.clone(), path.clone(), answers.clone());
        tokio::spawn(async move {
            // All at once are more than may be in hand, until they wait.
            loop {
                let answer = viewer.get(&path).await;
                if answer.body["code"] != "overloaded" {
                    return answers.send(answer);
                }
            }
        });
    }
    // As many as are too many hear so at once; by then all others wait.
    for _ in 0..200 - 128 {
        let refused = tokio::time::timeout(SOON, answered.recv()).await.expect("at once").unwrap();
        assert_eq!(refused.clone().problem(429, "too_many_waiting").header("retry-after"), "1");
    }
    // Nobody else notices: neither who works, nor another who waits, nor a stream.
    for n in 0..20 {
        let run = producer.new_run("undisturbed", json!({"n": n})).await;
        producer.append(&run, json!([{"type": "Started"}])).await.expect(200);
        viewer.get("/runs").await.expect(200);
        app.client(Role::Operator).get("/stats").await.expect(200);
    }
    let (colleague, path) = (app.client(Role::Operator), format!("/runs?after={}", position + 1));
    let waiting = tokio::spawn({
        let (colleague, path) = (colleague.clone(), path.clone());
        async move { colleague.get(&path).await }
    });
    Stream::open(&viewer, "/stream", None).await.until("position").await;
    assert!(!waiting.is_finished());

    app.start_projector();
    for _ in 0..128 {
        let shown = tokio::time::timeout(SOON, answered.recv()).await.expect("once it is there").unwrap();
        assert!(shown.expect(200).header("runledger-position").parse::<u64>().unwrap() >= position);
    }
    // All come back at once. On a busy machine, who finds no room within a second has to ask again.
    let mut shown = waiting.await.unwrap();
    while shown.body["code"] == "overloaded" {
        shown = colleague.get(&path).await;
    }
    shown.expect(200);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_position_of_another_process_is_known_at_once(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = TestApp::start(pool, database).await;
    let other = app.another_api().await;
    let (producer, viewer) = (app.producer(), app.client(Role::Readonly).at(&other));
    for n in 0..20 {
        let started = producer.post_run(&json!({"kind": "here", "context": {"n": n}})).await.expect(201);
        // Sooner than the other process looks by itself.
        let shown = viewer.get(&format!("/runs?after={}", started.number_at("/position"))).await.expect(200);
        assert_eq!(shown.body["runs"][0]["run_id"], started.body["run_id"]);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_answer_with_a_position_says_ledger_and_epoch(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let ledger = Ledger::load(&app.pool).await.unwrap();
    let says = |answer: &Answer| {
        assert_eq!(answer.header("runledger-ledger"), ledger.id.to_string(), "{}", answer.text);
        assert_eq!(answer.header("runledger-epoch"), ledger.epoch.to_string(), "{}", answer.text);
        answer.header("runledger-position").parse::<u64>().unwrap()
    };
    let producer = app.producer();
    let body = json!({"kind": "told", "context": {}, "initiator": {"id": "operator"}});
    let started = producer.post_run(&body).await.expect(201);
    assert_eq!((says(&started), started.number_at("/epoch")), (started.number_at("/position"), ledger.epoch));
    let run = started.text_at("/run_id");
    let appended = producer.append(&run, json!([{"type": "Started"}])).await.expect(200);
    assert_eq!(
        (says(&appended), appended.number_at("/epoch")),
        (appended.number_at("/position"), ledger.epoch)
    );
    let position = appended.number_at("/position");
    let operator = app.client(Role::Operator);
    for path in ["/runs", "/notifications", "/stats"]
        .map(str::to_owned)
        .into_iter()
        .chain(["", "/items", "/events"].map(|part| format!("/runs/{run}{part}")))
    {
        let shown = operator.get(&format!("{path}?after={position}")).await.expect(200);
        assert!(says(&shown) >= position);
    }
    let notes = operator.get("/notifications").await.expect(200);
    let note = notes.text_at("/notifications/0/notification_id");
    let read = asked(&operator, Method::POST, &format!("/notifications/{note}/read"), &[]).await.expect(200);
    assert_eq!((says(&read), read.number_at("/epoch")), (read.number_at("/position"), ledger.epoch));
    let stream = operator.request(Method::GET, "/stream").send().await.unwrap();
    for (name, value) in
        [("runledger-ledger", ledger.id.to_string()), ("runledger-epoch", ledger.epoch.to_string())]
    {
        assert_eq!(stream.headers()[name], value.as_str());
    }
    drop(stream);
    let told = Stream::open(&operator, "/stream", None).await.message().await;
    assert_eq!((told.epoch, told.data["epoch"].as_u64()), (ledger.epoch, Some(ledger.epoch)));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_speaks_of_another_epoch_is_told_before_anything_is_done(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let mut app = TestApp::start(pool, database).await;
    let before = Ledger::load(&app.pool).await.unwrap();
    let body = json!({"kind": "epochs", "context": {}, "initiator": {"id": "operator"}});
    let first = app.producer().post_run(&body).await.expect(201);
    let (run, position) = (first.text_at("/run_id"), first.number_at("/position"));
    let now = Ledger::begin_epoch(&app.pool).await.unwrap();
    assert!(now.epoch > before.epoch && now.id == before.id);
    let url = app.another_api().await;
    let (producer, operator) = (app.producer().at(&url), app.client(Role::Operator).at(&url));
    operator.get(&format!("/runs?after={position}")).await.expect(200);
    let note = operator.get("/notifications").await.expect(200).text_at("/notifications/0/notification_id");

    let other_ledger = "01890a5d-ac96-774b-bcce-b302099a8057".to_owned();
    let old = [
        vec![("runledger-epoch", before.epoch.to_string())],
        vec![("runledger-epoch", before.epoch.to_string()), ("runledger-after", position.to_string())],
        vec![("runledger-epoch", now.epoch.to_string()), ("runledger-ledger", other_ledger)],
    ];
    let reads = ["/runs", "/stats", "/notifications", "/stream"].map(str::to_owned);
    let reads = reads
        .into_iter()
        .chain(["", "/items", "/events", "/stream"].map(|part| format!("/runs/{run}{part}")));
    let writes = ["/runs".to_owned(), format!("/runs/{run}/events"), format!("/notifications/{note}/read")];
    for path in reads {
        for headers in &old {
            let told = asked(&operator, Method::GET, &path, headers).await.problem(412, "epoch_changed");
            assert_eq!((told.number_at("/epoch"), told.text_at("/ledger")), (now.epoch, now.id.to_string()));
        }
        let told =
            operator.get(&format!("{path}?epoch={}", before.epoch)).await.problem(412, "epoch_changed");
        assert_eq!(told.number_at("/given_epoch"), before.epoch);
    }
    for path in &writes {
        let client = if path.contains("notifications") { &operator } else { &producer };
        for headers in &old {
            asked(client, Method::POST, path, headers).await.problem(412, "epoch_changed");
        }
        asked(client, Method::POST, &format!("{path}?epoch={}", before.epoch), &[])
            .await
            .problem(412, "epoch_changed");
        let ahead = [("runledger-after", "1000000".to_owned())];
        asked(client, Method::POST, path, &ahead).await.problem(412, "position_ahead");
    }
    // None of it has happened; and who knows better, or nothing, goes on.
    let events = operator.get(&format!("/runs/{run}/events")).await.expect(200);
    assert_eq!(events.body["events"].as_array().unwrap().len(), 1);
    let known = [
        ("runledger-epoch", now.epoch.to_string()),
        ("runledger-ledger", now.id.to_string()),
        ("runledger-after", position.to_string()),
    ];
    let mut request = producer.request(Method::POST, &format!("/runs/{run}/events"));
    for (name, value) in &known {
        request = request.header(*name, value);
    }
    let request = request.header("if-match", "\"0\"").json(&json!({"events": [{"type": "Started"}]}));
    Answer::of(request).await.expect(200);
    producer.append(&run, json!([{"type": "ItemSucceeded", "item": "a"}])).await.expect(200);
    asked(&operator, Method::GET, &format!("/runs?epoch={}", now.epoch), &known).await.expect(200);
    for (name, bad) in [("runledger-epoch", "x"), ("runledger-ledger", "x"), ("runledger-after", "-1")] {
        let bad = [(name, bad.to_owned())];
        asked(&operator, Method::GET, "/runs", &bad).await.problem(422, "validation_failed");
        asked(&producer, Method::POST, "/runs", &bad).await.problem(422, "validation_failed");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_stream_of_another_epoch_starts_over_and_says_why(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = TestApp::start(pool, database).await;
    let before = Ledger::load(&app.pool).await.unwrap();
    let position = app
        .producer()
        .post_run(&json!({"kind": "streams", "context": {}}))
        .await
        .expect(201)
        .number_at("/position");
    let now = Ledger::begin_epoch(&app.pool).await.unwrap();
    let viewer = app.client(Role::Readonly).at(&app.another_api().await);
    viewer.get(&format!("/runs?after={position}")).await.expect(200);
    let first = async |id: String, in_address: bool| {
        let request = if in_address {
            viewer.request(Method::GET, &format!("/stream?last_event_id={id}"))
        } else {
            viewer.request(Method::GET, "/stream").header("last-event-id", id)
        };
        Stream::of(request).await.message().await
    };
    for in_address in [true, false] {
        let told = first(format!("{position}-{}", before.epoch), in_address).await;
        assert_eq!((told.event.as_str(), &told.data["code"]), ("reset", &json!("epoch_changed")));
        assert_eq!((told.id, told.epoch), (position, now.epoch));
        let told = first(format!("{}-{}", position + 1, now.epoch), in_address).await;
        assert_eq!((told.event.as_str(), &told.data["code"]), ("reset", &json!("position_ahead")));
        let told = first(format!("0-{}", now.epoch), in_address).await;
        assert_eq!((told.event.as_str(), told.id), ("run", position));
        // As clients did that know of positions only.
        let told = first("0".to_owned(), in_address).await;
        assert_eq!((told.event.as_str(), told.id), ("run", position));
    }
    app.stop().await;
}
