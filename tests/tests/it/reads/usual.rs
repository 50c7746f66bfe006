//! How long runs usually take, and the list of what is late.

use chrono::{Days, TimeDelta, Utc};
use domain::usual::{BOUNDS, bucket};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::{Story, epoch, ids};
use super::served::Served;

/// So many runs of a kind of a tenant ended so many days ago and took so long.
async fn took(pool: &PgPool, (tenant, kind): (&str, &str), days: u64, minutes: i64, runs: i64) {
    let day = Utc::now().date_naive() - Days::new(days);
    let bucket = i16::try_from(bucket(TimeDelta::minutes(minutes))).unwrap();
    sqlx::query("INSERT INTO projection.run_durations VALUES ($1, $2, $3, $4, $5)")
        .bind(tenant)
        .bind(kind)
        .bind(day)
        .bind(bucket)
        .bind(runs)
        .execute(pool)
        .await
        .unwrap();
}

/// A run that was queued so many minutes ago.
fn queued(minutes: i64, fields: Value) -> Story {
    let ago = Utc::now() - TimeDelta::minutes(minutes);
    Story::queued((ago - epoch()).num_seconds(), fields)
}

async fn running(pool: &PgPool, minutes: i64, fields: Value) -> String {
    queued(minutes, fields).then("Started", json!({})).told(pool).await.id.to_string()
}

/// The bounds between which runs of so many minutes are told to lie, in seconds.
fn bounds(minutes: i64) -> (f64, f64) {
    let bucket = bucket(TimeDelta::minutes(minutes));
    let seconds = |bound: i64| TimeDelta::milliseconds(bound).as_seconds_f64();
    (seconds(BOUNDS[bucket - 1]), seconds(BOUNDS[bucket]))
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_running_run_says_how_long_its_kind_takes_and_whether_it_is_late(pool: PgPool) {
    let kind = |kind: &str| json!({"kind": kind});
    took(&pool, ("demo", "usual"), 0, 10, 60).await;
    took(&pool, ("demo", "usual"), 30, 10, 30).await;
    took(&pool, ("demo", "usual"), 1, 30, 10).await;
    // None of these counts.
    took(&pool, ("demo", "usual"), 31, 1_000, 1_000).await;
    took(&pool, ("other", "usual"), 0, 1_000, 1_000).await;
    took(&pool, ("demo", "rare"), 0, 1, 4).await;
    let in_time = running(&pool, 12, kind("usual")).await;
    let late = running(&pool, 101, kind("usual")).await;
    let of_rare = running(&pool, 101, kind("rare")).await;
    let waiting = queued(101, kind("usual")).told(&pool).await.id.to_string();
    let ended = queued(101, kind("usual")).then("Started", json!({})).then("Completed", json!({}));
    let ended = ended.told(&pool).await.id.to_string();

    let served = Served::start(pool.clone()).await;
    let list = served.get("/runs").await.body["runs"].clone();
    let listed = |id: &str| list.as_array().unwrap().iter().find(|run| run["run_id"] == id).unwrap().clone();
    let usual = listed(&in_time)["usual"].clone();
    // The run that just ended has taken a second: one of 101.
    assert_eq!(usual["runs"], 101);
    let (half, most) = (usual["p50_seconds"].as_f64().unwrap(), usual["p95_seconds"].as_f64().unwrap());
    assert!(bounds(10).0 < half && half <= bounds(10).1, "{usual}");
    assert!(bounds(30).0 < most && most <= bounds(30).1, "{usual}");
    assert_eq!((&listed(&late)["usual"], &listed(&late)["late"]), (&usual, &json!(true)));
    assert_eq!(listed(&in_time)["late"], false);
    assert_eq!(listed(&of_rare)["usual"], Value::Null, "four are too few");
    for run in [&of_rare, &waiting, &ended] {
        assert_eq!((&listed(run)["usual"], &listed(run)["late"]), (&Value::Null, &json!(false)), "{run}");
    }

    // A run alone says it whatever it does; a past state does not know it.
    for (run, is_late) in [(&in_time, false), (&late, true), (&waiting, false), (&ended, false)] {
        let one = served.get(&format!("/runs/{run}")).await;
        assert_eq!((&one.body["usual"], &one.body["late"]), (&usual, &json!(is_late)), "{run}");
        let past = served.get(&format!("/runs/{run}?revision=0")).await.body;
        assert_eq!((&past["usual"], &past["late"]), (&Value::Null, &json!(false)), "{run}");
    }
    let tag = async || served.get(&format!("/runs/{in_time}")).await.header("etag").to_owned();
    let before = tag().await;
    took(&pool, ("demo", "usual"), 2, 10, 1).await;
    assert_ne!(tag().await, before, "what changes without an event is told by the tag");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_filter_finds_what_is_late_and_no_more(pool: PgPool) {
    took(&pool, ("demo", "a"), 0, 10, 100).await;
    took(&pool, ("demo", "b"), 0, 60, 100).await;
    let labels =
        json!({"kind": "a", "title": "Nightly", "labels": {"env": "prod", "team": "core", "tier": "1"}});
    let first = running(&pool, 100, labels).await;
    let second = running(&pool, 99, json!({"kind": "a", "initiator": {"id": "ada"}})).await;
    running(&pool, 5, json!({"kind": "a"})).await;
    running(&pool, 50, json!({"kind": "b"})).await;
    let third = running(&pool, 98, json!({"kind": "b"})).await;
    running(&pool, 1_000, json!({"kind": "unknown"})).await;
    queued(100, json!({"kind": "a"})).told(&pool).await;
    queued(100, json!({"kind": "a"}))
        .then("Started", json!({}))
        .then("Completed", json!({}))
        .told(&pool)
        .await;

    let served = Served::start(pool).await;
    let found = async |query: &str| {
        let page = served.get(&format!("/runs?late=true{query}")).await.body;
        ids(page["runs"].as_array().unwrap())
    };
    assert_eq!(found("").await, [&*third, &second, &first]);
    assert_eq!(found("&sort=queued_at").await, [&*first, &second, &third]);
    assert_eq!(found("&kind=a").await, [&*second, &first]);
    assert_eq!(found("&kind=unknown").await, [""; 0]);
    assert_eq!(found("&label=env:prod&label=team:core&label=tier:1").await, [&*first]);
    assert_eq!(found("&initiator=ada").await, [&*second]);
    assert_eq!(found("&q=night").await, [&*first]);
    assert_eq!(found(&format!("&q={}", &third[..13])).await, [&*third]);
    assert_eq!(found("&status=succeeded").await, [""; 0]);
    let since = (Utc::now() - TimeDelta::seconds(99 * 60 + 30)).format("%Y-%m-%dT%H:%M:%SZ");
    assert_eq!(found(&format!("&since={since}")).await, [&*third, &second]);

    let page = served.get("/runs?late=true&limit=2").await.body;
    let next = page["next_cursor"].as_str().unwrap();
    assert_eq!(found(&format!("&limit=2&cursor={next}")).await, [&*first]);
    assert_eq!(served.get("/stats").await.body["late"], 3);
    for (query, pointer) in [
        ("late=1", "?late"),
        ("late=true&liveness=stalled", "?late"),
        ("late=true&held=true", "?late"),
        ("late=true&sort=ended_at", "?late"),
    ] {
        assert_eq!(served.get(&format!("/runs?{query}")).await.pointer(), pointer, "{query}");
    }
}
