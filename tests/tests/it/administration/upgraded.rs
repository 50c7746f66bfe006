//! A ledger that is older than the history of its administration.

use super::taken;
use serde_json::json;
use sqlx::PgPool;

/// The last version before.
const BEFORE: i64 = 26;

#[sqlx::test(migrations = false)]
async fn what_was_there_before_begins_the_history(pool: PgPool) {
    // The test's database is a copy of one with all tables.
    let name: String = sqlx::query_scalar("SELECT replace(current_database(), '_sqlx_test', 'before')")
        .fetch_one(&pool)
        .await
        .unwrap();
    let drop = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
    for sql in [&drop, &format!("CREATE DATABASE \"{name}\" TEMPLATE template0")] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(&pool).await.unwrap();
    }
    let old = PgPool::connect_with((*pool.connect_options()).clone().database(&name)).await.unwrap();
    migrations::MIGRATOR.run_to(BEFORE, &old).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO access.tenants (tenant, name, created_at) VALUES ('acme', 'Acme', '2026-01-01 00:00Z');
         INSERT INTO access.tokens (token_id, tenant, role, principal, hash, created_at, revoked_at) VALUES
            ('01890a5d-ac96-774b-bcce-b302099a8057', 'acme', 'owner', 'ann', decode(repeat('ab', 32), 'hex'),
             '2026-01-02 00:00Z', '2026-01-04 00:00Z'),
            ('01890a5d-ac96-774b-bcce-b302099a8058', 'acme', 'producer', 'svc', decode(repeat('cd', 32), 'hex'),
             '2026-01-02 00:00Z', NULL);
         INSERT INTO policy.stale_policies (tenant, kind, updated_at) VALUES ('acme', '*', '2026-01-03 00:00Z')",
    )
    .execute(&old)
    .await
    .unwrap();
    migrations::MIGRATOR.run(&old).await.unwrap();

    let times: Vec<String> = sqlx::query_scalar(
        "SELECT to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD') FROM administration.changes ORDER BY seq",
    )
    .fetch_all(&old)
    .await
    .unwrap();
    assert_eq!(times, ["2026-01-01", "2026-01-02", "2026-01-02", "2026-01-03", "2026-01-04"]);
    let told = taken(&old).await;
    assert!(told.iter().all(|(_, kind, actor, _)| kind == "unknown" && actor.is_empty()), "{told:?}");
    let types: Vec<&str> = told.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(types, ["TenantCreated", "TokenCreated", "TokenCreated", "PolicySet", "TokenRevoked"]);
    assert_eq!(told[4].3["principal"], json!("ann"));

    // A program of before knows nothing of it, and leaves traces all the same.
    sqlx::raw_sql(
        "UPDATE access.tokens SET revoked_at = coalesce(revoked_at, now()) WHERE role = 'producer'",
    )
    .execute(&old)
    .await
    .unwrap();
    assert_eq!(taken(&old).await[0].0, "TokenRevoked");
    old.close().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&pool).await.unwrap();
}
