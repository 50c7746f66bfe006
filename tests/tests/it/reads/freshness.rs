//! How current answers are: `after`, the position and the lag.

use std::time::Duration;

use access::Role;
use eventlog::Position;
use serde_json::json;
use sqlx::PgPool;

use super::fixture::{Story, set_checkpoint};
use super::served::Served;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_read_waits_for_the_position_it_asks_for(pool: PgPool) {
    let run = Story::queued(0, json!({}));
    let served = Served::start(pool.clone()).await;
    served.set_head(1);
    let path = format!("/runs/{}?after=1", run.id);
    let (answer, _) = tokio::join!(served.get(&path), run.told(&pool));
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.header("runledger-position"), "1");
    let by_header =
        served.ask("demo", Role::Producer, "/v1/tenants/demo/runs", &[("Runledger-After", "1")]).await;
    assert_eq!(by_header.body["runs"].as_array().unwrap().len(), 1);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_read_that_would_wait_too_long_says_how_far_it_is(pool: PgPool) {
    set_checkpoint(&pool, 7).await;
    let served = Served::patient(pool, Duration::from_millis(20)).await;
    served.freshness.wait_for(Position(7), Duration::from_secs(30)).await.unwrap();
    let far = i64::MAX.to_string();
    served.set_head(i64::MAX.unsigned_abs());
    for path in ["/runs", "/notifications", "/stats"] {
        let path = format!("/v1/tenants/demo{path}");
        let answer = served.ask("demo", Role::Operator, &path, &[("Runledger-After", &far)]).await;
        assert_eq!((answer.status, &answer.body["code"]), (503, &json!("projection_behind")));
        assert_eq!((answer.header("retry-after"), &answer.body["current_position"]), ("1", &json!(7)));
    }
    for bad in ["x", "-1", "9223372036854775808", ""] {
        let answer =
            served.ask("demo", Role::Operator, "/v1/tenants/demo/runs", &[("Runledger-After", bad)]).await;
        assert_eq!(answer.status, 422, "{bad}");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_checkpoint_that_nobody_announced_is_found_too(pool: PgPool) {
    let served = Served::start(pool.clone()).await;
    sqlx::query("UPDATE projection.checkpoints SET position = 5").execute(&pool).await.unwrap();
    served.freshness.wait_for(Position(5), Duration::from_secs(30)).await.unwrap();
    // A rebuild begins at the beginning.
    sqlx::query("UPDATE projection.checkpoints SET position = 2").execute(&pool).await.unwrap();
    let fell_back = async {
        while served.freshness.projected() != Position(2) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), fell_back).await.unwrap();
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn announcements_are_followed_over_a_lost_connection(pool: PgPool) {
    let served = Served::start(pool.clone()).await;
    set_checkpoint(&pool, 1).await;
    served.freshness.wait_for(Position(1), Duration::from_secs(30)).await.unwrap();
    sqlx::query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ILIKE 'listen%'",
    )
    .execute(&pool)
    .await
    .unwrap();
    set_checkpoint(&pool, 2).await;
    served.freshness.wait_for(Position(2), Duration::from_secs(30)).await.unwrap();
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_lag_is_told_with_every_answer(pool: PgPool) {
    let run = Story::queued(0, json!({})).told(&pool).await;
    let served = Served::start(pool.clone()).await;
    served.freshness.wait_for(Position(1), Duration::from_secs(30)).await.unwrap();
    let paths = [
        "/runs".to_owned(),
        format!("/runs/{}", run.id),
        format!("/runs/{}/items", run.id),
        format!("/runs/{}/events", run.id),
        "/notifications".to_owned(),
        "/stats".to_owned(),
    ];
    for path in &paths {
        let answer = served.get(path).await;
        let header = |name| answer.header(name).to_owned();
        assert_eq!(header("runledger-position"), "1", "{path}");
        assert_eq!(
            (header("runledger-lag-events"), header("runledger-lag-seconds")),
            ("0".into(), "0.000".into())
        );
    }
    served.set_head(5);
    let sampled = async {
        while served.freshness.lag().events != 4 || served.freshness.lag().seconds <= 0.001 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), sampled).await.unwrap();
    let answer = served.get("/stats").await;
    assert_eq!(answer.header("runledger-lag-events"), "4");
    assert!(answer.header("runledger-lag-seconds").parse::<f64>().unwrap() > 0.0);
    // Whoever appends knows better than any sample.
    served.freshness.note_appended(Position(9));
    assert_eq!(served.freshness.lag().head, Position(9));
    set_checkpoint(&pool, 9).await;
    served.freshness.wait_for(Position(9), Duration::from_secs(30)).await.unwrap();
    let lag = served.freshness.lag();
    assert_eq!((lag.events, lag.seconds), (0, 0.0));
}
