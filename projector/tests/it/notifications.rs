//! Who is told of what, and who has read it.

use crate::support::*;
use domain::PrincipalId;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

fn told(n: u8, transition: &str, recipient: &str) -> Uuid {
    let recipient: PrincipalId = recipient.parse().unwrap();
    notification_id(run_id(n), transition, &recipient)
}

fn by_ada() -> Value {
    json!({"initiator": {"id": "ada"}})
}

/// Which notifications were read, and when.
fn read(tables: &Tables) -> Vec<(String, Value)> {
    let rows = tables.rows("notifications").iter();
    let read = rows.filter(|row| !row["read_at"].is_null());
    read.map(|row| (row["notification_id"].as_str().unwrap().to_owned(), row["read_at"].clone())).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_initiator_is_told_once_of_the_beginning_and_once_of_the_end(pool: PgPool) {
    let mut story = Story::default();
    story.given(0, [queued(), started(), failed_item("a"), progressed(None, None), failed()]).await;
    let tables = story.project(&pool, &[]).await;
    let names = [
        "notification_id",
        "tenant",
        "recipient",
        "transition",
        "kind",
        "title",
        "status",
        "ended_as",
        "reason_code",
        "message",
        "created_at",
        "read_at",
        "position",
    ];
    let mut rows = Tables::columns(&tables.of_run("notifications", 0), &names);
    rows.sort_by_key(|row| row[12].as_u64());
    let kind = "backup_set.add_policies";
    assert_eq!(
        rows,
        [
            json!([
                told(0, "queued", "ada"),
                "demo",
                "ada",
                "queued",
                kind,
                "Add policies",
                "queued",
                null,
                null,
                null,
                "2026-03-01T12:20:00+00:00",
                null,
                1
            ]),
            json!([
                told(0, "ended", "ada"),
                "demo",
                "ada",
                "ended",
                kind,
                "Add policies",
                "failed",
                "failed",
                "timeout",
                "no answer in 30 s",
                "2026-03-01T13:40:00+00:00",
                null,
                5
            ]),
        ]
    );
    start_over(&pool).await;
    assert_eq!(story.project(&pool, &[1]).await, tables, "with the same ids after a rebuild");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nobody_is_told_of_a_run_that_nobody_or_the_system_started(pool: PgPool) {
    let mut story = Story::default();
    story.given(0, [queued_with(json!({})), started(), completed()]).await;
    story.given(2, [queued_with(json!({"initiator": {"id": "system"}})), started(), completed()]).await;
    let tables = story.project(&pool, &[]).await;
    tables.then_run(2, &json!({"status": "succeeded", "initiator_id": "system"}));
    assert_eq!(tables.rows("notifications"), [] as [Value; 0]);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn only_the_recipient_reads_a_notification(pool: PgPool) {
    let mut story = Story::default();
    story.given(0, [queued_with(by_ada()), started(), completed()]).await;
    let (begun, ended) = (told(0, "queued", "ada"), told(0, "ended", "ada"));
    story.read(0, begun, "bob").await;
    story.read(1, begun, "ada").await; // the other tenant's ada
    story.read(0, Uuid::from_u128(7), "ada").await;
    assert_eq!(read(&story.project(&pool, &[]).await), []);

    story.read(0, ended, "ada").await; // tick 7
    story.read(0, ended, "ada").await;
    let expected = [(ended.to_string(), json!("2026-03-01T14:20:00+00:00"))];
    let whole = story.project(&pool, &[]).await;
    assert_eq!(read(&whole), expected);
    for sizes in [&[usize::MAX][..], &[1], &[2, 5, 1]] {
        start_over(&pool).await;
        assert_eq!(story.project(&pool, sizes).await, whole);
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_read_before_its_notification_means_nothing(pool: PgPool) {
    let mut story = Story::default();
    let begun = told(0, "queued", "ada");
    story.read(0, begun, "ada").await;
    story.given(0, [queued_with(by_ada())]).await;
    for sizes in [&[usize::MAX][..], &[1]] {
        start_over(&pool).await;
        assert_eq!(read(&story.project(&pool, sizes).await), []);
    }
    story.read(0, begun, "ada").await; // tick 3
    for sizes in [&[usize::MAX][..], &[1]] {
        start_over(&pool).await;
        let expected = [(begun.to_string(), json!("2026-03-01T13:00:00+00:00"))];
        assert_eq!(read(&story.project(&pool, sizes).await), expected);
    }
}
