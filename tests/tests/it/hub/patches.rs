//! What stays as it is while a page is patched, in a real browser.

use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::Browser;

use super::site::{LIVE, at_runs, partial_events};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn focus_selection_and_typing_stay_while_rows_come_and_go(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let mut runs = Vec::new();
    let mut position = 0;
    for n in 0..4 {
        let run = producer.new_run("rows", json!({"n": n})).await;
        let started = producer.append(&run, json!([{"type": "Started"}])).await.expect(200);
        position = started.number_at("/position");
        runs.push(run);
    }
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs?status=running&after={position}", app.url())).await;
    tab.until(LIVE).await;
    tab.run("document.querySelector('.filters details').open = true").await;
    tab.type_into("#q", "nig").await;
    // The newest row and one in the middle leave while a link of the oldest is in focus.
    tab.run(&format!(
        "window.link = document.querySelector('#run-{0} a.title');
         link.focus();
         window.blurs = 0;
         link.addEventListener('blur', () => window.blurs++);
         const id = document.querySelector('#run-{0} .sub code').firstChild;
         getSelection().setBaseAndExtent(id, 1, id, 5)",
        runs[0]
    ))
    .await;
    let selected = tab.run("getSelection().toString()").await;
    assert_eq!(selected.as_str().unwrap().len(), 4);
    for n in [3, 1] {
        producer.append(&runs[n], json!([{"type": "Completed"}])).await.expect(200);
        tab.until(&format!("!document.getElementById('run-{}')", runs[n])).await;
    }
    assert_eq!(tab.run("[document.activeElement === link, blurs]").await, json!([true, 0]));
    assert_eq!(tab.run("getSelection().toString()").await, selected);
    assert_eq!(tab.run("document.querySelector('.filters details').open").await, true);
    // Typing goes on while another row comes.
    tab.type_into("#q", "h").await;
    let run = producer.new_run("rows", json!({"n": 4})).await;
    producer.append(&run, json!([{"type": "Started"}])).await.expect(200);
    tab.until(&format!("document.getElementById('run-{run}')")).await;
    assert_eq!(tab.run("document.activeElement.id").await, "q");
    assert_eq!(tab.run("document.activeElement.value").await, "nigh");
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_page_of_the_newest_event_becomes_past_as_a_whole(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("newest", json!({})).await;
    let mut events = partial_events();
    let rest = events.as_array_mut().unwrap().split_off(3);
    let position = producer.append(&run, events).await.expect(200).number_at("/position");
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs/{run}?revision=3&after={position}", app.url())).await;
    tab.until(LIVE).await;
    assert_eq!(tab.run("document.querySelectorAll('#item-list tbody tr').length").await, 2);
    producer.append(&run, json!(rest)).await.expect(200);
    tab.until("document.querySelector('#past .past')").await;
    tab.until("document.documentElement.dataset.running === '0'").await;
    assert_eq!(tab.run("document.querySelectorAll('#item-list tbody tr').length").await, 2);
    assert!(tab.text().await.contains("Items as they were after event 3"));
    browser.close().await;
    app.stop().await;
}
