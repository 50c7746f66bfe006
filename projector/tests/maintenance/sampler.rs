use std::time::Duration;

use metrics_exporter_prometheus::PrometheusBuilder;
use projector::ProjectorConfig;
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::*;
use crate::{given, maintenance, run_sql};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn any_number_picks_a_run(pool: PgPool) {
    let story = given().await;
    let maintenance = maintenance(&story, &pool);
    assert_eq!(maintenance.verify_some_run(Uuid::max()).await.unwrap(), None);
    story.project(&pool, &[]).await;
    let mut picked = Vec::new();
    for n in 0..8_u128 {
        let (run, findings) = maintenance.verify_some_run(Uuid::from_u128(n)).await.unwrap().unwrap();
        assert_eq!(findings.wrong, 0);
        picked.push(run);
    }
    picked.sort();
    picked.dedup();
    assert_eq!(picked, [run_id(0), run_id(1), run_id(2), run_id(3)]);
}

/// Row-level security shows such a row to another tenant.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_row_that_was_given_to_another_tenant_is_wrong(pool: PgPool) {
    let story = given().await;
    story.project(&pool, &[]).await;
    let maintenance = maintenance(&story, &pool);
    let first = Uuid::from_u128(0);
    run_sql(
        &pool,
        "UPDATE projection.runs SET tenant = 'acme' WHERE title = 'Add policies' AND items_failed > 0",
    )
    .await;
    let (run, findings) = maintenance.verify_some_run(first).await.unwrap().unwrap();
    let said: Vec<String> = findings.differences.iter().map(ToString::to_string).collect();
    assert_eq!(said, [format!("runs run_id={run}: tenant is acme, by the log demo")]);
    maintenance.rebuild_run(run, None).await.unwrap();
    assert_eq!(maintenance.verify_some_run(first).await.unwrap().unwrap().1.wrong, 0);

    // Nor is there a tenant in the log that has it.
    run_sql(
        &pool,
        "UPDATE projection.runs SET tenant = 'none', run_id = '01890a5d-0000-774b-bcce-b302099a8000'
             WHERE items_total = 4;
         UPDATE projection.run_events SET tenant = 'nobody', run_id = '01890a5d-0000-774b-bcce-b302099a8000'
             WHERE run_id NOT IN (SELECT run_id FROM projection.runs)",
    )
    .await;
    let (_, findings) = maintenance.verify_some_run(first).await.unwrap().unwrap();
    assert!(findings.wrong > 1, "{findings:?}");
}

/// One test: the recorder is the whole process's.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_projector_at_work_finds_a_row_that_was_changed(pool: PgPool) {
    let metrics = PrometheusBuilder::new().install_recorder().unwrap();
    let mut story = Story::default();
    story.given(0, [queued(), started()]).await;
    let mut progress = Progress::listen(&pool).await;
    let config = ProjectorConfig { sample_every: Duration::from_millis(5), ..ProjectorConfig::default() };
    let running = Running::start_with(story.shared(), &pool, config);
    progress.until(eventlog::EventLog::head(&story.log).await.unwrap()).await;

    let value = |name: &str| -> Option<f64> {
        let text = metrics.render();
        let mut lines = text.lines().filter_map(|line| line.split_once(' '));
        lines.find(|(found, _)| *found == name).map(|(_, value)| value.parse().unwrap())
    };
    let until = async |name: &str, least: f64| {
        crate::support::until(name, async || value(name).filter(|value| *value >= least)).await;
    };
    until("runledger_verify_runs_total", 2.0).await;
    assert_eq!(value("runledger_verify_wrong_rows_total"), Some(0.0));
    run_sql(&pool, "DELETE FROM projection.runs").await;
    until("runledger_verify_wrong_rows_total", 1.0).await;
    // That it can't look is seen too.
    assert_eq!(value("runledger_verify_failures_total"), Some(0.0));
    run_sql(&pool, "ALTER TABLE projection.run_items DROP COLUMN label").await;
    until("runledger_verify_failures_total", 1.0).await;
    running.stop().await;
}
