//! Thousands of events at once, in a real browser.

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::Browser;

use super::site::{LIVE, at_runs};

const RUNS: usize = 20;
const ITEMS: usize = 200;
const PARTS: usize = 20;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_burst_of_events_is_a_few_updates(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let runs: Vec<String> =
        join_all((0..RUNS).map(|n| producer.new_run("burst", json!({"n": n})))).await.into_iter().collect();
    let browser = Browser::open().await;
    let list = at_runs(&browser, app.url(), &app).await;
    let page = browser.window(&format!("{}/t/demo/runs/{}", app.url(), runs[0])).await;
    page.until(LIVE).await;
    for tab in [&list, &page] {
        // How often the page was patched, whatever was in it.
        tab.run(
            "window.patches = 0;
             new MutationObserver(() => window.patches++)
                 .observe(document.getElementById('reflects'), { subtree: true, childList: true, characterData: true })",
        )
        .await;
    }
    let item = |part, n| json!({"type": "ItemSucceeded", "item": format!("{part}-{n}")});
    let items = |part| json!((0..ITEMS / PARTS).map(|n| item(part, n)).collect::<Vec<Value>>());
    let begin = [json!([{"type": "Started"}])].into_iter().chain((0..PARTS).map(items));
    for events in begin.chain([json!([{"type": "Completed"}])]) {
        let appended = runs.iter().map(async |run| producer.append(run, events.clone()).await.expect(200));
        join_all(appended).await;
    }
    list.until(&format!("document.querySelector('.chip.succeeded b').textContent === '{RUNS}'")).await;
    let done = format!(
        "[...document.querySelectorAll('.runs .done')].filter((e) => e.textContent.startsWith('{ITEMS} ')).length === {RUNS}"
    );
    list.until(&done).await;
    page.until("document.querySelector('#head .badge').textContent === 'Succeeded'").await;
    page.until(&format!("document.querySelector('#head .done').textContent.startsWith('{ITEMS} ')")).await;
    page.until(&format!("document.getElementById('last-revision').textContent === '{}'", ITEMS + 2)).await;
    let script = "[Number(document.documentElement.dataset.run), spy.reads.length, patches]";
    for (tab, runs) in [(&list, RUNS), (&page, 1)] {
        let count = tab.run(script).await;
        let [_, reads, patches] = [0, 1, 2].map(|n| count[n].as_u64().unwrap());
        assert!(patches <= reads, "each answer is put in place once: {count}");
        assert!(reads * 4 < (runs * (ITEMS + 2)) as u64, "{count}");
    }
    let count = list.run(script).await;
    let [messages, reads] = [0, 1].map(|n| count[n].as_u64().unwrap());
    assert!(messages * 4 < (RUNS * (ITEMS + 2)) as u64, "many events are one message: {count}");
    assert!(reads * 2 < messages, "many messages are one update: {count}");
    browser.close().await;
    app.stop().await;
}
