//! Streams that break in ways that a page does not see by itself, in a real browser.

use std::time::Duration;

use api::ApiConfig;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::browser::Browser;
use tests::{Setup, TestApp, Wire};

use super::site::{LIVE, at_runs, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_stream_that_falls_silent_is_taken_for_lost(pool: PgPoolOptions, database: PgConnectOptions) {
    let api = ApiConfig { stream_heartbeat: Duration::from_millis(500), ..ApiConfig::default() };
    let app = TestApp::with(pool, database, Setup { api, ..Setup::default() }).await;
    let wire = Wire::to(app.url()).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, &wire.url(), &app).await;
    // Heard of more than once: who listens need not read anything for that.
    tab.until("document.documentElement.dataset.position >= 3").await;
    assert_eq!(tab.run("[spy.sources.length, spy.reads.length]").await, json!([1, 0]));
    wire.hold();
    tab.until("document.documentElement.dataset.sources >= 2").await;
    tab.until("!document.getElementById('lost').hidden").await;
    assert!(tab.text().await.contains("Connection lost."));
    let (run, _) = partial_run(&app, "In silence").await;
    wire.release();
    tab.until(LIVE).await;
    tab.until("document.getElementById('lost').hidden").await;
    tab.until(&format!("document.getElementById('run-{run}')")).await;
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_page_starts_over_when_it_is_told_to(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Held").await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs/{run}?after={position}", app.url())).await;
    tab.until(LIVE).await;
    // No event happens: an event of the run is held back.
    sqlx::query(
        "WITH held AS (UPDATE projection.runs
             SET held_revision = 6, held_position = 1000000, held_error = 'made for a test')
         INSERT INTO projection.dead_letters (position, stream, revision, event_type, error)
         SELECT 1000000, stream, 6, 'ItemSucceeded', 'made for a test' FROM log.events LIMIT 1",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    tab.until("document.documentElement.dataset.reset === '1'").await;
    tab.until("document.querySelector('#head .fault')?.textContent.includes('made for a test')").await;
    assert_eq!(tab.run("document.documentElement.dataset.run ?? 0").await, 0);
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_page_that_missed_too_much_starts_over(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let mut wire = Wire::to(app.url()).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, &wire.url(), &app).await;
    wire.cut().await;
    tab.until("!document.getElementById('lost').hidden").await;
    let producer = app.producer();
    let run = producer.new_run("missed", json!({})).await;
    producer.append(&run, json!([{"type": "Started"}])).await.expect(200);
    let mut position = 0;
    for part in 0..11 {
        let item = |n| json!({"type": "ItemSucceeded", "item": format!("{part}-{n}")});
        let events = (0..1_000).map(item).collect::<Vec<_>>();
        position = producer.append(&run, json!(events)).await.expect(200).number_at("/position");
    }
    app.client(access::Role::Readonly).get(&format!("/runs?after={position}")).await.expect(200);
    wire.mend().await;
    tab.until("document.documentElement.dataset.reset === '1'").await;
    tab.until(&format!("document.querySelector('#run-{run} .done').textContent.startsWith('11,000')")).await;
    assert_eq!(tab.run("document.documentElement.dataset.run ?? 0").await, 0);
    browser.close().await;
    app.stop().await;
}
