//! How Postgres answers lists: never by reading a whole table, whatever is asked.

#![allow(clippy::unwrap_used)]

use chrono::Utc;
use domain::TenantId;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, PgPool};
use uuid::Uuid;

use super::filter::ListQuery;
use super::list::page_of_runs;
use super::order::RunKey;
use super::query::statements;
use super::statement::Statement;
use crate::explain::{analyze, enlarge, of_many, plan, reader, refused};
use crate::params::{Params, ReadQuery};
use crate::pool::Plans;

/// Made rows, each of which stands for fifty.
const ROWS: i64 = 20_000;
/// Statuses, kinds, initiators, labels and titles as ledgers have them: some are everywhere, others hardly anywhere.
const MAKE: &str = "
    INSERT INTO projection.runs (tenant, run_id, kind, title, title_key, status, items_succeeded, items_failed,
        items_skipped, initiator_id, labels, context, idempotency_key, queued_at, last_event_at, heartbeat_due_at,
        ended_at, held_revision, revision, position, parent_id, ref_source, ref_id)
    SELECT CASE WHEN n % 10 < 9 THEN 'demo' ELSE 'other' END,
        overlay(overlay(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || md5(n::text)
            PLACING '7' FROM 13) PLACING '8' FROM 17 FOR 1)::varchar(32)::uuid,
        'kind.k' || n % 20, 'Drift ' || n % 997, 'drift ' || n % 997, status, 1, 0, 0, 'user-' || n % 300,
        jsonb_build_object('env', CASE n % 7 WHEN 0 THEN 'test' ELSE 'prod' END, 'region', 'r' || n % 50, 'n', n % 5),
        '{}', lpad(to_hex(n % 5000), 64, '0'), at, at, CASE status WHEN 'running' THEN at END,
        CASE WHEN n % 100 > 1 THEN at + n % 90 * interval '1 s' END, CASE WHEN n % 5000 = 7 THEN 2 END, 2, n,
        CASE WHEN n % 3 = 0 THEN ('0190f000-0000-7000-8000-' || lpad(to_hex(n % 300), 12, '0'))::uuid END,
        'ci', 'job-' || n
    FROM (
        SELECT n, timestamptz '2026-01-01T00:00:00Z' + n * interval '20 s' AS at,
            CASE WHEN n % 100 = 0 THEN 'running' WHEN n % 100 = 1 THEN 'queued' WHEN n % 5 = 0 THEN 'failed'
                WHEN n % 5 = 1 THEN 'partially_succeeded' ELSE 'succeeded' END AS status
        FROM generate_series(1, $1::bigint) AS n
    ) AS run";

/// Each filter by its choices.
const CHOICES: [&[&str]; 8] = [
    &["", "&status=succeeded", "&status=queued&status=running"],
    &["", "&kind=kind.k7"],
    &["", "&initiator=user-77"],
    &["", "&label=region:r7", "&label=env:prod&label=region:r7", "&label=env:prod&label=n:1&label=region:r7"],
    &["", "&since=2026-01-03T00:00:00Z&until=2026-01-05T00:00:00Z"],
    &["", "&q=drift%2042", "&q=019b7"],
    &["", "&liveness=stalled", "&held=true", "&late=true"],
    &["", "&sort=queued_at"],
];

/// What names few runs, with some of what narrows them further.
const OF_NAMED: [&[&str]; 5] = [
    &[
        "&parent=0190f000-0000-7000-8000-000000000003",
        "&ref=job-77&ref_source=ci",
        "&ref=job-77",
        "&idempotency_key=0000000000000000000000000000000000000000000000000000000000000007",
    ],
    &["", "&status=succeeded"],
    &["", "&kind=kind.k7", "&label=env:prod&label=region:r7"],
    &["", "&q=drift%2042", "&liveness=stalled", "&since=2026-01-03T00:00:00Z"],
    &["", "&sort=queued_at"],
];

/// The same of lists in the order of ends.
const OF_ENDED: [&[&str]; 8] = [
    CHOICES[0],
    CHOICES[1],
    CHOICES[2],
    CHOICES[3],
    CHOICES[4],
    CHOICES[5],
    &["", "&held=true"],
    &[
        "&sort=-ended_at",
        "&sort=ended_at",
        "&ended_since=2026-01-04T00:00:00Z",
        "&ended_since=2026-01-03T00:00:00Z&ended_until=2026-01-04T12:00:00Z&sort=ended_at",
    ],
];

fn combinations(choices: &[&[&str]]) -> Vec<String> {
    choices.iter().fold(vec![String::new()], |queries, choices| {
        queries
            .iter()
            .flat_map(|query| choices.iter().map(move |choice| format!("{query}{choice}")))
            .collect()
    })
}

/// The list from its beginning, and from a place within.
fn asked(query: &str) -> [ListQuery; 2] {
    let read = || {
        let mut params = Params::of(Some(query.trim_start_matches('&'))).unwrap();
        ListQuery::from_params(&mut params).unwrap()
    };
    let middle = "2026-01-04T00:00:00Z".parse().unwrap();
    let (first, mut next) = (read(), read());
    next.after = Some(RunKey::new(middle, Uuid::max()));
    [first, next]
}

/// The plan for any values.
async fn kept_plan(conn: &mut PgConnection, statement: &Statement) -> Value {
    let sql = statement.sql.sql();
    let sql = sql.as_str();
    let values = vec!["NULL"; sql.matches('$').count()].join(", ");
    conn.execute(AssertSqlSafe(format!("PREPARE kept AS {sql}"))).await.unwrap();
    let explain = AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) EXECUTE kept ({values})"));
    let plan = sqlx::query_scalar(explain).persistent(false).fetch_one(&mut *conn).await.unwrap();
    conn.execute("DEALLOCATE kept").await.unwrap();
    plan
}

async fn make(pool: &PgPool, rows: i64) {
    sqlx::query(MAKE).bind(rows).execute(pool).await.unwrap();
    sqlx::query("INSERT INTO projection.run_refs SELECT tenant, ref_id, ref_source, run_id, position FROM projection.runs")
        .execute(pool)
        .await
        .unwrap();
    analyze(pool, &["run_refs", "runs", "run_labels"]).await;
}

/// The lists that the planner would answer wrongly among a million runs.
async fn wrong(pool: &PgPool, queries: &[String]) -> Vec<String> {
    let tenant: TenantId = "demo".parse().unwrap();
    let mut read = of_many(pool, &tenant).await;
    let mut wrong = Vec::new();
    for query in queries {
        for list in asked(query) {
            for statement in statements(&tenant, (&list, &list.filter), Utc::now()) {
                let mut found = Vec::new();
                refused(&plan(read.conn(), statement.sql).await, &mut found);
                if !found.is_empty() {
                    wrong.push(format!("{query}: {found:?}"));
                }
            }
        }
    }
    wrong
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn no_list_reads_a_whole_table(pool: PgPool) {
    make(&pool, ROWS).await;
    enlarge(&pool).await;
    let found =
        wrong(&pool, &[combinations(&CHOICES), combinations(&OF_ENDED), combinations(&OF_NAMED)].concat())
            .await;
    assert!(found.is_empty(), "{} lists, such as {:#?}", found.len(), &found[..found.len().min(20)]);

    pool.execute("DROP INDEX projection.runs_newest").await.unwrap();
    assert!(!wrong(&pool, &[String::new()]).await.is_empty(), "without its index a list is refused");
}

/// A plan that is kept may be from a day when the table was small, and then each index seems as good.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn plans_of_small_tables_are_good_for_large_ones(pool: PgPool) {
    let tenant: TenantId = "demo".parse().unwrap();
    for rows in [0, 3] {
        make(&pool, rows).await;
        let mut read = reader(&pool).await.begin(&tenant).await.unwrap();
        sqlx::query("SET LOCAL plan_cache_mode = force_generic_plan").execute(read.conn()).await.unwrap();
        for (query, index) in [
            ("", "runs_newest"),
            ("&since=2026-01-03T00:00:00Z", "runs_newest"),
            ("&status=failed", "runs_by_status"),
            ("&status=failed&until=2026-01-03T00:00:00Z", "runs_by_status"),
            ("&kind=kind.k7", "runs_by_kind"),
            ("&initiator=user-77&sort=queued_at", "runs_by_initiator"),
            ("&parent=0190f000-0000-7000-8000-000000000003", "runs_by_parent"),
            (
                "&idempotency_key=0000000000000000000000000000000000000000000000000000000000000007",
                "runs_by_idempotency_key",
            ),
            ("&sort=ended_at", "runs_by_end"),
            ("&ended_since=2026-01-03T00:00:00Z&ended_until=2026-01-04T00:00:00Z", "runs_by_end"),
        ] {
            for list in asked(query) {
                let [statement] =
                    <[Statement; 1]>::try_from(statements(&tenant, (&list, &list.filter), Utc::now()))
                        .ok()
                        .unwrap();
                assert_eq!(statement.plans, Plans::Kept, "{query}");
                let plan = kept_plan(read.conn(), &statement).await.to_string();
                assert!(plan.contains(&format!("\"Index Name\":\"{index}\"")), "{rows} {query}: {plan}");
                assert!(!plan.contains("\"Sort Key\":[\"r."), "{rows} {query}: {plan}");
            }
        }
    }
}

/// However often it is asked: Postgres makes a plan for any values of what it was asked five times, if it may.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_rare_is_parsed_once_and_planned_for_its_values(pool: PgPool) {
    make(&pool, 3).await;
    let tenant: TenantId = "demo".parse().unwrap();
    let reads = reader(&pool).await;
    let planned = |lists: &'static str, begin: fn(&ListQuery) -> Plans| {
        let (reads, tenant) = (reads.clone(), tenant.clone());
        async move {
            for _ in 0..8 {
                let list = &asked(lists)[0];
                let mut read = reads.begin_with(&tenant, begin(list)).await.unwrap();
                page_of_runs(&mut read, &tenant, list, Utc::now()).await.unwrap();
            }
            let mut read = reads.begin(&tenant).await.unwrap();
            let of = "SELECT generic_plans, custom_plans FROM pg_prepared_statements
                      WHERE statement LIKE 'SELECT r.run_id%' ORDER BY prepare_time DESC LIMIT 1";
            sqlx::query_as::<_, (i64, i64)>(of).fetch_one(read.conn()).await.unwrap()
        }
    };
    assert_eq!(planned("&label=env:prod&label=region:r7", ReadQuery::plans).await, (0, 8));
    // A view that was begun for something else, as those of pages are.
    assert_eq!(planned("&q=drift%2042", |_| Plans::Kept).await, (0, 8));
    let mut read = reads.begin_with(&tenant, asked("&status=failed")[0].plans()).await.unwrap();
    let mode: String = sqlx::query_scalar("SHOW plan_cache_mode").fetch_one(read.conn()).await.unwrap();
    assert_eq!(mode, "auto", "a plan of what one index knows may be kept, also after the views before it");
}
