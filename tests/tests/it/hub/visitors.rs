//! Pages whose visitor has gone, or is another by now, in a real browser.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::Browser;

use super::site::{LIVE, at_runs, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_session_that_has_ended_says_so_and_asks_for_nothing_more(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    let other = browser.window(&format!("{}/t/demo/runs", app.url())).await;
    other.follow(".who button").await;
    // At once: the stream that is refused makes the page look for itself.
    tab.until("document.getElementById('lost').textContent === 'Your session has ended. Sign in again'")
        .await;
    tab.until("document.documentElement.dataset.running === '0'").await;
    assert_eq!(tab.run("spy.still()").await, true, "nothing is under way and nothing is to come");
    let reads = tab.run("document.querySelector('#lost a').same = true; spy.reads.length").await;
    tab.run("document.dispatchEvent(new Event('visibilitychange'))").await;
    assert_eq!(tab.run("spy.still() && document.querySelector('#lost a').same").await, true);
    assert_eq!(tab.run("spy.reads.length").await, reads);
    tab.follow("#lost a").await;
    assert!(tab.address().await.ends_with("/sign-in?next=%2Ft%2Fdemo%2Fruns"));
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_page_with_a_wrong_filter_is_an_answer(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs?status=nonsense", app.url())).await;
    tab.until(LIVE).await;
    partial_run(&app, "Not to be seen").await;
    // Read again for the run, and shown.
    tab.until("document.querySelector('#unread .count').textContent.endsWith('2')").await;
    tab.until("document.documentElement.dataset.running === '0'").await;
    assert_eq!(tab.run("document.getElementById('lost').hidden").await, true);
    tab.run("spy.ring()").await;
    assert_eq!(tab.run("document.getElementById('lost').hidden").await, true, "nor was it to say so later");
    assert!(tab.text().await.contains("nonsense"));
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_page_becomes_that_of_who_has_signed_in_since(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    partial_run(&app, "The operator's own").await;
    tab.until("document.querySelector('#unread .count').textContent.endsWith('2')").await;
    let other = browser.window("about:blank").await;
    other.sign_in(app.url(), app.token("demo", Role::Manager)).await;
    app.producer().new_run("more", json!({})).await;
    tab.until("document.getElementById('who').textContent.includes('manager')").await;
    assert!(!tab.text().await.contains("operator of demo"));
    assert_eq!(tab.run("document.querySelector('#unread .count')").await, json!(null));
    // Nor does a page of one tenant stay with a visitor of another.
    other.sign_in(app.url(), app.token("other", Role::Manager)).await;
    tab.until(LIVE).await;
    app.producer().new_run("and_more", json!({})).await;
    tab.until("document.body.textContent.includes('Not found')").await;
    browser.close().await;
    app.stop().await;
}
