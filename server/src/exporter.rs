//! The metrics that `/metrics` shows, in the text format of Prometheus.

use std::time::Duration;

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use crate::error::Error;

/// How often the samples of the histograms are put together.
const UPKEEP: Duration = Duration::from_secs(5);

/// Upper bounds of the time histograms, in seconds.
const SECONDS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Upper bounds of the batch-size histograms, in events.
const EVENTS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 25.0, 100.0, 500.0, 2_000.0, 10_000.0];

const COUNTERS: [(&str, &str); 15] = [
    ("runledger_appended_events_total", "Events that this process has appended to the log."),
    (
        "runledger_append_conflicts_total",
        "Appends refused because a stream was not at the expected revision.",
    ),
    ("runledger_command_conflicts_total", "Commands decided anew because another process had appended."),
    ("runledger_http_requests_total", "Requests by method, route and status."),
    ("runledger_projector_dead_letters_total", "Events that this process has put into the dead letters."),
    ("runledger_projector_failures_total", "Batches that could not be applied and are tried again."),
    ("runledger_seal_timestamps_total", "Time stamps of the ledger's own log that were got."),
    ("runledger_seal_timestamp_failures_total", "Time-stamping authorities that were asked and gave none."),
    (
        "runledger_seal_witness_conflicts_total",
        "Checkpoints that a witness refused for it has cosigned a larger or another tree.",
    ),
    ("runledger_seal_witness_failures_total", "Rounds in which a witness was away or did not cosign."),
    ("runledger_stale_runs_total", "Runs that this process has presumed failed."),
    ("runledger_sweeper_failures_total", "Sweeps, or runs of a sweep, that failed and are tried again."),
    ("runledger_verify_runs_total", "Runs that the sampler has folded anew and compared."),
    (
        "runledger_verify_failures_total",
        "Comparisons of the sampler that failed, so that nothing was compared.",
    ),
    ("runledger_verify_wrong_rows_total", "Rows that the sampler found different, missing or one too many."),
];

const GAUGES: [(&str, &str); 11] = [
    ("runledger_append_queue_depth", "Appends that wait for the writer or are being written."),
    ("runledger_dead_letters", "Events in the dead letters."),
    ("runledger_held_runs", "Runs with events in the dead letters."),
    ("runledger_projector_active", "1 while this process holds the projector's lease."),
    (
        "runledger_projector_lag_events",
        "Events between the projection and the head of the log; on a cluster of 10,000 at most.",
    ),
    ("runledger_projector_lag_seconds", "Age of the oldest event that is not projected."),
    ("runledger_read_lag_events", "The same, as the API sees it."),
    ("runledger_read_lag_seconds", "The same, as the API sees it."),
    (
        "runledger_seal_timestamp_seconds",
        "The time that the newest time stamp claims, in seconds since 1970.",
    ),
    (
        "runledger_seal_quorum_missing",
        "Logs whose newest checkpoint is cosigned by fewer witnesses than the policy demands.",
    ),
    ("runledger_verify_last_wrong_rows", "Wrong rows in the last run that the sampler compared."),
];

const HISTOGRAMS: [(&str, &str); 5] = [
    ("runledger_append_seconds", "From taking an append in to its answer."),
    ("runledger_append_batch_events", "Events in one commit of the log."),
    ("runledger_http_request_seconds", "From a request to its answer, by method and route."),
    ("runledger_projector_apply_seconds", "From a batch to its commit."),
    ("runledger_projector_batch_events", "Events in one batch of the projector."),
];

/// Collects the metrics of this process from now on.
///
/// # Errors
/// When they are collected already.
pub fn install() -> Result<PrometheusHandle, Error> {
    let failed = |error: BuildError| Error::Metrics(error.to_string());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), &SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(Matcher::Suffix("_events".into()), &EVENTS))
        .and_then(PrometheusBuilder::install_recorder)
        .map_err(failed)?;
    for (name, meaning) in COUNTERS {
        metrics::describe_counter!(name, meaning);
        // What has not happened yet is 0, not missing; those with labels appear with their first value.
        if name != "runledger_http_requests_total" {
            metrics::counter!(name).increment(0);
        }
    }
    for (name, meaning) in GAUGES {
        metrics::describe_gauge!(name, meaning);
    }
    for (name, meaning) in HISTOGRAMS {
        metrics::describe_histogram!(name, meaning);
    }
    Ok(handle)
}

/// Keeps the memory of the metrics bounded until `stop`: histograms gather samples until somebody asks, and
/// nobody may ask for a long time.
///
/// # Errors
/// None; the caller treats all parts of the program alike.
pub async fn keep_up(metrics: PrometheusHandle, stop: CancellationToken) -> Result<(), Error> {
    while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
        metrics.run_upkeep();
    }
    Ok(())
}
