use projector::{Difference, Wrong};
use serde_json::json;
use sqlx::PgPool;

use super::{given, maintenance, own, run_sql, until_the_lease_is_renewed};
use crate::support::*;

fn said(differences: &[Difference]) -> Vec<String> {
    differences.iter().map(ToString::to_string).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn right_tables_pass_and_nothing_is_left(pool: PgPool) {
    let story = given().await;
    let tables = story.project(&pool, &[]).await;
    let told = std::sync::Mutex::new(Vec::new());
    let comparing = |table: &str| told.lock().unwrap().push(table.to_owned());
    let findings = maintenance(&story, &pool).verify(&|_| {}, &comparing).await.unwrap();
    let rows = [
        "runs",
        "run_labels",
        "run_items",
        "run_events",
        "notifications",
        "run_counts",
        "run_children",
        "run_refs",
        "run_hours",
        "run_durations",
        "dead_letters",
        "admin_events",
        "directory",
    ];
    let rows: usize = rows.iter().map(|table| tables.rows(table).len()).sum();
    assert_eq!((findings.rows, findings.wrong), (rows as u64, 0), "{findings:?}");
    assert_eq!(told.lock().unwrap().len(), 13);
    assert_eq!(Tables::dump(&pool).await, tables);
    let schemas: i64 =
        sqlx::query_scalar("SELECT count(*) FROM pg_namespace WHERE nspname = 'projection_check'")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(schemas, 0);
    for n in 0..4 {
        let findings = maintenance(&story, &pool).verify_run(run_id(n), None).await.unwrap();
        assert!(findings.wrong == 0 && findings.rows > 2, "{findings:?}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_was_changed_removed_or_added_is_named(pool: PgPool) {
    let story = given().await;
    story.project(&pool, &[]).await;
    let run = run_id(0);
    run_sql(
        &pool,
        "UPDATE projection.runs SET status = 'succeeded', items_failed = 0 WHERE title = 'Add policies' AND tenant = 'demo' AND items_failed > 0;
         DELETE FROM projection.run_items WHERE item = 'b';
         INSERT INTO projection.run_items SELECT tenant, run_id, 'z', label, outcome, reason_code, message, occurred_at, revision, position
             FROM projection.run_items WHERE item = 'a';
         UPDATE projection.run_events SET data = replace(data::text, ':', ': ')::json WHERE event_type = 'ItemFailed'",
    )
    .await;
    let id = json!(run);
    let id = id.as_str().unwrap();
    let of_run = [
        format!("run_events run_id={id} revision=3: changed in how its JSON is written"),
        format!("run_items run_id={id} item=b: missing"),
        format!("run_items run_id={id} item=z: one too many, the log knows nothing of it"),
        format!(
            "runs run_id={id}: status is succeeded, by the log partially_succeeded, items_failed is 0, by the log 1"
        ),
    ];
    let findings = maintenance(&story, &pool).verify_run(run, None).await.unwrap();
    assert_eq!(said(&findings.differences), of_run);
    let findings = maintenance(&story, &pool).verify(&|_| {}, &|_| {}).await.unwrap();
    assert_eq!((said(&findings.differences), findings.wrong), (of_run.to_vec(), 4));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn wrong_counters_and_lost_dead_letters_are_named(pool: PgPool) {
    let story = given().await;
    story.project(&pool, &[]).await;
    run_sql(
        &pool,
        "UPDATE projection.run_counts SET runs = runs + 1 WHERE status = 'queued' AND tenant = 'demo';
         DELETE FROM projection.dead_letters WHERE revision = 2",
    )
    .await;
    let findings = maintenance(&story, &pool).verify(&|_| {}, &|_| {}).await.unwrap();
    let tables: Vec<_> = findings.differences.iter().map(|d| (d.table.as_str(), &d.wrong)).collect();
    assert!(
        matches!(tables.as_slice(), [("dead_letters", Wrong::Missing), ("run_counts", Wrong::Changed(_))]),
        "{tables:?}"
    );
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_projector_that_moves_on_is_no_difference(pool: PgPool) {
    let mut story = given().await;
    let mut progress = Progress::listen(&pool).await;
    let running = Running::start(story.shared(), &pool, 3);
    progress.until(eventlog::EventLog::head(&story.log).await.unwrap()).await;
    let mut last = 4;
    for _ in 0..3 {
        let maintenance = maintenance(&story, &pool);
        let check = tokio::spawn(async move { maintenance.verify(&|_| {}, &|_| {}).await.unwrap() });
        while !check.is_finished() && last < 120 {
            story.given(last, [queued(), started(), succeeded("a"), completed()]).await;
            // As fast as the projector follows.
            progress.until(eventlog::EventLog::head(&story.log).await.unwrap()).await;
            last += 1;
        }
        assert_eq!(check.await.unwrap().wrong, 0);
    }
    running.stop().await;
}

/// A second one begins anew, and would drop the tables of one that has lost its lease.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn whoever_compares_keeps_the_lease(pool: PgPool) {
    let story = given().await;
    story.project(&pool, &[]).await;
    let log = Watched { reads: Gate::after(0), ..Watched::over(&story.log) };
    let first = projector::Maintenance::new(std::sync::Arc::new(log.clone()), own(&pool));
    let first = tokio::spawn(async move { first.verify(&|_| {}, &|_| {}).await });
    log.reads.until_held().await;
    // It has its tables, and will wait for one of ours.
    let mut lock = database::begin(&pool).await.unwrap();
    sqlx::query("LOCK TABLE projection.runs IN ACCESS EXCLUSIVE MODE").execute(&mut *lock).await.unwrap();
    log.reads.open();
    until_somebody_waits(&pool).await;
    until_the_lease_is_renewed(&pool, "projection_check").await;
    lock.rollback().await.unwrap();
    assert_eq!(first.await.unwrap().unwrap().wrong, 0);
}

/// As a swap does it, while a comparison of one run begins.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn tables_that_are_swapped_before_it_looks_are_seen_whole(pool: PgPool) {
    let story = given().await;
    story.project(&pool, &[]).await;
    let mut swap = database::begin(&pool).await.unwrap();
    sqlx::raw_sql("LOCK TABLE projection.checkpoints IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *swap)
        .await
        .unwrap();
    let check = maintenance(&story, &pool);
    let check = tokio::spawn(async move { check.verify_run(run_id(0), Some(&tenant(0))).await });
    until_somebody_waits(&pool).await;
    sqlx::raw_sql(
        "CREATE TABLE projection.fresh (LIKE projection.run_events INCLUDING ALL);
         INSERT INTO projection.fresh SELECT * FROM projection.run_events;
         DROP TABLE projection.run_events;
         ALTER TABLE projection.fresh RENAME TO run_events",
    )
    .execute(&mut *swap)
    .await
    .unwrap();
    swap.commit().await.unwrap();
    let findings = check.await.unwrap().unwrap();
    assert_eq!(said(&findings.differences), [] as [&str; 0]);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn rows_without_a_key_are_an_error(pool: PgPool) {
    let story = given().await;
    story.project(&pool, &[]).await;
    run_sql(&pool, "CREATE TABLE projection.notes (run_id uuid)").await;
    for result in [
        maintenance(&story, &pool).verify(&|_| {}, &|_| {}).await,
        maintenance(&story, &pool).verify_run(run_id(0), None).await,
    ] {
        let error = result.unwrap_err().to_string();
        assert!(error.contains("projection.notes has no primary key"), "{error}");
    }
}
