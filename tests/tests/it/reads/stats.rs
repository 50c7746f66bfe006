//! The tenant in numbers.

use chrono::{DurationRound, TimeDelta, Utc};
use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::Story;
use super::served::Served;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn numbers_come_from_the_counters(pool: PgPool) {
    Story::queued(5, json!({})).told(&pool).await;
    Story::queued(3, json!({})).told(&pool).await;
    // Not those of the runs that there are: nothing is counted for a page.
    sqlx::query("DELETE FROM projection.run_counts").execute(&pool).await.unwrap();
    for (tenant, kind, status, runs) in [
        ("demo", "a", "queued", 2_i64),
        ("demo", "a", "failed", 3),
        ("demo", "b", "failed", 4),
        ("demo", "c", "queued", 0),
        ("other", "a", "failed", 50),
    ] {
        sqlx::query("INSERT INTO projection.run_counts VALUES ($1, $2, $3, $4, 1)")
            .bind(tenant)
            .bind(kind)
            .bind(status)
            .bind(runs)
            .execute(&pool)
            .await
            .unwrap();
    }
    let served = Served::start(pool).await;
    let stats = served.get("/stats").await.body;
    let none = json!({"queued": 0, "running": 0, "succeeded": 0, "partially_succeeded": 0, "failed": 0});
    let with = |changes: &[(&str, u64)]| {
        let mut counts = none.clone();
        for (status, runs) in changes {
            counts[status] = json!(runs);
        }
        counts
    };
    assert_eq!(stats["runs"], with(&[("queued", 2), ("failed", 7)]));
    assert_eq!(
        stats["kinds"],
        json!([{"kind": "a", "runs": with(&[("queued", 2), ("failed", 3)])},
               {"kind": "b", "runs": with(&[("failed", 4)])}])
    );
    assert_eq!(stats["oldest_queued_at"], "2025-06-15T15:06:42.500Z");
    assert_eq!(stats["oldest_running_at"], Value::Null);
    assert_eq!(stats["position"], 2);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_hour_is_shown_also_the_empty_ones(pool: PgPool) {
    let hour = TimeDelta::hours(1);
    let current = Utc::now().duration_trunc(hour).unwrap();
    for (tenant, back, kind) in
        [("demo", 2, "a"), ("demo", 2, "b"), ("demo", 300, "a"), ("other", 2, "a"), ("demo", 40, "a")]
    {
        sqlx::query("INSERT INTO projection.run_hours VALUES ($1, $2, $3, 1, 2, 3, 4, 5, 6, 1)")
            .bind(tenant)
            .bind(current - hour * back)
            .bind(kind)
            .execute(&pool)
            .await
            .unwrap();
    }
    let served = Served::start(pool).await;
    for (query, wanted, sum) in [("", 24, 2), ("?hours=1", 1, 0), ("?hours=744", 744, 4)] {
        let stats = served.get(&format!("/stats{query}")).await.body;
        let hours = stats["hours"].as_array().unwrap();
        assert_eq!(hours.len(), wanted);
        let times: Vec<chrono::DateTime<Utc>> =
            hours.iter().map(|h| h["hour"].as_str().unwrap().parse().unwrap()).collect();
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] == hour));
        // The clock may have struck since.
        assert!(times[wanted - 1] == current || times[wanted - 1] == current + hour);
        assert_eq!(hours.iter().map(|h| h["queued"].as_u64().unwrap()).sum::<u64>(), sum, "{query}");
        if let Some(at) = times.iter().position(|time| *time == current - hour * 2) {
            let mut entry = hours[at].clone();
            entry.as_object_mut().unwrap().remove("hour");
            assert_eq!(
                entry,
                json!({"queued": 2, "succeeded": 4, "partially_succeeded": 6, "failed": 8, "events": 10,
                       "items_failed": 12})
            );
        }
    }
    for query in ["hours=0", "hours=745", "hours=x"] {
        assert_eq!(served.get(&format!("/stats?{query}")).await.pointer(), "?hours");
    }
}
