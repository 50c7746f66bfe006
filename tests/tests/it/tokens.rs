//! Tokens: shown once, told apart from typos, revocable at once.

use std::time::{Duration, Instant};

use access::{
    AccessError, NewToken, NewTokenFor, Role, create_expiring_token, create_sign_in_code, create_tenant,
    create_token, list_tenants, list_tokens, revoke_token,
};
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Setup, TestApp};
use uuid::Uuid;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_revoked_token_is_refused(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = TestApp::start(pool, database).await;
    let elsewhere = app.another_api().await;
    let demo = "demo".parse().unwrap();
    let made = create_token(&app.pool, &demo, Role::Readonly, &"ria".parse().unwrap()).await.unwrap();
    let here = app.client(Role::Readonly).with_token(Some(made.token.reveal()));
    let there = here.at(&elsewhere);
    for client in [&here, &there] {
        client.get("/runs").await.expect(200);
        client.get("/runs").await.expect(200);
    }
    revoke_token(&app.pool, made.token_id).await.unwrap();
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
    app.client(Role::Readonly).get("/runs").await.expect(200);
    revoke_token(&app.pool, made.token_id).await.unwrap();
    let unknown = revoke_token(&app.pool, Uuid::now_v7()).await.unwrap_err();
    assert!(matches!(unknown, AccessError::NoToken(_)));
    app.stop().await;
}

/// A token of the tenant `demo` that ends so long from now, and the moment.
async fn expiring(app: &TestApp, seconds: i64) -> (NewToken, DateTime<Utc>) {
    let (tenant, principal) = ("demo".parse().unwrap(), "ria".parse().unwrap());
    let end = Utc::now() + TimeDelta::seconds(seconds);
    let holder =
        NewTokenFor { tenant: &tenant, role: Role::Operator, principal: &principal, expires_at: Some(end) };
    (create_expiring_token(&app.pool, holder).await.unwrap(), end)
}

/// However fresh it is in the API's memory, it is good for no request that begins after its end.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_token_is_good_until_it_expires(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (made, end) = expiring(&app, 3).await;
    let client = app.client(Role::Operator).with_token(Some(made.token.reveal()));
    client.get("/runs").await.expect(200);
    let bound = Instant::now() + Duration::from_secs(60);
    let problem = loop {
        let asked = Utc::now();
        let answer = client.get("/runs").await;
        if answer.status == 401 {
            assert!(Utc::now() >= end, "refused before its end");
            break answer.problem(401, "unauthorized");
        }
        answer.expect(200);
        assert!(asked < end, "good after its end");
        assert!(Instant::now() < bound, "good for ever");
    };
    assert!(problem.text_at("/detail").contains("The token expired at "), "{}", problem.text);
    assert!(
        list_tokens(&app.pool, &"demo".parse().unwrap())
            .await
            .unwrap()
            .iter()
            .any(|row| row.expires_at.is_some())
    );
    // Others stay good.
    app.client(Role::Operator).get("/runs").await.expect(200);
    app.stop().await;
}

/// A session, however it was opened, and a stream end with the token.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_a_token_opened_ends_with_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (made, end) = expiring(&app, 3).await;
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let code = create_sign_in_code(&app.pool, made.token_id, Utc::now() + TimeDelta::hours(1)).await.unwrap();
    let by_link = browser.get(format!("{}/sign-in/{}", app.url(), code.reveal()));
    let by_form = browser.post(format!("{}/sign-in", app.url())).form(&[("token", made.token.reveal())]);
    let by_form = by_form.header("origin", app.url());
    let mut cookies = Vec::new();
    // A link is followed from elsewhere: its page goes on as from ours.
    for (request, status) in [(by_link, 200), (by_form, 303)] {
        let signed_in = request.send().await.unwrap();
        assert_eq!(signed_in.status(), status);
        let cookie =
            signed_in.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
        cookies.push(cookie);
    }
    let ends: Vec<DateTime<Utc>> =
        sqlx::query_scalar("SELECT expires_at FROM access.sessions").fetch_all(&app.pool).await.unwrap();
    assert_eq!(ends.len(), 2);
    assert!(ends.iter().all(|ends| (*ends - end).abs() < TimeDelta::milliseconds(1)), "{ends:?}");

    let runs = format!("{}/v1/tenants/demo/runs", app.url());
    let ask = async |cookie: &str| {
        browser.get(&runs).header("cookie", cookie).send().await.unwrap().status().as_u16()
    };
    let stream =
        browser.get(format!("{}/v1/tenants/demo/stream", app.url())).bearer_auth(made.token.reveal());
    let stream = stream.send().await.unwrap();
    assert_eq!(stream.status(), 200);
    // It would go on for ten minutes.
    let rest =
        tokio::time::timeout(Duration::from_secs(60), stream.text()).await.expect("the stream ends").unwrap();
    assert!(Utc::now() >= end - TimeDelta::seconds(1), "it ended long before the token: {rest}");
    for cookie in &cookies {
        loop {
            let asked = Utc::now();
            let status = ask(cookie).await;
            if asked >= end {
                assert_eq!(status, 401);
                break;
            }
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_bad_token_is_told_what_is_wrong_with_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::with(pool, database, Setup { without_projector: true, ..Setup::default() }).await;
    let client = app.client(Role::Owner);
    let token = app.token("demo", Role::Owner).to_owned();
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
    app.stop().await;
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
