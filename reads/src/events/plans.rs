//! How Postgres answers searches of events: never by reading a whole table, whatever is asked.

#![allow(clippy::unwrap_used)]

use domain::TenantId;
use sqlx::{AssertSqlSafe, Executor as _, PgPool};

use super::history::HistoryQuery;
use crate::explain::{analyze, enlarge, of_many, plan, refused};
use crate::params::{Params, ReadQuery as _};

/// Made events, each of which stands for fifty: most are of items that succeeded, and some types, reasons, actors and
/// tokens are hardly ever found.
const MAKE: &str = "
    INSERT INTO projection.run_events (tenant, run_id, revision, position, event_id, event_type, schema_version,
        occurred_at, recorded_at, actor, data, token_id, reason_code)
    SELECT CASE WHEN n / 20 % 10 < 9 THEN 'demo' ELSE 'other' END,
        ('0198c0de-7000-7000-8000-' || lpad(to_hex(n / 20), 12, '0'))::uuid, n % 20, n, gen_random_uuid(), type, 2, at, at,
        CASE WHEN n % 9000 = 5 THEN 'ann' ELSE 'worker-' || n / 20 % 20 END, '{}',
        ('0198c0de-7000-7000-8000-' || lpad(to_hex(CASE WHEN n % 9000 = 5 THEN 4095 ELSE n / 20 % 20 END), 12, '0'))::uuid,
        CASE WHEN type = 'ItemFailed' THEN CASE WHEN n % 6000 = 5 THEN 'permission_denied' ELSE 'timeout' END
            WHEN type = 'Aborted' THEN 'cancelled' END
    FROM (
        SELECT n, timestamptz '2026-01-01T00:00:00Z' + n * interval '5 s' AS at,
            CASE n % 20 WHEN 0 THEN 'Queued' WHEN 1 THEN 'Started' WHEN 5 THEN 'ItemFailed'
                WHEN 19 THEN CASE n % 5000 WHEN 19 THEN 'Aborted' ELSE 'Completed' END ELSE 'ItemSucceeded' END AS type
        FROM generate_series(0, 59999) AS n
    ) AS event";

/// What an answer may cost by the planner's account, where a page that is read in order costs 1: several filters at once
/// are found on the way through what one of them leaves.
const DEAREST: f64 = 10_000.0;

/// Each filter by its choices.
const CHOICES: [&[&str]; 7] = [
    &["", "&actor=worker-7", "&actor=ann"],
    &["", "&type=ItemSucceeded", "&type=Started", "&type=Aborted"],
    &["", "&reason_code=timeout", "&reason_code=permission_denied"],
    &["", "&run=0198c0de-7000-7000-8000-000000000021"],
    &["", "&token=0198c0de-7000-7000-8000-000000000007", "&token=0198c0de-7000-7000-8000-000000000fff"],
    &["", "&since=2026-01-02T00:00:00Z&until=2026-01-02T12:00:00Z", "&until=2026-01-01T12:00:00Z"],
    &["", "&sort=recorded_at"],
];

fn combinations() -> Vec<String> {
    CHOICES.iter().fold(vec![String::new()], |queries, choices| {
        queries
            .iter()
            .flat_map(|query| choices.iter().map(move |choice| format!("{query}{choice}")))
            .collect()
    })
}

/// The searches that the planner would answer wrongly among three million events.
async fn wrong(pool: &PgPool, queries: &[String]) -> Vec<String> {
    let tenant: TenantId = "demo".parse().unwrap();
    let mut read = of_many(pool, &tenant).await;
    let mut wrong = Vec::new();
    for query in queries {
        let mut params = Params::of(Some(query.trim_start_matches('&'))).unwrap();
        let first = HistoryQuery::from_params(&mut params).unwrap();
        for statement in [first.statement("demo"), first.in_the_middle().statement("demo")] {
            let mut found = Vec::new();
            let plan = plan(read.conn(), statement).await;
            refused(&plan, &mut found);
            let cost = plan[0]["Plan"]["Total Cost"].as_f64().unwrap();
            if cost > DEAREST {
                found.push(format!("costs {cost}"));
            }
            if !found.is_empty() {
                wrong.push(format!("{query}: {found:?}"));
            }
        }
    }
    wrong
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn no_search_reads_a_whole_table(pool: PgPool) {
    pool.execute(MAKE).await.unwrap();
    analyze(&pool, &["run_events"]).await;
    enlarge(&pool).await;
    let found = wrong(&pool, &combinations()).await;
    assert!(found.is_empty(), "{} searches, such as {:#?}", found.len(), &found[..found.len().min(20)]);

    for (index, query) in [
        ("run_events_by_token", "&token=0198c0de-7000-7000-8000-000000000fff"),
        ("run_events_by_type", "&type=Aborted"),
        ("run_events_by_actor", "&actor=ann"),
        ("run_events_by_time", ""),
    ] {
        assert_eq!(wrong(&pool, &[query.to_owned()]).await, [""; 0], "{query}");
        pool.execute(AssertSqlSafe(format!("DROP INDEX projection.{index}"))).await.unwrap();
        assert!(!wrong(&pool, &[query.to_owned()]).await.is_empty(), "{query} without its index");
    }
}
