//! Tokens: shown once, told apart from typos, revocable at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::time::{Duration, Instant};

use api::access::{AccessError, Role, create_tenant, create_token, list_tenants, list_tokens, revoke_token};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{House, Setup};
use uuid::Uuid;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_revoked_token_is_refused(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut house = House::start(pool, database).await;
    let elsewhere = house.another_api().await;
    let demo = "demo".parse().unwrap();
    let made = create_token(&house.pool, &demo, Role::Readonly, &"ria".parse().unwrap()).await.unwrap();
    let here = house.client(Role::Readonly).with_token(Some(made.token.reveal()));
    let there = here.at(&elsewhere);
    for client in [&here, &there] {
        client.get("/runs").await.expect(200);
        client.get("/runs").await.expect(200);
    }
    revoke_token(&house.pool, made.token_id).await.unwrap();
    // Both processes have it in their caches. They hear of it, or forget it after a second by themselves.
    let bound = Instant::now() + Duration::from_secs(30);
    for client in [&here, &there] {
        while client.get("/runs").await.status == 200 {
            assert!(Instant::now() < bound, "a revoked token is still good");
        }
        let problem = client.get("/runs").await.problem(401, "unauthorized");
        assert!(problem.text_at("/detail").contains("revoked"));
    }
    // Others stay good; revoking twice changes nothing.
    house.client(Role::Readonly).get("/runs").await.expect(200);
    revoke_token(&house.pool, made.token_id).await.unwrap();
    let unknown = revoke_token(&house.pool, Uuid::now_v7()).await.unwrap_err();
    assert!(matches!(unknown, AccessError::NoToken(_)));
    house.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_bad_token_is_told_what_is_wrong_with_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let house = House::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let client = house.client(Role::Owner);
    let token = house.token("demo", Role::Owner).to_owned();
    let swapped = {
        let mut bytes = token.clone().into_bytes();
        bytes[10] = if bytes[10] == b'a' { b'b' } else { b'a' };
        String::from_utf8(bytes).unwrap()
    };
    for mistyped in [&token[..token.len() - 1], &format!("{token}0"), &swapped] {
        let problem = client.with_token(Some(mistyped)).get("/runs").await.problem(401, "unauthorized");
        assert!(problem.text_at("/detail").contains("mistyped or cut off"), "{}", problem.text);
        assert!(!problem.text.contains(mistyped));
    }
    let problem = client.with_token(Some("ghp_0123456789")).get("/runs").await.problem(401, "unauthorized");
    assert!(problem.text_at("/detail").contains("rlg_"), "{}", problem.text);

    for header in ["", "Bearer", "Basic dXNlcjpwYXNz", token.as_str()] {
        let request = client.with_token(None).request(reqwest::Method::GET, "/runs");
        let answer = tests::Answer::of(request.header("authorization", header)).await;
        answer.problem(401, "unauthorized");
    }
    // RFC 9110, 11.1: the scheme's case does not matter.
    let request = client.with_token(None).request(reqwest::Method::GET, "/runs");
    let answer = tests::Answer::of(request.header("authorization", format!("bearer {token}"))).await;
    answer.expect(200);
    house.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_database_holds_no_token(pool: PgPoolOptions, database: PgConnectOptions) {
    let pool = pool.connect_with(database).await.unwrap();
    let tenant = "acme".parse().unwrap();
    create_tenant(&pool, &tenant, "Acme Ltd").await.unwrap();
    let again = create_tenant(&pool, &tenant, "Acme").await.unwrap_err();
    assert!(matches!(again, AccessError::TenantExists(_)));
    let made = create_token(&pool, &tenant, Role::Auditor, &"ada".parse().unwrap()).await.unwrap();
    let absent = create_token(&pool, &"absent".parse().unwrap(), Role::Owner, &"x".parse().unwrap()).await;
    assert!(matches!(absent, Err(AccessError::NoTenant(_))));

    let rows: Vec<String> =
        sqlx::query_scalar("SELECT t::text FROM access.tokens t").fetch_all(&pool).await.unwrap();
    assert_eq!(rows.len(), 1);
    let token = made.token.reveal();
    assert!(!rows[0].contains(&token[4..20]) && !format!("{made:?}").contains(&token[4..20]));

    let listed = list_tokens(&pool, &tenant).await.unwrap();
    assert_eq!(
        (listed[0].token_id, listed[0].role.as_str(), listed[0].principal.as_str()),
        (made.token_id, "auditor", "ada")
    );
    assert!(listed[0].revoked_at.is_none());
    revoke_token(&pool, made.token_id).await.unwrap();
    assert!(list_tokens(&pool, &tenant).await.unwrap()[0].revoked_at.is_some());
    assert_eq!(list_tenants(&pool).await.unwrap()[0].name, "Acme Ltd");
    pool.close().await;
}
