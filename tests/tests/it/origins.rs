//! What brought an event to the ledger is kept with it, and the ledger itself is told apart from any token.

use access::{AccessError, Role, create_token, list_tokens};
use domain::PrincipalId;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, TestApp};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_event_keeps_its_token_and_its_request(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let demo = "demo".parse().unwrap();
    let token = |role: &'static str| {
        let pool = app.pool.clone();
        let demo = &demo;
        async move {
            let tokens = list_tokens(&pool, demo).await.unwrap();
            tokens.into_iter().find(|token| token.role == role).unwrap().token_id.to_string()
        }
    };
    let (producers, readers) = (token("producer").await, token("readonly").await);
    let asked = |path: &str, id: &str, body: &Value| {
        let request = producer.request(reqwest::Method::POST, path).header("x-request-id", id);
        Answer::of(request.json(body))
    };
    let start = json!({"kind": "t.x", "context": {}, "initiator": {"id": "readonly"}});
    let run = asked("/runs", "start-1.a:b_c", &start).await.expect(201).text_at("/run_id");
    let path = format!("/runs/{run}/events");
    // An id that is no good, or none, is replaced by the one that is answered.
    let started = asked(&path, "<script>", &json!({"events": [{"type": "Started"}]})).await.expect(200);
    let given = started.header("x-request-id").to_owned();
    assert_eq!(given.len(), 36);
    let ended = asked(&path, &"x".repeat(128), &json!({"events": [{"type": "Completed"}]})).await.expect(200);

    let after = ended.number_at("/position");
    let seen = app.client(Role::Auditor).get(&format!("{path}?after={after}")).await.expect(200);
    for (n, request) in ["start-1.a:b_c", &given, &"x".repeat(128)].into_iter().enumerate() {
        let metadata = &seen.body["events"][n]["metadata"];
        assert_eq!(metadata["token_id"], producers, "{metadata}");
        assert_eq!(metadata["request_id"], request);
        assert_eq!(metadata["origin"], Value::Null);
    }
    let seen = app.client(Role::Operator).get(&path).await.expect(200);
    assert!(!seen.text.contains(&producers) && !seen.text.contains(&given), "{}", seen.text);

    // So do what no run holds: who reserved a key, and who read a notification.
    let reader = app.client(Role::Readonly);
    let told = reader.get("/notifications").await.expect(200);
    let note = told.text_at("/notifications/0/notification_id");
    let read = reader.request(reqwest::Method::POST, &format!("/notifications/{note}/read"));
    Answer::of(read.header("x-request-id", "read-1")).await.expect(200);
    for (event_type, token, request) in
        [("Reserved", &producers, "start-1.a:b_c"), ("NotificationRead", &readers, "read-1")]
    {
        let kept: Vec<u8> = sqlx::query_scalar("SELECT metadata FROM log.events WHERE event_type = $1")
            .bind(event_type)
            .fetch_one(&app.pool)
            .await
            .unwrap();
        let kept: Value = serde_json::from_slice(&kept).unwrap();
        assert_eq!(kept, json!({"token_id": token, "request_id": request}), "{event_type}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn no_token_is_made_that_speaks_as_the_ledger_or_as_somebody_alike(pool: PgPool) {
    let tenant = "demo".parse().unwrap();
    access::create_tenant(&pool, &tenant, "Demo").await.unwrap();
    for principal in [
        "system",
        "System",
        "SYSTEM",
        "sys tem",
        "ｓｙｓｔｅｍ",
        "ѕystem",
        "ann\u{200b}",
        "an\u{ad}n",
        "a\u{a0}b",
    ] {
        let principal = PrincipalId::try_from(principal.to_owned()).unwrap();
        for role in Role::ALL {
            let refused = create_token(&pool, &tenant, role, &principal).await.unwrap_err();
            assert!(matches!(refused, AccessError::Principal { .. }), "{principal}: {refused}");
        }
    }
    create_token(&pool, &tenant, Role::Producer, &"systemd".parse().unwrap()).await.unwrap();
    assert_eq!(list_tokens(&pool, &tenant).await.unwrap().len(), 1);
}

/// Such ids were taken in once: what is stored is read as it is.
#[test]
fn what_is_stored_is_read_whatever_it_holds() {
    for id in ["ann\u{200b}", "system", "a\u{a0}b"] {
        assert_eq!(PrincipalId::try_from(id.to_owned()).unwrap().as_str(), id);
    }
}
