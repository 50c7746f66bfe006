//! Starts under a name of the producer's: the same name is the same run, for ever.

use access::{Role, create_token};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Client, TestApp};

fn named(id: &str, context: Value) -> Value {
    json!({"kind": "drift.check", "context": context, "ref": {"source": "urn:ci", "id": id}})
}

async fn with_key(client: &Client, key: &str, body: &Value) -> Answer {
    Answer::of(client.request(Method::POST, "/runs").header("Idempotency-Key", key).json(body)).await
}

/// A producer of another name.
async fn another_producer(app: &TestApp) -> Client {
    let (tenant, principal) = ("demo".parse().unwrap(), "importer".parse().unwrap());
    let made = create_token(&app.pool, &tenant, Role::Producer, &principal).await.unwrap();
    app.producer().with_token(Some(made.token.reveal()))
}

async fn abort(client: &Client, run: &str) -> u64 {
    let aborted = json!([{"type": "Aborted", "reason_code": "cancelled", "message": "m"}]);
    client.append(run, aborted).await.expect(200).number_at("/position")
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_same_name_is_the_same_run_whatever_became_of_it(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let mut app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let elsewhere = producer.at(&app.another_api().await);
    let body = named("nightly 2026-01-31", json!({"a": 1}));
    let first = producer.post_run(&body).await.expect(201);
    let run = first.text_at("/run_id");
    assert_eq!((&first.body["reused"], &first.body["repeated"]), (&json!(false), &json!(false)));
    for client in [&elsewhere, &producer] {
        let again = client.post_run(&body).await.expect(201);
        assert_eq!((&again.body["reused"], &again.body["repeated"]), (&json!(false), &json!(true)));
        assert_eq!(
            (&again.body["run_id"], &again.body["queued"]),
            (&first.body["run_id"], &first.body["queued"])
        );
    }
    abort(&producer, &run).await;
    for client in [&elsewhere, &producer] {
        let again = client.post_run(&body).await.expect(201);
        assert_eq!((again.text_at("/run_id"), again.text_at("/status")), (run.clone(), "failed".to_owned()));
    }
    // The key is free: the same work under another name, or none, is a new run. The name stays with the first.
    let second = producer.post_run(&named("nightly 2026-02-01", json!({"a": 1}))).await.expect(201);
    assert_ne!(second.text_at("/run_id"), run);
    assert_eq!(elsewhere.post_run(&body).await.expect(201).text_at("/run_id"), run);
    // In another tenant it is another name.
    let other = app.client_of("other", Role::Producer).post_run(&body).await.expect(201);
    assert_ne!(other.text_at("/run_id"), run);

    // Readers find it by its name.
    let position = second.number_at("/position");
    let reader = app.client(Role::Readonly);
    for (query, found) in [
        ("ref=nightly%202026-01-31&ref_source=urn:ci", vec![run.clone()]),
        ("ref=nightly%202026-01-31", vec![run.clone()]),
        ("ref=nightly%202026-01-31&status=queued", vec![]),
        ("ref=nightly%202026-01-31&ref_source=urn:cd", vec![]),
    ] {
        let list = reader.get(&format!("/runs?after={position}&{query}")).await.expect(200);
        let runs: Vec<_> = list.body["runs"].as_array().unwrap().iter().map(|run| &run["run_id"]).collect();
        assert_eq!(runs, found.iter().map(|run| json!(run)).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    }
    let shown = reader.get(&format!("/runs/{run}")).await.expect(200);
    assert_eq!(shown.body["ref"], json!({"source": "urn:ci", "id": "nightly 2026-01-31"}));
    // And both runs by the key of their work.
    let key = shown.text_at("/idempotency_key");
    let list = reader.get(&format!("/runs?idempotency_key={key}&limit=1")).await.expect(200);
    let cursor = list.text_at("/next_cursor");
    let next = reader.get(&format!("/runs?idempotency_key={key}&limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!(
        (list.text_at("/runs/0/run_id"), next.text_at("/runs/0/run_id")),
        (second.text_at("/run_id"), run)
    );
    assert_eq!(next.body["next_cursor"], Value::Null);
    let sent = reader.get("/runs?idempotency_key=nightly").await.problem(422, "validation_failed");
    assert!(sent.text_at("/detail").contains("by ref"), "{}", sent.text);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn other_content_under_a_name_is_refused_by_where_it_differs(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let mut body = named("7", json!({"a": 1, "password": "hunter2hunter2"}));
    body["title"] = json!("Check");
    let run = producer.post_run(&body).await.expect(201).text_at("/run_id");
    let with = |pointer: &str, value: Value| {
        let mut body = body.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        body.pointer_mut(parent).unwrap()[name] = value;
        body
    };
    for (other, pointer, kept, sent) in [
        (with("/title", json!("Mend")), "/title", json!("Check"), json!("Mend")),
        (with("/labels", json!({"env": "prod"})), "/labels/env", Value::Null, json!("prod")),
        (with("/kind", json!("drift.mend")), "/kind", json!("drift.check"), json!("drift.mend")),
        (with("/context/a", json!(2)), "/context/a", json!(1), json!(2)),
        (with("/initiator", json!({"id": "ann"})), "/initiator", Value::Null, json!({"id": "ann"})),
        (with("/correlation_id", json!("c")), "/correlation_id", Value::Null, json!("c")),
        (with("/events", json!([{"type": "Started"}])), "/events/0", Value::Null, json!({"type": "Started"})),
    ] {
        let refused = producer.post_run(&other).await.problem(409, "reference_taken");
        let difference = json!([{"pointer": pointer, "kept": kept, "sent": sent}]);
        assert_eq!((&refused.body["differences"], &refused.body["run_id"]), (&difference, &json!(run)));
        assert!(refused.text_at("/detail").contains(pointer), "{}", refused.text);
    }
    // Only what is redacted differs, and nobody is shown how.
    let secret = producer.post_run(&with("/context/password", json!("other2other2"))).await;
    let secret = secret.problem(409, "reference_taken");
    assert_eq!(secret.text_at("/differences/0/pointer"), "/context");
    assert!(!secret.text.contains("other2") && !secret.text.contains("hunter2"), "{}", secret.text);
    // Another order of members is no other content, and what was refused has left nothing behind.
    let turned = r#"{"context": {"password": "hunter2hunter2", "a": 1.0}, "ref": {"id": "7", "source": "urn:ci"},
        "title": "Check", "kind": "drift.check"}"#;
    assert_eq!(producer.post_raw("/runs", turned).await.expect(201).text_at("/run_id"), run);
    let queued: i64 = sqlx::query_scalar("SELECT count(*) FROM log.events WHERE event_type = 'Queued'")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(queued, 1);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_header_is_a_short_name(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let body = json!({"kind": "drift.check", "context": {"a": 1}});
    let key = "8e03978e-40d5-43e8-bc93-6894a57f9324";
    let first = with_key(&producer, key, &body).await.expect(201);
    let run = first.text_at("/run_id");
    abort(&producer, &run).await;
    // In quotes, as the draft has it.
    let again = with_key(&producer, &format!("\"{key}\""), &body).await.expect(201);
    assert_eq!((again.text_at("/run_id"), &again.body["repeated"]), (run.clone(), &json!(true)));
    assert_eq!(again.body["queued"]["ref"], json!({"source": "producer", "id": key}));
    // Written out, it is the same name.
    let mut spelled = body.clone();
    spelled["ref"] = json!({"source": "producer", "id": key});
    assert_eq!(producer.post_run(&spelled).await.expect(201).text_at("/run_id"), run);
    // Of another principal it is another one.
    let importer = another_producer(&app).await;
    let theirs = with_key(&importer, key, &body).await.expect(201);
    assert_ne!(theirs.text_at("/run_id"), run);
    let other = json!({"kind": "drift.check", "context": {"a": 2}});
    with_key(&producer, key, &other).await.problem(409, "reference_taken");

    let both = with_key(&producer, key, &spelled).await.problem(422, "validation_failed");
    assert_eq!(both.text_at("/errors/0/pointer"), "/ref");
    let wrong = with_key(&producer, "two words", &body).await.problem(422, "validation_failed");
    assert_eq!(wrong.text_at("/errors/0/pointer"), "header Idempotency-Key");
    let position = theirs.number_at("/position");
    let list = producer.get(&format!("/runs?ref={key}&after={position}")).await.expect(200);
    assert_eq!(list.body["runs"].as_array().unwrap().len(), 2, "one of each principal: {}", list.text);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_comes_second_is_told_who_came_first_and_keeps_that_run(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let mut app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let elsewhere = producer.at(&app.another_api().await);
    let mut body = named("first", json!({"same": "work"}));
    body["title"] = json!("The first of them");
    let first = producer.post_run(&body).await.expect(201);
    let run = first.text_at("/run_id");
    let mut second = named("second", json!({"same": "work"}));
    second["events"] = json!([{"type": "Started"}]);
    let importer = another_producer(&app).await;
    let told = importer.post_run(&second).await.expect(200);
    assert_eq!((told.text_at("/run_id"), &told.body["reused"]), (run.clone(), &json!(true)));
    assert_eq!(
        told.body["queued"],
        json!({"by": "producer", "at": first.text_at("/queued/at"), "title": "The first of them",
               "ref": {"source": "urn:ci", "id": "first"}})
    );
    assert_eq!((&told.body["events"], told.text_at("/status")), (&json!([]), "queued".to_owned()));
    let position = abort(&producer, &run).await;
    // It is that run's name as well, also when the run has ended; its events were taken in never.
    for client in [&importer, &elsewhere] {
        let again = client.post_run(&second).await.expect(200);
        assert_eq!((again.text_at("/run_id"), again.text_at("/status")), (run.clone(), "failed".to_owned()));
        assert_eq!(again.body["reused"], json!(true));
    }
    let list = producer.get(&format!("/runs?ref=second&after={position}")).await.expect(200);
    assert_eq!(list.text_at("/runs/0/run_id"), run);
    assert_eq!(list.text_at("/runs/0/ref/id"), "first");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_hundred_starts_of_one_name_give_one_run(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = TestApp::start(pool, database).await;
    let here = app.producer();
    let there = here.at(&app.another_api().await);
    for round in 0..3 {
        let body = named(&format!("round {round}"), json!({"same": "work"}));
        let starts = (0..100).map(|n| if n % 2 == 0 { here.post_run(&body) } else { there.post_run(&body) });
        let answers: Vec<Answer> = join_all(starts).await;
        let run = answers[0].text_at("/run_id");
        for answer in &answers {
            assert_eq!((answer.status, answer.text_at("/run_id")), (201, run.clone()), "{}", answer.text);
            assert_eq!(answer.body["reused"], json!(false), "{}", answer.text);
        }
        assert_eq!(answers.iter().filter(|answer| answer.body["repeated"] == json!(false)).count(), 1);
        abort(&here, &run).await;
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_event_id_repeats_a_start_too(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let elsewhere = producer.at(&app.another_api().await);
    let id = uuid::Uuid::new_v4();
    let body = json!({"kind": "drift.check", "context": {}, "event_id": id, "correlation_id": "c-7"});
    let run = producer.post_run(&body).await.expect(201).text_at("/run_id");
    abort(&producer, &run).await;
    for client in [&elsewhere, &producer] {
        let again = client.post_run(&body).await.expect(201);
        assert_eq!((again.text_at("/run_id"), &again.body["repeated"]), (run.clone(), &json!(true)));
    }
    let mut other = body.clone();
    other["title"] = json!("Another");
    let refused = producer.post_run(&other).await.problem(409, "event_id_taken");
    assert_eq!(refused.text_at("/differences/0/pointer"), "/title");
    // Without it the key is free, and the run another one.
    other["event_id"] = json!(uuid::Uuid::new_v4());
    let next = producer.post_run(&other).await.expect(201);
    assert_ne!(next.text_at("/run_id"), run);
    let path = format!("/runs/{run}/events?after={}", next.number_at("/position"));
    let events = app.client(Role::Auditor).get(&path).await.expect(200);
    assert_eq!(
        (
            &events.body["events"][0]["metadata"]["event_id"],
            &events.body["events"][0]["metadata"]["correlation_id"]
        ),
        (&json!(id), &json!("c-7"))
    );
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn first_events_come_with_the_start_or_not_at_all(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let mut body = named("whole", json!({"work": 1}));
    let with = |body: &mut Value, events: Value| body["events"] = events;
    with(&mut body, json!([{"type": "ItemSucceeded", "item": "a"}]));
    let refused = producer.post_run(&body).await.problem(409, "illegal_transition");
    assert!(refused.text_at("/detail").starts_with("/events/0: ItemSucceeded"), "{}", refused.text);
    with(&mut body, json!([{"type": "Started"}, {"type": "Exploded"}]));
    let refused = producer.post_run(&body).await.problem(422, "validation_failed");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/events/1/type");
    let count = async || {
        let count = sqlx::query_scalar("SELECT count(*) FROM log.events WHERE stream NOT LIKE 'admin-%'");
        let count: i64 = count.fetch_one(&app.pool).await.unwrap();
        count
    };
    assert_eq!(count().await, 0, "not even a reservation");

    let ids: Vec<_> = (0..3).map(|_| uuid::Uuid::new_v4()).collect();
    with(
        &mut body,
        json!([
            {"type": "Started", "id": ids[0], "worker": "w-1"},
            {"type": "ItemSucceeded", "id": ids[1], "item": "a\u{200b}"},
            {"type": "Completed", "id": ids[2]},
        ]),
    );
    let started = producer.post_run(&body).await.expect(201);
    assert_eq!((started.text_at("/status"), started.number_at("/revision")), ("succeeded".to_owned(), 3));
    let told = |result: &str| {
        let event = |n: usize| json!({"id": ids[n], "revision": n + 1, "result": result});
        json!([event(0), event(1), event(2)])
    };
    assert_eq!(started.body["events"], told("created"));
    assert_eq!(started.text_at("/changed/0/pointer"), "/events/1/item");
    assert_eq!(count().await, 6, "a reservation, a name, and four events of the run");
    let again = producer.post_run(&body).await.expect(201);
    assert_eq!((&again.body["events"], &again.body["run_id"]), (&told("duplicate"), &started.body["run_id"]));
    assert_eq!(count().await, 6);
    app.stop().await;
}
