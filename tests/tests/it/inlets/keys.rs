//! Keys: shown once, good for one thing, revoked at once, and never told.

use std::time::{Duration, Instant};

use access::Role;
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, TestApp};

use super::{Emitter, ordered, runs, without_grace};
use crate::administration::relayed;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_owner_makes_lists_and_revokes_inlets_and_each_is_history(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let mut app = without_grace(pool, database).await;
    let elsewhere = app.another_api().await;
    let owner = app.client(Role::Owner);
    let asked = json!({"inlet_type": "pings", "kind": "backup.nightly", "principal": "cron@db1", "heartbeat_seconds": 60});
    let emitter = Emitter::with(&app, &asked).await;
    let list = owner.get("/inlets").await.expect(200);
    assert_eq!(list.body["inlets"].as_array().unwrap().len(), 1);
    let listed = &list.body["inlets"][0];
    for (member, value) in asked.as_object().unwrap() {
        assert_eq!(&listed[member], value, "{member}");
    }
    assert!(!list.text.contains(&emitter.key) && !list.text.contains("rlg_"), "{}", list.text);
    for _ in 0..2 {
        emitter.ping("/job").await;
    }
    let there = emitter.client.at(&elsewhere);
    let ping_there =
        async || Answer::of(there.request(Method::GET, &format!("//in/{}/job", emitter.key))).await;
    ping_there().await.expect(200);
    for _ in 0..2 {
        let revoked = Answer::of(owner.request(Method::DELETE, &format!("/inlets/{}", emitter.inlet_id)))
            .await
            .expect(200);
        assert!(revoked.body["revoked_at"].is_string(), "{}", revoked.text);
    }
    let problem = Answer::of(emitter.request(Method::GET, "/job")).await.problem(401, "unauthorized");
    assert!(problem.text_at("/detail").contains("revoked"), "{}", problem.text);
    assert!(!problem.text.contains(&emitter.key), "{}", problem.text);
    let bound = Instant::now() + Duration::from_secs(30);
    while ping_there().await.status == 200 {
        assert!(Instant::now() < bound, "a revoked key is still good in another process");
    }
    // What came in before counts.
    ordered(&app).await;
    assert!(runs(&app).await.len() >= 2);
    let head = relayed(&app).await;
    let told = owner.get(&format!("/admin/events?after={head}")).await.expect(200);
    let told: Vec<_> = told.body["events"].as_array().unwrap().iter().collect();
    let of_inlets: Vec<_> =
        told.iter().filter(|event| event["type"].as_str().unwrap().starts_with("Inlet")).collect();
    let types: Vec<_> = of_inlets.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["InletRevoked", "InletCreated"]);
    for event in of_inlets {
        assert_eq!(event["data"]["inlet_id"], emitter.inlet_id.as_str());
        assert_eq!(event["data"]["kind"], "backup.nightly");
        assert_eq!((&event["actor_kind"], &event["actor"]), (&json!("principal"), &json!("owner")));
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn only_the_tenants_own_owner_sees_and_revokes_an_inlet(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let emitter = Emitter::new(&app, "pings").await;
    let at = format!("/inlets/{}", emitter.inlet_id);
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Owner) {
        let client = app.client(role);
        client.get("/inlets").await.problem(403, "forbidden");
        client.get(&format!("{at}/set-aside")).await.problem(403, "forbidden");
        client.post("/inlets", &json!({"inlet_type": "pings", "kind": "a"})).await.problem(403, "forbidden");
        Answer::of(client.request(Method::DELETE, &at)).await.problem(403, "forbidden");
    }
    let other = app.client_of("other", Role::Owner);
    Answer::of(other.request(Method::DELETE, &at)).await.problem(404, "not_found");
    assert_eq!(other.get("/inlets").await.expect(200).body["inlets"], json!([]));
    other.get(&format!("{at}/set-aside")).await.problem(404, "not_found");
    Answer::of(other.in_tenant("demo").request(Method::DELETE, &at)).await.problem(404, "not_found");
    // It is still good, and what comes in is the tenant's own.
    emitter.ping("/job").await;
    ordered(&app).await;
    let of_others: i64 =
        sqlx::query_scalar("SELECT count(*) FROM log.events WHERE stream LIKE 'run-other-%'")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert_eq!(of_others, 0);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_asked_for_wrongly_is_told_by_its_field(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let owner = app.client(Role::Owner);
    let key = Emitter::new(&app, "pings").await.key;
    for (body, pointer) in [
        (json!({"inlet_type": "carrier_pigeons", "kind": "a"}), "/inlet_type"),
        (json!({"inlet_type": "pings", "kind": "Not One"}), "/kind"),
        (json!({"inlet_type": "pings"}), "/kind"),
        (json!({"inlet_type": "pings", "kind": "a", "principal": "system"}), "/principal"),
        // A key in the wrong place would be told to whoever reads the events.
        (json!({"inlet_type": "pings", "kind": "a", "principal": key}), "/principal"),
        (json!({"inlet_type": "pings", "kind": "a", "heartbeat_seconds": 0}), "/heartbeat_seconds"),
        (json!({"inlet_type": "pings", "kind": "a", "hash": "x"}), "/hash"),
    ] {
        let problem = owner.post("/inlets", &body).await.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), pointer, "{body}");
        assert!(!problem.text.contains(&key), "{}", problem.text);
    }
    Answer::of(owner.request(Method::DELETE, "/inlets/7")).await.problem(404, "not_found");
    let nobody = uuid::Uuid::now_v7();
    Answer::of(owner.request(Method::DELETE, &format!("/inlets/{nobody}"))).await.problem(404, "not_found");
    app.stop().await;
}

/// A key appends through its inlet and does nothing else; a token does nothing there.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_key_is_no_token_and_a_token_no_key(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let emitter = Emitter::new(&app, "pings").await;
    let with_key = app.producer().with_token(Some(&emitter.key));
    with_key.get("/runs").await.problem(401, "unauthorized");
    with_key.post_run(&json!({"kind": "a", "context": {}})).await.problem(401, "unauthorized");
    let with_token = app.producer();
    let token = app.token("demo", Role::Producer);
    Answer::of(with_token.request(Method::GET, &format!("//in/{token}/job")))
        .await
        .problem(401, "unauthorized");
    with_token.post("//in/api/v1/lineage", &json!({})).await.problem(401, "unauthorized");
    // A key in the path counts more than what comes along as a bearer.
    Answer::of(with_token.request(Method::GET, &format!("//in/{}/job", emitter.key))).await.expect(200);
    let (start, last) = emitter.key.split_at(emitter.key.len() - 1);
    let typo = format!("{start}{}", if last == "x" { "y" } else { "x" });
    let says_key = |answer: Answer| {
        let problem = answer.problem(401, "unauthorized");
        let detail = problem.text_at("/detail");
        assert!(detail.contains("inlet's key") && !detail.contains("token"), "{detail}");
    };
    for key in [typo.as_str(), "nothing", "rlg_", "%00", "api"] {
        says_key(Answer::of(emitter.client.request(Method::GET, &format!("//in/{key}/job"))).await);
    }
    for path in ["//in", "//in/api/v1/lineage", "//api/v1/lineage"] {
        says_key(emitter.client.post(path, &json!({})).await);
        says_key(emitter.client.with_token(Some(&typo)).post(path, &json!({})).await);
        let basic = emitter.client.request(Method::POST, path).header("authorization", "Basic abc");
        says_key(Answer::of(basic.json(&json!({}))).await);
    }
    // An inlet has one type.
    let problem = emitter.post("/api/v1/lineage", &json!({})).await.problem(403, "forbidden");
    assert_eq!(problem.text_at("/needed_inlet_type"), "openlineage");
    emitter.post("", &json!({})).await.problem(403, "forbidden");
    let lineage = Emitter::new(&app, "openlineage").await;
    Answer::of(lineage.request(Method::GET, "/job")).await.problem(403, "forbidden");
    app.stop().await;
}

/// A tenant that is revoked loses its inlets with its tokens.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_revoked_tenant_has_no_inlets(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let emitter = Emitter::new(&app, "pings").await;
    emitter.ping("/job").await;
    access::revoke_tenant(&app.pool, &"demo".parse().unwrap()).await.unwrap();
    let bound = Instant::now() + Duration::from_secs(30);
    while Answer::of(emitter.request(Method::GET, "/job")).await.status == 200 {
        assert!(Instant::now() < bound, "a key of a revoked tenant is still good");
    }
    app.stop().await;
}
