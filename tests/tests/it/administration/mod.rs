//! What is administered leaves a trace, once, whatever way it came; and who may see it.

mod managed;
mod page;
mod relayed;
mod seen;
mod traces;
mod upgraded;

use serde_json::Value;
use sqlx::PgPool;
use tests::TestApp;

/// Type, kind of actor, actor and data of the changes that wait for the log, in their order; they are taken away.
async fn taken(pool: &PgPool) -> Vec<(String, String, String, Value)> {
    sqlx::query_as(
        "WITH gone AS (DELETE FROM administration.changes RETURNING *)
         SELECT event_type, actor_kind, actor, data FROM gone ORDER BY seq",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

/// Runs statements as somebody at psql would.
async fn psql(pool: &PgPool, sql: &str) {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(pool).await.unwrap_or_else(|error| panic!("{error}"));
}

/// Takes what waits to the log, and gives the position at which it can be read.
pub async fn relayed(app: &TestApp) -> u64 {
    use eventlog::EventLog;
    app.relay().await.relay().await.unwrap();
    app.log.head().await.unwrap().0
}
