use std::sync::Arc;

use eventlog::{EventLog, Position};
use projector::{Maintenance, ProjectorError};
use sqlx::PgPool;

use super::{given, maintenance, run_sql};
use crate::support::*;

/// Everything about the tables but their rows: columns, indexes, constraints, triggers, policies, rights.
async fn shape(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default, generation_expression, collation_name)
         FROM information_schema.columns WHERE table_schema = 'projection'
         UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'projection'
         UNION ALL SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
             FROM pg_constraint WHERE connamespace = 'projection'::regnamespace
         UNION ALL SELECT pg_get_triggerdef(t.oid) FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = tgrelid
             WHERE relnamespace = 'projection'::regnamespace AND NOT tgisinternal
         UNION ALL SELECT p::text FROM pg_policies AS p WHERE schemaname = 'projection'
         UNION ALL SELECT concat_ws(' ', relname, relowner::regrole, COALESCE(relacl, acldefault('r', relowner)), reloptions,
             relrowsecurity) FROM pg_class WHERE relnamespace = 'projection'::regnamespace AND relkind = 'r'
         UNION ALL SELECT concat_ws(' ', attrelid::regclass, attname, attstattarget) FROM pg_attribute AS a
             JOIN pg_class AS c ON c.oid = attrelid
             WHERE relnamespace = 'projection'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
         ORDER BY 1",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

async fn left_over(pool: &PgPool) -> Vec<String> {
    let sql = "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 'projection\\__%'";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_same_tables_from_wrong_ones(pool: PgPool) {
    let story = given().await;
    let right = story.project(&pool, &[]).await;
    run_sql(
        &pool,
        "ALTER TABLE projection.runs ALTER COLUMN kind SET STATISTICS 500;
         ALTER TABLE projection.runs OWNER TO runledger_api;
         ALTER TABLE projection.run_items OWNER TO runledger_api",
    )
    .await;
    let before = shape(&pool).await;
    let of_all_tenants = before.iter().filter(|part| part.contains("of_all_tenants_for_live")).count();
    assert_eq!(of_all_tenants, 4, "the policies of what feeds live streams");
    run_sql(
        &pool,
        "UPDATE projection.runs SET status = 'failed'; DELETE FROM projection.run_items;
         DELETE FROM projection.notifications; UPDATE projection.run_counts SET runs = 77;
         UPDATE projection.run_children SET runs = 77; DELETE FROM projection.run_refs;
         DELETE FROM projection.dead_letters; DELETE FROM projection.admin_events WHERE revision = 0;
         UPDATE projection.admin_events SET actor = 'nobody'",
    )
    .await;

    let rebuilt = maintenance(&story, &pool).rebuild("memory", false, &|_| {}).await.unwrap();
    assert_eq!((rebuilt.from, rebuilt.to, rebuilt.quarantined), (Position(0), right.checkpoint(), 2));
    assert_eq!(Tables::dump(&pool).await, right, "read notifications stay read");
    let after = shape(&pool).await;
    let only = |these: &[String], those: &[String]| -> Vec<String> {
        these.iter().filter(|this| !those.contains(this)).cloned().collect()
    };
    assert_eq!((only(&before, &after), only(&after, &before)), (vec![], vec![]));
    assert_eq!(left_over(&pool).await, [] as [&str; 0]);

    // Once more: what took the place can be rebuilt in turn.
    maintenance(&story, &pool).rebuild("memory", false, &|_| {}).await.unwrap();
    assert_eq!((Tables::dump(&pool).await, shape(&pool).await), (right, before));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_projector_goes_on_where_the_new_tables_are(pool: PgPool) {
    let mut story = given().await;
    let mut progress = Progress::listen(&pool).await;
    let running = Running::start(story.shared(), &pool, 100);
    progress.until(story.log.head().await.unwrap()).await;
    for n in 4..8 {
        maintenance(&story, &pool).rebuild("memory", false, &|_| {}).await.unwrap();
        story.given(n, [queued(), started(), succeeded("a"), completed()]).await;
        progress.until(story.log.head().await.unwrap()).await;
    }
    running.stop().await;
    let tables = Tables::dump(&pool).await;
    start_over(&pool).await;
    assert_eq!(tables, story.project(&pool, &[]).await);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_rebuild_that_was_cut_goes_on(pool: PgPool) {
    let mut story = Story::default();
    for n in 0..200 {
        story.given(n, [queued(), started()]).await;
        story.given(n, (0..15).map(|item| succeeded(&item.to_string()))).await;
    }
    let right = story.project(&pool, &[]).await;

    // The first one is cut as soon as it has folded something.
    let log = Watched { reads: Gate::after(1), ..Watched::over(&story.log) };
    let first = Maintenance::new(Arc::new(log.clone()), pool.clone());
    let first = tokio::spawn(async move { first.rebuild("memory", false, &|_| {}).await });
    log.reads.until_held().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    assert_eq!(Tables::dump(&pool).await, right, "the live tables know nothing of it");

    let again = maintenance(&story, &pool).rebuild("memory", false, &|_| {}).await.unwrap();
    assert_eq!((again.from, again.to), (Position(2_000), right.checkpoint()));
    assert_eq!(Tables::dump(&pool).await, right);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_another_program_left_is_not_gone_on_with(pool: PgPool) {
    let story = given().await;
    let right = story.project(&pool, &[]).await;
    run_sql(
        &pool,
        "CREATE SCHEMA projection_next; COMMENT ON SCHEMA projection_next IS 'runledger 0.0.1';
         CREATE TABLE projection_next.checkpoints (LIKE projection.checkpoints INCLUDING ALL);
         INSERT INTO projection_next.checkpoints (name, position) VALUES ('monitoring', 3)",
    )
    .await;
    let rebuilt = maintenance(&story, &pool).rebuild("memory", false, &|_| {}).await.unwrap();
    assert_eq!(rebuilt.from, Position(0));
    assert_eq!(Tables::dump(&pool).await, right);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn one_run_is_mended(pool: PgPool) {
    let story = given().await;
    let right = story.project(&pool, &[]).await;
    run_sql(
        &pool,
        "UPDATE projection.runs SET status = 'failed' WHERE title IS NOT NULL;
         DELETE FROM projection.run_items; DELETE FROM projection.run_labels;
         UPDATE projection.notifications SET read_at = NULL, message = 'x'",
    )
    .await;
    for n in 0..4 {
        maintenance(&story, &pool).rebuild_run(run_id(n), None).await.unwrap();
    }
    assert_eq!(Tables::dump(&pool).await, right);

    // One that is gone altogether is found by its tenant.
    run_sql(
        &pool,
        "DELETE FROM projection.runs; DELETE FROM projection.run_events; DELETE FROM projection.run_items;
         DELETE FROM projection.notifications",
    )
    .await;
    maintenance(&story, &pool).rebuild_run(run_id(0), None).await.unwrap_err();
    for n in 0..4 {
        maintenance(&story, &pool).rebuild_run(run_id(n), Some(&tenant(n))).await.unwrap();
    }
    assert_eq!(Tables::dump(&pool).await, right);
}

/// The right run under another tenant's name is no run of the log.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_of_another_tenant_is_left_alone(pool: PgPool) {
    let story = given().await;
    let right = story.project(&pool, &[]).await;
    let refused = maintenance(&story, &pool).rebuild_run(run_id(0), Some(&tenant(1))).await;
    let Err(ProjectorError::NoEvents(stream)) = &refused else { panic!("{refused:?}") };
    assert_eq!(*stream, format!("run-acme-{}", run_id(0)));
    assert_eq!(Tables::dump(&pool).await, right);
}

/// A second tenant's run of the same id is quarantined for good; mending it takes nothing from the first.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_whose_id_is_taken_takes_nothing(pool: PgPool) {
    let mut story = given().await;
    let mut other = story.records().await.remove(0);
    other.id = uuid::Uuid::new_v4();
    let metadata = String::from_utf8(other.metadata).unwrap().replace("\"demo\"", "\"acme\"");
    let event = eventlog::NewEvent {
        id: other.id,
        event_type: other.event_type,
        data: other.data,
        metadata: metadata.into_bytes(),
    };
    story.raw(&format!("run-acme-{}", run_id(0)), event).await;
    story.given(0, []).await;
    let right = story.project(&pool, &[]).await;
    assert!(
        right.quarantined().iter().any(|(.., error)| error.contains("belongs to tenant demo")),
        "{right:?}"
    );
    let rebuilt = maintenance(&story, &pool).rebuild_run(run_id(0), Some(&tenant(1))).await.unwrap();
    assert_eq!(rebuilt.quarantined, 1);
    assert_eq!(Tables::dump(&pool).await, right);
}
