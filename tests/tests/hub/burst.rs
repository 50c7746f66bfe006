//! Thousands of events at once, in a real browser.

use futures::future::join_all;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::House;
use tests::browser::Browser;

use crate::site::{LIVE, at_runs};

const RUNS: usize = 20;
const ITEMS: usize = 200;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_burst_of_events_is_a_few_updates(pool: PgPoolOptions, database: PgConnectOptions) {
    let house = House::start(pool, database).await;
    let producer = house.producer();
    let runs: Vec<String> =
        join_all((0..RUNS).map(|n| producer.new_run("burst", json!({"n": n})))).await.into_iter().collect();
    let browser = Browser::open().await;
    let list = at_runs(&browser, house.url(), &house).await;
    let page = browser.window(&format!("{}/t/demo/runs/{}", house.url(), runs[0])).await;
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
    join_all(runs.iter().map(async |run| {
        producer.append(run, json!([{"type": "Started"}])).await.expect(200);
        for part in 0..20 {
            let item = |n| json!({"type": "ItemSucceeded", "item": format!("{part}-{n}")});
            let items: Vec<Value> = (0..ITEMS / 20).map(item).collect();
            producer.append(run, json!(items)).await.expect(200);
        }
        producer.append(run, json!([{"type": "Completed"}])).await.expect(200);
    }))
    .await;
    list.until(&format!("document.querySelector('.chip.succeeded b').textContent === '{RUNS}'")).await;
    let done = format!(
        "[...document.querySelectorAll('.runs .done')].filter((e) => e.textContent.startsWith('{ITEMS} ')).length === {RUNS}"
    );
    list.until(&done).await;
    page.until("document.querySelector('#head .badge').textContent === 'Succeeded'").await;
    page.until(&format!("document.querySelector('#head .done').textContent.startsWith('{ITEMS} ')")).await;
    page.until(&format!("document.getElementById('last-revision').textContent === '{}'", ITEMS + 2)).await;
    let events = RUNS * (ITEMS + 2);
    for (tab, events) in [(&list, events), (&page, ITEMS + 2)] {
        let count = tab.run("[spy.reads.length, patches]").await;
        let (reads, patches) = (count[0].as_u64().unwrap(), count[1].as_u64().unwrap());
        assert!(patches <= reads, "each answer is put in place once: {count}");
        assert!(reads * 4 < events as u64, "{events} events, {count}");
    }
    browser.close().await;
    house.stop().await;
}
