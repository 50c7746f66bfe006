use std::time::Duration;

use domain::RunId;
use metrics_exporter_prometheus::PrometheusBuilder;
use projector::{Maintenance, ProjectorConfig};
use sqlx::PgPool;
use uuid::Uuid;

use super::{given, maintenance, run_sql};
use crate::support::*;

/// The runs that are looked at until there is one for the second time, in order, with their wrong rows.
async fn pass(maintenance: &Maintenance) -> Vec<(RunId, u64)> {
    let mut seen: Vec<(RunId, u64)> = Vec::new();
    loop {
        let (run, findings) = maintenance.verify_next_run().await.unwrap().unwrap();
        if seen.iter().any(|(known, _)| *known == run) {
            return seen;
        }
        seen.push((run, findings.wrong));
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_pass_looks_at_every_run_and_begins_again(pool: PgPool) {
    let story = given().await;
    let maintenance = maintenance(&story, &pool);
    assert_eq!(maintenance.verify_next_run().await.unwrap(), None);
    story.project(&pool, &[]).await;
    let all: Vec<_> = (0..4).map(|n| (run_id(n), 0)).collect();
    assert_eq!(pass(&maintenance).await, all);
    // The one that ended the pass was the first of the next one, and another process goes on with the second.
    let other = super::maintenance(&story, &pool);
    assert_eq!(other.verify_next_run().await.unwrap().unwrap().0, run_id(1));
    assert_eq!(maintenance.verify_next_run().await.unwrap().unwrap().0, run_id(2));
}

/// Of ids that begin with a time, one run of an hour ago would be drawn for nearly all numbers between the first and
/// the last, and those of the burst never.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn runs_of_a_burst_are_looked_at_as_often_as_others(pool: PgPool) {
    let mut story = Story::default();
    // The ids of the burst are next to each other; the first run's is an hour before.
    let early = RunId::new(Uuid::from_u128(run_id(0).uuid().as_u128() - (3_600_000 << 80))).unwrap();
    story.ids.insert(0, early);
    for n in 0..25 {
        story.given(n, [queued(), started(), succeeded("a")]).await;
    }
    story.project(&pool, &[]).await;
    let maintenance = maintenance(&story, &pool);
    for _ in 0..2 {
        let mut seen = Vec::new();
        for _ in 0..25 {
            seen.push(maintenance.verify_next_run().await.unwrap().unwrap().0);
        }
        let mut all: Vec<RunId> = (0..25).map(|n| story.id_of(n)).collect();
        all.sort();
        assert_eq!(seen, all, "each of them once");
    }
    // Nine changes, wherever they are, are found within one pass.
    let changed: Vec<RunId> = [0, 1, 4, 8, 9, 15, 20, 23, 24].map(|n| story.id_of(n)).to_vec();
    for run in &changed {
        sqlx::query("UPDATE projection.runs SET items_succeeded = 7 WHERE run_id = $1")
            .bind(run.uuid())
            .execute(&pool)
            .await
            .unwrap();
    }
    let mut found = Vec::new();
    for _ in 0..25 {
        let (run, findings) = maintenance.verify_next_run().await.unwrap().unwrap();
        if findings.wrong > 0 {
            found.push(run);
        }
    }
    let mut changed = changed;
    changed.sort();
    assert_eq!(found, changed);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_pass_ends_however_many_runs_come(pool: PgPool) {
    let mut story = Story::default();
    let look = async |maintenance: &Maintenance| maintenance.verify_next_run().await.unwrap().unwrap().0;
    story.given(0, [queued()]).await;
    story.given(1, [queued()]).await;
    story.project(&pool, &[]).await;
    let maintenance = maintenance(&story, &pool);
    assert_eq!(look(&maintenance).await, run_id(0));
    for n in 2..6 {
        story.given(n, [queued()]).await;
    }
    story.project(&pool, &[]).await;
    assert_eq!(look(&maintenance).await, run_id(1));
    // Those that came meanwhile wait for the next one, which begins with the first.
    for n in 0..6 {
        assert_eq!(look(&maintenance).await, run_id(n));
    }
}

/// Row-level security shows such a row to another tenant.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_row_that_was_given_to_another_tenant_is_wrong(pool: PgPool) {
    let story = given().await;
    story.project(&pool, &[]).await;
    let maintenance = maintenance(&story, &pool);
    run_sql(
        &pool,
        "UPDATE projection.runs SET tenant = 'acme' WHERE title = 'Add policies' AND items_failed > 0",
    )
    .await;
    let (run, findings) = maintenance.verify_next_run().await.unwrap().unwrap();
    let said: Vec<String> = findings.differences.iter().map(ToString::to_string).collect();
    assert_eq!(said, [format!("runs run_id={run}: tenant is acme, by the log demo")]);
    maintenance.rebuild_run(run, None).await.unwrap();
    assert!(pass(&maintenance).await.into_iter().all(|(_, wrong)| wrong == 0));

    // Nor is there a tenant in the log that has it.
    run_sql(
        &pool,
        "UPDATE projection.runs SET tenant = 'none', run_id = '01890a5d-0000-774b-bcce-b302099a8000'
             WHERE items_total = 4;
         UPDATE projection.run_events SET tenant = 'nobody', run_id = '01890a5d-0000-774b-bcce-b302099a8000'
             WHERE run_id NOT IN (SELECT run_id FROM projection.runs)",
    )
    .await;
    let moved: RunId = "01890a5d-0000-774b-bcce-b302099a8000".parse().unwrap();
    let found = pass(&maintenance).await;
    assert!(found.iter().any(|(run, wrong)| *run == moved && *wrong > 1), "{found:?}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_projector_at_work_finds_a_row_that_was_changed(pool: PgPool) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    // This thread's alone: the projector is on it, other tests are on others.
    let _recording = metrics::set_default_local_recorder(&recorder);
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
