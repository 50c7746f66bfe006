//! What an operator does with the read tables: rebuild, verify, retry.

mod behind;
mod moved;
mod owned;
mod rebuild;
mod retry;
mod sampler;
mod swap;
mod verify;

use crate::support::*;
use projector::Maintenance;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

/// Two tenants, every kind of row, and a run that is quarantined.
async fn given() -> Story {
    let mut story = Story::default();
    let labelled = queued_with(serde_json::json!({
        "initiator": {"id": "ada", "name": "Ada"}, "title": "Add policies", "labels": {"env": "prod"}
    }));
    story.given(0, [labelled, started(), succeeded("a"), failed_item("b"), skipped("c"), completed()]).await;
    story.given(1, [queued(), started_promising(60), progressed(Some("half"), Some(4))]).await;
    let part = queued_with(serde_json::json!({
        "parent": {"run_id": run_id(0)}, "retry_of": {"run_id": run_id(0)}, "resumes": {"run_id": run_id(0)},
        "ref": {"source": "ci", "id": "7"},
    }));
    story.named(2, "ci", "7").await;
    story.given(2, [part, failed()]).await;
    story.given(3, [queued()]).await;
    story.bad(3, started(), |event| event.data = b"{".to_vec()).await;
    story.bad(3, completed(), |_| {}).await;
    let queued_of_0 = notification_id(run_id(0), "queued", &"ada".parse().unwrap());
    story.read(0, queued_of_0, "ada").await;
    story.administered(0, [tenant_created("Demo"), token_created("ada")]).await;
    story
}

/// With connections of its own, as the command has.
fn maintenance(story: &Story, pool: &PgPool) -> Maintenance {
    Maintenance::new(story.shared(), own(pool))
}

fn own(pool: &PgPool) -> PgPool {
    PgPoolOptions::new().max_connections(4).connect_lazy_with((*pool.connect_options()).clone())
}

/// Waits until the lease on tables beside the live ones is longer than it is now.
async fn until_the_lease_is_renewed(pool: &PgPool, schema: &str) {
    let sql = format!("SELECT lease_until FROM {schema}.checkpoints");
    let lease = async || -> chrono::DateTime<chrono::Utc> {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.clone())).fetch_one(pool).await.unwrap()
    };
    let now = lease().await;
    until("the lease to be renewed", async || (lease().await > now).then_some(())).await;
}

async fn run_sql(pool: &PgPool, sql: &'static str) {
    sqlx::raw_sql(sql).execute(pool).await.unwrap();
}
