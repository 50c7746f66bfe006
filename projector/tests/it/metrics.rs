//! What operators see of a projector.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::support::*;
use eventlog::EventLog;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use sqlx::PgPool;

/// The value of a metric without labels.
fn value(metrics: &PrometheusHandle, name: &str) -> Option<f64> {
    let text = metrics.render();
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(found, _)| *found == name).map(|(_, value)| value.parse().unwrap())
}

/// Waits until a metric is as it should be. The lag is measured every second.
async fn until(metrics: &PrometheusHandle, name: &str, right: impl Fn(f64) -> bool) {
    crate::support::until(name, async || value(metrics, name).filter(|value| right(*value))).await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn lag_batches_and_dead_letters_are_exported(pool: PgPool) {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    // This thread's alone: the projector is on it, other tests are on others.
    let _recording = metrics::set_default_local_recorder(&recorder);
    let mut story = Story::default();
    story.given(0, [queued(), started(), succeeded("a")]).await;
    story.force(1, completed()).await;

    // Nothing can be projected: the lag is that of the oldest event, which is of noon and a bit.
    let watched = Watched::over(&story.log);
    watched.refuse_to_follow.store(u32::MAX, Ordering::SeqCst);
    let mut progress = Progress::listen(&pool).await;
    let running = Running::start(Arc::new(watched.clone()), &pool, 100);
    until(&metrics, "runledger_projector_lag_events", |events| events == 4.0).await;
    let age = || (chrono::Utc::now() - story.events[0].1.recorded_at).as_seconds_f64();
    let low = age() - 30.0;
    until(&metrics, "runledger_projector_lag_seconds", |seconds| seconds > low && seconds <= age()).await;
    let seconds = value(&metrics, "runledger_projector_lag_seconds").unwrap();
    until(&metrics, "runledger_projector_lag_seconds", |later| later > seconds).await;
    assert!(value(&metrics, "runledger_projector_failures_total").unwrap() >= 1.0);
    assert_eq!(value(&metrics, "runledger_dead_letters"), Some(0.0));

    watched.refuse_to_follow.store(0, Ordering::SeqCst);
    progress.until(story.log.head().await.unwrap()).await;
    until(&metrics, "runledger_projector_lag_events", |events| events == 0.0).await;
    until(&metrics, "runledger_projector_lag_seconds", |seconds| seconds == 0.0).await;
    until(&metrics, "runledger_dead_letters", |letters| letters == 1.0).await;
    running.stop().await;
    assert_eq!(value(&metrics, "runledger_projector_dead_letters_total"), Some(1.0));
    assert_eq!(value(&metrics, "runledger_projector_batch_events_sum"), Some(4.0));
    assert_eq!(value(&metrics, "runledger_projector_apply_seconds_count"), Some(1.0));

    // One that stands by says how far the other one is behind, and sees what an operator has mended.
    let lease =
        "UPDATE projection.checkpoints SET fence = fence + 1, lease_until = now() + interval '1 hour'";
    sqlx::raw_sql(lease).execute(&pool).await.unwrap();
    story.given(0, [failed_item("b")]).await;
    let running = Running::start(story.shared(), &pool, 100);
    until(&metrics, "runledger_projector_lag_events", |events| events > 0.0).await;
    assert_eq!(value(&metrics, "runledger_projector_lag_events"), Some(1.0), "of five in the log");
    assert_eq!(value(&metrics, "runledger_held_runs"), Some(1.0));
    sqlx::raw_sql("DELETE FROM projection.dead_letters").execute(&pool).await.unwrap();
    until(&metrics, "runledger_dead_letters", |letters| letters == 0.0).await;
    until(&metrics, "runledger_held_runs", |runs| runs == 0.0).await;
    running.stop().await;
}
