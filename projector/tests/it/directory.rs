//! What ids are called, in its read table.

use crate::support::*;
use domain::Named;
use eventlog::NewEvent;
use eventlog::fact::Fact;
use eventlog::streams::directory_stream;
use serde_json::json;
use sqlx::PgPool;
use uuid::Uuid;

/// That an id of the namespace `policies` was called so at that second.
fn named(id: &str, name: impl Into<Option<&'static str>>, second: u32) -> Named {
    let name: Option<&str> = name.into();
    serde_json::from_value(json!({
        "tenant": tenant(0), "namespace": "policies", "id": id, "name": name,
        "as_of": format!("2026-01-31T08:15:{second:02}Z"), "recorded_at": "2026-01-31T08:16:00Z", "actor": "sync",
    }))
    .unwrap()
}

async fn told(story: &Story, what: &Named) {
    let record = Fact::Named(Uuid::new_v4(), what, None).record().unwrap();
    story.raw(&directory_stream(&what.tenant, &what.namespace), record).await;
}

async fn names(pool: &PgPool) -> Vec<(String, Option<String>, i64)> {
    sqlx::query_as("SELECT entry_id, name, position FROM projection.directory ORDER BY entry_id")
        .fetch_all(pool)
        .await
        .unwrap()
}

fn row(id: &str, name: impl Into<Option<&'static str>>, position: i64) -> (String, Option<String>, i64) {
    (id.to_owned(), name.into().map(ToOwned::to_owned), position)
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_newest_name_counts_however_the_log_is_cut(pool: PgPool) {
    let mut story = Story::default();
    for (id, name, second) in [
        ("a", Some("old"), 1),
        ("a", Some("new"), 3),
        ("b", Some("first"), 2),
        ("a", Some("late"), 2),
        ("b", Some("last"), 2),
        ("a", Some("new"), 3),
        // Taken back, and then said once more as it was before.
        ("c", Some("was"), 1),
        ("c", None, 3),
        ("c", Some("was"), 2),
    ] {
        told(&story, &named(id, name, second)).await;
    }
    story.given(0, [queued(), started(), completed()]).await;
    let whole = story.project(&pool, &[]).await;
    assert_eq!(names(&pool).await, [row("a", "new", 6), row("b", "last", 5), row("c", None, 8)]);
    for sizes in [&[1][..], &[2], &[3, 1, 2]] {
        start_over(&pool).await;
        assert_eq!(story.project(&pool, sizes).await, whole, "in batches of {sizes:?}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_name_that_can_not_be_read_holds_up_nothing(pool: PgPool) {
    let story = Story::default();
    let stream = directory_stream(&tenant(0), &"policies".parse().unwrap());
    let torn = NewEvent {
        id: Uuid::from_u128(99),
        event_type: "Named".into(),
        data: b"{".to_vec(),
        metadata: b"{}".to_vec(),
    };
    story.raw(&stream, torn).await;
    // Of another namespace than its stream is.
    let mut elsewhere = named("a", "elsewhere", 9);
    elsewhere.namespace = "groups".parse().unwrap();
    let record = Fact::Named(Uuid::new_v4(), &elsewhere, None).record().unwrap();
    story.raw(&stream, record).await;
    told(&story, &named("a", "name", 1)).await;
    let tables = story.project(&pool, &[]).await;
    assert_eq!(names(&pool).await, [row("a", "name", 3)]);
    let held = tables.quarantined();
    let [(1, 0, torn), (2, 1, elsewhere)] = held.as_slice() else { panic!("{held:?}") };
    assert!(torn.contains("EOF") && elsewhere.contains("groups"), "{held:?}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_namespace_once_given_stays(pool: PgPool) {
    let mut story = Story::default();
    let succeeded_in = |namespace: Option<&str>| {
        let body = json!({"item": "a", "namespace": namespace}).to_string();
        domain::wire::decode_body("ItemSucceeded", body.as_bytes()).unwrap()
    };
    story.given(0, [queued(), started(), succeeded_in(Some("policies")), succeeded_in(None)]).await;
    for sizes in [&[][..], &[1]] {
        start_over(&pool).await;
        let tables = story.project(&pool, sizes).await;
        assert_eq!(tables.of_run("run_items", 0)[0]["namespace"], "policies", "in batches of {sizes:?}");
    }
}
