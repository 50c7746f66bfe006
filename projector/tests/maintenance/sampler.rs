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
        let all = async {
            while value(name).is_none_or(|value| value < least) {
                tokio::task::yield_now().await;
            }
        };
        assert!(tokio::time::timeout(LONG, all).await.is_ok(), "{name} is {:?}", value(name));
    };
    until("runledger_verify_runs_total", 2.0).await;
    assert_eq!(value("runledger_verify_wrong_rows_total"), Some(0.0));
    run_sql(&pool, "DELETE FROM projection.runs").await;
    until("runledger_verify_wrong_rows_total", 1.0).await;
    running.stop().await;
}
