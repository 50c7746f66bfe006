//! Signing in and out, forged forms, and what is answered to whom.

use access::{Role, create_sign_in_code, holder_of, list_tokens, revoke_token};
use chrono::{TimeDelta, Utc};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

use super::site::{Visitor, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_page_has_its_protection(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Protected").await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let pages = [
        "/sign-in?signed_out=1".to_owned(),
        format!("/t/demo/runs?after={position}"),
        format!("/t/demo/runs/{run}"),
        "/t/demo/notifications".to_owned(),
        "/t/demo/runs/nothing".to_owned(),
        "/nothing".to_owned(),
    ];
    for page in pages {
        let answer = visitor.get(&page).await;
        let policy = answer.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{page}: {policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http"), "{page}: {policy}");
        for forbidden in ["<script>", "style=\"", "onclick", "javascript:", "https://"] {
            assert!(!answer.text.contains(forbidden), "{page} has {forbidden}");
        }
        if page.starts_with("/t/") {
            assert_eq!(answer.header("cache-control"), "private, no-store", "{page}");
            assert_eq!(answer.header("x-content-type-options"), "nosniff");
        }
    }
    let page = visitor.get("/t/demo/runs").await.expect(200).text;
    let style = page.split("href=\"").find_map(|part| part.strip_prefix("/assets/hub-")).unwrap();
    let style = format!("/assets/hub-{}", style.split('"').next().unwrap());
    assert!(visitor.get(&style).await.expect(200).header("cache-control").contains("immutable"));
    visitor.get("/assets/hub-0000000000000000.css").await.expect(404);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_is_not_signed_in_is_asked_to_and_goes_on_there(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let visitor = Visitor::new(app.url());
    let answer = visitor.get("/t/demo/runs?status=failed&q=a%20b").await.expect(303);
    let asked = answer.header("location").to_owned();
    assert_eq!(asked, "/sign-in?next=%2Ft%2Fdemo%2Fruns%3Fstatus%3Dfailed%26q%3Da%2520b");
    let form =
        tests::Answer::of(visitor.request(reqwest::Method::GET, &asked).header("sec-fetch-site", "none"));
    assert!(form.await.expect(200).text.contains("value=\"/t/demo/runs?status=failed&#38;q=a%20b\""));
    let token = app.token("demo", Role::Operator);
    let form = [("token", token), ("next", "/t/demo/runs?status=failed")];
    let answer = visitor.post("/sign-in", &form).await.expect(303);
    assert_eq!(answer.header("location"), "/t/demo/runs?status=failed");
    let cookie = answer.header("set-cookie");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains(token), "{cookie}");
    assert!(!cookie.contains("Secure"));
    let by_proxy = visitor.request(reqwest::Method::POST, "/sign-in").header("x-forwarded-proto", "https");
    let answer = tests::Answer::of(by_proxy.form(&form)).await.expect(303);
    let cookie = answer.header("set-cookie");
    assert!(cookie.ends_with("; Secure") && cookie.starts_with("__Host-runledger_session_"), "{cookie}");
    // Nobody is led away.
    for next in ["//evil.example", "https://evil.example", "/\\evil.example"] {
        let answer = visitor.post("/sign-in", &[("token", token), ("next", next)]).await.expect(303);
        assert_eq!(answer.header("location"), "/t/demo/runs");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_token_that_is_not_good_is_told_so(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let visitor = Visitor::new(app.url());
    let good = app.token("demo", Role::Operator);
    let almost = format!("{}{}", &good[..good.len() - 1], if good.ends_with('a') { 'b' } else { 'a' });
    for bad in ["", "nonsense", almost.as_str()] {
        let answer = visitor.post("/sign-in", &[("token", bad), ("next", "")]).await.expect(401);
        assert!(
            answer.text.contains("role=\"alert\"") && !answer.headers.contains_key("set-cookie"),
            "{bad}"
        );
        assert!(bad.is_empty() || !answer.text.contains(bad), "what was typed is not shown");
    }
    for site in ["cross-site", "same-site"] {
        let from_elsewhere =
            visitor.request(reqwest::Method::POST, "/sign-in").header("sec-fetch-site", site);
        tests::Answer::of(from_elsewhere.form(&[("token", good)])).await.expect(403);
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_link_signs_in_once_and_not_after_its_time(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let mut visitor = Visitor::new(app.url());
    let holder = holder_of(&app.pool, app.token("demo", Role::Operator)).await.unwrap().unwrap();
    let link = async |lasts: TimeDelta| {
        let code = create_sign_in_code(&app.pool, holder.token_id, Utc::now() + lasts).await.unwrap();
        format!("/sign-in/{}", code.reveal())
    };
    let good = link(TimeDelta::hours(1)).await;
    let only_asked = tests::Answer::of(visitor.request(reqwest::Method::HEAD, &good)).await;
    assert!(
        only_asked.status < 300 && !only_asked.headers.contains_key("set-cookie"),
        "the link is not used up"
    );
    let answer = visitor.get(&good).await.expect(200);
    visitor.keep(&answer);
    visitor.get("/t/demo/runs").await.expect(200);
    assert_eq!(visitor.get("/").await.expect(303).header("location"), "/t/demo/runs");
    let stranger = Visitor::new(app.url());
    stranger.get(&good).await.expect(401);
    stranger.get(&link(-TimeDelta::seconds(1)).await).await.expect(401);
    stranger.get("/sign-in/nothing").await.expect(401);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_session_ends_by_its_button_and_with_its_token(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Manager).await;
    let csrf = visitor.csrf("/t/demo/runs").await;
    visitor.post("/sign-out", &[("csrf", "wrong")]).await.expect(403);
    visitor.get("/t/demo/runs").await.expect(200);
    assert!(
        visitor
            .post("/sign-out", &[("csrf", &csrf)])
            .await
            .expect(303)
            .header("set-cookie")
            .contains("Max-Age=0")
    );
    visitor.get("/t/demo/runs").await.expect(303);

    let visitor = Visitor::signed_in(&app, "demo", Role::Manager).await;
    let tokens = list_tokens(&app.pool, &"demo".parse().unwrap()).await.unwrap();
    let token = tokens.iter().find(|token| token.role == "manager").unwrap().token_id;
    revoke_token(&app.pool, token).await.unwrap();
    // Heard of, or no longer trusted after a moment: the page asks until it is so.
    while visitor.get("/t/demo/runs").await.status == 200 {}
    visitor.get("/t/demo/runs").await.expect(303);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn forged_posts_change_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (_, position) = partial_run(&app, "Forged").await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Operator).await;
    let page = visitor.get(&format!("/t/demo/notifications?after={position}")).await.expect(200).text;
    let (_, rest) = page.split_once("<li id=\"note-").unwrap();
    let id = rest.split_once('"').unwrap().0.to_owned();
    let read = format!("/t/demo/notifications/{id}/read");
    visitor.post(&read, &[("csrf", "")]).await.expect(403);
    visitor.post(&read, &[]).await.expect(403);
    // With the cookie alone the API takes no post either.
    visitor.post(&format!("/v1/tenants/demo/notifications/{id}/read"), &[]).await.problem(403, "forbidden");
    let colleague = Visitor::signed_in(&app, "demo", Role::Manager).await;
    let csrf = colleague.csrf("/t/demo/runs").await;
    visitor.post(&read, &[("csrf", &csrf)]).await.expect(403);
    // Nor can a colleague read it.
    colleague.post(&read, &[("csrf", &csrf)]).await.expect(404);

    let csrf = visitor.csrf("/t/demo/runs").await;
    let before = page.matches("Mark as read").count();
    let answer = visitor.post(&read, &[("csrf", &csrf)]).await.expect(303);
    let after = visitor.get(answer.header("location")).await.expect(200).text;
    assert_eq!((before, after.matches("Mark as read").count()), (2, 1));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn pages_of_another_tenant_do_not_exist(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Secret title").await;
    let visitor = Visitor::signed_in(&app, "other", Role::Owner).await;
    visitor.get(&format!("/t/other/runs?after={position}")).await.expect(200);
    for path in [
        format!("/t/demo/runs/{run}"),
        format!("/t/other/runs/{run}"),
        "/t/demo/runs".to_owned(),
        "/t/demo/notifications".to_owned(),
        "/t/nowhere/runs".to_owned(),
    ] {
        let answer = visitor.get(&path).await.expect(404);
        assert!(!answer.text.contains("Secret title") && answer.text.contains("<h1>"), "{path}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_link_from_another_site_finds_who_is_signed_in(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Operator).await;
    let stranger = Visitor::new(app.url());
    // Browsers on plain HTTP do not say where they come from.
    for site in [Some("cross-site"), None] {
        for (path, goes_on) in
            [("/", "/t/demo/runs"), ("/sign-in", "/t/demo/runs"), ("/t/demo/runs?q=a", "/t/demo/runs?q=a")]
        {
            let from_there = async |visitor: &Visitor, path: &str| {
                let request = visitor.request(reqwest::Method::GET, path);
                let request = match site {
                    Some(site) => request.header("sec-fetch-site", site),
                    None => request,
                };
                tests::Answer::of(request).await
            };
            // A strict cookie stays at home then, so the page sends the browser there once more.
            let mut answer = from_there(&stranger, path).await;
            if answer.status == 303 {
                answer = from_there(&stranger, answer.header("location")).await;
            }
            let answer = answer.expect(200);
            let (_, hop) = answer.text.split_once("content=\"0; url=").unwrap();
            let hop = hop.split('"').next().unwrap().replace("&#38;", "&");
            // Now it comes from our own page, and the cookie comes along.
            let answer = visitor.get(&hop).await.expect(303);
            assert_eq!(answer.header("location"), goes_on, "{path}");
            // Who has none is asked, and not sent round and round.
            let form = stranger.get(&hop).await.expect(200).text;
            assert!(form.contains("name=\"token\"") && !form.contains("http-equiv"), "{form}");
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn two_servers_on_one_host_leave_each_others_sessions_alone(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let mut app = TestApp::start(pool, database).await;
    let other = app.another_api().await;
    let mut names = Vec::new();
    for base in [app.url(), other.as_str()] {
        let form = [("token", app.token("demo", Role::Operator)), ("next", "")];
        let answer = Visitor::new(base).post("/sign-in", &form).await.expect(303);
        names.push(answer.header("set-cookie").split('=').next().unwrap().to_owned());
    }
    assert_ne!(names[0], names[1]);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_goes_wrong_is_a_page_for_people(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Operator).await;
    for path in ["/sign-in", "/sign-out", "/t/demo/notifications/read"] {
        let request = visitor.request(reqwest::Method::POST, path).json(&serde_json::json!({"a": 1}));
        let answer = tests::Answer::of(request).await.expect(415);
        assert!(answer.text.contains("<h1>That is no form of a page</h1>"), "{path}: {}", answer.text);
        assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
    }
    let wrong_method = visitor.post("/t/demo/runs", &[]).await.expect(405);
    assert!(wrong_method.text.contains("<h1>") && wrong_method.header("allow").contains("GET"));
    // Programs are answered as ever.
    visitor.get("/v1/tenants/demo/runs?status=x").await.problem(422, "validation_failed");
    app.stop().await;
}
