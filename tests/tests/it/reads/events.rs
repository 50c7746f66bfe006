//! The timeline of a run.

use access::Role;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::Story;
use super::served::Served;

async fn long_run(pool: &PgPool) -> Story {
    let mut run = Story::queued(0, json!({"context": {"z": 1, "a": 2}})).then("Started", json!({}));
    for n in 0..10 {
        run = run.then("ItemSucceeded", json!({"item": format!("i{n}")}));
    }
    run.told(pool).await
}

fn revisions(events: &[Value]) -> Vec<u64> {
    events.iter().map(|event| event["revision"].as_u64().unwrap()).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn only_auditors_see_the_metadata(pool: PgPool) {
    let run = long_run(&pool).await;
    let served = Served::start(pool).await;
    let path = format!("/runs/{}/events?limit=1", run.id);
    let plain = json!({
        "revision": 0, "position": 1, "type": "Queued", "actor": "producer",
        "occurred_at": "2025-06-15T15:06:39.500Z", "recorded_at": "2025-06-15T15:06:40Z",
        "data": {"kind": "drift.check", "context": {"z": 1, "a": 2}, "idempotency_key": "0".repeat(64), "labels": {}},
    });
    for role in Role::ALL {
        let mut event = served.get_as(role, &path).await.body["events"][0].clone();
        if role == Role::Auditor {
            let metadata = event.as_object_mut().unwrap().remove("metadata").unwrap();
            assert!(metadata["event_id"].is_string());
            assert_eq!(metadata["schema_version"], 3);
            assert_eq!(metadata["correlation_id"], "corr-1");
            assert_eq!(metadata["causation_id"], Value::Null);
            assert_eq!((&metadata["tenant"], &metadata["run_id"]), (&json!("demo"), &json!(run.id)));
            assert_eq!(metadata["stream"], format!("run-demo-{}", run.id));
        }
        assert_eq!(event, plain, "{role}");
    }
}

/// Keys of the first form were bare hashes of what was sent. Nobody is shown one, wherever it still lies.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_old_events_bare_hash_is_shown_to_nobody(pool: PgPool) {
    let run = long_run(&pool).await;
    let bare = "5".repeat(64);
    let old = json!({"kind": "drift.check", "context": {"b": 1.5}, "idempotency_key": bare, "labels": {}});
    sqlx::query(
        "UPDATE projection.run_events SET schema_version = 1, data = $1::json WHERE event_type = 'Queued'",
    )
    .bind(old.to_string())
    .execute(&pool)
    .await
    .unwrap();
    let served = Served::start(pool).await;
    for role in [Role::Readonly, Role::Auditor] {
        let events = served.get_as(role, &format!("/runs/{}/events?limit=1", run.id)).await;
        let data = json!({"kind": "drift.check", "context": {"b": 1.5}, "labels": {}});
        assert_eq!(events.body["events"][0]["data"], data, "{role}");
    }
    let then = served.get_as(Role::Auditor, &format!("/runs/{}?revision=0", run.id)).await;
    assert_eq!((then.status, &then.body["idempotency_key"]), (200, &Value::Null));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn pages_go_both_ways_from_any_revision(pool: PgPool) {
    let run = long_run(&pool).await;
    let served = Served::start(pool).await;
    let base = format!("/runs/{}/events", run.id);
    for limit in [1, 5, 6, 12, 13, 200] {
        let found = served.walk(&format!("{base}?limit={limit}"), "events").await;
        assert_eq!(revisions(&found), (0..12).collect::<Vec<_>>(), "limit {limit}");
        let found = served.walk(&format!("{base}?limit={limit}&order=desc"), "events").await;
        assert_eq!(revisions(&found), (0..12).rev().collect::<Vec<_>>(), "limit {limit}, backwards");
    }
    let found = served.walk(&format!("{base}?from=9&limit=2"), "events").await;
    assert_eq!(revisions(&found), [9, 10, 11]);
    let found = served.walk(&format!("{base}?from=2&limit=2&order=desc"), "events").await;
    assert_eq!(revisions(&found), [2, 1, 0]);
    assert!(served.walk(&format!("{base}?from=12"), "events").await.is_empty());
    for (query, pointer) in
        [("from=-1", "?from"), ("order=up", "?order"), ("limit=201", "?limit"), ("x=1", "?x")]
    {
        assert_eq!(served.get(&format!("{base}?{query}")).await.pointer(), pointer);
    }
}
