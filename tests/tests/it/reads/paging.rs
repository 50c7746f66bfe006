//! Walking all pages of the list of runs.

use std::collections::BTreeSet;

use serde_json::json;
use sqlx::PgPool;

use super::fixture::{Story, ids};
use super::served::Served;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_run_is_on_exactly_one_page_in_both_orders(pool: PgPool) {
    let mut runs = Vec::new();
    for n in 0..25 {
        // Some at the same moment: then the id decides.
        runs.push(Story::queued(n / 4, json!({"labels": {"n": "x y&z"}})).told(&pool).await.id.to_string());
    }
    runs.sort();
    let served = Served::start(pool).await;
    for limit in [1, 4, 7, 24, 25, 26, 200] {
        let found = ids(&served.walk(&format!("/runs?limit={limit}&sort=queued_at"), "runs").await);
        assert_eq!(found, runs, "limit {limit}");
        let mut found =
            ids(&served.walk(&format!("/runs?label=n:x%20y%26z&limit={limit}&status=queued"), "runs").await);
        found.reverse();
        assert_eq!(found, runs, "limit {limit}, the newest first");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn new_runs_neither_repeat_nor_hide_old_ones(pool: PgPool) {
    let mut old = BTreeSet::new();
    for n in 0..12 {
        old.insert(Story::queued(n, json!({})).told(&pool).await.id.to_string());
    }
    let served = Served::start(pool.clone()).await;
    let mut found = Vec::new();
    let mut path = "/runs?limit=3".to_owned();
    for round in 0_i64.. {
        let page = served.get(&path).await;
        found.extend(ids(page.body["runs"].as_array().unwrap()));
        let Some(link) = page.next_link() else { break };
        path = link.strip_prefix("/v1/tenants/demo").unwrap().to_owned();
        Story::queued(1_000 + round, json!({})).told(&pool).await;
    }
    assert_eq!(found.len(), old.len());
    assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), old);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_cursor_is_good_for_its_own_list_only(pool: PgPool) {
    let run = Story::queued(0, json!({})).told(&pool).await;
    Story::queued(1, json!({})).told(&pool).await;
    let served = Served::start(pool).await;
    let page = served.get("/runs?limit=1&status=queued").await;
    let cursor = page.body["next_cursor"].as_str().unwrap();
    let next = served.get(&format!("/runs?status=queued&cursor={cursor}")).await;
    assert_eq!(ids(next.body["runs"].as_array().unwrap()), [run.id.to_string()]);
    for path in [
        format!("/runs?cursor={cursor}"),
        format!("/runs?status=failed&cursor={cursor}"),
        format!("/runs?status=queued&sort=queued_at&cursor={cursor}"),
        format!("/runs/{}/events?cursor={cursor}", run.id),
        format!("/runs/{}/items?cursor={cursor}", run.id),
        format!("/notifications?cursor={cursor}"),
    ] {
        assert_eq!(served.get(&path).await.pointer(), "?cursor", "{path}");
    }
}
