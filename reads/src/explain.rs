//! What Postgres says of a statement before it runs it: for tests.

#![allow(clippy::unwrap_used)]

use serde_json::Value;
use sqlx::{AssertSqlSafe, Execute as _, Executor as _, PgConnection, PgPool, Postgres, QueryBuilder};

use crate::pool::{Plans, ReadPool, TenantRead};

/// How many rows each made one stands for.
const FOR_EACH: i64 = 50;
/// Of a million.
const MOST_SORTED: u64 = 20_000;

/// Has the statistics of made rows be of all of them, once and for all. Else they are of a sample, in which what is rare
/// may be missing, and autovacuum makes them again when it comes by.
pub(crate) async fn analyze(pool: &PgPool, tables: &[&str]) {
    let mut conn = pool.acquire().await.unwrap();
    conn.execute("SET default_statistics_target = 1000").await.unwrap();
    for table in tables {
        let by_itself = format!("ALTER TABLE projection.{table} SET (autovacuum_enabled = off)");
        conn.execute(AssertSqlSafe(by_itself)).await.unwrap();
        conn.execute(AssertSqlSafe(format!("VACUUM (ANALYZE) projection.{table}"))).await.unwrap();
    }
    conn.execute("RESET default_statistics_target").await.unwrap();
}

/// Has every row of the read tables stand for fifty.
pub(crate) async fn enlarge(pool: &PgPool) {
    let more = "UPDATE pg_class SET reltuples = reltuples * $1
                WHERE relnamespace = 'projection'::regnamespace AND reltuples > 0";
    sqlx::query(more).bind(FOR_EACH).execute(pool).await.unwrap();
}

/// A view for [`plan`]. The planner multiplies a table's pages by the rows on each, as statistics have them; here a page
/// has fifty times as many and is fifty times as dear to read.
pub(crate) async fn of_many(pool: &PgPool, tenant: &domain::TenantId) -> TenantRead {
    let mut read = reader(pool).await.begin_with(tenant, Plans::ForValues).await.unwrap();
    // Else a plan that reads all would only be the last resort.
    let dear = format!("SET LOCAL enable_seqscan = on; SET LOCAL seq_page_cost = {FOR_EACH}");
    read.conn().execute(AssertSqlSafe(dear)).await.unwrap();
    read
}

/// Reads as the program does, on one connection.
pub(crate) async fn reader(pool: &PgPool) -> ReadPool {
    let options = ReadPool::pool_options().max_connections(1);
    let database = ReadPool::connect_options((*pool.connect_options()).clone());
    ReadPool::new(options.connect_with(database).await.unwrap())
}

/// The plan of a statement for its values.
pub(crate) async fn plan(conn: &mut PgConnection, mut statement: QueryBuilder<Postgres>) -> Value {
    let mut query = statement.build();
    let arguments = query.take_arguments().unwrap().unwrap_or_default();
    let sql = format!("EXPLAIN (FORMAT JSON) {}", query.sql().as_str());
    let explain = sqlx::query_scalar_with(AssertSqlSafe(sql), arguments).persistent(false);
    explain.fetch_one(conn).await.unwrap()
}

/// The nodes of a plan that read a table or an index from one end to the other, or sort much of one.
pub(crate) fn refused(plan: &Value, found: &mut Vec<String>) {
    match plan {
        Value::Array(all) => all.iter().for_each(|plan| refused(plan, found)),
        Value::Object(members) => {
            let member = |name: &str| members.get(name).and_then(Value::as_str).unwrap_or_default();
            let (node, table) = (member("Node Type"), member("Relation Name"));
            let whole = ["runs", "run_labels", "run_events", "run_refs", "run_children"].contains(&table)
                && (node == "Seq Scan" || node.starts_with("Index") && !members.contains_key("Index Cond"));
            let rows = members.get("Plan Rows").and_then(Value::as_u64).unwrap_or_default();
            if whole || node == "Sort" && rows > MOST_SORTED {
                found.push(format!("{node} {table} of {rows} rows"));
            }
            members.values().for_each(|member| refused(member, found));
        }
        _ => {}
    }
}
