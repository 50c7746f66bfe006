//! That sealing begins, ends or changes its key is history of every tenant's administration.

use crate::support::*;
use sealer::{KeyFile, tell_stopped};
use sqlx::PgPool;

/// What the administration of the tenants was told of sealing, in order.
async fn told(pool: &PgPool) -> Vec<(String, String)> {
    let told =
        "SELECT tenant, event_type FROM administration.changes WHERE event_type LIKE 'Seal%' ORDER BY seq";
    sqlx::query_as(told).fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_tenant_is_told_once_of_each_change(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    sqlx::raw_sql("INSERT INTO access.tenants (tenant, name) VALUES ('acme', 'Acme'), ('demo', 'Demo')")
        .execute(&pool)
        .await
        .unwrap();
    let both = |what: &str| [("acme".to_owned(), what.to_owned()), ("demo".to_owned(), what.to_owned())];
    let mut expected = both("SealingStarted").to_vec();
    ledger.seal().await;
    ledger.seal().await;
    assert_eq!(told(&pool).await, expected);
    KeyFile::read(&ledger.key()).unwrap().rotate().unwrap();
    ledger.seal().await;
    expected.extend(both("SealKeyChanged"));
    assert_eq!(told(&pool).await, expected);
    // One that is made later is told by which key its history is sealed, right behind that it was made.
    let late = "INSERT INTO access.tenants (tenant, name) VALUES ('late', 'Late')";
    sqlx::raw_sql(late).execute(&pool).await.unwrap();
    expected.push(("late".to_owned(), "SealingStarted".to_owned()));
    assert_eq!(told(&pool).await, expected);
    let (key, by): (String, String) = sqlx::query_as(
        "SELECT data ->> 'key_id', actor FROM administration.changes WHERE tenant = 'late' ORDER BY seq DESC LIMIT 1",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!((key, by), (KeyFile::read(&ledger.key()).unwrap().newest_id(), "system".to_owned()));
    sqlx::raw_sql("DELETE FROM access.tenants WHERE tenant = 'late'").execute(&pool).await.unwrap();
    tell_stopped(&pool).await.unwrap();
    tell_stopped(&pool).await.unwrap();
    expected.extend(both("SealingStopped"));
    assert_eq!(told(&pool).await, expected);
    // From then on nothing is sealed, of whoever comes.
    sqlx::raw_sql(late).execute(&pool).await.unwrap();
    assert_eq!(told(&pool).await, expected);
}

/// One that was made while history was sealed, before the database told such tenants of it, is told by the upgrade: at the
/// time at which it was made.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn who_came_since_sealing_began_is_told_by_the_upgrade(pool: PgPool) {
    let name: String = sqlx::query_scalar("SELECT replace(current_database(), '_sqlx_test', 'earlier')")
        .fetch_one(&pool)
        .await
        .unwrap();
    let drop = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
    for sql in [&drop, &format!("CREATE DATABASE \"{name}\" TEMPLATE template0")] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.clone())).execute(&pool).await.unwrap();
    }
    let earlier = PgPool::connect_with((*pool.connect_options()).clone().database(&name)).await.unwrap();
    migrations::MIGRATOR.run_to(36, &earlier).await.unwrap();
    sqlx::raw_sql(
        "INSERT INTO access.tenants (tenant, name, created_at) VALUES
             ('acme', 'Acme', '2026-01-01T00:00:00Z'), ('late', 'Late', '2026-02-01T00:00:00Z');
         UPDATE seal.progress SET key_id = 'ledger.example+0a0b0c0d';
         INSERT INTO administration.changes (tenant, event_type, data, actor_kind, actor)
             VALUES ('acme', 'SealingStarted', '{\"key_id\": \"ledger.example+0a0b0c0d\"}', 'system', 'system')",
    )
    .execute(&earlier)
    .await
    .unwrap();
    migrations::MIGRATOR.run(&earlier).await.unwrap();
    let expected = ["acme", "late"].map(|tenant| (tenant.to_owned(), "SealingStarted".to_owned()));
    assert_eq!(told(&earlier).await, expected);
    let (at, as_before): (String, bool) = sqlx::query_as(
        "SELECT to_char(recorded_at AT TIME ZONE 'UTC', 'YYYY-MM-DD'), data = (SELECT data FROM administration.changes
             WHERE tenant = 'acme' AND event_type = 'SealingStarted')
         FROM administration.changes WHERE tenant = 'late' AND event_type = 'SealingStarted'",
    )
    .fetch_one(&earlier)
    .await
    .unwrap();
    assert_eq!((at.as_str(), as_before), ("2026-02-01", true));
    earlier.close().await;
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&pool).await.unwrap();
}
