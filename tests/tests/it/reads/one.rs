//! One run: as it is, and as it was.

use access::Role;
use chrono::{SecondsFormat, TimeDelta};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::Story;
use super::served::Served;

fn whole_life() -> Story {
    Story::queued(
        0,
        json!({"title": "Add policies", "context": {"b": 1.50, "a": [1, 12345678901234567890_u64]}, "items_total": 3,
               "initiator": {"id": "ann", "name": "Ann"}, "labels": {"env": "prod"}}),
    )
    .then("Started", json!({"worker": "w1", "heartbeat_seconds": 60}))
    .then("ItemSucceeded", json!({"item": "a"}))
    .then("ItemFailed", json!({"item": "b", "reason_code": "timeout", "message": "too slow"}))
    .then("Progressed", json!({"message": "almost there", "items_total": 2}))
    .then("ItemSucceeded", json!({"item": "b"}))
    .then("Completed", json!({"message": "all done"}))
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_row_has_every_member(pool: PgPool) {
    let run = whole_life().told(&pool).await;
    let served = Served::start(pool).await;
    let answer = served.get(&format!("/runs/{}", run.id)).await;
    assert_eq!((answer.status, answer.header("etag")), (200, "\"6\""));
    assert_eq!(answer.header("runledger-position"), "7");
    assert_eq!(answer.header("cache-control"), "private, no-store");
    let this = format!("/v1/tenants/demo/runs/{}", run.id);
    assert_eq!(
        answer.body,
        json!({
            "run_id": run.id, "kind": "drift.check", "title": "Add policies", "status": "succeeded",
            "ended_as": "completed", "presumed": false, "superseded": false, "items": {"total": 2, "succeeded": 2, "failed": 0, "skipped": 0, "tallied": false},
            "initiator": {"id": "ann", "name": "Ann"}, "ref": null, "parent": null, "retry_of": null, "resumes": null,
            "children": null, "labels": {"env": "prod"}, "label_names": {},
            "context": {"b": 1.50, "a": [1, 12345678901234567890_u64]}, "idempotency_key": "0".repeat(64),
            "reason_code": null, "message": "all done", "progress_message": "almost there", "worker": "w1",
            "queued_at": "2025-06-15T15:06:39.500Z", "started_at": "2025-06-15T15:06:40.500Z",
            "ended_at": "2025-06-15T15:06:45.500Z", "last_event_at": "2025-06-15T15:06:46Z",
            "started_recorded_at": "2025-06-15T15:06:41Z", "ended_recorded_at": "2025-06-15T15:06:46Z",
            "started_by": "producer", "ended_by": "producer",
            "clock_skew": false, "duration_seconds": 5.0,
            "heartbeat_seconds": 60, "usual": null, "late": false, "liveness": null, "held": null, "revision": 6, "position": 7,
            "links": {"self": this, "view": format!("/t/demo/runs/{}", run.id),
                      "events": format!("{this}/events"), "items": format!("{this}/items")},
        })
    );
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_last_revision_is_the_row_itself(pool: PgPool) {
    let aborted = Story::queued(50, json!({}))
        .then("Started", json!({}))
        .then("Aborted", json!({"reason_code": "cancelled", "message": "by hand"}));
    let waiting = Story::queued(60, json!({}));
    let stale = json!({"reason_code": "stale", "message": "silent", "presumed": true});
    let presumed = Story::queued(70, json!({})).then("Started", json!({})).then("Failed", stale.clone());
    let superseded = Story::queued(80, json!({})).then("Started", json!({})).then("Failed", stale);
    let superseded = superseded.then("ItemSucceeded", json!({"item": "a"})).then("Completed", json!({}));
    let mut runs = Vec::new();
    for story in [whole_life(), aborted, waiting, presumed, superseded] {
        runs.push(story.told(&pool).await);
    }
    let served = Served::start(pool).await;
    for run in runs {
        let current = served.get(&format!("/runs/{}", run.id)).await;
        let revision = &current.body["revision"];
        let folded = served.get(&format!("/runs/{}?revision={revision}", run.id)).await;
        assert_eq!(folded.body, current.body);
        let now = served.get(&format!("/runs/{}?at=2999-01-01T00:00:00Z", run.id)).await;
        assert_eq!(now.body, current.body);
        assert_eq!(now.header("etag"), format!("\"{revision}\""));
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_is_shown_as_it_was_then(pool: PgPool) {
    let run = whole_life().told(&pool).await;
    let served = Served::start(pool).await;
    for revision in 0..7 {
        let by_revision = served.get(&format!("/runs/{}?revision={revision}", run.id)).await.body;
        let time = run.recorded_at(revision);
        let text = |time: chrono::DateTime<chrono::Utc>| time.to_rfc3339_opts(SecondsFormat::Micros, true);
        let by_time = served.get(&format!("/runs/{}?at={}", run.id, text(time))).await.body;
        assert_eq!(by_time, by_revision);
        assert_eq!((&by_time["revision"], &by_time["position"]), (&json!(revision), &json!(revision + 1)));
        let before = text(time - TimeDelta::microseconds(1));
        let before = served.get(&format!("/runs/{}?at={before}", run.id)).await;
        match revision {
            0 => assert_eq!(before.status, 404, "{}", before.body),
            _ => assert_eq!(before.body["revision"], json!(revision - 1)),
        }
    }
    let at = |revision: u64| format!("/runs/{}?revision={revision}", run.id);
    let failed_item = served.get(&at(3)).await.body;
    assert_eq!(
        failed_item["items"],
        json!({"total": 3, "succeeded": 1, "failed": 1, "skipped": 0, "tallied": false})
    );
    assert_eq!(failed_item["status"], "running");
    // Just then it was alive, whatever it is now.
    assert_eq!(failed_item["liveness"], json!({"state": "alive", "due_at": "2025-06-15T15:07:43Z"}));
    assert_eq!(served.get(&at(0)).await.body["liveness"], Value::Null);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_state_that_never_was_is_not_found(pool: PgPool) {
    let run = whole_life().told(&pool).await;
    let served = Served::start(pool).await;
    let missing = served.get(&format!("/runs/{}?revision=7", run.id)).await;
    assert_eq!(missing.status, 404);
    assert!(missing.body["detail"].as_str().unwrap().contains("its last is 6"), "{}", missing.body);
    let early = served.get(&format!("/runs/{}?at=2001-01-01T00:00:00Z", run.id)).await;
    assert_eq!(early.status, 404);
    assert!(early.body["detail"].as_str().unwrap().contains("did not know"), "{}", early.body);
    for (query, pointer) in [
        ("at=2999-01-01T00:00:00Z&revision=1", "?revision"),
        ("revision=-1", "?revision"),
        ("revision=9223372036854775808", "?revision"),
        ("at=noon", "?at"),
        ("limit=1", "?limit"),
    ] {
        assert_eq!(served.get(&format!("/runs/{}?{query}", run.id)).await.pointer(), pointer);
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_not_this_tenants_run_is_not_found(pool: PgPool) {
    let theirs = Story::of("other", 0, json!({})).told(&pool).await.id.to_string();
    let served = Served::start(pool).await;
    for id in [theirs.as_str(), "0198c0de-7000-7000-8000-00000000000a", "nonsense", "%00", "%ff"] {
        for rest in ["", "/events", "/items", "?revision=0", "?at=2999-01-01T00:00:00Z"] {
            let answer = served.get(&format!("/runs/{id}{rest}")).await;
            assert_eq!((answer.status, &answer.body["code"]), (404, &json!("not_found")), "{id}{rest}");
        }
    }
    let path = format!("/v1/tenants/other/runs/{theirs}");
    assert_eq!(served.ask("other", Role::Readonly, &path, &[]).await.status, 200);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_corrupt_row_is_an_internal_error_that_tells_nothing(pool: PgPool) {
    let run = whole_life().told(&pool).await;
    for sql in [
        "UPDATE projection.runs SET labels = '{\"env\": 7}'",
        "UPDATE projection.run_events SET data = '{\"no\": \"such\"}' WHERE revision = 1",
    ] {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    let served = Served::start(pool).await;
    for path in [format!("/runs/{}", run.id), format!("/runs/{}?revision=4", run.id), "/runs".into()] {
        let answer = served.get(&path).await;
        assert_eq!((answer.status, &answer.body["code"]), (500, &json!("internal")), "{path}");
        assert!(!answer.body.to_string().contains("labels"), "{}", answer.body);
    }
    assert_eq!(served.get(&format!("/runs/{}?revision=0", run.id)).await.status, 200);
}
