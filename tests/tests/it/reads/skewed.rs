//! Durations where the producers' clocks are wrong: marked, and by the ledger's clock.

use access::Role;
use chrono::{SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Client, TestApp};

/// An event that says that it occurred so many seconds from now.
fn event(event_type: &str, seconds: i64) -> Value {
    let at = (Utc::now() + TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Micros, true);
    json!({"type": event_type, "occurred_at": at})
}

/// A run that was started and completed at once, by these clocks.
async fn run(producer: &Client, started: i64, completed: i64) -> (String, u64) {
    let run = producer.new_run("clock.skew", json!({"started": started, "completed": completed})).await;
    producer.append(&run, json!([event("Started", started)])).await.expect(200);
    let ended = producer.append(&run, json!([event("Completed", completed)])).await.expect(200);
    (run, ended.number_at("/position"))
}

/// What is said of its duration.
fn duration(run: &Value) -> (bool, f64) {
    assert!(run["started_recorded_at"].is_string() && run["ended_recorded_at"].is_string(), "{run}");
    (run["clock_skew"].as_bool().unwrap(), run["duration_seconds"].as_f64().unwrap())
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_duration_that_cannot_be_is_marked_and_by_the_ledgers_clock(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let reader = app.client(Role::Readonly);
    let hour = 3_600;
    // What a second's work may take here, at most.
    let at_once = 60.0;
    for (started, completed, skew, text) in [
        (0, 0, false, None),
        (-hour, 0, true, Some("1 h 0 min by the producer’s")),
        (hour, 0, true, Some("it ended before it began")),
        (0, -hour, true, Some("it ended before it began")),
        (0, hour, true, Some("1 h 0 min by the producer’s")),
        // Both are wrong by the same.
        (-hour, -hour, false, None),
        // Clocks that are kept, and a request that took its time.
        (-2, 0, false, None),
    ] {
        let (run, position) = run(&producer, started, completed).await;
        let one = reader.get(&format!("/runs/{run}?after={position}")).await.expect(200).body;
        let (marked, seconds) = duration(&one);
        assert_eq!(marked, skew, "{started} {completed}: {one}");
        assert!((0.0..at_once).contains(&seconds), "{started} {completed}: {one}");
        let list = reader.get("/runs?kind=clock.skew&limit=1").await.expect(200).body;
        let then = reader.get(&format!("/runs/{run}?revision=2")).await.expect(200).body;
        let at = reader.get(&format!("/runs/{run}?at=2999-01-01T00:00:00Z")).await.expect(200).body;
        for shown in [&list["runs"][0], &then, &at] {
            assert_eq!((shown["run_id"].clone(), duration(shown)), (json!(run), (marked, seconds)));
        }
        let page = async |path: String| {
            let asked = reader.request(reqwest::Method::GET, &format!("//t/demo/runs{path}"));
            Answer::of(asked).await.expect(200).text
        };
        let (one, list) = (page(format!("/{run}")).await, page("?kind=clock.skew&limit=1".to_owned()).await);
        assert_eq!(one.contains("id=\"skew\""), skew, "{started} {completed}");
        assert_eq!(list.contains("clock skew"), skew, "{started} {completed}");
        for page in [one, list] {
            assert!(text.is_none_or(|text| page.contains(text)), "{started} {completed}: {page}");
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_that_goes_on_counts_from_when_it_was_recorded(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("clock.skew", json!({})).await;
    let position =
        producer.append(&run, json!([event("Started", -3_600)])).await.expect(200).number_at("/position");
    let shown = producer.get(&format!("/runs/{run}?after={position}")).await.expect(200).body;
    assert_eq!((&shown["clock_skew"], &shown["duration_seconds"]), (&json!(true), &Value::Null));
    let asked = producer.request(reqwest::Method::GET, &format!("//t/demo/runs/{run}"));
    let page = Answer::of(asked).await.expect(200).text;
    let (_, duration) = page.split_once("<dt>Duration</dt><dd>").unwrap();
    assert!(!duration.starts_with("1 h"), "{duration}");
    // So does the timeline.
    let (_, started) = page.split_once("<li id=\"event-1\"").unwrap();
    assert!(started.split_once("</li>").unwrap().0.contains("clock is wrong"), "{started}");
    app.stop().await;
}
