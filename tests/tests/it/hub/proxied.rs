//! The hub under a path of a larger site, behind a proxy: everything leads back there.

use access::Role;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::browser::Browser;
use tests::proxy::{Passing, Proxy};
use tests::{Answer, Setup, TestApp};

use super::site::{LIVE, Visitor, partial_events, partial_run};

/// A proxy that says what it has cut off, and one that leaves it to the server's own setting.
const SAYS: Passing = Passing {
    under: "/tools/ledger",
    cuts: true,
    adds: &[("x-forwarded-prefix", "/tools/ledger"), ("x-forwarded-host", "{host}")],
};
const SET: [Passing; 2] = [
    Passing { under: "/ledger", cuts: false, adds: &[("forwarded", "for=192.0.2.7;host=\"{host}\"")] },
    Passing { under: "/ledger", cuts: true, adds: &[("x-forwarded-host", "{host}")] },
];

async fn app_under(path: &str, pool: PgPoolOptions, database: PgConnectOptions) -> TestApp {
    let mut setup = Setup::default();
    setup.api.base_path = path.parse().unwrap();
    TestApp::with(pool, database, setup).await
}

/// Goes through the whole hub, by its links and buttons only.
async fn look_around(app: &TestApp, passing: Passing) {
    // Short, so that it is in one line: a click goes to the middle of what is clicked.
    let title = if passing.cuts { "Cut off" } else { "Left on" };
    let proxy = Proxy::start(app.url(), passing).await;
    let (run, _) = partial_run(app, title).await;
    let browser = Browser::open().await;
    let tab = browser.window(&format!("{}/t/demo/runs?status=running", proxy.url)).await;
    assert!(
        tab.address().await.starts_with(&format!("{}/sign-in?next=", proxy.url)),
        "{}",
        tab.address().await
    );
    tab.type_into("#token", app.token("demo", Role::Operator)).await;
    tab.follow("button[type=submit]").await;
    assert_eq!(tab.address().await, format!("{}/t/demo/runs?status=running", proxy.url));
    tab.until(LIVE).await;
    let styled = tab.run("getComputedStyle(document.querySelector('.chips')).display").await;
    assert_eq!(styled, "flex", "the style sheet is there");

    tab.follow("a.chip.all").await;
    tab.follow(&format!("#run-{run} a.title")).await;
    assert_eq!(tab.address().await, format!("{}/t/demo/runs/{run}", proxy.url));
    tab.until(LIVE).await;
    // What happens is told here too, and the page re-read under its own path.
    let started = app.producer();
    let other = json!({"kind": "behind.proxy", "context": {"title": title}});
    let other = started.post_run(&other).await.expect(201);
    let (other, position) = (other.text_at("/run_id"), other.number_at("/position"));
    started.get(&format!("/runs/{other}?after={position}")).await.expect(200);
    tab.go(&format!("{}/t/demo/runs/{other}", proxy.url)).await;
    tab.until(LIVE).await;
    started.append(&other, partial_events()).await.expect(200);
    tab.until("document.querySelector('#head .badge').textContent === 'Partially succeeded'").await;
    tab.follow(".groups a").await;
    tab.follow("#event-1 a.revision").await;
    tab.follow("#past a").await;
    tab.follow(".crumbs a:last-child").await;
    let address = tab.address().await;
    assert!(address.contains("/t/demo/runs?kind=behind.proxy"), "{address}");
    tab.follow("nav[aria-label=Pages] a:last-child").await;
    tab.follow(".all-read button").await;
    tab.until("document.body.innerText.includes('Mark as read') === false").await;
    assert!(tab.address().await.starts_with(&format!("{}/t/demo/notifications?", proxy.url)));
    tab.follow("a.brand").await;

    // A session that has ended leads to where one signs in, from a page that was open.
    let page = browser.window(&format!("{}/t/demo/runs", proxy.url)).await;
    page.until(LIVE).await;
    tab.follow(".who button").await;
    assert!(tab.text().await.contains("You are signed out."), "{}", tab.text().await);
    assert_eq!(tab.address().await, format!("{}/sign-in?signed_out=1", proxy.url));
    page.until("!document.getElementById('lost').hidden && document.querySelector('#lost a')").await;
    let link = page.run("document.querySelector('#lost a').href").await;
    assert!(link.as_str().unwrap().starts_with(&format!("{}/sign-in?next=", proxy.url)), "{link}");
    page.go(&format!("{}/t/demo/runs/nothing", proxy.url)).await;
    browser.close().await;
    assert_eq!(proxy.strays(), Vec::<String>::new(), "links that forgot the path");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_hub_works_under_a_path_that_a_proxy_says(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    look_around(&app, SAYS).await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_hub_works_under_a_path_that_is_set(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app_under("/ledger", pool, database).await;
    for passing in SET {
        look_around(&app, passing).await;
    }
    app.stop().await;
}

/// Every address in an answer: members of `links` in JSON, and those of HTML's attributes.
fn addresses(answer: &Answer) -> Vec<String> {
    fn of(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    match (name.as_str(), member) {
                        ("self" | "view" | "events" | "items", Value::String(link)) => {
                            found.push(link.clone())
                        }
                        _ => of(member, found),
                    }
                }
            }
            Value::Array(entries) => entries.iter().for_each(|entry| of(entry, found)),
            _ => {}
        }
    }
    let mut found = Vec::new();
    of(&answer.body, &mut found);
    for attribute in ["href=\"", "action=\"", "src=\"", "data-stream=\"", "url="] {
        let values = answer.text.split(attribute).skip(1).filter_map(|rest| rest.split('"').next());
        found.extend(values.filter(|value| value.starts_with('/')).map(str::to_owned));
    }
    let link = answer.header("link");
    found.extend(link.strip_prefix('<').and_then(|link| link.split('>').next()).map(str::to_owned));
    found.extend(Some(answer.header("location").to_owned()).filter(|location| !location.is_empty()));
    found
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_address_is_under_the_path(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = app_under("/ledger", pool, database).await;
    let producer = app.producer();
    let body = json!({"kind": "links", "context": {}, "initiator": {"id": "operator"}});
    let started = producer.post_run(&body).await.expect(201);
    partial_run(&app, "One more, for a second page").await;
    let run = started.text_at("/run_id");
    let position = producer.append(&run, partial_events()).await.expect(200).number_at("/position");
    let visitor = Visitor::signed_in_at(&app, "demo", Role::Operator, "/ledger").await;
    for (said, base) in
        [(None, "/ledger"), (Some("/elsewhere/"), "/elsewhere"), (Some("//evil.example"), "/ledger")]
    {
        let asked = async |method: reqwest::Method, path: &str, html: bool| {
            let request = visitor.request(method, path);
            let request = if html { request } else { request.header("accept", "application/json") };
            Answer::of(match said {
                Some(said) => request.header("x-forwarded-prefix", said),
                None => request,
            })
            .await
        };
        let mut checked = 0;
        for path in [
            format!("/v1/tenants/demo/runs?limit=1&after={position}"),
            format!("/v1/tenants/demo/runs/{run}"),
            format!("/v1/tenants/demo/runs/{run}?revision=1"),
            format!("/v1/tenants/demo/runs/{run}/items?limit=1"),
            format!("/v1/tenants/demo/runs/{run}/events?limit=1"),
            "/v1/tenants/demo/notifications?limit=1".to_owned(),
            "/t/demo".to_owned(),
            "/t/demo/runs".to_owned(),
            "/t/demo/runs?status=x&limit=1".to_owned(),
            format!("/t/demo/runs/{run}"),
            format!("/t/demo/runs/{run}?revision=2&limit=1"),
            "/t/demo/notifications?limit=1".to_owned(),
            "/sign-in?next=/x".to_owned(),
            "/t/other/runs".to_owned(),
            "/nowhere".to_owned(),
            "/".to_owned(),
        ] {
            for path in [path.clone(), format!("{base}{path}")] {
                let answer = asked(reqwest::Method::GET, &path, !path.contains("/v1/")).await;
                for address in addresses(&answer) {
                    assert!(address.starts_with(&format!("{base}/")), "{path}: {address}");
                    checked += 1;
                }
            }
        }
        assert!(checked > 100, "{checked}");
    }
    assert_eq!(started.header("location"), format!("/ledger/v1/tenants/demo/runs/{run}"));
    for address in addresses(&started) {
        assert!(address.starts_with("/ledger/"), "{address}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_cookie_is_for_the_path_and_for_tls_where_the_proxy_has_it(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let visitor = Visitor::new(app.url());
    let form = [("token", app.token("demo", Role::Operator)), ("next", "")];
    for (header, value) in [
        ("x-forwarded-proto", "https, https"),
        ("x-forwarded-proto", "HTTPS"),
        ("forwarded", "proto=https"),
        ("forwarded", "for=\"[2001:db8::1]\";Proto=https, for=10.0.0.1;proto=http"),
    ] {
        let request = visitor.request(reqwest::Method::POST, "/sign-in").header(header, value).form(&form);
        let answer = Answer::of(request).await.expect(303);
        let cookie = answer.header("set-cookie").to_owned();
        assert!(cookie.starts_with("__Host-") && cookie.ends_with("; Secure"), "{value}: {cookie}");
        // And it is found again.
        let (name, _) = cookie.split_once(';').unwrap();
        let back = visitor
            .request(reqwest::Method::GET, "/t/demo/runs")
            .header(header, value)
            .header("cookie", name);
        Answer::of(back).await.expect(200);
        let under = visitor.request(reqwest::Method::POST, "/sign-in").header(header, value);
        let answer = Answer::of(under.header("x-forwarded-prefix", "/ledger").form(&form)).await.expect(303);
        let cookie = answer.header("set-cookie");
        assert!(cookie.starts_with("__Secure-") && cookie.contains("; Path=/ledger;"), "{cookie}");
        assert_eq!(answer.header("location"), "/ledger/t/demo/runs");
    }
    app.stop().await;
}
