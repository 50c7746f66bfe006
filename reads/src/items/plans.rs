//! How Postgres finds items: by looking at not many more than a page has.

#![allow(clippy::unwrap_used)]

use domain::{RunId, TenantId};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection, PgPool};

use super::query::{ItemsQuery, fetch};
use super::view;
use crate::explain::{analyze, reader};
use crate::page::cut;
use crate::params::{Params, ReadQuery};
use crate::pool::Plans;

const RUN: &str = "0190f000-0000-7000-8000-000000000001";

/// Items that the directory names in another order than that of their ids.
const MAKE: &str = "
    INSERT INTO projection.run_items (tenant, run_id, item, namespace, outcome, occurred_at, revision, position)
    SELECT 'demo', '0190f000-0000-7000-8000-000000000001', 'volume-' || lpad(n::text, 5, '0'), 'volumes', 'succeeded',
        timestamptz '2026-01-01T00:00:00Z', n, n
    FROM generate_series(1, 20000) AS n;
    INSERT INTO projection.directory (tenant, namespace, entry_id, name, name_key, as_of, position)
    SELECT 'demo', 'volumes', item, 'Disk ' || 99999 - position, 'disk ' || 99999 - position, occurred_at, 20000 + position
    FROM projection.run_items";

/// Ten thousand names begin as is asked.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_page_of_names_looks_up_a_page_of_items(pool: PgPool) {
    pool.execute(AssertSqlSafe(MAKE)).await.unwrap();
    analyze(&pool, &["run_items", "directory"]).await;
    let (tenant, run): (TenantId, RunId) = ("demo".parse().unwrap(), RUN.parse().unwrap());
    let reads = reader(&pool).await;
    for plans in [Plans::ForValues, Plans::Kept] {
        let mut cursor = String::new();
        for first in (10_000..10_500).step_by(50) {
            let mut params = Params::of(Some(&format!("item=disk+8&limit=50{cursor}"))).unwrap();
            let query = ItemsQuery::from_params(&mut params).unwrap();
            let mut read = reads.begin_with(&tenant, plans).await.unwrap();
            let before = looked_at(read.conn()).await;
            let rows = fetch(read.conn(), &tenant, run, &query).await.unwrap();
            let looked_at = looked_at(read.conn()).await - before;
            let mut items: Vec<_> = rows.into_iter().map(|row| view(row, run).unwrap()).collect();
            let found: Vec<_> = items.iter().map(|item| item.item.clone()).collect();
            let wanted: Vec<_> = (first..=first + 50).map(|n| format!("volume-{n:05}")).collect();
            assert_eq!(found, wanted);
            assert!((51..100).contains(&looked_at), "{looked_at} items for a page of 51");
            let last = cut(&mut items, 50).unwrap();
            cursor = format!("&cursor={}", query.cursor_after(run, 20_000, last).unwrap());
        }
    }
}

/// How many items this connection has looked at since Postgres counted them last, at the end of a transaction.
async fn looked_at(conn: &mut PgConnection) -> i64 {
    let counted = "SELECT idx_tup_fetch FROM pg_stat_xact_user_tables
                   WHERE relid = 'projection.run_items'::regclass";
    sqlx::query_scalar(counted).fetch_one(conn).await.unwrap()
}
