//! The slider in a real browser, while answers are late and the run goes on.

use chromiumoxide::cdp::browser_protocol::input::DispatchMouseEventType as Mouse;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::{Browser, Tab};

use super::site::{LIVE, at_runs, partial_events, partial_run};

async fn move_to(tab: &Tab, revision: u64) {
    let script = format!(
        "document.getElementById('revision').value = {revision};
         document.getElementById('revision').dispatchEvent(new Event('input', {{bubbles: true}}))"
    );
    tab.run(&script).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_answer_that_comes_late_changes_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Back and forth").await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs/{run}?after={position}", app.url())).await;
    tab.until(LIVE).await;
    // The answer about revision 1 waits until it is let go.
    tab.run(
        "spy.gate = (address) => address.includes('revision=1') && new Promise((go) => {
             window.letGo = () => go(address);
             document.documentElement.dataset.held = 'yes';
         })",
    )
    .await;
    move_to(&tab, 1).await;
    tab.until("document.documentElement.dataset.held").await;
    move_to(&tab, 3).await;
    tab.until("document.querySelector('#past .past')?.textContent.includes('event 3 of')").await;
    tab.run("letGo()").await;
    tab.until("document.documentElement.dataset.running === '0'").await;
    assert_eq!(tab.run("document.getElementById('revision').value").await, "3");
    assert_eq!(tab.run("document.getElementById('as-of').textContent").await, "3");
    assert!(tab.text().await.contains("Viewing event 3 of 5"));
    assert!(tab.address().await.contains("revision=3"));
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_slider_finds_that_the_session_has_ended(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Too late").await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs/{run}?after={position}", app.url())).await;
    tab.until(LIVE).await;
    tab.run("spy.gate = (address) => '/sign-in?next=' + encodeURIComponent(address)").await;
    move_to(&tab, 2).await;
    tab.until("document.getElementById('lost').textContent.startsWith('Your session has ended')").await;
    assert!(!tab.address().await.contains("revision"));
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_moves_under_a_finger(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("dragged", json!({})).await;
    let mut events = partial_events();
    let rest = events.as_array_mut().unwrap().split_off(3);
    let position = producer.append(&run, events).await.expect(200).number_at("/position");
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs/{run}?after={position}", app.url())).await;
    tab.until(LIVE).await;
    let place = async |share: f64| {
        let script = "(() => { const box = document.getElementById('revision').getBoundingClientRect();
            return [box.left, box.top, box.width, box.height]; })()";
        let place = tab.run(script).await;
        let number = |n: usize| place[n].as_f64().unwrap();
        (number(0) + number(2) * share, number(1) + number(3) / 2.0)
    };
    tab.run("document.getElementById('revision').scrollIntoView()").await;
    tab.mouse(Mouse::MousePressed, place(0.66).await).await;
    tab.until("document.querySelector('#past .past')?.textContent.includes('event 2 of')").await;
    let reads = tab.run("spy.reads.length").await;
    producer.append(&run, json!(rest)).await.expect(200);
    tab.until("document.documentElement.dataset.run >= 1").await;
    assert_eq!(tab.run("spy.reads.length").await, reads, "nothing is read while it is held");
    let slider = "[document.getElementById('revision').value, document.getElementById('revision').max]";
    assert_eq!(tab.run(slider).await, json!(["2", "3"]));
    tab.mouse(Mouse::MouseMoved, place(1.0).await).await;
    tab.until("document.getElementById('as-of').textContent === '5'").await;
    assert_eq!(tab.run(slider).await, json!(["3", "3"]), "the end is now, and stays where it is");
    tab.mouse(Mouse::MouseReleased, place(1.0).await).await;
    tab.until("document.getElementById('revision').max === '5'").await;
    tab.until("document.getElementById('revision').value === '5'").await;
    tab.until("document.querySelector('#head .badge').textContent === 'Partially succeeded'").await;
    assert!(!tab.address().await.contains("revision"));
    browser.close().await;
    app.stop().await;
}
