//! Appending events over HTTP: the order of a run's life, repeats, revisions, batches, limits.

use access::Role;
use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Setup, TestApp};
use uuid::Uuid;

/// An event of each type with its least fields.
fn event(event_type: &str) -> Value {
    match event_type {
        "ItemSucceeded" | "ItemSkipped" => json!({"type": event_type, "item": "a"}),
        "ItemFailed" => json!({"type": event_type, "item": "a", "reason_code": "timeout", "message": "m"}),
        "Failed" | "Aborted" => json!({"type": event_type, "reason_code": "unknown", "message": "m"}),
        _ => json!({"type": event_type}),
    }
}

/// What brings a run from queued to a status.
fn way_to(status: &str) -> Vec<&'static str> {
    match status {
        "queued" => vec![],
        "running" => vec!["Started"],
        "succeeded" => vec!["Started", "Completed"],
        _ => vec!["Failed"],
    }
}

fn results(answer: &Answer) -> Vec<&str> {
    answer.body["events"].as_array().unwrap().iter().map(|event| event["result"].as_str().unwrap()).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn each_event_is_taken_in_its_place_and_refused_in_any_other(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    let legal: &[(&str, &[(&str, &str)])] = &[
        ("queued", &[("Started", "running"), ("Failed", "failed"), ("Aborted", "failed")]),
        (
            "running",
            &[
                ("ItemSucceeded", "running"),
                ("ItemFailed", "running"),
                ("ItemSkipped", "running"),
                ("Progressed", "running"),
                ("Completed", "succeeded"),
                ("Failed", "failed"),
                ("Aborted", "failed"),
            ],
        ),
        ("succeeded", &[]),
        ("failed", &[]),
    ];
    let types = [
        "Started",
        "ItemSucceeded",
        "ItemFailed",
        "ItemSkipped",
        "Progressed",
        "Completed",
        "Failed",
        "Aborted",
    ];
    for (status, followers) in legal {
        for event_type in types {
            let run = producer.new_run("law", json!({"status": status, "event": event_type})).await;
            let way: Vec<Value> = way_to(status).into_iter().map(event).collect();
            let revision = way.len() as u64;
            if !way.is_empty() {
                producer.append(&run, json!(way)).await.expect(200);
            }
            let answer = producer.append(&run, json!([event(event_type)])).await;
            match followers.iter().find(|(follower, _)| *follower == event_type) {
                Some((_, after)) => {
                    let answer = answer.expect(200);
                    assert_eq!(answer.text_at("/status"), *after);
                    assert_eq!(answer.number_at("/revision"), revision + 1);
                    assert_eq!(answer.header("etag"), format!("\"{}\"", revision + 1));
                    assert_eq!(results(&answer), ["created"]);
                }
                None => {
                    let problem = answer.problem(409, "illegal_transition");
                    assert_eq!(problem.text_at("/current_status"), *status);
                    assert_eq!(problem.number_at("/current_revision"), revision);
                    assert_eq!(problem.number_at("/event_index"), 0);
                }
            }
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_repeat_is_told_so_and_changes_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    // A second API that has never seen the run says the same.
    let elsewhere = producer.at(&app.another_api().await);
    let run = producer.new_run("repeat", json!({})).await;
    let id = || Uuid::new_v4().to_string();
    let events = json!([
        {"type": "Started", "id": id()},
        {"type": "ItemSucceeded", "item": "a", "id": id()},
    ]);
    let first = producer.append(&run, events.clone()).await.expect(200);
    for client in [&producer, &elsewhere] {
        let again = client.append(&run, events.clone()).await.expect(200);
        assert_eq!(results(&again), ["duplicate", "duplicate"]);
        assert_eq!(again.number_at("/revision"), 2);
        assert_eq!(again.number_at("/position"), first.number_at("/position"));
        assert_eq!(again.number_at("/events/0/revision"), 1);
        assert_eq!(again.number_at("/events/1/revision"), 2);
    }
    // Old and new in one batch, and one id twice.
    let done = id();
    let mixed = json!([events[1], {"type": "Completed", "id": done}, {"type": "Completed", "id": done}]);
    let answer = elsewhere.append(&run, mixed.clone()).await.expect(200);
    assert_eq!(results(&answer), ["duplicate", "created", "duplicate"]);
    assert_eq!(answer.number_at("/revision"), 3);
    // After the end, also with a revision that is long gone.
    for client in [&producer, &elsewhere] {
        let again = client.append_at(&run, "\"1\"", mixed.clone()).await.expect(200);
        assert_eq!(results(&again), ["duplicate", "duplicate", "duplicate"]);
        assert_eq!(again.text_at("/status"), "succeeded");
        let again = client.append(&run, events.clone()).await.expect(200);
        assert_eq!(results(&again), ["duplicate", "duplicate"]);
    }
    // Another run's id is not a repeat.
    let other = producer.new_run("repeat", json!({"other": true})).await;
    let answer = producer.append(&other, json!([events[0]])).await.expect(200);
    assert_eq!(results(&answer), ["created"]);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_id_of_another_tenant_is_as_good_as_any(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let (ours, theirs) = (app.producer(), app.client_of("other", Role::Producer));
    let events = json!([
        {"type": "Started", "id": Uuid::new_v4()},
        {"type": "ItemFailed", "item": "a", "reason_code": "x", "message": "ours", "id": Uuid::new_v4()},
    ]);
    let run = ours.new_run("ids", json!({})).await;
    ours.append(&run, events.clone()).await.expect(200);
    // The same ids say something else there, one by one and all at once.
    let other = theirs.new_run("ids", json!({})).await;
    for event in [
        json!({"type": "Started", "worker": "w", "id": events[1]["id"]}),
        json!({"type": "ItemSucceeded", "item": "b", "id": events[0]["id"]}),
    ] {
        let answer = theirs.append(&other, json!([event])).await.expect(200);
        assert_eq!(results(&answer), ["created"]);
        assert!(!answer.text.contains(&run), "{}", answer.text);
    }
    // Nor may our own next one be lost to them.
    let done = json!([{"type": "Completed", "id": events[1]["id"], "message": "theirs"}]);
    theirs.append(&other, done).await.problem(409, "event_id_taken");
    let again = ours.append(&run, events).await.expect(200);
    assert_eq!(results(&again), ["duplicate", "duplicate"]);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_id_again_with_other_content_is_refused_by_where_it_is(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let mut app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    let elsewhere = producer.at(&app.another_api().await);
    let then = json!({"kind": "taken", "context": {}, "occurred_at": "2026-03-01T11:59:00Z"});
    let run = producer.post_run(&then).await.expect(201).text_at("/run_id");
    let ids: Vec<String> = (0..4).map(|_| Uuid::new_v4().to_string()).collect();
    let started =
        json!({"type": "Started", "id": ids[0], "worker": "w-1", "occurred_at": "2026-03-01T12:00:00Z"});
    let failed = json!({"type": "ItemFailed", "id": ids[1], "item": "a", "reason_code": "denied",
        "message": "password=hunter2", "correlation_id": "c-1"});
    let progressed = json!({"type": "Progressed", "id": ids[2], "message": "half"});
    producer.append(&run, json!([started, failed, progressed])).await.expect(200);

    // The same once more: with its members in another order, a time in another zone or left out, texts that are
    // cleaned to the same.
    let turned = json!({"worker": "w-1", "occurred_at": "2026-03-01T13:00:00.0000001+01:00", "id": ids[0],
        "type": "Started"});
    let timeless = json!({"type": "Started", "id": ids[0], "worker": "w-1"});
    let cleaned = json!({"type": "ItemFailed", "id": ids[1], "item": "a", "reason_code": "denied",
        "message": "password=\u{200b}hunter3", "correlation_id": "c-1"});
    for same in [&started, &turned, &timeless, &failed, &cleaned, &progressed] {
        for client in [&producer, &elsewhere] {
            let answer = client.append(&run, json!([same])).await.expect(200);
            assert_eq!(results(&answer), ["duplicate"], "{same}");
        }
    }

    // Anything else under the same id.
    let with = |event: &Value, member: &str, value: Value| {
        let mut event = event.clone();
        event[member] = value;
        event
    };
    for (revision, other) in [
        (1, json!({"type": "Completed", "id": ids[0]})),
        (1, with(&started, "worker", json!("w-2"))),
        (1, with(&started, "occurred_at", json!("2026-03-01T12:00:00.000001Z"))),
        (1, with(&started, "heartbeat_seconds", json!(30))),
        (1, with(&started, "causation_id", json!("c"))),
        (2, with(&failed, "item", json!("b"))),
        (2, with(&failed, "message", json!("another"))),
        (2, with(&failed, "label", json!("A"))),
        (2, with(&failed, "correlation_id", json!("c-2"))),
        (2, json!({"type": "ItemSucceeded", "id": ids[1], "item": "a", "correlation_id": "c-1"})),
        (3, with(&progressed, "message", json!(null))),
        (3, with(&progressed, "occurred_at", json!("2026-03-01T12:00:00Z"))),
    ] {
        for client in [&producer, &elsewhere] {
            // Among new ones and repeats: nothing is appended.
            let repeated = if revision == 3 { &failed } else { &progressed };
            let batch = json!([repeated, event("ItemSucceeded"), other, event("Completed")]);
            let problem = client.append(&run, batch).await.problem(409, "event_id_taken");
            assert_eq!(problem.number_at("/revision"), revision, "{other}");
            assert_eq!(problem.number_at("/event_index"), 2);
            assert_eq!(problem.text_at("/event_id"), other["id"].as_str().unwrap());
        }
    }

    // Within a request nothing holds it yet.
    for other in [
        json!({"type": "Progressed", "id": ids[3], "message": "b"}),
        json!({"type": "Progressed", "id": ids[3], "message": "a", "occurred_at": "2026-03-01T12:00:00Z"}),
        json!({"type": "Progressed", "id": ids[3], "message": "a", "correlation_id": "c"}),
    ] {
        let batch = json!([{"type": "Progressed", "id": ids[3], "message": "a"}, other]);
        let problem = producer.append(&run, batch).await.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), "/events/1/id");
    }

    // After the end as well, and for the first event of all.
    let ended = producer.append(&run, json!([event("Completed")])).await.expect(200);
    assert_eq!(ended.number_at("/revision"), 4);
    let late = with(&started, "worker", json!("w-2"));
    let problem = elsewhere.append(&run, json!([late])).await.problem(409, "event_id_taken");
    assert_eq!(problem.number_at("/revision"), 1);
    let queued: Uuid =
        sqlx::query_scalar("SELECT event_id FROM log.events WHERE stream = $1 AND revision = 0")
            .bind(format!("run-demo-{run}"))
            .fetch_one(&app.pool)
            .await
            .unwrap();
    let first = json!([{"type": "Started", "id": queued}]);
    let problem = producer.append(&run, first).await.problem(409, "event_id_taken");
    assert_eq!(problem.number_at("/revision"), 0);
    app.stop().await;
}

/// Two processes at once, one of which repeats while the other appends: whoever comes second is told.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn two_events_of_one_id_that_race_are_one_and_a_refusal(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let mut app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let here = app.producer();
    let there = here.at(&app.another_api().await);
    let run = here.new_run("race", json!({})).await;
    here.append(&run, json!([event("Started")])).await.expect(200);
    for n in 0..20 {
        let id = Uuid::new_v4();
        let says = |what: &str| json!([{"type": "Progressed", "id": id, "message": format!("{what} {n}")}]);
        let (one, other) = futures::join!(here.append(&run, says("one")), there.append(&run, says("other")));
        let mut statuses = [one.status, other.status];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{} {}", one.text, other.text);
        let refused = if one.status == 409 { one } else { other };
        assert_eq!(refused.problem(409, "event_id_taken").number_at("/revision"), 2 + n);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn if_match_refuses_who_has_not_seen_the_last_revision(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let mut app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    let elsewhere = producer.at(&app.another_api().await);
    let run = producer.new_run("match", json!({})).await;
    producer.append_at(&run, "\"0\"", json!([event("Started")])).await.expect(200);
    let item = || json!([event("ItemSucceeded")]);
    elsewhere.append_at(&run, "1", item()).await.expect(200);
    // The first API has not heard of the second one's append; its answer must be right all the same.
    for wrong in ["\"0\"", "\"1\"", "\"3\"", "18446744073709551615"] {
        let problem = producer.append_at(&run, wrong, item()).await.problem(412, "revision_mismatch");
        assert_eq!(problem.number_at("/current_revision"), 2, "{wrong}");
    }
    elsewhere.append_at(&run, "\"2\"", item()).await.expect(200);
    producer.append_at(&run, "\"3\"", item()).await.expect(200);
    producer.append_at(&run, "*", item()).await.expect(200);
    // One of a list is enough (RFC 9110, 13.1.1); a weak tag, and one that was never a run's, match nothing.
    producer.append_at(&run, "\"1\", \"5\"", item()).await.expect(200);
    for never in ["\"x\"", "W/\"6\"", "\"1\", \"2\""] {
        producer.append_at(&run, never, item()).await.problem(412, "revision_mismatch");
    }
    for malformed in ["", "-1", "\"6"] {
        producer.append_at(&run, malformed, item()).await.problem(400, "malformed_request");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn two_writers_lose_nothing_and_leave_no_gap(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let here = app.producer();
    let there = here.at(&app.another_api().await);
    let run = here.new_run("two", json!({})).await;
    here.append(&run, json!([event("Started")])).await.expect(200);

    // Each insists on the revision it last saw; who is refused learns the current one and tries again.
    let writer = |client: tests::Client, name: &'static str| {
        let run = run.clone();
        async move {
            let mut revision = 1;
            for n in 0..50 {
                loop {
                    let item = json!([{"type": "ItemSucceeded", "item": format!("{name}-{n}")}]);
                    let answer = client.append_at(&run, &format!("\"{revision}\""), item).await;
                    if answer.status == 200 {
                        revision = answer.number_at("/revision");
                        break;
                    }
                    let problem = answer.problem(412, "revision_mismatch");
                    assert!(problem.number_at("/current_revision") > revision, "{}", problem.text);
                    revision = problem.number_at("/current_revision");
                }
            }
        }
    };
    futures::join!(writer(here.clone(), "here"), writer(there.clone(), "there"));

    // And without insisting: all get in.
    let free = (0..40).map(|n| {
        let client = if n % 2 == 0 { &here } else { &there };
        client.append(&run, json!([{"type": "ItemSucceeded", "item": format!("free-{n}")}]))
    });
    for answer in join_all(free).await {
        answer.expect(200);
    }
    let stream = format!("run-demo-{run}");
    let revisions: Vec<i64> =
        sqlx::query_scalar("SELECT revision FROM log.events WHERE stream = $1 ORDER BY position")
            .bind(&stream)
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert_eq!(revisions, (0..142).collect::<Vec<i64>>());
    let end = here.append(&run, json!([event("Completed")])).await.expect(200);
    assert_eq!(end.number_at("/revision"), 142);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_batch_is_taken_whole_or_not_at_all(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    let run = producer.new_run("batch", json!({})).await;
    let illegal = json!([event("Started"), event("ItemSucceeded"), event("Started")]);
    let problem = producer.append(&run, illegal).await.problem(409, "illegal_transition");
    assert_eq!((problem.number_at("/event_index"), problem.number_at("/current_revision")), (2, 0));
    let malformed =
        json!([event("Started"), {"type": "ItemFailed", "item": "a", "message": "m", "reason_code": "?"}]);
    let problem = producer.append(&run, malformed).await.problem(422, "validation_failed");
    assert_eq!(problem.text_at("/errors/0/pointer"), "/events/1/reason_code");
    let future = json!([event("Started"), {"type": "Completed", "occurred_at": "2999-01-01T00:00:00Z"}]);
    let problem = producer.append(&run, future).await.problem(422, "validation_failed");
    assert_eq!(problem.text_at("/errors/0/pointer"), "/events/1/occurred_at");

    let answer = producer.append(&run, json!([event("Started"), event("Completed")])).await.expect(200);
    assert_eq!(answer.number_at("/revision"), 2);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_thousand_events_are_taken_and_one_more_is_not(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut setup = Setup { without_projector: true, ..Setup::default() };
    setup.api.max_body_bytes = 256 * 1024;
    let app = TestApp::with(pool, database, setup).await;
    let producer = app.producer();
    let run = producer.new_run("many", json!({})).await;
    producer.append(&run, json!([event("Started")])).await.expect(200);
    let items = |count: usize| -> Value {
        (0..count).map(|n| json!({"type": "ItemSucceeded", "item": format!("i{n}")})).collect()
    };
    let problem = producer.append(&run, items(1_001)).await.problem(413, "too_many_events");
    assert_eq!(problem.number_at("/max_events"), 1_000);
    let answer = producer.append(&run, items(1_000)).await.expect(200);
    assert_eq!(answer.number_at("/revision"), 1_001);
    assert_eq!(results(&answer).len(), 1_000);
    let problem = producer.append(&run, json!([])).await.problem(422, "validation_failed");
    assert_eq!(problem.text_at("/errors/0/pointer"), "/events");
    let large = json!([{"type": "Progressed", "message": "m".repeat(300 * 1024)}]);
    producer.append(&run, large).await.problem(413, "body_too_large");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_that_does_not_exist_takes_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    for run in [Uuid::now_v7().to_string(), Uuid::new_v4().to_string(), "7".into(), "%ff".into()] {
        producer.append(&run, json!([event("Started")])).await.problem(404, "not_found");
        producer.append_at(&run, "\"3\"", json!([event("Started")])).await.problem(404, "not_found");
    }
    app.stop().await;
}
