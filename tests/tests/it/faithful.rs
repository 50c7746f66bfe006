//! Nothing is taken in that can't be read again, and what can't be read is seen and takes nothing more.

use std::time::Duration;

use access::Role;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tests::{Client, Setup, TestApp};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_name_that_json_readers_obey_is_refused_by_its_place(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    let raw = "$serde_json::private::RawValue";
    for (context, pointer) in [
        (json!({"v": {(raw): "[1,"}}), format!("/v/{raw}")),
        (json!({(raw): "{\"p\\u0061ssword\":\"hunter2\"}"}), format!("/{raw}")),
        (json!({"v": [1, {"a": 1, (raw): "\u{0}"}]}), format!("/v/1/{raw}")),
        (json!({"v": {(raw): {(raw): 1}}}), format!("/v/{raw}")),
        (json!({"v": {"$serde_json::private::Number": "1e999"}}), "/v/$serde_json::private::Number".into()),
        (json!({"v": {"$serde_json::private::": 1}}), "/v/$serde_json::private::".into()),
    ] {
        let body = json!({"kind": "t.x", "context": context});
        let problem = producer.post_run(&body).await.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), format!("/context{pointer}"), "{}", problem.text);
    }
    // As a value, and spelled otherwise, it is a text like any other.
    let harmless = json!({"v": raw, "w": {"serde_json::private::RawValue": "[1,"}, "x": {"$": "[1,"}});
    producer.post_run(&json!({"kind": "t.x", "context": harmless})).await.expect(201);
    for fields in [json!({(raw): "{}"}), json!({"item": {(raw): "\"a\""}}), json!({"item": "a", (raw): 1})] {
        let run = producer.new_run("t.y", json!({"n": fields.to_string()})).await;
        let mut event = json!({"type": "ItemSucceeded"});
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        producer.append(&run, json!([{"type": "Started"}, event])).await.problem(422, "validation_failed");
    }
    for (name, value) in [("labels", json!({(raw): "[1,"})), ("initiator", json!({(raw): "[1,"}))] {
        let mut body = json!({"kind": "t.x", "context": {}});
        body[name] = value;
        producer.post_run(&body).await.problem(422, "validation_failed");
    }
    let refused: i64 =
        sqlx::query_scalar("SELECT count(*) FROM log.events WHERE event_type = 'ItemSucceeded'")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert_eq!(refused, 0);
    app.stop().await;
}

/// As somebody does who has the database's password.
async fn overwrite(pool: &PgPool, run: &str, revision: i64, data: &[u8]) -> Vec<u8> {
    let mut transaction = database::begin(pool).await.unwrap();
    let stream = format!("run-demo-{run}");
    let was: Vec<u8> = sqlx::query_scalar("SELECT data FROM log.events WHERE stream = $1 AND revision = $2")
        .bind(&stream)
        .bind(revision)
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    sqlx::query("ALTER TABLE log.events DISABLE TRIGGER USER").execute(&mut *transaction).await.unwrap();
    sqlx::query("UPDATE log.events SET data = $3 WHERE stream = $1 AND revision = $2")
        .bind(&stream)
        .bind(revision)
        .bind(data)
        .execute(&mut *transaction)
        .await
        .unwrap();
    sqlx::query("ALTER TABLE log.events ENABLE TRIGGER USER").execute(&mut *transaction).await.unwrap();
    transaction.commit().await.unwrap();
    was
}

/// Waits until so many streams are told to be unreadable and so many runs to be held: each is looked for by itself.
async fn until_unreadable(client: &Client, streams: u64, held: u64) -> Value {
    let told = async {
        loop {
            // A log that was too slow to tell is looked at again.
            let ready = client.get("//readyz").await;
            if ready.body["unreadable_streams"] == streams && ready.body["held_runs"] == held {
                return ready.body;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), told).await.unwrap()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_without_a_beginning_says_so_and_takes_nothing(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let mut app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    let work = json!({"kind": "t.x", "context": {"n": 1}});
    let run = producer.post_run(&work).await.expect(201).text_at("/run_id");
    let was = overwrite(&app.pool, &run, 0, br#"{"kind":"t.x","context":[1,"#).await;
    app.start_projector();
    until_unreadable(&producer, 1, 1).await;

    // Here, where the run was folded before; and in a process that knows nothing of it.
    let elsewhere = producer.at(&app.another_api().await);
    until_unreadable(&elsewhere, 1, 1).await;
    for producer in [&producer, &elsewhere] {
        let path = format!("/runs/{run}");
        for path in
            [path.clone(), format!("{path}?revision=0"), format!("{path}/items"), format!("{path}/events")]
        {
            let problem = producer.get(&path).await.problem(500, "stream_unreadable");
            assert_eq!(
                (problem.text_at("/run_id"), problem.number_at("/unreadable_revision")),
                (run.clone(), 0)
            );
        }
        producer.append(&run, json!([{"type": "Started"}])).await.problem(500, "stream_unreadable");
        let problem = producer.post_run(&work).await.problem(500, "stream_unreadable");
        assert_eq!(problem.text_at("/run_id"), run);
        let other = producer.in_tenant("other").with_token(Some(app.token("other", Role::Producer)));
        other.get(&format!("/runs/{run}")).await.problem(404, "not_found");
        // Nobody else's affair.
        let sound = producer.new_run("t.y", json!({"at": producer.get("//readyz").await.body})).await;
        producer.append(&sound, json!([{"type": "Started"}])).await.expect(200);
    }
    let events: i64 = sqlx::query_scalar("SELECT count(*) FROM log.events WHERE stream LIKE '%' || $1")
        .bind(&run)
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(events, 1);

    // Once it is mended it goes on.
    overwrite(&app.pool, &run, 0, &was).await;
    producer.append(&run, json!([{"type": "Started"}])).await.expect(200);
    let again = elsewhere.post_run(&work).await.expect(200);
    assert_eq!((again.text_at("/run_id"), again.text_at("/status")), (run, "running".into()));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_that_breaks_off_is_shown_as_far_as_it_can_be_read(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let mut app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    let run = producer.new_run("t.x", json!({})).await;
    producer.append(&run, json!([{"type": "Started"}])).await.expect(200);
    overwrite(&app.pool, &run, 1, b"{\"worker\":7}").await;
    app.start_projector();
    let ready = until_unreadable(&producer, 1, 1).await;
    assert_eq!(ready["status"], "ok");
    let shown = producer.get(&format!("/runs/{run}")).await.expect(200);
    assert_eq!((shown.text_at("/status"), shown.number_at("/held/revision")), ("queued".into(), 1));
    let problem =
        producer.append(&run, json!([{"type": "Completed"}])).await.problem(500, "stream_unreadable");
    assert_eq!(problem.number_at("/unreadable_revision"), 1);
    app.stop().await;
}

/// The fold in memory knows the event's id, and only what it says is read from the log.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_repeat_of_an_event_that_cannot_be_read_is_told_so(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    let run = producer.new_run("t.x", json!({})).await;
    let started = json!([{"type": "Started", "id": uuid::Uuid::from_u128(7)}]);
    producer.append(&run, started.clone()).await.expect(200);
    overwrite(&app.pool, &run, 1, b"{\"worker\":7}").await;
    let problem = producer.append(&run, started).await.problem(500, "stream_unreadable");
    assert_eq!(problem.number_at("/unreadable_revision"), 1);
    app.stop().await;
}

/// An event that the tables refuse can be read all the same: such a run is held, and takes appends.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_that_is_only_held_goes_on(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let producer = app.producer();
    let (held, broken) = (producer.new_run("t.x", json!({})).await, producer.new_run("t.y", json!({})).await);
    sqlx::query("ALTER TABLE projection.runs ADD CHECK (kind <> 't.x')").execute(&app.pool).await.unwrap();
    overwrite(&app.pool, &broken, 0, b"").await;
    app.start_projector();
    until_unreadable(&producer, 1, 2).await;
    producer.append(&held, json!([{"type": "Started"}])).await.expect(200);
    producer.append(&broken, json!([{"type": "Started"}])).await.problem(500, "stream_unreadable");
    app.stop().await;
}
