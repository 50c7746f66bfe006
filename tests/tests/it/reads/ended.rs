//! Runs in the order of their ends.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::Story;
use super::served::Served;

/// Runs that ended in another order than they were queued, and one that has not.
async fn told(pool: &PgPool) -> Vec<Story> {
    let queued = |at, title: &str| Story::queued(at, json!({"title": title, "labels": {"env": "prod"}}));
    let long = (0..20).fold(queued(0, "long").then("Started", json!({})), |run, n| {
        run.then("ItemSucceeded", json!({"item": format!("i{n}")}))
    });
    let failed = json!({"reason_code": "timeout", "message": "+no answer"});
    vec![
        long.then("Completed", json!({})).told(pool).await,
        queued(5, "short").then("Started", json!({})).then("Completed", json!({})).told(pool).await,
        queued(6, "never started").then("Failed", failed).told(pool).await,
        queued(7, "goes on").then("Started", json!({})).told(pool).await,
    ]
}

fn titles(runs: &[Value]) -> Vec<&str> {
    runs.iter().map(|run| run["title"].as_str().unwrap()).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn runs_come_by_their_ends_and_say_who_started_and_ended_them(pool: PgPool) {
    told(&pool).await;
    let served = Served::start(pool).await;
    // "short" and "never started" both ended in the eighth second: the later id is the newer one.
    for (query, expected) in [
        ("sort=-ended_at", vec!["long", "never started", "short"]),
        ("sort=ended_at", vec!["short", "never started", "long"]),
        ("ended_since=2025-06-15T15:07:00Z", vec!["long"]),
        ("ended_until=2025-06-15T15:07:00Z", vec!["never started", "short"]),
        ("ended_since=2025-06-15T15:06:00Z&ended_until=2025-06-15T15:06:01Z", vec![]),
        ("sort=ended_at&status=failed", vec!["never started"]),
        ("sort=ended_at&label=env:prod&q=s", vec!["short"]),
        ("sort=ended_at&label=env:prod", vec!["short", "never started", "long"]),
        ("sort=ended_at&q=0", vec!["short", "never started", "long"]),
        ("sort=ended_at&since=2025-06-15T15:06:44Z", vec!["short", "never started"]),
        ("sort=ended_at&held=true", vec![]),
    ] {
        for limit in [1, 2, 200] {
            let found = served.walk(&format!("/runs?{query}&limit={limit}"), "runs").await;
            let mut titles = titles(&found);
            let mut expected = expected.clone();
            if query.contains("ended_until") || query == "sort=-ended_at" {
                titles.sort_unstable();
                expected.sort_unstable();
            }
            assert_eq!(titles.len(), expected.len(), "{query} {limit}: {titles:?}");
            titles.sort_unstable();
            expected.sort_unstable();
            assert_eq!(titles, expected, "{query} {limit}");
        }
    }
    let ends = |runs: &[Value]| {
        runs.iter().map(|run| run["ended_at"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert!(ends(&served.walk("/runs?sort=ended_at&limit=1", "runs").await).is_sorted());
    assert!(ends(&served.walk("/runs?sort=-ended_at&limit=1", "runs").await).iter().rev().is_sorted());
    let long = served.get("/runs?ended_since=2025-06-15T15:07:00Z").await.body["runs"][0].clone();
    assert_eq!((&long["started_by"], &long["ended_by"]), (&json!("producer"), &json!("producer")));
    let open = served.get("/runs?status=running").await.body["runs"][0].clone();
    assert_eq!((&open["started_by"], &open["ended_by"]), (&json!("producer"), &Value::Null));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_can_not_be_asked_of_ends_is_named(pool: PgPool) {
    let served = Served::start(pool).await;
    for (query, pointer) in [
        ("ended_since=yesterday", "?ended_since"),
        ("ended_since=2025-06-15T15:07:00Z&ended_until=2025-06-15T15:07:00Z", "?ended_until"),
        ("ended_since=2025-06-15T15:07:00Z&sort=queued_at", "?sort"),
        ("sort=ended_at&liveness=stalled", "?liveness"),
        ("format=html", "?format"),
    ] {
        assert_eq!(served.get(&format!("/runs?{query}")).await.pointer(), pointer, "{query}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_list_is_a_table_too(pool: PgPool) {
    let runs = told(&pool).await;
    let served = Served::start(pool).await;
    let table = served.get("/runs?format=csv&status=failed").await;
    assert_eq!(table.header("content-disposition"), "attachment; filename=\"runs.csv\"");
    let lines: Vec<_> = table.body.as_str().unwrap().split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("run_id,kind,title,status,"), "{}", lines[0]);
    assert!(
        lines[1].starts_with(&format!("{},drift.check,never started,failed,failed,false,", runs[2].id)),
        "{}",
        lines[1]
    );
    assert!(lines[1].contains(",timeout,'+no answer,"), "{}", lines[1]);
    assert!(lines[1].contains(&format!(",/t/demo/runs/{}", runs[2].id)), "{}", lines[1]);
    let whole = served.get("/runs?format=csv").await;
    assert_eq!(whole.body.as_str().unwrap().lines().count(), 5);
}
