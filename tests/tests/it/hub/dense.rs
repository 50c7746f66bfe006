//! How much is seen at once: rows, the first screen, and the way to the first run.

use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::{Browser, Tab};

use super::site::at_runs;

/// Runs of all kinds of looks, of which every fourth has texts that are as long as they may be.
async fn many(app: &TestApp) -> u64 {
    let producer = app.producer();
    let mut position = 0;
    for n in 0..20 {
        let long = n % 4 == 3;
        let text = |word: &str, times| if long { word.repeat(times) } else { word.to_owned() };
        let body = json!({
            "kind": if long { "dense.kind-with_a.very_long.name".repeat(3) } else { "dense.kind".to_owned() },
            "title": text("Back up the volumes of the east ", 15), "context": {"n": n}, "items_total": 30,
            "initiator": {"id": text("operator", 20), "name": text("Olga Operator ", 14)},
            "labels": {"env": text("production", 9), "team": "storage", "ticket": "OPS-1184", "site": "north"},
            "events": [
                {"type": "Started", "worker": "w-1"},
                {"type": "ItemSucceeded", "item": "alpha"},
                {"type": "ItemFailed", "item": text("beta", 40), "reason_code": "permission_denied",
                 "message": text("may not be touched by the service account ", 40)},
                {"type": "Completed"},
            ],
        });
        position = producer.post_run(&body).await.expect(201).number_at("/position");
    }
    position
}

async fn number(tab: &Tab, script: &str) -> f64 {
    tab.run(script).await.as_f64().unwrap()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn fifteen_runs_are_on_the_first_screen(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let position = many(&app).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.screen(1440, 900, false).await;
    tab.go(&format!("{}/t/demo/runs?after={position}", app.url())).await;
    let tallest = "Math.max(...[...document.querySelectorAll('.runs tbody tr')].map((row) => row.getBoundingClientRect().height))";
    assert!(number(&tab, tallest).await <= 40.0, "{}", number(&tab, tallest).await);
    let whole = "[...document.querySelectorAll('.runs tbody tr')].filter((row) => row.getBoundingClientRect().bottom <= innerHeight).length";
    assert!(number(&tab, whole).await >= 15.0, "{}", number(&tab, whole).await);
    // Nothing is longer than its room on other screens either, and what is cut is there to be read.
    for (width, height) in [(1280, 800), (1000, 700), (800, 600), (390, 844)] {
        tab.screen(width, height, false).await;
        let tallest = number(&tab, tallest).await;
        assert!(tallest <= if width < 961 { 200.0 } else { 40.0 }, "{tallest} at {width}");
        let wide = number(&tab, "document.scrollingElement.scrollWidth - innerWidth").await;
        assert!(wide <= 0.0, "{wide} too wide at {width}");
    }
    let told = "[...document.querySelectorAll('.runs a.title, .runs .why')].every((cell) => cell.title.includes(cell.textContent.trim().slice(-10)))";
    assert_eq!(tab.run(told).await, true);
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_is_on_the_first_screen_of_a_phone(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let position = many(&app).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.screen(390, 844, false).await;
    for query in ["", "kind=dense.kind", "kind=dense.kind&label=team:storage&status=partially_succeeded"] {
        tab.go(&format!("{}/t/demo/runs?{query}&after={position}", app.url())).await;
        let bottom = "document.querySelector('.runs tbody tr').getBoundingClientRect().bottom";
        assert!(number(&tab, bottom).await <= 620.0, "{query}: {}", number(&tab, bottom).await);
    }
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_first_run_is_a_few_stops_away(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let position = many(&app).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs?after={position}", app.url())).await;
    tab.press("Tab").await;
    tab.press("Tab").await;
    assert_eq!(tab.run("document.activeElement.textContent").await, "Skip to the runs");
    tab.press("Enter").await;
    tab.until("document.activeElement.id === 'list'").await;
    tab.press("Tab").await;
    tab.until("document.activeElement === document.querySelector('.runs a.title')").await;
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_long_page_has_links_to_its_parts(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let position = many(&app).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs?after={position}", app.url())).await;
    tab.follow("a.title").await;
    for part in ["items", "timeline"] {
        tab.click(&format!("nav.places a[href='#{part}']")).await;
        tab.until(&format!("location.hash === '#{part}'")).await;
        let seen = format!("document.getElementById('{part}').getBoundingClientRect().top < innerHeight");
        assert_eq!(tab.run(&seen).await, true);
    }
    let places = tab.run("document.querySelector('nav.places').textContent").await;
    let places = places.as_str().unwrap();
    assert!(places.contains("Items 2") && places.contains("Timeline 5"), "{places}");
    browser.close().await;
    app.stop().await;
}
