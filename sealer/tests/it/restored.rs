//! A database that was put back to an earlier moment, and a log that lost its end.

use crate::support::*;
use sealer::SealError;
use sqlx::PgPool;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_is_signed_over_a_larger_tree_that_is_known_outside(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.append(&run_stream("acme", 0), 0, 3).await;
    ledger.seal().await;
    let backup =
        "CREATE TABLE public.kept AS TABLE seal.checkpoints; CREATE TABLE public.logs AS TABLE seal.logs";
    sqlx::raw_sql(backup).execute(&pool).await.unwrap();
    ledger.append(&run_stream("acme", 0), 3, 3).await;
    ledger.seal().await;
    sqlx::raw_sql("DELETE FROM seal.checkpoints; INSERT INTO seal.checkpoints SELECT * FROM public.kept")
        .execute(&pool)
        .await
        .unwrap();
    let notes = ledger.number("SELECT count(*) FROM seal.checkpoints").await;
    let ended = ledger.sealer().seal_now().await;
    assert!(matches!(ended, Err(SealError::Restored { outside: 4, ours: 2, .. })), "{ended:?}");
    assert_eq!(ledger.number("SELECT count(*) FROM seal.checkpoints").await, notes);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_is_signed_where_another_tree_is_known_outside(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.append(&run_stream("acme", 0), 0, 3).await;
    ledger.seal().await;
    let sql = "UPDATE seal.tiles SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1)
               WHERE log_id = (SELECT log_id FROM seal.logs WHERE tenant IS NULL)";
    sqlx::raw_sql(sql).execute(&pool).await.unwrap();
    ledger.append(&run_stream("acme", 0), 3, 3).await;
    let ended = ledger.sealer().seal_now().await;
    assert!(matches!(ended, Err(SealError::Forked { size: 2, .. })), "{ended:?}");
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_log_that_ends_before_what_was_sealed_is_told(pool: PgPool) {
    let ledger = Ledger::start(&pool).await;
    ledger.append(&run_stream("acme", 0), 0, 3).await;
    ledger.seal().await;
    ledger.as_owner("DELETE FROM log.events WHERE position = 3; UPDATE log.head SET position = 2").await;
    let again = Ledger { log: Ledger::start(&pool).await.log, ..ledger };
    let ended = again.sealer().seal_now().await;
    assert!(matches!(ended, Err(SealError::LogBehind { .. })), "{ended:?}");
}
