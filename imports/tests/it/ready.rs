//! The mappings that come with the program, on rows as their products write them.

use imports::{READY, Unfinished, ready};
use serde_json::{Value, json};

use crate::{planner, told};

#[test]
fn each_can_be_read_and_says_what_it_is_for() {
    assert_eq!(READY.len(), 10);
    for (name, _) in READY {
        let mapping = ready(name).unwrap().unwrap();
        assert!(mapping.about.is_some(), "{name}");
        // A list of builds is no table.
        assert_eq!(mapping.query.is_some(), *name != "jenkins-builds", "{name}");
    }
    assert_eq!(ready("none-of-them").unwrap(), None);
}

/// What each row becomes, by what is changed in a row of that mapping.
fn rows(name: &str, zone: Option<&str>, usual: &Value, cases: &[(Value, &str)]) {
    let planner = planner(name, Some(Unfinished::Keep), zone);
    for (change, becomes) in cases {
        let mut row = usual.clone();
        for (column, value) in change.as_object().unwrap() {
            row[column] = value.clone();
        }
        assert_eq!(told(&planner, row), *becomes, "{name}: {change}");
    }
}

#[test]
fn bulk_operation_runs() {
    let usual = json!({"id": 7, "tenant_id": 3, "user_id": 12, "resource": "policy", "action": "delete",
        "status": "completed", "total_items": 3, "processed_items": 3, "succeeded": 3, "failed": 0, "skipped": 0,
        "item_ids": "[1,2,3]", "failures": null, "created_at": "2025-03-01 10:00:00",
        "updated_at": "2025-03-01 10:05:00"});
    let failures = json!("[{\"item_id\":\"2\",\"reason\":\"password=hunter2 was wrong\"}]");
    rows(
        "bulk-operation-runs",
        None,
        &usual,
        &[
            (
                json!({}),
                "7 bulk.policy.delete succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 Completed 2025-03-01 10:05:00 3/0/0",
            ),
            (
                json!({"status": "completed_with_errors", "succeeded": 2, "failed": 1, "failures": failures}),
                "7 bulk.policy.delete partially_succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 ItemFailed 2025-03-01 10:05:00, Completed 2025-03-01 10:05:00 2/1/0",
            ),
            (
                json!({"status": "completed", "succeeded": 2, "failed": 1}),
                "7 bulk.policy.delete partially_succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 Completed 2025-03-01 10:05:00 2/1/0; counts_disagree",
            ),
            (
                json!({"failures": failures}),
                "7 bulk.policy.delete succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 Completed 2025-03-01 10:05:00 3/0/0; items_left_out",
            ),
            (
                json!({"status": "failed", "succeeded": 0, "failed": 3}),
                "7 bulk.policy.delete failed: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 Failed 2025-03-01 10:05:00 unknown",
            ),
            (
                json!({"status": "aborted"}),
                "7 bulk.policy.delete failed: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 Aborted 2025-03-01 10:05:00 cancelled",
            ),
            (json!({"status": "pending"}), "7 bulk.policy.delete queued: 2025-03-01 10:00:00"),
            (
                json!({"status": "running"}),
                "7 bulk.policy.delete running: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00",
            ),
            (json!({"status": "paused"}), "refused: unmapped_status"),
        ],
    );
}

#[test]
fn laravel_job_batches() {
    let usual = json!({"id": "9b1f", "name": "nightly", "total_jobs": 10, "pending_jobs": 0, "failed_jobs": 0,
        "failed_job_ids": "[]", "options": "a:0:{}", "cancelled_at": null, "created_at": 1_740_823_200,
        "finished_at": 1_740_823_500});
    rows(
        "laravel-job-batches",
        None,
        &usual,
        &[
            (
                json!({}),
                "9b1f laravel.batch succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 Completed 2025-03-01 10:05:00 10/0/0",
            ),
            // Failures, and the end was never written down.
            (
                json!({"pending_jobs": 2, "failed_jobs": 2, "failed_job_ids": "[\"a\",\"b\"]", "finished_at": null}),
                "9b1f laravel.batch partially_succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 Completed 2025-03-01 10:00:00 8/2/0; missing_end, counts_disagree",
            ),
            (
                json!({"pending_jobs": 9, "failed_jobs": 1, "cancelled_at": 1_740_823_260, "finished_at": 1_740_823_260}),
                "9b1f laravel.batch failed: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 Failed 2025-03-01 10:01:00 dependency_failed",
            ),
            (
                json!({"pending_jobs": 9, "cancelled_at": 1_740_823_260}),
                "9b1f laravel.batch failed: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 Aborted 2025-03-01 10:05:00 cancelled",
            ),
            (
                json!({"pending_jobs": 4, "failed_jobs": 1, "failed_job_ids": "[\"a\"]", "finished_at": null}),
                "9b1f laravel.batch running: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00",
            ),
            // Failed jobs were tried again: `failed_jobs` counts every failure that there ever was.
            (
                json!({"failed_jobs": 2}),
                "9b1f laravel.batch succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 Completed 2025-03-01 10:05:00 10/0/0",
            ),
            (
                json!({"pending_jobs": 1, "failed_jobs": 3, "failed_job_ids": "[\"a\"]", "finished_at": null}),
                "9b1f laravel.batch partially_succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, \
                 Completed 2025-03-01 10:00:00 9/1/0; missing_end, counts_disagree",
            ),
        ],
    );
}

#[test]
fn laravel_failed_jobs() {
    let usual = json!({"id": 1, "uuid": "c0ffee", "connection": "redis", "queue": "default",
        "payload": "{\"displayName\":\"App\\\\Jobs\\\\Send\",\"createdAt\":1740823200}",
        "exception": "RuntimeException: no\n#0 x", "failed_at": "2025-03-01 11:00:30"});
    let row = |zone, becomes| rows("laravel-failed-jobs", zone, &usual, &[(json!({}), becomes)]);
    row(None, "refused: no_zone");
    row(
        Some("Europe/Berlin"),
        "c0ffee laravel.job failed: 2025-03-01 10:00:00, Failed 2025-03-01 10:00:30 unknown",
    );
}

#[test]
fn celery_results() {
    let usual = json!({"task_id": "t-1", "task_name": "mail.send", "status": "SUCCESS", "worker": "w@1",
        "result": "null", "traceback": null, "date_created": "2025-03-01T10:00:00+00:00",
        "date_done": "2025-03-01T10:00:09+00:00"});
    rows(
        "celery-results",
        None,
        &usual,
        &[
            (
                json!({}),
                "t-1 celery.task succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, Completed 2025-03-01 10:00:09",
            ),
            (
                json!({"status": "FAILURE", "result": "{\"exc_type\":\"E\",\"exc_message\":[\"no\"]}"}),
                "t-1 celery.task failed: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00, Failed 2025-03-01 10:00:09 unknown",
            ),
            (
                json!({"status": "REVOKED", "date_created": null, "date_done": "2025-03-01 10:00:09"}),
                "t-1 celery.task failed: 2025-03-01 10:00:09, Started 2025-03-01 10:00:09, Aborted 2025-03-01 10:00:09 cancelled",
            ),
            // It knows nothing of such a task.
            (json!({"status": "PENDING"}), "left out: skip"),
            (
                json!({"status": "RETRY"}),
                "t-1 celery.task running: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00",
            ),
        ],
    );
}

#[test]
fn airflow() {
    let run = json!({"dag_id": "etl", "run_id": "scheduled__2025-03-01T00:00:00+00:00", "state": "success",
        "run_type": "scheduled", "queued_at": "2025-03-01T10:00:00Z", "start_date": "2025-03-01T10:00:02Z",
        "end_date": "2025-03-01T10:01:00Z"});
    let key = "etl/scheduled__2025-03-01T00:00:00+00:00";
    let ended = format!(
        "{key} airflow.dag_run succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:02, Completed 2025-03-01 10:01:00"
    );
    let cleared = format!(
        "{key} airflow.dag_run failed: 2025-03-01 10:00:02, Started 2025-03-01 10:00:02, \
         Failed 2025-03-01 10:01:00 unknown; start_before_queued"
    );
    let queued = format!("{key} airflow.dag_run queued: 2025-03-01 10:00:00");
    rows(
        "airflow-dag-run",
        None,
        &run,
        &[
            (json!({}), &ended),
            (json!({"state": "failed", "queued_at": "2025-03-01T10:00:30Z"}), &cleared),
            (json!({"state": "queued", "start_date": null, "end_date": null}), &queued),
        ],
    );
    let task = json!({"dag_id": "etl", "run_id": "m1", "task_id": "load", "map_index": -1, "state": "success",
        "queued_dttm": "2025-03-01T10:00:00Z", "start_date": "2025-03-01T10:00:02Z",
        "end_date": "2025-03-01T10:01:00Z"});
    rows(
        "airflow-task-instance",
        None,
        &task,
        &[
            (
                json!({}),
                "etl/m1/load/-1 airflow.task succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:02, \
                 Completed 2025-03-01 10:01:00",
            ),
            (
                json!({"state": "upstream_failed", "queued_dttm": null}),
                "etl/m1/load/-1 airflow.task failed: 2025-03-01 10:00:02, Started 2025-03-01 10:00:02, \
                 Failed 2025-03-01 10:01:00 dependency_failed",
            ),
            (json!({"state": "skipped"}), "left out: skip"),
            (json!({"state": null}), "left out: skip"),
            (
                json!({"state": "awaiting_input"}),
                "etl/m1/load/-1 airflow.task running: 2025-03-01 10:00:00, Started 2025-03-01 10:00:02",
            ),
        ],
    );
}

#[test]
fn oban_and_river() {
    let oban = json!({"id": 5, "state": "completed", "queue": "mail", "worker": "App.Mail", "args": {"to": 1},
        "errors": [{"error": "first"}, {"error": "last"}], "attempted_by": ["node@1"],
        "inserted_at": "2025-03-01T10:00:00", "attempted_at": "2025-03-01T10:00:02.000000",
        "completed_at": "2025-03-01T10:00:03", "discarded_at": null, "cancelled_at": null});
    rows(
        "oban-jobs",
        None,
        &oban,
        &[
            (
                json!({}),
                "5 oban.job succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:02, Completed 2025-03-01 10:00:03",
            ),
            (
                json!({"state": "discarded", "completed_at": null, "discarded_at": "2025-03-01T10:00:01"}),
                "5 oban.job failed: 2025-03-01 10:00:00, Started 2025-03-01 10:00:02, \
                 Failed 2025-03-01 10:00:02 unknown; end_before_start",
            ),
            (json!({"state": "scheduled"}), "5 oban.job queued: 2025-03-01 10:00:00"),
            (
                json!({"state": "retryable"}),
                "5 oban.job running: 2025-03-01 10:00:00, Started 2025-03-01 10:00:02",
            ),
        ],
    );
    let river = json!({"id": 5, "state": "cancelled", "kind": "sort", "queue": "default", "args": {}, "errors": null,
        "created_at": "2025-03-01T10:00:00+00:00", "attempted_at": null, "finalized_at": "2025-03-01T10:00:03+00:00"});
    rows(
        "river-jobs",
        None,
        &river,
        &[
            (
                json!({}),
                "5 river.job failed: 2025-03-01 10:00:00, Started 2025-03-01 10:00:03, Aborted 2025-03-01 10:00:03 cancelled",
            ),
            (
                json!({"state": "completed", "attempted_at": "2025-03-01T10:00:01+00:00"}),
                "5 river.job succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:01, Completed 2025-03-01 10:00:03",
            ),
        ],
    );
}

#[test]
fn spring_batch_has_no_zone_and_is_completed_with_what_it_skipped() {
    let usual = json!({"job_execution_id": 9, "job_instance_id": 4, "job_name": "load", "status": "COMPLETED",
        "exit_code": "COMPLETED", "exit_message": null, "create_time": "2025-03-01T11:00:00.123",
        "start_time": "2025-03-01T11:00:01", "end_time": "2025-03-01T11:05:00",
        "written": 98, "skipped": 2, "filtered": 5});
    rows("spring-batch", None, &usual, &[(json!({}), "refused: no_zone")]);
    rows(
        "spring-batch",
        Some("+01:00"),
        &usual,
        &[
            (
                json!({}),
                "9 spring.batch partially_succeeded: 2025-03-01 10:00:00, Started 2025-03-01 10:00:01, \
                 Completed 2025-03-01 10:05:00 98/2/5; counts_disagree",
            ),
            (
                json!({"status": "FAILED", "start_time": null, "end_time": null}),
                "9 spring.batch failed: 2025-03-01 10:00:00, Failed 2025-03-01 10:00:00 unknown; missing_end",
            ),
        ],
    );
}

#[test]
fn jenkins_builds() {
    let usual = json!({"url": "https://ci.example/job/a/7/", "number": 7, "fullDisplayName": "a #7", "building": false,
        "result": "SUCCESS", "timestamp": 1_740_823_200_000_i64, "duration": 61_000});
    rows(
        "jenkins-builds",
        None,
        &usual,
        &[
            (
                json!({}),
                "https://ci.example/job/a/7/ jenkins.build succeeded: 2025-03-01 10:00:00, \
                 Started 2025-03-01 10:00:00, Completed 2025-03-01 10:01:01",
            ),
            (
                json!({"result": "UNSTABLE"}),
                "https://ci.example/job/a/7/ jenkins.build failed: 2025-03-01 10:00:00, \
                 Started 2025-03-01 10:00:00, Failed 2025-03-01 10:01:01 validation_failed",
            ),
            (
                json!({"building": true, "result": null, "duration": 0}),
                "https://ci.example/job/a/7/ jenkins.build running: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00",
            ),
            // It has its result before its last steps are done.
            (
                json!({"building": true, "result": "FAILURE", "duration": 0}),
                "https://ci.example/job/a/7/ jenkins.build running: 2025-03-01 10:00:00, Started 2025-03-01 10:00:00",
            ),
        ],
    );
}
