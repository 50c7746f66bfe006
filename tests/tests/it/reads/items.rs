//! The items of a run.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::Story;
use super::served::Served;

/// Items 29 to 0: every third failed, every third but one skipped.
async fn run_with_items(pool: &PgPool) -> Story {
    let mut run = Story::queued(0, json!({})).then("Started", json!({}));
    for n in (0..30).rev() {
        let item = format!("item-{n}");
        run = match n % 3 {
            0 => {
                let label = (n == 0).then_some("First");
                let why =
                    json!({"item": item, "label": label, "reason_code": "timeout", "message": "too slow"});
                run.then("ItemFailed", why)
            }
            1 => run.then("ItemSkipped", json!({"item": item, "reason_code": "stale"})),
            _ => run.then("ItemSucceeded", json!({"item": item})),
        };
    }
    run.told(pool).await
}

fn places(items: &[Value]) -> Vec<(String, u64)> {
    let place =
        |item: &Value| (item["status"].as_str().unwrap().to_owned(), item["revision"].as_u64().unwrap());
    items.iter().map(place).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn failed_items_come_first_and_each_item_once(pool: PgPool) {
    let run = run_with_items(&pool).await;
    let served = Served::start(pool).await;
    let base = format!("/runs/{}/items", run.id);
    for limit in [1, 7, 10, 30, 200] {
        let found = places(&served.walk(&format!("{base}?limit={limit}"), "items").await);
        assert_eq!(found.len(), 30, "limit {limit}");
        // The outcomes sort by name: failed, skipped, succeeded.
        assert!(found.is_sorted() && found.windows(2).all(|pair| pair[0] != pair[1]), "{found:?}");
    }
    for status in ["failed", "skipped", "succeeded"] {
        let found = places(&served.walk(&format!("{base}?limit=3&status={status}"), "items").await);
        assert_eq!(found.len(), 10);
        assert!(found.iter().all(|(outcome, _)| outcome == status));
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_item_says_what_became_of_it(pool: PgPool) {
    let run = run_with_items(&pool).await;
    let served = Served::start(pool).await;
    let page = served.get(&format!("/runs/{}/items?status=failed&limit=200", run.id)).await;
    assert_eq!(page.header("runledger-position"), "32");
    assert_eq!(
        page.body["items"][9],
        json!({"item": "item-0", "label": "First", "namespace": null, "name": null, "status": "failed", "reason_code": "timeout",
               "message": "too slow", "occurred_at": "2025-06-15T15:07:10.500Z", "revision": 31})
    );
    for (query, pointer) in [("status=queued", "?status"), ("status=failed&status=skipped", "?status")] {
        assert_eq!(served.get(&format!("/runs/{}/items?{query}", run.id)).await.pointer(), pointer);
    }
}
