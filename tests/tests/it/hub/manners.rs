//! Addresses and forms as they come from anywhere: what is odd about them hurts nobody, and forges nothing.

use access::Role;
use reqwest::Method;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, TestApp};

use super::site::{Visitor, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn where_to_go_on_is_an_address_or_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let visitor = Visitor::new(app.url());
    let token = app.token("demo", Role::Operator);
    let runs = "/t/demo/runs";
    for (next, goes_on) in [
        ("/\u{1}", runs),
        ("/a\u{0}b", runs),
        ("/a\u{7f}", runs),
        ("/a\u{85}b", runs),
        ("/\r\nset-cookie: a=b", runs),
        ("/\t/evil.example", runs),
        ("/t/demo/runs?q=ärzte", "/t/demo/runs?q=%C3%A4rzte"),
        ("/t/demo/runs?q=a b", "/t/demo/runs?q=a%20b"),
        ("/t/demo/runs?q=%01", "/t/demo/runs?q=%01"),
    ] {
        let answer = visitor.post("/sign-in", &[("token", token), ("next", next)]).await.expect(303);
        assert_eq!(answer.header("location"), goes_on, "{next:?}");
        let refused = visitor.post("/sign-in", &[("token", "wrong"), ("next", next)]).await.expect(401);
        assert!(!refused.text.contains('\u{1}'), "{next:?}");
    }
    for query in ["next=/%01", "next=%00", "next=/%FF", "next=/a&utm_source=%01", "next=/x&next=/y", "%"] {
        let page =
            visitor.request(Method::GET, &format!("/sign-in?{query}")).header("sec-fetch-site", "none");
        assert!(Answer::of(page).await.expect(200).text.contains("name=\"token\""), "{query}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn forms_of_other_sites_change_nothing_even_with_the_right_word(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let (_, position) = partial_run(&app, "Not forged").await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Operator).await;
    let page = visitor.get(&format!("/t/demo/notifications?after={position}")).await.expect(200).text;
    let (_, rest) = page.split_once("<li id=\"note-").unwrap();
    let read = format!("/t/demo/notifications/{}/read", rest.split_once('"').unwrap().0);
    let csrf = visitor.csrf("/t/demo/runs").await;
    let token = app.token("demo", Role::Operator);
    let own = app.url().to_owned();
    let post = async |path: &str, headers: &[(&str, &str)]| {
        let request = visitor.request(Method::POST, path).form(&[("csrf", csrf.as_str()), ("token", token)]);
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        Answer::of(request).await
    };
    for path in ["/sign-in", read.as_str(), "/t/demo/notifications/read", "/sign-out"] {
        for headers in [
            &[("origin", "https://evil.example")][..],
            &[("origin", "null")],
            &[("origin", "http://127.0.0.1:1")],
            &[("origin", own.as_str()), ("sec-fetch-site", "cross-site")],
            &[("origin", "https://evil.example"), ("x-forwarded-host", "ledger.example")],
        ] {
            let answer = post(path, headers).await.expect(403);
            assert!(answer.text.contains("<h1>") && answer.header("set-cookie").is_empty(), "{path}");
        }
    }
    // The session is there still, and its own pages' forms work.
    post(&read, &[("origin", own.as_str())]).await.expect(303);
    post(&read, &[("origin", "https://ledger.example"), ("x-forwarded-host", "ledger.example")])
        .await
        .expect(303);
    post("/sign-out", &[("origin", own.as_str()), ("sec-fetch-site", "same-origin")]).await.expect(303);
    visitor.get("/t/demo/runs").await.expect(303);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn signing_in_again_ends_the_session_before(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let mut visitor = Visitor::signed_in(&app, "demo", Role::Operator).await;
    let mut former = Visitor::new(app.url());
    former.cookie = visitor.cookie.clone();
    // Who fails to sign in stays who they were.
    visitor.post("/sign-in", &[("token", "wrong"), ("next", "")]).await.expect(401);
    former.get("/t/demo/runs").await.expect(200);
    let answer = visitor.post("/sign-in", &[("token", app.token("demo", Role::Manager)), ("next", "")]).await;
    visitor.keep(&answer.expect(303));
    assert!(visitor.get("/t/demo/runs").await.expect(200).text.contains("manager of demo"));
    former.get("/t/demo/runs").await.expect(303);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_slash_too_many_and_parameters_of_others_do_not_hurt(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Slashed").await;
    let producer = app.producer();
    producer.get(&format!("/runs/?after={position}")).await.expect(200);
    for path in ["/runs/", "/stats/", "/notifications//", "//healthz/", "//openapi.json/"] {
        producer.get(path).await.expect(200);
    }
    for path in ["", "/items", "/events"] {
        producer.get(&format!("/runs/{run}{path}/")).await.expect(200);
    }
    producer.post("/runs/", &serde_json::json!({"kind": "slashed", "context": {}})).await.expect(201);
    // Links are without it.
    let page = producer.get(&format!("/runs/{run}/events/?limit=1")).await.expect(200);
    assert!(
        page.header("link").starts_with(&format!("</v1/tenants/demo/runs/{run}/events?")),
        "{:?}",
        page.headers
    );

    let visitor = Visitor::signed_in(&app, "demo", Role::Operator).await;
    for path in [
        "/t/demo/runs/".to_owned(),
        format!("/t/demo/runs/{run}/"),
        "/t/demo/notifications/".to_owned(),
        "/t/demo/runs?utm_source=mail&fbclid=x&page=2".to_owned(),
        "/t/demo/runs?utm_source=%01%FF&status=partially_succeeded".to_owned(),
        format!("/t/demo/runs/{run}?utm_source=mail&reason_code=permission_denied"),
        "/t/demo/notifications?utm_source=mail".to_owned(),
    ] {
        let page = visitor.get(&path).await.expect(200).text;
        assert!(
            page.contains("Slashed") && !page.contains("utm_source") && !page.contains("class=\"fault\""),
            "{path}"
        );
        assert!(
            !page.contains("Clear all") || path.contains("status="),
            "{path}: what is not known filters nothing"
        );
    }
    assert_eq!(visitor.get("/t/demo/").await.expect(303).header("location"), "/t/demo/runs");
    // Programs are told, as ever.
    producer.get("/runs?utm_source=mail").await.problem(422, "validation_failed");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn later_pages_of_items_say_of_which_revision_they_are(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("pages.items", serde_json::json!({})).await;
    let item =
        |event_type: &str, n: usize| serde_json::json!({"type": event_type, "item": format!("item-{n}")});
    let mut events = vec![serde_json::json!({"type": "Started"})];
    events.extend((0..9).map(|n| item("ItemSkipped", n)));
    let position = producer.append(&run, serde_json::json!(events)).await.expect(200).number_at("/position");
    let visitor = Visitor::signed_in(&app, "demo", Role::Operator).await;
    let mut path = format!("/t/demo/runs/{run}?limit=4&after={position}");
    let (mut seen, mut position) = (Vec::new(), position);
    for round in 0.. {
        let page = visitor.get(&path).await.expect(200).text;
        assert_eq!(page.contains("id=\"kept-at\""), round > 0);
        assert!(round == 0 || page.contains("as they were after event 10,"), "{page}");
        let (_, table) = page.split_once("<table class=\"items\">").unwrap();
        let (table, pager) = table.split_once("</table>").unwrap();
        seen.extend(
            table
                .split("<td data-name=\"Item\"><bdi>")
                .skip(1)
                .map(|rest| rest.split('<').next().unwrap().to_owned()),
        );
        // The last becomes the first.
        let retried = producer.append(&run, serde_json::json!([item("ItemSucceeded", 3 * round)])).await;
        position = retried.expect(200).number_at("/position").max(position);
        let Some((before, _)) = pager.split_once("\" rel=\"next\"") else { break };
        let (_, next) = before.rsplit_once("href=\"").unwrap();
        let next = next.replace("&#38;", "&").replace("#items", "");
        path = format!("{next}&after={position}");
    }
    assert_eq!(seen, (0..9).map(|n| format!("item-{n}")).collect::<Vec<_>>());
    // A cursor of another run is told at the list, and all the rest is shown.
    let other = producer.new_run("pages.other", serde_json::json!({})).await;
    let at = producer
        .append(&other, serde_json::json!([{"type": "Started"}]))
        .await
        .expect(200)
        .number_at("/position");
    let cursor = producer
        .get(&format!("/runs/{run}/items?limit=1&after={at}"))
        .await
        .expect(200)
        .text_at("/next_cursor");
    let page = visitor.get(&format!("/t/demo/runs/{other}?cursor={cursor}")).await.expect(422).text;
    assert!(page.contains("of another run") && page.contains("pages.other"), "{page}");
    app.stop().await;
}
