//! The streams of server-sent events, over real HTTP.

use std::time::Duration;

use access::{Role, list_tokens, revoke_token};
use api::ApiConfig;
use chrono::DateTime;
use domain::{Event, EventBody, RunId, TenantId, wire};
use eventlog::fact::Fact;
use eventlog::streams::run_stream;
use eventlog::{EventLog, ExpectedRevision, StreamAppend};
use futures::future::join_all;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Message, Said, Setup, Stream, TestApp};
use uuid::Uuid;

const ITEM: &str = "ItemSucceeded";

async fn app(pool: PgPoolOptions, database: PgConnectOptions) -> TestApp {
    TestApp::start(pool, database).await
}

/// Messages about runs up to the position, and not beyond it.
async fn runs_until(stream: &mut Stream, position: u64) -> Vec<Message> {
    let mut runs = Vec::new();
    loop {
        let message = stream.message().await;
        let id = message.id;
        assert!(id <= position, "{message:?}");
        if message.event == "run" {
            runs.push(message);
        }
        if id == position {
            return runs;
        }
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_happens_is_told_as_it_happens(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    let producer = app.producer();
    let mut stream = Stream::open(&app.client(Role::Readonly), "/stream", None).await;
    let begin = stream.message().await;
    assert_eq!((begin.event.as_str(), begin.data["position"].as_u64()), ("position", Some(begin.id)));

    let run = producer.new_run("live", json!({})).await;
    let queued = stream.message().await;
    assert_eq!(queued.event, "run");
    assert_eq!((&queued.data["run_id"], &queued.data["status"]), (&json!(run), &json!("queued")));
    assert_eq!(queued.data["position"].as_u64(), Some(queued.id));

    let events = json!([{"type": "Started"}, {"type": ITEM, "item": "a"}, {"type": "Completed"}]);
    let end = producer.append(&run, events).await.expect(200).number_at("/position");
    let ended = runs_until(&mut stream, end).await.pop().unwrap();
    assert_eq!((&ended.data["status"], &ended.data["items"]["succeeded"]), (&json!("succeeded"), &json!(1)));
    assert_eq!(ended.data["revision"], 3);
    drop(stream);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_comes_back_misses_nothing_and_hears_nothing_twice(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = app(pool, database).await;
    let (producer, viewer) = (app.producer(), app.client(Role::Readonly));
    let mut runs = Vec::new();
    for n in 0..6 {
        runs.push(producer.new_run("resume", json!({"n": n})).await);
    }
    let mut whole = Stream::open(&viewer, "/stream", Some(0)).await;
    let mut told: Vec<(u64, String)> = Vec::new();
    let mut last = 0;
    let mut end = 0;
    // Broken off after each message, wherever that is, while more happens.
    for (n, run) in runs.iter().enumerate() {
        let mut stream = Stream::open(&viewer, "/stream", Some(last)).await;
        let message = stream.message().await;
        if message.event == "run" {
            told.push((message.id, message.data["run_id"].as_str().unwrap().to_owned()));
        }
        last = message.id;
        drop(stream);
        let events = json!([{"type": "Started"}, {"type": ITEM, "item": n.to_string()}]);
        end = producer.append(run, events).await.expect(200).number_at("/position");
    }
    viewer.get(&format!("/runs?after={end}")).await.expect(200);
    let mut stream = Stream::open(&viewer, "/stream", Some(last)).await;
    for message in runs_until(&mut stream, end).await {
        told.push((message.id, message.data["run_id"].as_str().unwrap().to_owned()));
    }
    assert!(told.windows(2).all(|two| two[0].0 < two[1].0), "in order, each once: {told:?}");
    for run in &runs {
        assert!(told.iter().any(|(_, told)| told == run), "{run} is missing in {told:?}");
    }
    // The last word about each run is about its last event.
    let positions: Vec<u64> = runs_until(&mut whole, end).await.iter().map(|message| message.id).collect();
    assert_eq!(positions.last(), Some(&end));
    drop((whole, stream));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_was_ahead_starts_over(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    let viewer = app.client(Role::Operator);
    let mut stream = Stream::open(&viewer, "/stream", Some(1_000_000)).await;
    let reset = stream.message().await;
    assert_eq!((reset.event.as_str(), reset.id), ("reset", 0));
    assert_eq!(reset.data["code"], "position_ahead");
    for bad in ["-1", "x", "99999999999999999999"] {
        let request = viewer.request(reqwest::Method::GET, "/stream").header("last-event-id", bad);
        tests::Answer::of(request).await.problem(422, "validation_failed");
        viewer.get(&format!("/stream?last_event_id={bad}")).await.problem(422, "validation_failed");
    }
    drop(stream);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_was_heard_since_counts_more_than_where_it_began(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = app(pool, database).await;
    let producer = app.producer();
    let first = producer.post_run(&json!({"kind": "first", "context": {}})).await.expect(201);
    let second = producer.post_run(&json!({"kind": "second", "context": {}})).await.expect(201);
    let (heard, end) = (first.number_at("/position"), second.number_at("/position"));
    // As a browser comes back: by the address that it began with, and the header.
    let path = format!("/stream?last_event_id=0&after={end}");
    let mut stream = Stream::open(&app.client(Role::Readonly), &path, Some(heard)).await;
    let told = stream.message().await;
    assert_eq!((told.id, &told.data["run_id"]), (end, &second.body["run_id"]));
    drop(stream);
    app.stop().await;
}

/// Appends runs of `each` events, and waits until they are projected. Gives the last position.
async fn append_runs(app: &TestApp, runs: usize, each: u64) -> u64 {
    let appends = (0..runs).map(|_| {
        let (tenant, run): (TenantId, _) = ("demo".parse().unwrap(), RunId::new(Uuid::now_v7()).unwrap());
        let event = |revision| Event {
            id: Uuid::new_v4(),
            schema_version: wire::SCHEMA_VERSION,
            tenant: tenant.clone(),
            run,
            revision,
            occurred_at: DateTime::UNIX_EPOCH,
            recorded_at: DateTime::UNIX_EPOCH,
            actor: "worker".parse().unwrap(),
            correlation_id: None,
            causation_id: None,
            origin: None,
            body: body(revision),
        };
        let events = (0..each).map(|revision| Fact::Run(&event(revision)).record().unwrap()).collect();
        let stream = run_stream(&tenant, run);
        app.log.append(StreamAppend { stream, expected: ExpectedRevision::NoStream, events })
    });
    join_all(appends).await.into_iter().for_each(|appended| assert!(!appended.unwrap().duplicate));
    let last = runs as u64 * each;
    app.client(Role::Readonly).get(&format!("/runs?limit=1&after={last}")).await.expect(200);
    last
}

/// Queued, started, and then signs of life.
fn body(revision: u64) -> EventBody {
    let (event_type, data) = match revision {
        0 => ("Queued", r#"{"kind": "many", "context": {}}"#),
        1 => ("Started", "{}"),
        _ => ("Progressed", "{}"),
    };
    wire::decode_body(event_type, data.as_bytes()).unwrap()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_missed_too_many_events_starts_over(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    assert_eq!(append_runs(&app, 1, 12_000).await, 12_000);
    let viewer = app.client(Role::Readonly);
    for (seen, event, id) in [(0, "reset", 12_000), (2_000, "reset", 12_000), (2_001, "run", 12_000)] {
        let mut stream = Stream::open(&viewer, "/stream", Some(seen)).await;
        let first = stream.message().await;
        assert_eq!((first.event.as_str(), first.id), (event, id), "after {seen}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_missed_too_many_runs_starts_over(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    assert_eq!(append_runs(&app, 2_001, 1).await, 2_001);
    let viewer = app.client(Role::Readonly);
    for (seen, event, id) in [(0, "reset", 2_001), (1, "run", 2)] {
        let mut stream = Stream::open(&viewer, "/stream", Some(seen)).await;
        let first = stream.message().await;
        assert_eq!((first.event.as_str(), first.id), (event, id), "after {seen}");
    }
    app.stop().await;
}

/// As a rebuild does it: another table gets the name.
const SWAP: &str = "ALTER TABLE projection.runs RENAME TO runs_old;
    CREATE TABLE projection.runs (LIKE projection.runs_old INCLUDING ALL);
    GRANT SELECT ON projection.runs TO runledger_api, runledger_live;
    INSERT INTO projection.runs (tenant, run_id, kind, status, items_succeeded, items_failed, items_skipped,
        labels, context, idempotency_key, queued_at, last_event_at, revision, position)
    SELECT tenant, run_id, kind, status, items_succeeded, items_failed, items_skipped,
        labels, context, idempotency_key, queued_at, last_event_at, revision, position FROM projection.runs_old";

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn tables_that_are_swapped_make_everybody_start_over(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    let mut stream = Stream::open(&app.client(Role::Operator), "/stream", None).await;
    stream.until("position").await;
    app.producer().new_run("swap", json!({})).await;
    stream.until("run").await;
    let mut swap = database::begin(&app.pool).await.unwrap();
    sqlx::raw_sql("LOCK TABLE projection.checkpoints").execute(&mut *swap).await.unwrap();
    sqlx::raw_sql(SWAP).execute(&mut *swap).await.unwrap();
    swap.commit().await.unwrap();
    assert_eq!(stream.message().await.event, "reset");
    drop(stream);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn tables_that_are_swapped_while_they_can_t_be_read_make_everybody_start_over(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = app(pool, database).await;
    let mut stream = Stream::open(&app.client(Role::Operator), "/stream", None).await;
    stream.until("position").await;
    app.producer().new_run("swap", json!({})).await;
    stream.until("run").await;
    let mut swap = database::begin(&app.pool).await.unwrap();
    sqlx::raw_sql("LOCK TABLE projection.checkpoints").execute(&mut *swap).await.unwrap();
    // The reader waits for the lock when it looks next; then its connection is gone.
    let cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%IN ACCESS SHARE MODE%'";
    while sqlx::query_scalar::<_, i64>(cut).fetch_one(&app.pool).await.unwrap() == 0 {}
    sqlx::raw_sql(SWAP).execute(&mut *swap).await.unwrap();
    swap.commit().await.unwrap();
    assert_eq!(stream.message().await.event, "reset");
    drop(stream);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_session_that_is_closed_ends_streams_of_other_processes(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let mut app = app(pool, database).await;
    let other = app.another_api().await;
    let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let form = [("token", app.token("demo", Role::Manager))];
    let answer = http.post(format!("{}/sign-in", app.url())).form(&form).send().await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let client = app.client(Role::Manager).at(&other).with_token(None);
    // Behind one address, as processes of one site are: the cookie is that of the address.
    let host = app.url().trim_start_matches("http://").to_owned();
    let stream = || {
        let request = client.request(reqwest::Method::GET, "/stream");
        request.header("cookie", &cookie).header("host", &host)
    };
    let mut open = Stream::of(stream()).await;
    open.until("position").await;
    let page = http.get(format!("{}/t/demo/runs", app.url())).header("cookie", &cookie);
    let page = page.send().await.unwrap().text().await.unwrap();
    let csrf = page.split_once("name=\"csrf\" value=\"").unwrap().1.split_once('"').unwrap().0.to_owned();
    let out = http.post(format!("{}/sign-out", app.url())).header("cookie", &cookie);
    assert_eq!(out.form(&[("csrf", csrf)]).send().await.unwrap().status(), 303);
    assert_eq!(open.next().await, None);
    tests::Answer::of(stream()).await.problem(401, "unauthorized");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_stream_tells_its_tenant_and_its_listener_only(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    let producer = app.producer();
    let mut mine = Stream::open(&app.client(Role::Operator), "/stream", None).await;
    let mut colleagues = Stream::open(&app.client(Role::Readonly), "/stream", None).await;
    let mut others = Stream::open(&app.client_of("other", Role::Operator), "/stream", None).await;
    for stream in [&mut mine, &mut colleagues, &mut others] {
        stream.until("position").await;
    }
    let body = json!({"kind": "told", "context": {}, "initiator": {"id": "operator"}});
    let run = producer.post_run(&body).await.expect(201).text_at("/run_id");
    let (mine, colleagues) = (mine.until("run").await, colleagues.until("run").await);
    assert_eq!(mine.data["notification"]["transition"], "queued");
    assert_eq!((mine.id, &colleagues.data["notification"]), (colleagues.id, &json!(null)));

    let theirs = app.client_of("other", Role::Producer).new_run("theirs", json!({})).await;
    // The first run that they hear of, whatever heartbeats come before it.
    let heard = others.until("run").await;
    assert_eq!(heard.data["run_id"], theirs, "and nothing of {run}");

    let foreign = app.client_of("other", Role::Operator);
    foreign.in_tenant("demo").get("/stream").await.problem(404, "not_found");
    foreign.get(&format!("/runs/{run}/stream")).await.problem(404, "not_found");
    foreign.with_token(None).get("/stream").await.problem(401, "unauthorized");
    drop(others);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_stream_of_a_run_is_about_that_run(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    let producer = app.producer();
    let started = producer.post_run(&json!({"kind": "one", "context": {}})).await.expect(201);
    let (run, queued) = (started.text_at("/run_id"), started.number_at("/position"));
    let path = format!("/runs/{run}/stream?after={queued}");
    let mut stream = Stream::open(&app.client(Role::Manager), &path, None).await;
    stream.until("position").await;
    let other = producer.new_run("another", json!({})).await;
    producer.append(&other, json!([{"type": "Started"}])).await.expect(200);
    let position =
        producer.append(&run, json!([{"type": "Started"}])).await.expect(200).number_at("/position");
    let message = stream.message().await;
    assert_eq!((&message.data["run_id"], message.id), (&json!(run), position));
    drop(stream);
    app.stop().await;
}

/// A run is told of as well when its parts come further, and when another one comes after it.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_is_told_of_with_those_that_belong_to_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app(pool, database).await;
    let (producer, viewer) = (app.producer(), app.client(Role::Readonly));
    let started = producer.post_run(&json!({"kind": "whole", "context": {}})).await.expect(201);
    let (whole, queued) = (started.text_at("/run_id"), started.number_at("/position"));
    let mut all = Stream::open(&viewer, &format!("/stream?after={queued}"), None).await;
    let mut one = Stream::open(&viewer, &format!("/runs/{whole}/stream?after={queued}"), None).await;
    for stream in [&mut all, &mut one] {
        stream.until("position").await;
    }
    let part = json!({"kind": "part", "context": {}, "parent": {"run_id": whole}});
    let started = producer.post_run(&part).await.expect(201);
    let (part, position) = (started.text_at("/run_id"), started.number_at("/position"));
    let (of_whole, of_part) = (all.until("run").await, all.until("run").await);
    assert_eq!((&of_whole.data["run_id"], &of_part.data["run_id"]), (&json!(whole), &json!(part)));
    assert_eq!(of_whole.data["children"]["queued"], 1);
    let told = |message: &Message| (message.data["position"].as_u64(), message.data["events"].as_u64());
    assert_eq!((told(&of_whole), told(&of_part)), ((Some(position), Some(0)), (Some(position), Some(1))));
    assert_eq!((&of_whole.data["revision"], &of_part.data["children"]), (&json!(0), &json!(null)));
    let alone = one.until("run").await;
    assert_eq!((&alone.data, alone.id), (&of_whole.data, position));
    // Whoever breaks off between the two hears both again, and whoever heard both, neither.
    for (last, expected) in [(of_whole.id, 2), (of_part.id, 0)] {
        let mut again = Stream::open(&viewer, "/stream", Some(last)).await;
        for of in [&of_whole, &of_part].iter().take(expected) {
            let message = again.message().await;
            assert_eq!((message.id, &message.data), (of.id, &of.data));
        }
        assert!(expected > 0 || again.message().await.event == "position");
    }

    // Not at each event of its parts, but where their status is another one.
    let mut append = async |events: serde_json::Value| {
        producer.append(&part, events).await.expect(200);
        let mut runs = Vec::new();
        while runs.last() != Some(&part) {
            runs.push(all.until("run").await.data["run_id"].as_str().unwrap().to_owned());
        }
        runs
    };
    assert_eq!(append(json!([{"type": "Started"}])).await, [whole.clone(), part.clone()]);
    assert_eq!(append(json!([{"type": ITEM, "item": "a"}])).await, [part.as_str()]);
    let failed = json!([{"type": "Failed", "reason_code": "timeout", "message": "m"}]);
    assert_eq!(append(failed).await, [whole.clone(), part.clone()]);
    for counts in [[1, 0], [0, 1]] {
        let told = one.until("run").await;
        let children = &told.data["children"];
        assert_eq!([&children["running"], &children["failed"]], [&json!(counts[0]), &json!(counts[1])]);
    }
    for link in ["retry_of", "resumes"] {
        let body = json!({"kind": "part", "context": {"n": link}, (link): {"run_id": part}});
        let next = producer.post_run(&body).await.expect(201).text_at("/run_id");
        let told = [all.until("run").await, all.until("run").await];
        assert_eq!([&told[0].data["run_id"], &told[1].data["run_id"]], [&json!(part), &json!(next)]);
        producer.append(&next, json!([{"type": "Started"}])).await.expect(200);
        assert_eq!(all.until("run").await.data["run_id"], next, "and no word of the one before");
    }
    drop((all, one));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_quiet_stream_is_heard_and_a_revoked_token_ends_it(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let api = ApiConfig { stream_heartbeat: Duration::from_millis(20), ..ApiConfig::default() };
    let app = TestApp::with(pool, database, Setup { api, ..Setup::default() }).await;
    let mut stream = Stream::open(&app.client(Role::Owner), "/stream", None).await;
    stream.until("position").await;
    for _ in 0..3 {
        assert_eq!(stream.next().await, Some(Said::Comment("heartbeat".to_owned())));
        // Scripts can't hear a comment.
        let position = stream.message().await;
        assert_eq!((position.event.as_str(), &position.data["heartbeat_ms"]), ("position", &json!(20)));
    }
    let tokens = list_tokens(&app.pool, &"demo".parse().unwrap()).await.unwrap();
    let token = tokens.iter().find(|token| token.role == Role::Owner.as_str()).unwrap();
    revoke_token(&app.pool, token.token_id).await.unwrap();
    while let Some(said) = stream.next().await {
        let beat = matches!(&said, Said::Message(message) if message.event == "position");
        assert!(beat || said == Said::Comment("heartbeat".to_owned()), "{said:?}");
    }
    app.client(Role::Owner).get("/stream").await.problem(401, "unauthorized");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_stream_lasts_only_so_long_and_ends_with_the_server(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let api = ApiConfig { stream_lasts: Duration::from_millis(50), ..ApiConfig::default() };
    let mut app = TestApp::with(pool, database, Setup { api, ..Setup::default() }).await;
    let mut short = Stream::open(&app.client(Role::Owner), "/stream", None).await;
    while short.next().await.is_some() {}

    let longer = app.another_api().await;
    let mut long = Stream::open(&app.client(Role::Owner).at(&longer), "/stream", None).await;
    long.until("position").await;
    app.stop().await;
    assert_eq!(long.next().await, None);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn hundreds_listen_with_four_connections_to_the_database(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = app(pool, database).await;
    let viewer = app.client(Role::Readonly);
    let mut streams = Vec::new();
    for _ in 0..300 {
        let mut stream = Stream::open(&viewer, "/stream", None).await;
        stream.until("position").await;
        streams.push(stream);
    }
    let run = app.producer().new_run("many", json!({})).await;
    for stream in &mut streams {
        assert_eq!(stream.until("run").await.data["run_id"], run);
    }
    drop(streams);
    app.stop().await;
}
