use serde_json::json;
use sqlx::PgPool;

use super::{maintenance, run_sql};
use crate::support::*;

/// The tables refuse an item for a while, as one with a defect would.
const REFUSE: &str = "ALTER TABLE projection.run_items ADD CONSTRAINT refused CHECK (item <> 'poison')";
const REFUSE_LATER: &str =
    "ALTER TABLE projection.run_items ADD CONSTRAINT refused CHECK (item <> 'poison') NOT VALID";
const MEND: &str = "ALTER TABLE projection.run_items DROP CONSTRAINT refused";

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_held_is_drained_in_order(pool: PgPool) {
    let mut story = Story::default();
    for n in 0..3 {
        story.given(n, [queued(), started(), succeeded("a")]).await;
    }
    for n in [0, 2] {
        story.given(n, [failed_item("poison"), succeeded("b"), completed()]).await;
    }
    story.given(1, [completed()]).await;
    let right = story.project(&pool, &[]).await;
    start_over(&pool).await;

    run_sql(&pool, REFUSE).await;
    let held = story.project(&pool, &[]).await;
    held.then_run(0, &json!({"status": "running", "held_revision": 3, "held_position": 10, "revision": 2}));
    let why = held.run(0)["held_error"].as_str().unwrap();
    assert!(why.contains("\"refused\""), "{why}");
    held.then_run(1, &json!({"status": "succeeded", "held_revision": null, "held_error": null}));
    assert_eq!(held.quarantined().len(), 6);

    // Not mended yet: all stays as it is.
    let maintenance = maintenance(&story, &pool);
    let retried = maintenance.retry(None).await.unwrap();
    assert_eq!(retried.iter().map(|r| (r.before, r.after)).collect::<Vec<_>>(), [(3, 3), (3, 3)]);
    assert!(retried[0].error.as_deref().unwrap().contains("refused"));
    assert_eq!(Tables::dump(&pool).await, held);

    run_sql(&pool, MEND).await;
    let retried = maintenance.retry(Some(run_id(2))).await.unwrap();
    assert_eq!(retried.iter().map(|r| (r.before, r.after)).collect::<Vec<_>>(), [(3, 0)]);
    Tables::dump(&pool).await.then_run(0, &json!({"held_revision": 3}));
    let retried = maintenance.retry(None).await.unwrap();
    assert_eq!((retried.len(), retried[0].after, retried[0].error.clone()), (1, 0, None));
    assert_eq!(Tables::dump(&pool).await, right, "as if nothing had ever been held");
    assert_eq!(maintenance.retry(None).await.unwrap(), []);
}

/// The tables knew the run's end before they were built anew.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_was_read_before_it_was_held_stays_read(pool: PgPool) {
    let mut story = Story::default();
    story.given(0, [queued(), started(), succeeded("poison"), completed()]).await;
    let ended = notification_id(run_id(0), "ended", &"ada".parse().unwrap());
    story.read(0, ended, "ada").await;
    let right = story.project(&pool, &[]).await;
    assert!(right.rows("notifications").iter().any(|told| !told["read_at"].is_null()));
    run_sql(&pool, REFUSE_LATER).await;
    maintenance(&story, &pool).rebuild("memory", false, &|_| {}).await.unwrap();
    assert_eq!(Tables::dump(&pool).await.quarantined().len(), 2);
    run_sql(&pool, MEND).await;
    let retried = maintenance(&story, &pool).retry(None).await.unwrap();
    assert_eq!((retried.len(), retried[0].after), (1, 0));
    assert_eq!(Tables::dump(&pool).await, right);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_long_run_is_drained_and_new_events_follow(pool: PgPool) {
    let mut story = Story::default();
    story.given(0, [queued(), started(), succeeded("poison")]).await;
    story.given(0, (0..2_500).map(|n| succeeded(&n.to_string()))).await;
    run_sql(&pool, REFUSE).await;
    story.project(&pool, &[500]).await;
    run_sql(&pool, MEND).await;
    maintenance(&story, &pool).retry(None).await.unwrap();
    story.given(0, [completed()]).await;
    let tables = story.project(&pool, &[500]).await;
    tables.then_run(0, &json!({"status": "succeeded", "items_succeeded": 2501, "held_revision": null}));
    assert_eq!(tables.quarantined(), []);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_secret_in_what_is_held_is_not_shown(pool: PgPool) {
    let mut story = Story::default();
    story.given(0, [queued()]).await;
    let data = br#"{"password=hunter2secretsecret": 1}"#.to_vec();
    story.bad(0, started(), |event| event.data = data).await;
    let tables = story.project(&pool, &[]).await;
    let shown = tables.run(0)["held_error"].as_str().unwrap();
    assert!(shown.contains("unknown field") && !shown.contains("hunter2"), "{shown}");
    assert!(!tables.quarantined()[0].2.contains("hunter2"));
}
