//! A run with its items as it was at a moment, and what became of it between two.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::Story;
use super::served::Served;

/// Revisions 0 to 7, a second apart, the first at 15:06:40.
async fn told(pool: &PgPool) -> Story {
    let failed = |item, code| json!({"item": item, "reason_code": code, "message": "no"});
    Story::queued(0, json!({"context": {"a": 1}}))
        .then("Started", json!({}))
        .then("ItemFailed", failed("a", "timeout"))
        .then("ItemSucceeded", json!({"item": "b", "label": "Item b"}))
        .then("ItemFailed", failed("c", "timeout"))
        .then("ItemSucceeded", json!({"item": "a"}))
        .then("ItemFailed", failed("c", "permission_denied"))
        .then("Completed", json!({}))
        .told(pool)
        .await
}

fn named(items: &Value) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    items.as_array().unwrap().iter().map(|item| (text(&item["item"]), text(&item["status"]))).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn items_are_listed_as_they_were(pool: PgPool) {
    let run = told(&pool).await;
    let served = Served::start(pool).await;
    let items = format!("/runs/{}/items", run.id);
    for (query, revision, expected) in [
        ("revision=1", 1, vec![]),
        ("revision=4", 4, vec![("a", "failed"), ("c", "failed"), ("b", "succeeded")]),
        // Between two events: what the ledger had taken in by then, by its clock.
        ("at=2025-06-15T15:06:43.500Z", 3, vec![("a", "failed"), ("b", "succeeded")]),
        ("at=2025-06-15T15:06:44Z", 4, vec![("a", "failed"), ("c", "failed"), ("b", "succeeded")]),
        ("at=2026-06-15T15:06:44Z", 7, vec![("c", "failed"), ("b", "succeeded"), ("a", "succeeded")]),
        ("revision=4&status=succeeded", 4, vec![("b", "succeeded")]),
        ("revision=4&item=a", 4, vec![("a", "failed")]),
    ] {
        let expected: Vec<_> =
            expected.into_iter().map(|(item, status)| (item.to_owned(), status.to_owned())).collect();
        let page = served.get(&format!("{items}?{query}")).await;
        assert_eq!((page.status, &page.body["revision"]), (200, &json!(revision)), "{query}: {}", page.body);
        assert_eq!(named(&page.body["items"]), expected, "{query}");
        let walked = served.walk(&format!("{items}?{query}&limit=1"), "items").await;
        assert_eq!(named(&json!(walked)), expected, "{query}, page by page");
        // The run itself says the same of that moment.
        let moment = query.split('&').next().unwrap();
        let then = served.get(&format!("/runs/{}?{moment}", run.id)).await;
        assert_eq!(then.body["revision"], revision, "{query}");
    }
    for (query, status) in [("revision=8", 404), ("at=2025-06-15T15:06:39Z", 404), ("at=now", 422)] {
        assert_eq!(served.get(&format!("{items}?{query}")).await.status, status, "{query}");
    }
    assert_eq!(
        served.get(&format!("{items}?revision=1&at=2026-06-15T15:06:44Z")).await.pointer(),
        "?revision"
    );
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_became_of_a_run_between_two_points(pool: PgPool) {
    let run = told(&pool).await;
    let served = Served::start(pool).await;
    let path = format!("/runs/{}/difference", run.id);
    let outcome = |status: &str, code: Value, revision: u64| json!({"status": status, "reason_code": code, "revision": revision});
    let (a, b, c) = (
        json!({"item": "a", "label": null, "namespace": null, "name": null, "from": outcome("failed", json!("timeout"), 2),
            "to": outcome("succeeded", Value::Null, 5)}),
        json!({"item": "b", "label": "Item b", "namespace": null, "name": null, "from": null, "to": outcome("succeeded", Value::Null, 3)}),
        json!({"item": "c", "label": null, "namespace": null, "name": null, "from": outcome("failed", json!("timeout"), 4),
            "to": outcome("failed", json!("permission_denied"), 6)}),
    );
    for (query, revisions, expected) in [
        ("from=4&to=7", [4, 7], json!([a, c])),
        ("from=4", [4, 7], json!([a, c])),
        ("from=2&to=3", [2, 3], json!([b])),
        ("from=2025-06-15T15:06:44Z&to=2025-06-15T15:06:45.9Z", [4, 5], json!([a])),
        ("from=5&to=5", [5, 5], json!([])),
        ("from=4&status=failed", [4, 7], json!([c])),
        ("from=4&status=skipped", [4, 7], json!([])),
    ] {
        let answer = served.get(&format!("{path}?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.body);
        assert_eq!(answer.body["items"], expected, "{query}");
        assert_eq!(
            [&answer.body["from"]["revision"], &answer.body["to"]["revision"]],
            [revisions[0], revisions[1]]
        );
        assert!(answer.body["to"].get("context").is_none());
        let walked = served.walk(&format!("{path}?{query}&limit=1"), "items").await;
        assert_eq!(json!(walked), expected, "{query}, page by page");
    }
    let whole = served.get(&format!("{path}?from=4")).await.body;
    let counts = json!({"failed": 1, "skipped": 0, "succeeded": 1});
    assert_eq!(whole["changed"], counts);
    assert_eq!(served.get(&format!("{path}?from=4&status=skipped&limit=1")).await.body["changed"], counts);
    assert_eq!(
        (&whole["from"]["status"], &whole["to"]["status"]),
        (&json!("running"), &json!("partially_succeeded"))
    );
    assert_eq!((&whole["from"]["items"]["failed"], &whole["to"]["items"]["failed"]), (&json!(2), &json!(1)));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn points_that_are_none_are_named(pool: PgPool) {
    let run = told(&pool).await;
    let served = Served::start(pool).await;
    let path = format!("/runs/{}/difference", run.id);
    for (query, pointer) in [
        ("", "?from"),
        ("from=", "?from"),
        ("from=soon", "?from"),
        ("from=1&to=2025-06-15", "?to"),
        ("from=5&to=4", "?to"),
        ("from=1&at=2", "?at"),
        ("from=1&status=done", "?status"),
        ("from=1&cursor=x", "?cursor"),
    ] {
        assert_eq!(served.get(&format!("{path}?{query}")).await.pointer(), pointer, "{query}");
    }
    for query in ["from=1&to=8", "from=2025-06-15T15:06:39Z"] {
        assert_eq!(served.get(&format!("{path}?{query}")).await.status, 404, "{query}");
    }
    let other =
        served.ask("other", access::Role::Auditor, &format!("/v1/tenants/other{path}?from=1"), &[]).await;
    assert_eq!(other.status, 404);
}
