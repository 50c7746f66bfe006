//! What comes in is kept before it is answered, within bounds, and whatever becomes of it is told.

use std::time::Duration;

use inlets::ReceiverConfig;
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::Answer;

use super::{Emitter, lineage, ordered, runs, set_aside, waiting, with_inlets, without_grace};

/// What belongs before it may still come: an end waits, a beginning does not.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_end_waits_for_what_belongs_before_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let grace = Duration::from_secs(600);
    let app = with_inlets(pool, database, ReceiverConfig { grace, ..ReceiverConfig::default() }).await;
    let emitter = Emitter::new(&app, "openlineage").await;
    emitter.post("/api/v1/lineage", &lineage("COMPLETE", "r-1", 9)).await.expect(200);
    assert_eq!((ordered(&app).await, waiting(&app).await), (0, 1));
    emitter.post("/api/v1/lineage", &lineage("START", "r-1", 0)).await.expect(200);
    assert_eq!((ordered(&app).await, waiting(&app).await), (2, 1));
    assert_eq!(runs(&app).await[0]["status"], "running");
    sqlx::query("UPDATE inlet.received SET due_at = now()").execute(&app.pool).await.unwrap();
    assert_eq!((ordered(&app).await, waiting(&app).await), (1, 0));
    assert_eq!(runs(&app).await[0]["status"], "succeeded");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn more_than_may_wait_is_refused_until_there_is_room(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = with_inlets(pool, database, ReceiverConfig { grace: Duration::ZERO, backlog: 3 }).await;
    let (full, other) = (Emitter::new(&app, "pings").await, Emitter::new(&app, "pings").await);
    let ping = async |emitter: &Emitter| Answer::of(emitter.request(Method::GET, "/job")).await;
    let refused = loop {
        let answer = ping(&full).await;
        if answer.status != 200 {
            break answer.problem(503, "overloaded");
        }
        assert!(waiting(&app).await < 1_000, "nothing is ever too much");
    };
    assert!(!refused.header("retry-after").is_empty());
    assert!(refused.text_at("/detail").contains("nothing of this request was kept"), "{}", refused.text);
    ping(&other).await.expect(200);
    ordered(&app).await;
    let bound = std::time::Instant::now() + Duration::from_secs(30);
    while ping(&full).await.status != 200 {
        assert!(std::time::Instant::now() < bound, "there is room and nobody sees it");
    }
    app.stop().await;
}

/// The events of a run whose log says no are told, and hold up nothing.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_the_run_does_not_take_is_set_aside(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "cloudevents").await;
    let huge = json!({"context": {"x": "y".repeat(2_000_000)}});
    let queued = |subject: &str, data: &serde_json::Value| json!({"specversion": "1.0", "id": subject, "source": "/s", "type": "com.runledger.Queued", "subject": subject, "data": data});
    let batch = json!([queued("huge", &huge), queued("small", &json!({}))]);
    let sent = emitter.request(Method::POST, "").header("content-type", "application/cloudevents-batch+json");
    Answer::of(sent.body(batch.to_string())).await.expect(202);
    ordered(&app).await;
    assert_eq!(waiting(&app).await, 0);
    let kept = set_aside(&app, &emitter).await.len() + runs(&app).await.len();
    assert_eq!(kept, 2);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn no_secret_of_what_comes_in_is_in_the_database(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "pings").await;
    let lineage_emitter = Emitter::new(&app, "openlineage").await;
    let posted = emitter.request(Method::POST, "/job/fail").body("login failed: password=hunter2");
    Answer::of(posted).await.expect(200);
    let dataset =
        json!({"eventTime": "2026-01-05T08:15:00Z", "dataset": {"name": "d", "password": "hunter2"}});
    lineage_emitter.post("/api/v1/lineage", &dataset).await.expect(200);
    let dump = async || -> String {
        sqlx::query_scalar(
            "SELECT concat((SELECT string_agg(r::text, ' ') FROM inlet.received AS r),
                 (SELECT string_agg(s::text, ' ') FROM inlet.set_aside AS s),
                 (SELECT string_agg(r::text, ' ') FROM inlet.runs AS r),
                 (SELECT string_agg(i::text, ' ') FROM inlet.inlets AS i),
                 (SELECT string_agg(convert_from(data, 'UTF8'), ' ') FROM log.events))",
        )
        .fetch_one(&app.pool)
        .await
        .unwrap()
    };
    for _ in 0..2 {
        let all = dump().await;
        assert!(all.contains("[redacted:password]") && !all.contains("hunter2"), "{all}");
        assert!(!all.contains(&emitter.key) && !all.contains(&lineage_emitter.key), "{all}");
        ordered(&app).await;
    }
    app.stop().await;
}

/// Pages of what was set aside follow each other, the newest first.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_was_set_aside_is_listed_page_by_page(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "openlineage").await;
    for second in 0..5 {
        emitter.post("/api/v1/lineage", &lineage("PAUSE", "r-1", second)).await.expect(200);
    }
    let owner = app.client(access::Role::Owner);
    let at = format!("/inlets/{}/set-aside?limit=2", emitter.inlet_id);
    let (mut seen, mut path) = (Vec::new(), at.clone());
    loop {
        let page = owner.get(&path).await.expect(200);
        for one in page.body["set_aside"].as_array().unwrap() {
            assert!(one["request_id"].is_string() && one["received_at"].is_string(), "{one}");
            seen.push(one["content"]["eventTime"].as_str().unwrap().to_owned());
        }
        match page.body["next_cursor"].as_str() {
            Some(cursor) => path = format!("{at}&cursor={cursor}"),
            None => break,
        }
    }
    let wanted: Vec<String> = (0..5).rev().map(|second| format!("2026-01-05T08:15:0{second}Z")).collect();
    assert_eq!(seen, wanted);
    owner.get(&format!("/inlets/{}/set-aside", uuid::Uuid::nil())).await.expect(404);
    app.stop().await;
}

/// What is set aside is kept for some time, and not more than is looked at.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_was_set_aside_is_forgotten_in_the_end(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let (many, few) = (Emitter::new(&app, "openlineage").await, Emitter::new(&app, "openlineage").await);
    let fill = async |emitter: &Emitter, days: i32, count: i32| {
        sqlx::query(
            "INSERT INTO inlet.set_aside (inlet_id, event_id, why, content, request_id, received_at, set_aside_at)
             SELECT $1::uuid, gen_random_uuid(), 'why', '{}', 'r', now(), now() - make_interval(days => $2, secs => n)
             FROM generate_series(1, $3) AS n",
        )
        .bind(uuid::Uuid::try_parse(&emitter.inlet_id).unwrap())
        .bind(days)
        .bind(count)
        .execute(&app.pool)
        .await
        .unwrap();
    };
    fill(&many, 1, 10_007).await;
    fill(&few, 29, 2).await;
    fill(&few, 31, 3).await;
    assert_eq!(app.orderer().await.forget().await.unwrap(), 7 + 3);
    assert_eq!(app.orderer().await.forget().await.unwrap(), 0);
    assert_eq!(set_aside(&app, &few).await.len(), 2);
    app.stop().await;
}
