//! However the log is cut into batches, the rows are what the pure fold says.

use std::collections::BTreeMap;

use crate::support::*;
use chrono::Timelike;
use domain::{Course, EndedAs, EventBody, Outcome, Run, Status, evolve, usual};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use redaction::CleanText;
use serde_json::{Value, json};
use sqlx::PgPool;

fn any_body() -> impl Strategy<Value = EventBody> {
    let name = prop::sample::select(vec!["a", "b", "c"]);
    let initiator = prop::sample::select(vec![json!({"id": "ada"}), json!({"id": "system"}), json!(null)]);
    let kind = prop::sample::select(vec!["copy", "move"]);
    let total = prop::option::of(0_u64..9);
    // Parents that are there later, or never.
    let parent = prop::option::of(0_u8..7);
    prop_oneof![
        4 => (initiator, kind, total.clone(), parent).prop_map(|(initiator, kind, total, parent)| {
            let parent = parent.map(|n| json!({"run_id": run_id(n)}));
            queued_with(json!({
                "initiator": initiator, "kind": kind, "items_total": total, "labels": {"team": "ops"}, "parent": parent
            }))
        }),
        2 => Just(started()),
        3 => (1_u64..100).prop_map(started_promising),
        6 => name.clone().prop_map(succeeded),
        6 => name.clone().prop_map(failed_item),
        3 => name.prop_map(skipped),
        3 => (prop::option::of("[a-z]{1,9}"), total)
            .prop_map(|(message, total)| progressed(message.as_deref(), total)),
        2 => Just(completed()),
        1 => (0_u64..4, 0_u64..4).prop_map(|(succeeded, failed)| tallied(succeeded, failed)),
        1 => (1_u64..100).prop_map(resumed_promising),
        1 => Just(failed()),
        1 => Just(aborted()),
    ]
}

/// Events of five runs in any order, and where to cut. One of eight goes in even if the rules refuse it.
fn any_log() -> impl Strategy<Value = (Vec<(u8, bool, EventBody)>, Vec<usize>)> {
    let events = prop::collection::vec((0_u8..5, prop::bool::weighted(0.12), any_body()), 1..90);
    (events, prop::collection::vec(1_usize..12, 1..12))
}

/// The columns that the fold knows.
fn folded(n: u8, run: &Run) -> Value {
    let text = |text: &Option<CleanText>| json!(text.as_ref().map(CleanText::as_str));
    let queued = run.queued.as_ref().unwrap();
    json!({
        "tenant": tenant(n),
        "kind": queued.kind,
        "initiator_id": queued.initiator.as_ref().map(|initiator| &initiator.id),
        "status": run.status.map(Status::as_str),
        "ended_as": run.ended_as.map(EndedAs::as_str),
        "items_total": run.items_total,
        "items_succeeded": run.counts.succeeded,
        "items_failed": run.counts.failed,
        "items_skipped": run.counts.skipped, "items_tallied": run.tallied,
        "parent_id": queued.parent.map(|parent| parent.run_id),
        "worker": text(&run.worker),
        "progress_message": text(&run.progress_message),
        "reason_code": run.reason_code.as_ref().map(|code| code.as_str()),
        "message": text(&run.message),
        "queued_at": time(run.queued_at),
        "started_at": time(run.started_at), "started_recorded_at": time(run.started_recorded_at),
        "ended_recorded_at": time(run.ended_recorded_at),
        "ended_at": time(run.ended_at),
        "started_by": run.started_by,
        "ended_by": run.ended_by,
        "last_event_at": time(run.last_event_at),
        "heartbeat_seconds": run.heartbeat_seconds,
        "heartbeat_due_at": time(run.heartbeat_due_at()),
        "revision": run.revision,
    })
}

fn items_of(tables: &Tables, n: u8) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = tables.of_run("run_items", n);
    rows.into_iter().map(|row| (text(&row["item"]), text(&row["outcome"]))).collect()
}

/// What the hours say, counted anew from the events. A run whose first event is not `Queued` is quarantined.
fn hours(story: &Story) -> BTreeMap<String, [u64; 6]> {
    let mut runs: BTreeMap<u8, Run> = BTreeMap::new();
    let mut hours: BTreeMap<String, [u64; 6]> = BTreeMap::new();
    for (n, event) in &story.events {
        let run = runs.entry(*n).or_default();
        let before = run.status;
        *run = evolve(std::mem::take(run), event);
        let Some(queued) = &run.queued else { continue };
        let at = event.recorded_at.with_minute(0).unwrap();
        let key = format!("{} {} {}", tenant(*n), time(Some(at)).as_str().unwrap(), queued.kind);
        let hour = hours.entry(key).or_default();
        hour[4] += 1;
        let failed = matches!(event.body, EventBody::ItemFailed(_)) && before == Some(Status::Running);
        hour[5] += u64::from(failed);
        if run.status != before {
            match run.status.unwrap() {
                Status::Queued => hour[0] += 1,
                Status::Succeeded => hour[1] += 1,
                Status::PartiallySucceeded => hour[2] += 1,
                Status::Failed => hour[3] += 1,
                Status::Running => {}
            }
        }
    }
    hours
}

/// How long runs took that succeeded: by when they ended, and in which bucket.
fn durations(tables: &Tables, story: &Story) -> BTreeMap<String, u64> {
    let mut durations = BTreeMap::new();
    for (n, run) in &story.runs {
        let succeeded = matches!(run.status, Some(Status::Succeeded | Status::PartiallySucceeded));
        let (Some(course), true) = (Course::of(run), succeeded) else { continue };
        let kind = &tables.run(*n)["kind"];
        let (until, took) = (course.until.unwrap(), course.took().unwrap());
        let key = format!("\"{}\" {kind} \"{}\" {}", tenant(*n), until.date_naive(), usual::bucket(took));
        *durations.entry(key).or_default() += 1;
    }
    durations
}

fn check_counters(tables: &Tables, story: &Story) {
    let key = |row: &Value| format!("{} {} {}", row["tenant"], row["kind"], row["status"]);
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for row in tables.rows("runs") {
        *counted.entry(key(row)).or_default() += 1;
    }
    let counts = tables.rows("run_counts").iter().map(|row| (key(row), row["runs"].as_u64().unwrap()));
    assert_eq!(counts.filter(|(_, runs)| *runs > 0).collect::<BTreeMap<_, _>>(), counted);

    let key = |row: &Value| format!("{} {} {}", row["tenant"], row["parent_id"], row["status"]);
    let mut parts: BTreeMap<String, u64> = BTreeMap::new();
    for row in tables.rows("runs").iter().filter(|row| !row["parent_id"].is_null()) {
        *parts.entry(key(row)).or_default() += 1;
    }
    let counts = tables.rows("run_children").iter().map(|row| (key(row), row["runs"].as_u64().unwrap()));
    assert_eq!(counts.filter(|(_, runs)| *runs > 0).collect::<BTreeMap<_, _>>(), parts);

    let columns = ["queued", "succeeded", "partially_succeeded", "failed", "events", "items_failed"];
    let hour = |row: &Value| {
        let text = |name: &str| row[name].as_str().unwrap().to_owned();
        let key = format!("{} {} {}", text("tenant"), text("hour"), text("kind"));
        (key, columns.map(|name| row[name].as_u64().unwrap()))
    };
    let key = |row: &Value| format!("{} {} {} {}", row["tenant"], row["kind"], row["day"], row["bucket"]);
    let counted = tables.rows("run_durations").iter().map(|row| (key(row), row["runs"].as_u64().unwrap()));
    assert_eq!(counted.collect::<BTreeMap<_, _>>(), durations(tables, story));
    let projected: BTreeMap<_, _> = tables.rows("run_hours").iter().map(hour).collect();
    assert_eq!(projected, hours(story));
}

async fn check(pool: PgPool, events: Vec<(u8, bool, EventBody)>, sizes: Vec<usize>) {
    let mut story = Story::default();
    for (n, force, body) in events {
        // A run that does not begin with Queued would be quarantined: that has tests of its own.
        let begun = story.runs.get(&n).is_some_and(|run| run.status.is_some());
        if !story.propose(n, body.clone()).await && force && begun {
            story.force(n, body).await;
        }
    }
    start_over(&pool).await;
    let whole = story.project(&pool, &[]).await;
    assert_eq!(whole.quarantined(), []);
    check_counters(&whole, &story);
    for (n, run) in story.runs.iter().filter(|(_, run)| run.status.is_some()) {
        whole.then_run(*n, &folded(*n, run));
        let outcome = |outcome: &Outcome| outcome.as_str().to_owned();
        let items = run.items.iter().map(|(item, last)| (item.as_str().to_owned(), outcome(last)));
        assert_eq!(items_of(&whole, *n), items.collect());
        assert_eq!(whole.of_run("run_events", *n).len() as u64, run.next_revision());
    }
    for sizes in [sizes.as_slice(), &[1]] {
        start_over(&pool).await;
        assert_eq!(story.project(&pool, sizes).await, whole, "in batches of {sizes:?}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn any_log_cut_anyhow_gives_the_rows_of_the_fold(pool: PgPool) {
    let runtime = tokio::runtime::Handle::current();
    let cases = tokio::task::spawn_blocking(move || {
        let config = Config { cases: 14, max_shrink_iters: 60, ..Config::default() };
        TestRunner::new(config).run(&any_log(), |(events, sizes)| {
            runtime.block_on(check(pool.clone(), events, sizes));
            Ok(())
        })
    });
    cases.await.unwrap().unwrap();
}
