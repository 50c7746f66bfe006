//! What was administered, in its read table.

use crate::support::*;
use domain::admin::AdminBody;
use eventlog::streams::admin_stream;
use eventlog::{EventLog, NewEvent};
use projector::{Maintenance, ProjectorConfig};
use serde_json::json;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Types and revisions of a tenant's rows, in their order.
async fn rows(pool: &PgPool, tenant: &str) -> Vec<(i64, String)> {
    sqlx::query_as(
        "SELECT revision, event_type FROM projection.admin_events WHERE tenant = $1 ORDER BY revision",
    )
    .bind(tenant)
    .fetch_all(pool)
    .await
    .unwrap()
}

fn row(revision: i64, event_type: &str) -> (i64, String) {
    (revision, event_type.to_owned())
}

fn unreadable(id: u128) -> NewEvent {
    NewEvent {
        id: Uuid::from_u128(id),
        event_type: "TokenCreated".into(),
        data: b"{".to_vec(),
        metadata: b"{}".to_vec(),
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_was_done_has_a_row_however_the_log_is_cut(pool: PgPool) {
    let mut story = Story::default();
    story.administered(0, [tenant_created("Demo")]).await;
    story.given(0, [queued(), started()]).await;
    story.administered(1, [tenant_created("Acme"), token_created("ann")]).await;
    story.administered(0, [token_created("bob")]).await;
    let whole = story.project(&pool, &[]).await;
    assert_eq!(rows(&pool, "demo").await, [row(0, "TenantCreated"), row(1, "TokenCreated")]);
    assert_eq!(rows(&pool, "acme").await, [row(0, "TenantCreated"), row(1, "TokenCreated")]);
    let last = whole.rows("admin_events").iter().find(|row| row["data"]["principal"] == "bob").unwrap();
    assert_eq!(
        (&last["position"], &last["actor"], &last["actor_kind"], &last["schema_version"]),
        (&json!(6), &json!("ann@ledger-1"), &json!("os"), &json!(1))
    );
    for sizes in [&[1][..], &[2], &[3, 1, 2]] {
        start_over(&pool).await;
        assert_eq!(story.project(&pool, sizes).await, whole, "in batches of {sizes:?}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn one_that_can_not_be_read_holds_up_nothing_and_can_be_retried(pool: PgPool) {
    let mut story = Story::default();
    story.administered(0, [tenant_created("Demo")]).await;
    story.raw(&admin_stream(&tenant(0)), unreadable(99)).await;
    story.administered(0, [token_created("bob")]).await;
    story.given(0, [queued(), started(), completed()]).await;
    let tables = story.project(&pool, &[]).await;
    assert_eq!(rows(&pool, "demo").await, [row(0, "TenantCreated"), row(2, "TokenCreated")]);
    let held = tables.quarantined();
    let [(2, 1, error)] = held.as_slice() else { panic!("{held:?}") };
    assert!(error.contains("malformed"), "{error}");
    tables.then_run(0, &json!({"status": "succeeded"}));

    // What is folded once more and can still not be read changes nothing, and verify names it.
    let own = PgPoolOptions::new().max_connections(4).connect_lazy_with((*pool.connect_options()).clone());
    let maintenance = Maintenance::new(story.shared(), own);
    let retried = maintenance.retry(None).await.unwrap();
    assert_eq!((retried.len(), retried[0].before, retried[0].after), (1, 1, 1));
    assert_eq!(Tables::dump(&pool).await, tables);
    let findings = maintenance.verify(&|_| {}, &|_| {}).await.unwrap();
    assert_eq!((findings.wrong, findings.unreadable.len()), (0, 1), "{findings:?}");
    assert_eq!(findings.unreadable[0].stream, "admin-demo");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_row_that_somebody_changed_is_found(pool: PgPool) {
    let mut story = Story::default();
    story.administered(0, [tenant_created("Demo"), token_created("bob")]).await;
    story.project(&pool, &[]).await;
    sqlx::query("DELETE FROM projection.admin_events WHERE revision = 1").execute(&pool).await.unwrap();
    let own = PgPoolOptions::new().max_connections(4).connect_lazy_with((*pool.connect_options()).clone());
    let findings = Maintenance::new(story.shared(), own).verify(&|_| {}, &|_| {}).await.unwrap();
    assert_eq!((findings.wrong, findings.differences[0].table.as_str()), (1, "admin_events"));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn others_streams_of_a_name_like_ours_are_left_alone(pool: PgPool) {
    let story = Story::default();
    for stream in ["admin-", "admin-No Tenant", "administration"] {
        story.raw(stream, unreadable(7)).await;
    }
    let tables = story.project(&pool, &[]).await;
    assert_eq!((tables.quarantined().len(), tables.rows("admin_events").len()), (0, 0));
}

/// While processes are replaced, one of before may have the lease: it moves the checkpoint beyond what it does not know.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_a_program_of_before_passed_over_is_folded(pool: PgPool) {
    let mut story = Story::default();
    story.administered(0, [tenant_created("Demo"), token_created("bob")]).await;
    story.administered(1, [tenant_created("Acme")]).await;
    story.project(&pool, &[]).await;
    let all = Tables::dump(&pool).await;
    for sql in [
        "DELETE FROM projection.admin_events WHERE tenant = 'acme' OR revision = 1",
        // As the relay keeps them.
        "INSERT INTO administration.admin_streams VALUES ('demo', 2), ('acme', 1), ('gone', 7)",
    ] {
        sqlx::query(sql).execute(&pool).await.unwrap();
    }
    let stop = CancellationToken::new();
    let projector = projector::Projector::new(story.shared(), pool.clone(), ProjectorConfig::default());
    let running = tokio::spawn(projector.run(stop.clone()));
    until("what was missed", async || (rows(&pool, "acme").await.len() == 1).then_some(())).await;
    until("all of it", async || (rows(&pool, "demo").await.len() == 2).then_some(())).await;
    stop.cancel();
    running.await.unwrap().unwrap();
    assert_eq!(Tables::dump(&pool).await.rows("admin_events"), all.rows("admin_events"));
    assert_eq!(story.log.head().await.unwrap(), all.checkpoint());
    let [first, ..] = all.rows("admin_events") else { panic!("no rows") };
    assert!(AdminBody::TYPES.contains(&first["event_type"].as_str().unwrap()));
}
