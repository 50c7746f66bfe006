//! The items of a run.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::{Story, epoch};
use super::served::Served;

/// Items 0 to 29: every third failed, every third but one skipped.
async fn run_with_items(pool: &PgPool) -> Story {
    let run = Story::queued(0, json!({})).then("Started", json!({})).told(pool).await;
    for n in 0..30_i64 {
        let (outcome, reason, message) = match n % 3 {
            0 => ("failed", Some("timeout"), Some("too slow")),
            1 => ("skipped", Some("stale"), None),
            _ => ("succeeded", None, None),
        };
        sqlx::query("INSERT INTO projection.run_items VALUES ('demo', $1, $2, $3, $4, $5, $6, $7, $8, $8)")
            .bind(run.id.uuid())
            .bind(format!("item-{n}"))
            .bind((n == 0).then_some("First"))
            .bind(outcome)
            .bind(reason)
            .bind(message)
            .bind(epoch())
            .bind(100 - n)
            .execute(pool)
            .await
            .unwrap();
    }
    run
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
    assert_eq!(page.header("runledger-position"), "2");
    assert_eq!(
        page.body["items"][9],
        json!({"item": "item-0", "label": "First", "status": "failed", "reason_code": "timeout",
               "message": "too slow", "occurred_at": "2025-06-15T15:06:40Z", "revision": 100})
    );
    for (query, pointer) in [("status=queued", "?status"), ("status=failed&status=skipped", "?status")] {
        assert_eq!(served.get(&format!("/runs/{}/items?{query}", run.id)).await.pointer(), pointer);
    }
}
