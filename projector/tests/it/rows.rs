//! What stands in the rows after a history.

use crate::support::*;
use domain::EventBody;
use serde_json::{Value, json};
use sqlx::PgPool;

/// The tables after one run's history.
async fn given(pool: &PgPool, bodies: impl IntoIterator<Item = EventBody>) -> Tables {
    let mut story = Story::default();
    story.given(0, bodies).await;
    story.project(pool, &[]).await
}

/// Item, label, outcome and reason of a run's items.
fn items(tables: &Tables) -> Vec<Value> {
    Tables::columns(&tables.of_run("run_items", 0), &["item", "label", "outcome", "reason_code"])
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn succeeded_run(pool: PgPool) {
    let tables = given(&pool, [queued(), started(), succeeded("a"), succeeded("b"), completed()]).await;
    tables.then_run(
        0,
        &json!({
            "tenant": "demo", "kind": "backup_set.add_policies", "title": "Add policies",
            "status": "succeeded", "ended_as": "completed",
            "items_succeeded": 2, "items_failed": 0, "items_skipped": 0, "items_total": null,
            "initiator_id": "ada", "initiator_name": "Ada", "context": {"set": 7},
            "idempotency_key": "ab".repeat(32), "reason_code": null, "message": null,
            "queued_at": "2026-03-01T12:19:00+00:00", "started_at": "2026-03-01T12:39:00+00:00",
            "ended_at": "2026-03-01T13:39:00+00:00", "last_event_at": "2026-03-01T13:40:00+00:00",
            "started_recorded_at": "2026-03-01T12:40:00+00:00", "ended_recorded_at": "2026-03-01T13:40:00+00:00",
            "started_by": "worker-1", "ended_by": "closer-1",
            "title_key": "add policies",
            "revision": 4, "position": 5,
        }),
    );
    let events = Tables::columns(&tables.of_run("run_events", 0), &["revision", "event_type", "actor"]);
    assert_eq!(events.len(), 5);
    assert!(events.contains(&json!([4, "Completed", "closer-1"])));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn run_with_names_links_and_a_tally(pool: PgPool) {
    let mut story = Story::default();
    let linked = queued_with(json!({
        "ref": {"source": "ci", "id": "7"}, "parent": {"run_id": run_id(2)}, "retry_of": {"run_id": run_id(4)},
        "resumes": {"run_id": run_id(6)},
    }));
    story.named(0, "ci", "7").await;
    story.given(0, [linked, started_promising(60), resumed_promising(30), tallied(5, 1)]).await;
    // Another name has found it, and one that can't be read is nobody's.
    story.named(0, "cron", "7").await;
    let bad = eventlog::NewEvent {
        id: uuid::Uuid::new_v4(),
        event_type: "Referenced".into(),
        data: b"{}".to_vec(),
        metadata: b"{}".to_vec(),
    };
    story.raw("runref-abc", bad).await;
    let tables = story.project(&pool, &[]).await;
    tables.then_run(
        0,
        &json!({
            "ref_source": "ci", "ref_id": "7", "parent_id": run_id(2), "retry_of": run_id(4), "resumes": run_id(6),
            "worker": "worker-2", "heartbeat_seconds": 30, "status": "partially_succeeded",
            "items_succeeded": 5, "items_failed": 1, "items_tallied": true,
        }),
    );
    assert_eq!(
        tables.rows("run_refs"),
        [
            json!({"tenant": "demo", "ref_id": "7", "ref_source": "ci", "named_run": run_id(0), "position": 1}),
            json!({"tenant": "demo", "ref_id": "7", "ref_source": "cron", "named_run": run_id(0), "position": 6}),
        ]
    );
    let parts: Vec<_> =
        tables.rows("run_children").iter().map(|row| json!([row["status"], row["runs"]])).collect();
    assert_eq!(parts.len(), 3, "it passed through them: {parts:?}");
    assert!(parts.contains(&json!(["partially_succeeded", 1])) && parts.contains(&json!(["running", 0])));
    assert_eq!(tables.quarantined().len(), 1, "{:?}", tables.quarantined());
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn partially_succeeded_run(pool: PgPool) {
    let tables = given(&pool, [queued(), started(), succeeded("a"), failed_item("b"), completed()]).await;
    tables.then_run(
        0,
        &json!({"status": "partially_succeeded", "ended_as": "completed", "items_succeeded": 1, "items_failed": 1}),
    );
    assert_eq!(
        items(&tables),
        [json!(["a", null, "succeeded", null]), json!(["b", "Item b", "failed", "timeout"])]
    );
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn run_that_failed_by_its_items(pool: PgPool) {
    let tables = given(&pool, [queued(), started(), failed_item("a"), skipped("b"), completed()]).await;
    let row = json!({"status": "failed", "ended_as": "completed", "items_failed": 1, "items_skipped": 1,
        "reason_code": null});
    tables.then_run(0, &row);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn run_that_could_not_proceed(pool: PgPool) {
    let tables = given(&pool, [queued(), started(), succeeded("a"), failed()]).await;
    let row = json!({"status": "failed", "ended_as": "failed", "reason_code": "timeout",
        "message": "no answer in 30 s", "items_succeeded": 1});
    tables.then_run(0, &row);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn run_that_was_aborted_before_it_started(pool: PgPool) {
    let tables = given(&pool, [queued(), aborted()]).await;
    let row =
        json!({"status": "failed", "ended_as": "aborted", "reason_code": "timeout", "started_at": null});
    tables.then_run(0, &row);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn skipped_items_do_not_make_a_run_fail(pool: PgPool) {
    let tables = given(&pool, [queued(), started(), skipped("a"), skipped("b"), completed()]).await;
    tables.then_run(0, &json!({"status": "succeeded", "items_skipped": 2, "items_succeeded": 0}));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn item_that_fails_and_then_succeeds_counts_once_and_keeps_its_label(pool: PgPool) {
    let history = [queued(), started(), failed_item("a"), succeeded("a"), completed()];
    let mut story = Story::default();
    story.given(0, history).await;
    let whole = story.project(&pool, &[]).await;
    whole.then_run(0, &json!({"status": "succeeded", "items_succeeded": 1, "items_failed": 0}));
    assert_eq!(items(&whole), [json!(["a", "Item a", "succeeded", null])]);
    start_over(&pool).await;
    assert_eq!(story.project(&pool, &[3, 1, 1]).await, whole);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn progress_and_promised_heartbeat(pool: PgPool) {
    let mut story = Story::default();
    let news = progressed(Some("copying"), Some(12));
    story.given(0, [queued_with(json!({"items_total": 10})), started_promising(90), news]).await;
    story.given(0, [progressed(None, None)]).await;
    let row = json!({"status": "running", "worker": "worker-1", "progress_message": "copying",
        "items_total": 12, "heartbeat_seconds": 90, "last_event_at": "2026-03-01T13:20:00+00:00",
        "heartbeat_due_at": "2026-03-01T13:21:30+00:00"});
    story.project(&pool, &[1]).await.then_run(0, &row);
    story.given(0, [completed()]).await;
    let row = json!({"status": "succeeded", "progress_message": "copying", "heartbeat_due_at": null});
    story.project(&pool, &[1]).await.then_run(0, &row);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn labels_are_filed(pool: PgPool) {
    let tables =
        given(&pool, [queued_with(json!({"labels": {"team": "ops", "zone": "eu:1"}})), started()]).await;
    let labels = Tables::columns(&tables.of_run("run_labels", 0), &["tenant", "label", "queued_at"]);
    let queued_at = "2026-03-01T12:19:00+00:00";
    assert_eq!(labels, [json!(["demo", "team:ops", queued_at]), json!(["demo", "zone:eu:1", queued_at])]);
    tables.then_run(0, &json!({"labels": {"team": "ops", "zone": "eu:1"}}));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn other_streams_only_move_the_checkpoint(pool: PgPool) {
    let story = Story::default();
    let event = |n| eventlog::NewEvent {
        id: uuid::Uuid::from_u128(n),
        event_type: "Anything".into(),
        data: b"not json".to_vec(),
        metadata: vec![0],
    };
    story.raw("runkey-abc", event(1)).await;
    story.raw("somebody-elses", event(2)).await;
    let tables = story.project(&pool, &[]).await;
    assert_eq!(tables.checkpoint().0, 2);
    for table in ["runs", "run_events", "run_counts", "dead_letters"] {
        assert_eq!(tables.rows(table), [] as [Value; 0], "{table}");
    }
}
