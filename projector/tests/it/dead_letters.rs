//! Events that can't be folded hold back their own run, in order, and nobody else's.

use crate::support::*;
use eventlog::{NewEvent, Position};
use projector::Maintenance;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use uuid::Uuid;

/// Changes a field of an event's metadata.
fn meta(field: &'static str, value: Value) -> impl FnOnce(&mut NewEvent) {
    move |event| {
        let mut metadata: Value = serde_json::from_slice(&event.metadata).unwrap();
        metadata[field] = value;
        event.metadata = serde_json::to_vec(&metadata).unwrap();
    }
}

/// A run is queued, then comes a `Started` that was changed, then an item; another run goes on between
/// them. The run stays queued, both events are quarantined, the other run ends.
#[track_caller]
fn then_held(tables: &Tables, why: &str) {
    tables.then_run(0, &json!({"status": "queued", "revision": 0, "position": 1}));
    tables.then_run(1, &json!({"status": "succeeded", "items_succeeded": 1}));
    let held = tables.quarantined();
    let [(3, 1, error), (6, 2, later)] = held.as_slice() else { panic!("{held:?}") };
    assert!(error.contains(why), "{error}");
    assert_eq!(later, "an earlier event of this run is held");
    assert_eq!(tables.of_run("run_events", 0).len(), 1);
    assert_eq!(tables.checkpoint(), Position(7));
}

async fn holds(pool: &PgPool, why: &str, change: impl FnOnce(&mut NewEvent)) {
    let mut story = Story::default();
    story.given(0, [queued()]).await;
    story.given(1, [queued()]).await;
    story.bad(0, started(), change).await;
    story.given(1, [started(), succeeded("a")]).await;
    story.bad(0, succeeded("a"), |_| {}).await;
    story.given(1, [completed()]).await;
    let whole = story.project(pool, &[]).await;
    then_held(&whole, why);
    for sizes in [&[1][..], &[2], &[3, 2, 2]] {
        start_over(pool).await;
        assert_eq!(story.project(pool, sizes).await, whole, "in batches of {sizes:?}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn data_that_is_no_json(pool: PgPool) {
    holds(&pool, "the data of Started is malformed", |event| event.data = b"{".to_vec()).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn data_whose_error_names_what_postgres_can_not_store(pool: PgPool) {
    let data = br#"{"a\u0000b": 1}"#.to_vec();
    holds(&pool, "unknown field `ab`", |event| event.data = data).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn unknown_type(pool: PgPool) {
    holds(&pool, "unknown event type \"Paused\"", |event| event.event_type = "Paused".into()).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn too_new_a_version(pool: PgPool) {
    holds(&pool, "schema version 99 is newer", meta("schema_version", json!(99))).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn metadata_of_another_tenant(pool: PgPool) {
    holds(&pool, "of tenant acme", meta("tenant", json!("acme"))).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn metadata_of_another_run(pool: PgPool) {
    holds(&pool, "its metadata says run", meta("run_id", json!(run_id(1)))).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn value_that_the_tables_refuse(pool: PgPool) {
    // It decodes and folds; only Postgres says no.
    holds(&pool, "timestamp", meta("occurred_at", json!("-9000-01-01T00:00:00Z"))).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn many_values_that_the_tables_refuse_in_one_batch(pool: PgPool) {
    let mut story = Story::default();
    for n in 0..12 {
        story.given(n, [queued()]).await;
        let year = if n % 3 == 0 { "-9000" } else { "2026" };
        story.bad(n, started(), meta("occurred_at", json!(format!("{year}-01-01T00:00:00Z")))).await;
        story.bad(n, completed(), |_| {}).await;
    }
    let whole = story.project(&pool, &[]).await;
    for n in 0..12 {
        let status = if n % 3 == 0 { "queued" } else { "succeeded" };
        whole.then_run(n, &json!({"status": status}));
    }
    assert_eq!(whole.quarantined().len(), 8);
    start_over(&pool).await;
    assert_eq!(story.project(&pool, &[1]).await, whole);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn run_that_does_not_begin_with_queued(pool: PgPool) {
    let mut story = Story::default();
    story.force(0, started()).await;
    story.force(0, completed()).await;
    story.given(1, [queued()]).await;
    let tables = story.project(&pool, &[]).await;
    let held = tables.quarantined();
    assert_eq!(held[0], (1, 0, "the run begins with Started, not with Queued".into()));
    assert_eq!(held[1], (2, 1, "an earlier event of this run is held".into()));
    assert_eq!(held.len(), 2);
    assert_eq!(tables.of_run("runs", 0), [] as [&Value; 0]);
    tables.then_run(1, &json!({"status": "queued"}));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn streams_whose_names_are_malformed(pool: PgPool) {
    let mut story = Story::default();
    let event = |n: u128| NewEvent {
        id: Uuid::from_u128(1000 + n),
        event_type: "Queued".into(),
        data: b"{}".to_vec(),
        metadata: b"{}".to_vec(),
    };
    story.raw("run-demo", event(1)).await;
    story.raw(&format!("run-demo-{}", run_id(0).to_string().to_uppercase()), event(2)).await;
    story.raw("notification-nonsense", event(3)).await;
    story.given(0, [queued()]).await;
    let tables = story.project(&pool, &[]).await;
    let held: Vec<_> = tables.quarantined().into_iter().map(|(position, ..)| position).collect();
    assert_eq!(held, [1, 2, 3]);
    tables.then_run(0, &json!({"status": "queued"}));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_nul_in_a_context_is_nothing_bad(pool: PgPool) {
    let mut story = Story::default();
    story.given(0, [queued_with(json!({"context": {"text": "a\0b"}})), started(), completed()]).await;
    let tables = story.project(&pool, &[]).await;
    tables.then_run(0, &json!({"status": "succeeded", "context": {"text": "a\0b"}}));
    assert_eq!(tables.quarantined(), []);
}

/// Somebody wrote to a tenant's counters: its runs are quarantined until they are right, and all others go on.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn counters_that_are_astray_stop_nobody_else(pool: PgPool) {
    for harm in ["UPDATE projection.run_counts SET runs = 0", "DELETE FROM projection.run_counts"] {
        start_over(&pool).await;
        let mut story = Story::default();
        story.given(0, [queued()]).await;
        story.given(1, [queued()]).await;
        story.project(&pool, &[]).await;
        sqlx::raw_sql(AssertSqlSafe(format!("{harm} WHERE tenant = 'demo'"))).execute(&pool).await.unwrap();
        story.given(0, [started()]).await;
        story.given(1, [started()]).await;
        story.given(0, [completed()]).await;
        let tables = story.project(&pool, &[]).await;
        tables.then_run(0, &json!({"status": "queued", "held_revision": 1}));
        tables.then_run(1, &json!({"status": "running", "held_revision": null}));
        let held = tables.quarantined();
        assert!(held.len() == 2 && held[0].2.contains("`runledger projector rebuild`"), "{held:?}");
        then_a_rebuild_mends(&story, &pool).await;
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_row_with_an_impossible_number_stops_nobody_else(pool: PgPool) {
    let mut story = Story::default();
    story.given(0, [queued()]).await;
    story.given(1, [queued()]).await;
    story.project(&pool, &[]).await;
    let harm = "UPDATE projection.runs SET items_failed = -5 WHERE tenant = 'demo'";
    sqlx::raw_sql(harm).execute(&pool).await.unwrap();
    story.given(0, [started()]).await;
    story.given(1, [started()]).await;
    let tables = story.project(&pool, &[]).await;
    tables.then_run(0, &json!({"status": "queued", "held_revision": 1}));
    tables.then_run(1, &json!({"status": "running", "held_revision": null}));
    assert!(tables.quarantined()[0].2.contains("-5"), "{:?}", tables.quarantined());
    then_a_rebuild_mends(&story, &pool).await;
}

async fn then_a_rebuild_mends(story: &Story, pool: &PgPool) {
    Maintenance::new(story.shared(), pool.clone()).rebuild("memory", false, &|_| {}).await.unwrap();
    let mended = Tables::dump(pool).await;
    start_over(pool).await;
    assert_eq!(mended, story.project(pool, &[]).await);
    assert_eq!(mended.quarantined(), []);
}
