//! The database itself keeps history as it is, whoever asks.

use eventlog::postgres::{PostgresLog, PostgresLogConfig};
use eventlog::{AppendError, EventLog, LogError, Position};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::{append, connect, event, stream};

async fn refused(pool: &PgPool, statement: &'static str, code: &str) {
    let error = sqlx::query(statement).execute(pool).await.unwrap_err();
    let found = error.as_database_error().and_then(|error| error.code()).unwrap_or_default().into_owned();
    assert_eq!(found, code, "{statement}: {error}");
}

const RESTRICTED: &str = "23001";
const UNIQUE: &str = "23505";

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn history_is_only_ever_added_to(pool: PgPoolOptions, options: PgConnectOptions) {
    let log = connect(&options).await;
    append(&log, &stream(), None, vec![event(), event()]).await.unwrap();
    let pool = pool.connect_with(options).await.unwrap();
    for statement in [
        "UPDATE log.events SET data = 'x'",
        "UPDATE log.events SET position = position WHERE false",
        "DELETE FROM log.events",
        "DELETE FROM log.events WHERE position = 2",
        "TRUNCATE log.events",
        "TRUNCATE log.events CASCADE",
        "UPDATE log.head SET position = position",
        "UPDATE log.head SET position = 0",
        "DELETE FROM log.head",
        "TRUNCATE log.head",
    ] {
        refused(&pool, statement, RESTRICTED).await;
    }
    assert_eq!(log.read_all(Position(0), 10).await.unwrap().len(), 2);
    log.shutdown().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_is_there_twice(pool: PgPoolOptions, options: PgConnectOptions) {
    let log = connect(&options).await;
    append(&log, &stream(), None, vec![event()]).await.unwrap();
    let pool = pool.connect_with(options).await.unwrap();
    for statement in [
        "INSERT INTO log.events SELECT 2, stream, revision, gen_random_uuid(), 'T', '', '' FROM log.events",
        "INSERT INTO log.events SELECT position, stream, 1, gen_random_uuid(), 'T', '', '' FROM log.events",
    ] {
        refused(&pool, statement, UNIQUE).await;
    }
    refused(&pool, "INSERT INTO log.head VALUES (true, 9)", UNIQUE).await;
    refused(&pool, "INSERT INTO log.head VALUES (false, 9)", "23514").await;
    log.shutdown().await;
}

/// Takes an event out, as somebody with all rights can.
async fn lose(pool: &PgPool, position: u64) {
    let sql = format!(
        "ALTER TABLE log.events DISABLE TRIGGER ALL;
         DELETE FROM log.events WHERE position = {position};
         ALTER TABLE log.events ENABLE TRIGGER ALL"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(pool).await.unwrap();
}

/// Somebody with all rights took an event out: readers are told rather than led past it.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_hole_is_noticed(pool: PgPoolOptions, options: PgConnectOptions) {
    let log = connect(&options).await;
    let name = stream();
    append(&log, &name, None, vec![event(), event(), event()]).await.unwrap();
    let pool = pool.connect_with(options).await.unwrap();
    lose(&pool, 2).await;
    assert!(matches!(log.read_all(Position(0), 10).await, Err(LogError::Corrupt(_))));
    assert!(matches!(log.read_all(Position(1), 10).await, Err(LogError::Corrupt(_))));
    assert!(matches!(log.read_stream(&name, 0, 10).await, Err(LogError::Corrupt(_))));
    assert_eq!(log.read_all(Position(2), 10).await.unwrap().len(), 1);
    let mut subscription = log.subscribe(Position(0)).await.unwrap();
    assert!(matches!(subscription.next_batch(10).await, Err(LogError::Corrupt(_))));
    log.shutdown().await;
}

/// Behind it, an event would leave a gap for ever, which nobody could accept any more.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn nothing_is_appended_behind_a_loss(pool: PgPoolOptions, options: PgConnectOptions) {
    let (log, other) = (connect(&options).await, connect(&options).await);
    append(&log, &stream(), None, vec![event(), event(), event()]).await.unwrap();
    let pool = pool.connect_with(options.clone()).await.unwrap();
    lose(&pool, 3).await;
    let opened = PostgresLog::connect(options.clone(), PostgresLogConfig::default()).await;
    assert!(matches!(opened, Err(LogError::Corrupt(_))), "{opened:?}");
    // One that believes to be alone, and one that has nothing in mind.
    for log in [&log, &other] {
        let refused = append(log, &stream(), None, vec![event()]).await;
        assert!(matches!(refused, Err(AppendError::Log(LogError::Corrupt(_)))), "{refused:?}");
        log.shutdown().await;
    }
    let last: i64 =
        sqlx::query_scalar("SELECT max(position) FROM log.events").fetch_one(&pool).await.unwrap();
    assert_eq!(last, 2);

    // The owner accepts it, as docs/restoring.md says.
    sqlx::raw_sql(
        "ALTER TABLE log.head DISABLE TRIGGER head_moves_forwards;
         UPDATE log.head SET position = (SELECT COALESCE(max(position), 0) FROM log.events);
         ALTER TABLE log.head ENABLE ALWAYS TRIGGER head_moves_forwards",
    )
    .execute(&pool)
    .await
    .unwrap();
    let log = connect(&options).await;
    let appended = append(&log, &stream(), None, vec![event()]).await.unwrap();
    assert_eq!(appended.position, Position(3));
    log.shutdown().await;
}
