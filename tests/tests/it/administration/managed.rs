//! Tokens over HTTP, by an owner.

use super::{relayed, taken};
use access::Role;
use chrono::{DateTime, Utc};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Client, TestApp};

async fn delete(client: &Client, path: &str) -> Answer {
    Answer::of(client.request(Method::DELETE, path)).await
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_owner_makes_lists_and_revokes_tokens(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    taken(&app.pool).await;
    let owner = app.client(Role::Owner);
    let body = json!({"role": "producer", "principal": "svc:backup", "expires_in_seconds": 3600});
    let request = owner.request(Method::POST, "/tokens").header("x-request-id", "made-1").json(&body);
    let made = Answer::of(request).await.expect(201);
    assert!(made.header("cache-control").contains("no-store"));
    assert_eq!((made.text_at("/role"), made.text_at("/principal")), ("producer".into(), "svc:backup".into()));
    let ends: DateTime<Utc> = made.text_at("/expires_at").parse().unwrap();
    assert!((3_500..=3_600).contains(&(ends - Utc::now()).num_seconds()), "{ends}");
    let (id, token) = (made.text_at("/token_id"), made.text_at("/token"));
    let producer = owner.with_token(Some(&token));
    producer.new_run("t.x", json!({})).await;

    let listed = owner.get("/tokens").await.expect(200);
    let newest = &listed.body["tokens"][0];
    assert_eq!((&newest["token_id"], &newest["revoked_at"]), (&json!(id), &Value::Null));
    assert!(!listed.text.contains(&token[4..20]) && !listed.text.contains("hash"), "{}", listed.text);
    assert!(!listed.text.contains("other"), "another tenant's: {}", listed.text);

    let revoked = delete(&owner, &format!("/tokens/{id}")).await.expect(200);
    assert_eq!((&revoked.body["own"], revoked.text_at("/token_id")), (&json!(false), id.clone()));
    producer.get("/runs").await.problem(401, "unauthorized");
    let again = delete(&owner, &format!("/tokens/{id}")).await.expect(200);
    assert_eq!(again.body, revoked.body, "revoking again changes nothing");

    let after = relayed(&app).await;
    let events = owner.get(&format!("/admin/events?after={after}")).await.expect(200);
    let told: Vec<_> = events.body["events"].as_array().unwrap().iter().collect();
    assert_eq!(told.len(), 2, "{}", events.text);
    for (event, event_type) in told.iter().zip(["TokenRevoked", "TokenCreated"]) {
        assert_eq!((&event["type"], &event["data"]["token_id"]), (&json!(event_type), &json!(id)));
        assert_eq!((&event["actor_kind"], &event["actor"]), (&json!("principal"), &json!("owner")));
        assert!(event["token_id"].is_string(), "{event}");
    }
    assert_eq!(told[1]["request_id"], "made-1");
    assert_eq!(
        told[1]["data"]["expires_at"],
        json!(ends.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
    );
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_list_of_tokens_has_pages(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let owner = app.client(Role::Owner);
    let all = owner.get("/tokens").await.expect(200);
    let ids = |answer: &Answer| -> Vec<String> {
        let tokens = answer.body["tokens"].as_array().unwrap().iter();
        tokens.map(|token| token["token_id"].as_str().unwrap().to_owned()).collect()
    };
    let (mut seen, mut path) = (Vec::new(), "/tokens?limit=4".to_owned());
    loop {
        let page = owner.get(&path).await.expect(200);
        seen.extend(ids(&page));
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        assert!(page.header("link").contains("rel=\"next\""));
        path = format!("/tokens?limit=4&cursor={cursor}");
    }
    assert_eq!((seen.len(), seen), (Role::ALL.len(), ids(&all)));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn only_owners_and_only_in_their_tenant(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let owner = app.client(Role::Owner);
    let body = json!({"role": "readonly", "principal": "ria"});
    let made = app.client_of("other", Role::Owner).post("/tokens", &body).await.expect(201);
    let theirs = format!("/tokens/{}", made.text_at("/token_id"));
    taken(&app.pool).await;
    for role in Role::ALL.into_iter().filter(|role| *role != Role::Owner) {
        let client = app.client(role);
        for answer in
            [client.get("/tokens").await, client.post("/tokens", &body).await, delete(&client, &theirs).await]
        {
            assert_eq!(answer.problem(403, "forbidden").text_at("/needed_role"), "owner", "{role}");
        }
    }
    // Another tenant's token looks like none at all, and stays good.
    let found = delete(&owner, &theirs).await.problem(404, "not_found").text_at("/detail");
    let absent = "/tokens/01890a5d-ac96-774b-bcce-b302099a8057";
    let none = delete(&owner, absent).await.problem(404, "not_found").text_at("/detail");
    assert_eq!(found.replace(&theirs[8..], ""), none.replace(&absent[8..], ""));
    delete(&owner, "/tokens/7").await.problem(404, "not_found");
    let elsewhere = owner.in_tenant("other");
    elsewhere.post("/tokens", &body).await.problem(404, "not_found");
    let their_token = owner.in_tenant("other").with_token(Some(&made.text_at("/token")));
    their_token.get("/runs").await.expect(200);
    assert_eq!(taken(&app.pool).await, [], "nothing was done");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_wrong_with_a_token_is_named(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let owner = app.client(Role::Owner);
    taken(&app.pool).await;
    let good = json!({"role": "readonly", "principal": "ria"});
    for (more, pointer) in [
        (json!({"role": "boss"}), "/role"),
        (json!({"principal": "System"}), "/principal"),
        (json!({"principal": "ri\u{200b}a"}), "/principal"),
        (json!({"principal": ""}), "/principal"),
        (json!({"expires_at": "2020-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"expires_at": "9020-01-01T00:00:00Z"}), "/expires_at"),
        (json!({"expires_at": "tomorrow"}), "/expires_at"),
        (json!({"expires_in_seconds": 0}), "/expires_in_seconds"),
        (json!({"expires_in_seconds": 9_007_199_254_740_991_u64}), "/expires_in_seconds"),
        (json!({"expires_in_seconds": 60, "expires_at": "2100-01-01T00:00:00Z"}), "/expires_in_seconds"),
        (json!({"tenant": "other"}), "/tenant"),
    ] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let problem = owner.post("/tokens", &body).await.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), pointer, "{body}");
    }
    assert_eq!(taken(&app.pool).await, [], "nothing was made");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_token_that_one_comes_with_can_be_revoked_and_that_is_told(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let owner = app.client(Role::Owner);
    let second = owner.post("/tokens", &json!({"role": "owner", "principal": "owner"})).await.expect(201);
    let client = owner.with_token(Some(&second.text_at("/token")));
    client.get("/tokens").await.expect(200);
    let told = delete(&client, &format!("/tokens/{}", second.text_at("/token_id"))).await.expect(200);
    assert_eq!(told.body["own"], true);
    client.get("/tokens").await.problem(401, "unauthorized");
    owner.get("/tokens").await.expect(200);
    app.stop().await;
}
