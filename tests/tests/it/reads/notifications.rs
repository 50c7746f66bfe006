//! The caller's notifications.

use access::Role;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use super::fixture::epoch;
use super::served::Served;

async fn notify(pool: &PgPool, tenant: &str, recipient: &str, position: i64, read: bool) {
    let ended = position % 2 == 0;
    sqlx::query(
        "INSERT INTO projection.notifications VALUES
             ($1, $2, $3, $4, $5, 'a.b', 'Title', $6, $7, NULL, NULL, $8, $9, $10)",
    )
    .bind(Uuid::new_v4())
    .bind(tenant)
    .bind(recipient)
    .bind(Uuid::now_v7())
    .bind(if ended { "ended" } else { "queued" })
    .bind(if ended { "succeeded" } else { "queued" })
    .bind(ended.then_some("completed"))
    .bind(epoch())
    .bind(read.then(epoch))
    .bind(position)
    .execute(pool)
    .await
    .unwrap();
}

fn positions(found: &[Value]) -> Vec<i64> {
    found.iter().map(|entry| entry["position"].as_i64().unwrap()).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn only_the_callers_own_are_shown_the_newest_first(pool: PgPool) {
    for position in 1..=9 {
        notify(&pool, "demo", "operator", position, position % 3 == 0).await;
    }
    notify(&pool, "demo", "manager", 20, false).await;
    notify(&pool, "other", "operator", 21, false).await;
    let served = Served::start(pool).await;
    for (query, expected) in [
        ("limit=2", vec![9, 8, 7, 6, 5, 4, 3, 2, 1]),
        ("limit=4&unread=true", vec![8, 7, 5, 4, 2, 1]),
        ("limit=1&unread=false", vec![9, 6, 3]),
    ] {
        let found = served.walk(&format!("/notifications?{query}"), "notifications").await;
        assert_eq!(positions(&found), expected, "{query}");
    }
    let manager = served.get_as(Role::Manager, "/notifications").await.body;
    assert_eq!(positions(manager["notifications"].as_array().unwrap()), [20]);
    let auditor = served.get_as(Role::Auditor, "/notifications").await.body;
    assert_eq!((&auditor["notifications"], &auditor["unread_count"]), (&json!([]), &json!(0)));

    let page = served.get("/notifications?limit=1").await.body;
    assert_eq!((&page["unread_count"], &page["unread_count_capped"]), (&json!(6), &json!(false)));
    let mut entry = page["notifications"][0].clone();
    let run = entry["run_id"].as_str().unwrap().to_owned();
    assert_eq!(entry["links"]["self"], format!("/v1/tenants/demo/runs/{run}"));
    for member in ["notification_id", "run_id", "links"] {
        entry.as_object_mut().unwrap().remove(member).unwrap();
    }
    assert_eq!(
        entry,
        json!({"transition": "queued", "kind": "a.b", "title": "Title", "status": "queued", "ended_as": null,
               "presumed": false, "superseded": false, "reason_code": null, "message": null, "created_at": "2025-06-15T15:06:40Z",
               "read_at": "2025-06-15T15:06:40Z", "position": 9})
    );
    assert_eq!(served.get("/notifications?unread=yes").await.pointer(), "?unread");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn unread_ones_are_counted_up_to_a_bound(pool: PgPool) {
    sqlx::query(
        "INSERT INTO projection.notifications
         SELECT gen_random_uuid(), 'demo', 'operator', gen_random_uuid(), 'queued', 'a', NULL, 'queued', NULL,
                NULL, NULL, now(), NULL, n FROM generate_series(1, 1000) AS n",
    )
    .execute(&pool)
    .await
    .unwrap();
    let served = Served::start(pool.clone()).await;
    let count = async || {
        let page = served.get("/notifications?limit=1&unread=false").await.body;
        (page["unread_count"].as_u64().unwrap(), page["unread_count_capped"].as_bool().unwrap())
    };
    assert_eq!(count().await, (1_000, false));
    notify(&pool, "demo", "operator", 1_001, false).await;
    assert_eq!(count().await, (1_000, true));
}
