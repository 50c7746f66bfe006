//! Every filter of the list of runs.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::{Story, ids};
use super::served::Served;

/// Three runs that differ in everything, the oldest first.
async fn three(pool: &PgPool) -> Vec<String> {
    let first = Story::queued(
        0,
        json!({"title": "Nightly Drift 100%", "labels": {"env": "prod", "team": "core"},
               "initiator": {"id": "ann", "name": "Ann"}}),
    );
    let first = first.then("Started", json!({})).then("Completed", json!({}));
    let second = Story::queued(
        100,
        json!({"kind": "backup_set.add_policies", "title": "nightly_backup", "labels": {"env": "prod"},
               "initiator": {"id": "bob"}}),
    );
    let second = second.then("Started", json!({"worker": "w1", "heartbeat_seconds": 30}));
    let third = Story::queued(200, json!({"labels": {"env": "test"}}));
    let mut found = Vec::new();
    for story in [first, second, third] {
        found.push(story.told(pool).await.id.to_string());
    }
    Story::of("other", 100, json!({"title": "Nightly", "labels": {"env": "prod"}})).told(pool).await;
    found
}

async fn list(served: &Served, query: &str) -> Vec<String> {
    let answer = served.get(&format!("/runs?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {}", answer.body);
    ids(answer.body["runs"].as_array().unwrap())
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn each_filter_finds_its_runs_and_no_others(pool: PgPool) {
    let runs = three(&pool).await;
    let served = Served::start(pool).await;
    // By number: 0 is the oldest. Lists show the newest first.
    let cases: &[(&str, &[usize])] = &[
        ("", &[2, 1, 0]),
        ("sort=-queued_at", &[2, 1, 0]),
        ("sort=queued_at", &[0, 1, 2]),
        ("status=succeeded", &[0]),
        ("status=queued&status=running", &[2, 1]),
        ("status=failed", &[]),
        ("kind=drift.check", &[2, 0]),
        ("kind=drift", &[]),
        ("initiator=ann", &[0]),
        ("initiator=Ann", &[]),
        ("label=env:prod", &[1, 0]),
        ("label=env:prod&label=team:core", &[0]),
        ("label=env:pro", &[]),
        ("label=nothing:here", &[]),
        // The fixture's runs were queued half a second before the full second.
        ("since=2025-06-15T15:08:19.500Z", &[2, 1]),
        ("since=2025-06-15T15:08:19.500001Z", &[2]),
        ("until=2025-06-15T15:08:19.500Z", &[0]),
        ("until=2025-06-15T17:08:19.500001%2B02:00", &[1, 0]),
        ("since=2025-06-15T15:00:00Z&until=2025-06-15T15:09:00Z&status=running", &[1]),
        ("q=NIGHTLY", &[1, 0]),
        ("q=nightly%20d", &[0]),
        ("q=nightly_", &[1]),
        ("q=nightly%25", &[]),
        ("q=drift", &[]),
        ("q=nightly&kind=backup_set.add_policies&sort=queued_at", &[1]),
    ];
    for (query, expected) in cases {
        let expected: Vec<&String> = expected.iter().map(|n| &runs[*n]).collect();
        assert_eq!(list(&served, query).await.iter().collect::<Vec<_>>(), expected, "{query}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_beginning_of_an_id_finds_the_run(pool: PgPool) {
    let runs = three(&pool).await;
    let served = Served::start(pool).await;
    for run in &runs {
        assert_eq!(list(&served, &format!("q={run}")).await, std::slice::from_ref(run));
        let short = run.replace('-', "").to_uppercase();
        assert_eq!(list(&served, &format!("q={}", &short[..31])).await, std::slice::from_ref(run));
    }
    // All were made within moments, so their first digits are the same.
    assert_eq!(list(&served, &format!("q={}", &runs[0][..6])).await.len(), 3);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_list_shows_whole_rows_without_the_context(pool: PgPool) {
    let runs = three(&pool).await;
    let served = Served::start(pool).await;
    let answer = served.get("/runs?status=running").await;
    let run = &answer.body["runs"][0];
    assert_eq!(run["run_id"], runs[1].as_str());
    assert_eq!(run["initiator"], json!({"id": "bob", "name": null}));
    assert_eq!(run["liveness"]["state"], "stalled");
    assert_eq!(
        run["items"],
        json!({"total": null, "succeeded": 0, "failed": 0, "skipped": 0, "tallied": false})
    );
    assert_eq!(run["links"]["self"], format!("/v1/tenants/demo/runs/{}", runs[1]));
    assert!(run.get("context").is_none() && run["reason_code"] == Value::Null);
    assert_eq!(answer.body["position"].as_u64().unwrap().to_string(), answer.header("runledger-position"));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_wrong_parameter_is_named(pool: PgPool) {
    let served = Served::start(pool).await;
    for (query, pointer) in [
        ("state=failed", "?state"),
        ("status=done", "?status"),
        ("liveness=alive", "?liveness"),
        ("limit=1000", "?limit"),
        ("limit=1&limit=2", "?limit"),
        ("cursor=Zm9v", "?cursor"),
        ("q=%00", "?q"),
        ("label=a:%00", "?label"),
        ("after=x", "?after"),
        ("since=2026-01-01T00:00:00+02:00", "?since"),
    ] {
        let answer = served.get(&format!("/runs?{query}")).await;
        assert_eq!(answer.pointer(), pointer, "{query}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
}
