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
    tell_stopped(&pool).await.unwrap();
    tell_stopped(&pool).await.unwrap();
    expected.extend(both("SealingStopped"));
    assert_eq!(told(&pool).await, expected);
}
