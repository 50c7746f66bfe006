//! Liveness, and the list of what is stalled.

use chrono::Utc;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::{Story, epoch, ids};
use super::served::Served;

async fn policy(pool: &PgPool, tenant: &str, kind: &str, limit: Option<i32>) {
    sqlx::query("INSERT INTO policy.stale_policies (tenant, kind, queued_limit_seconds) VALUES ($1, $2, $3)")
        .bind(tenant)
        .bind(kind)
        .bind(limit)
        .execute(pool)
        .await
        .unwrap();
}

async fn queued(pool: &PgPool, seconds: i64, kind: &str) -> String {
    Story::queued(seconds, json!({"kind": kind})).told(pool).await.id.to_string()
}

/// Seconds from the epoch of the fixtures until now.
fn now() -> i64 {
    (Utc::now() - epoch()).num_seconds()
}

async fn liveness(served: &Served, run: &str) -> Value {
    let row = served.get(&format!("/runs/{run}")).await.body["liveness"].clone();
    let list = served.get(&format!("/runs?q={run}")).await.body["runs"][0]["liveness"].clone();
    assert_eq!(row, list);
    let folded = served.get(&format!("/runs/{run}?at=2999-01-01T00:00:00Z")).await.body["liveness"].clone();
    assert_eq!(row, folded);
    row
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_queued_run_is_stalled_once_its_kinds_limit_is_over(pool: PgPool) {
    let old = queued(&pool, 0, "a.b").await;
    let new = queued(&pool, now(), "a.b").await;
    let patient = queued(&pool, 0, "patient").await;
    let other = queued(&pool, 0, "other").await;
    let served = Served::start(pool.clone()).await;
    for run in [&old, &new, &patient, &other] {
        assert_eq!(liveness(&served, run).await, Value::Null, "nobody set a limit");
    }

    policy(&pool, "demo", "a.b", Some(3_600)).await;
    // A policy of its own counts as a whole, also where it has no limit.
    policy(&pool, "demo", "patient", None).await;
    policy(&pool, "demo", "*", Some(600)).await;
    policy(&pool, "other", "a.b", Some(1)).await;
    assert_eq!(
        liveness(&served, &old).await,
        json!({"state": "stalled", "due_at": "2025-06-15T16:06:39.500Z"})
    );
    assert_eq!(liveness(&served, &new).await["state"], "waiting");
    assert_eq!(liveness(&served, &patient).await, Value::Null);
    assert_eq!(
        liveness(&served, &other).await,
        json!({"state": "stalled", "due_at": "2025-06-15T15:16:39.500Z"})
    );
    let then = served.get(&format!("/runs/{old}?revision=0")).await.body["liveness"]["state"].clone();
    assert_eq!(then, "waiting", "when it was queued it was not late yet");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_filter_finds_what_is_stalled_and_no_more(pool: PgPool) {
    let heartbeat = |seconds: i64, promise: u32, fields: Value| {
        Story::queued(seconds, fields).then("Started", json!({"heartbeat_seconds": promise}))
    };
    let labels = json!({"labels": {"env": "prod", "team": "core", "tier": "1"}, "title": "Nightly"});
    let silent = heartbeat(10, 30, labels).told(&pool).await.id.to_string();
    let silent_too = heartbeat(30, 30, json!({"kind": "a.b"})).told(&pool).await.id.to_string();
    heartbeat(now(), 86_400, json!({})).told(&pool).await;
    heartbeat(20, 30, json!({})).then("Completed", json!({})).told(&pool).await;
    let stale = json!({"reason_code": "stale", "message": "silent", "presumed": true});
    heartbeat(20, 30, json!({})).then("Failed", stale).told(&pool).await;
    Story::queued(20, json!({})).then("Started", json!({})).told(&pool).await;
    Story::of("other", 20, json!({})).then("Started", json!({"heartbeat_seconds": 1})).told(&pool).await;
    let waiting = queued(&pool, 20, "a.b").await;
    queued(&pool, now(), "a.b").await;
    queued(&pool, 20, "unlimited").await;
    let served = Served::start(pool.clone()).await;
    policy(&pool, "demo", "a.b", Some(60)).await;

    let all = [&silent_too, &waiting, &silent];
    for (query, expected) in [
        ("", &all[..]),
        ("&sort=queued_at", &[&silent, &waiting, &silent_too]),
        ("&status=running", &[&silent_too, &silent]),
        ("&status=queued&status=running", &all),
        ("&status=failed", &[]),
        ("&kind=a.b", &[&silent_too, &waiting]),
        ("&label=env:prod", &[&silent]),
        ("&label=env:prod&label=team:core&label=tier:1", &[&silent]),
        ("&label=env:test", &[]),
        ("&q=night", &[&silent]),
        ("&since=2025-06-15T15:07:00Z", &[&silent_too]),
        ("&until=2025-06-15T15:07:00Z", &[&waiting, &silent]),
    ] {
        for limit in [1, 2, 50] {
            let path = format!("/runs?liveness=stalled&limit={limit}{query}");
            let found = served.walk(&path, "runs").await;
            assert!(found.iter().all(|run| run["liveness"]["state"] == "stalled"), "{path}");
            assert_eq!(ids(&found).iter().collect::<Vec<_>>(), expected, "{path}");
        }
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_presumed_end_and_a_superseded_one_are_flagged(pool: PgPool) {
    let stale = json!({"reason_code": "stale", "message": "silent", "presumed": true});
    let story = || Story::queued(0, json!({})).then("Started", json!({"heartbeat_seconds": 5}));
    let presumed = story().then("Failed", stale.clone()).told(&pool).await.id;
    let superseded = story().then("Failed", stale).then("Completed", json!({})).told(&pool).await.id;
    let served = Served::start(pool).await;
    let shown = async |path: String| {
        let run = served.get(&path).await.body;
        ["status", "presumed", "superseded", "reason_code", "liveness"].map(|member| run[member].clone())
    };
    let failed = json!(["failed", true, false, "stale", null]);
    assert_eq!(json!(shown(format!("/runs/{presumed}")).await), failed);
    let succeeded = json!(["succeeded", false, true, null, null]);
    assert_eq!(json!(shown(format!("/runs/{superseded}")).await), succeeded);
    assert_eq!(json!(shown(format!("/runs/{superseded}?revision=2")).await), failed);
    let events = served.get(&format!("/runs/{presumed}/events")).await.body;
    assert!(events.to_string().contains("\"presumed\":true"), "{events}");
}
