//! When pages rest, in a real browser: hidden, of the past, or told to.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::Browser;

use super::site::{LIVE, Visitor, at_runs, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_hidden_page_rests_and_catches_up_when_it_is_seen(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.run("window.same = true").await;
    let hidden = "document.addEventListener('visibilitychange', () => document.documentElement.dataset.seen = !document.hidden)";
    tab.run(hidden).await;
    // More tabs in the same window than a browser opens connections to a server.
    tab.to_front().await;
    let mut others = Vec::new();
    for _ in 0..8 {
        others.push(browser.tab(&format!("{}/t/demo/notifications", app.url())).await);
    }
    tab.until("document.documentElement.dataset.seen === 'false'").await;
    tab.until("document.documentElement.dataset.running !== '1'").await;
    assert_eq!(tab.run("spy.still()").await, true, "no stream is open, and nothing is to be read");
    let (run, position) = partial_run(&app, "Unseen").await;
    let last = browser.tab(&format!("{}/t/demo/runs/{run}?after={position}", app.url())).await;
    assert!(last.text().await.contains("Unseen"), "the server can be reached, however many tabs there are");
    let reads = tab.run("spy.reads.length").await;
    tab.to_front().await;
    tab.until(&format!("document.getElementById('run-{run}')")).await;
    tab.until(LIVE).await;
    assert_ne!(tab.run("spy.reads.length").await, reads);
    assert_eq!(tab.run("window.same").await, true);
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_past_page_is_not_read_again_for_each_event(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("past", json!({})).await;
    let events = json!([{"type": "Started"}, {"type": "ItemSucceeded", "item": "a"}]);
    let position = producer.append(&run, events).await.expect(200).number_at("/position");
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs/{run}?revision=1&after={position}", app.url())).await;
    tab.until(LIVE).await;
    for n in 0..5 {
        let events = json!([{"type": "ItemSucceeded", "item": n.to_string()}]);
        producer.append(&run, events).await.expect(200);
        tab.until(&format!("document.getElementById('last-revision').textContent === '{}'", n + 3)).await;
    }
    assert_eq!(tab.run("spy.reads.length").await, 0);
    let slider = "[document.getElementById('revision').value, document.getElementById('revision').max]";
    assert_eq!(tab.run(slider).await, json!(["1", "7"]));
    assert!(tab.text().await.contains("Viewing event 1 of"));
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_page_that_is_told_to_pause_says_what_waits(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    assert_eq!(tab.run("document.getElementById('pause').textContent").await, "Pause updates");
    tab.click("#pause").await;
    let run = app.producer().new_run("waits", json!({})).await;
    tab.until("document.getElementById('pause').textContent === 'Resume updates (1 event waiting)'").await;
    app.producer().append(&run, json!([{"type": "Started"}])).await.expect(200);
    tab.until("document.getElementById('pause').textContent === 'Resume updates (2 events waiting)'").await;
    assert_eq!(tab.run("spy.reads.length || document.querySelectorAll('#list tbody tr').length").await, 0);
    // It is kept: a page that is opened next is as of now, and stays so.
    tab.go(&format!("{}/t/demo/runs/{run}", app.url())).await;
    tab.until("document.getElementById('live').textContent === 'Paused'").await;
    app.producer().append(&run, json!([{"type": "Completed"}])).await.expect(200);
    tab.until("document.getElementById('pause').textContent === 'Resume updates (1 event waiting)'").await;
    assert_eq!(tab.run("document.querySelector('#head .badge').textContent").await, "Running");
    tab.click("#pause").await;
    tab.until("document.querySelector('#head .badge').textContent === 'Succeeded'").await;
    assert_eq!(tab.run("document.getElementById('pause').textContent").await, "Pause updates");
    // Without a script there is nothing to pause.
    let visitor = Visitor::signed_in(&app, "demo", Role::Operator).await;
    assert!(!visitor.get("/t/demo/runs").await.text.contains("Pause updates"));
    browser.close().await;
    app.stop().await;
}
