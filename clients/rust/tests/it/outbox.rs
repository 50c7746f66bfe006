//! The outbox, in Postgres: see `clients/behaviours.md`.

use std::time::Duration;

use runledger_client::{Ledger, POSTGRES_SCHEMA, RelayError, Start, event};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, PgPool};

use crate::harness::{World, events, id, kind, only_events, only_run, runs, setting, types};
use crate::proxy::{Mode, Proxy};

/// A database of the caller's own, with the outbox's table and one of the caller's.
async fn database() -> PgPool {
    let options: PgConnectOptions = setting("DATABASE_URL").parse().unwrap();
    let server = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await.unwrap();
    let name = format!("app_{}", uuid::Uuid::new_v4().simple());
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&server).await.unwrap();
    let pool = PgPoolOptions::new().max_connections(2).connect_with(options.database(&name)).await.unwrap();
    sqlx::raw_sql(POSTGRES_SCHEMA).execute(&pool).await.unwrap();
    sqlx::raw_sql("CREATE TABLE jobs (id INTEGER)").execute(&pool).await.unwrap();
    pool
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_commits_with_the_work() {
    let (pool, world, kept, undone) = (database().await, World::new(), kind(), kind());
    let ledger = world.ledger();
    let mut tickets = Vec::new();
    for (name, commit) in [(&undone, false), (&kept, true)] {
        let mut work = pool.begin().await.unwrap();
        let start = Start::new(name, json!({"set": "finance"})).initiator("ann").items_total(1);
        tickets.push(ledger.outbox().start(&mut work, start).await.unwrap());
        sqlx::query("INSERT INTO jobs VALUES (1)").execute(&mut *work).await.unwrap();
        if commit { work.commit().await.unwrap() } else { work.rollback().await.unwrap() }
    }
    let relay = ledger.relay(pool.clone());
    let relaying = tokio::spawn({
        let relay = relay.clone();
        async move { relay.run(Duration::from_millis(50)).await }
    });
    let run = only_run(&kept, "queued").await;
    assert_eq!(run["initiator"]["id"], "ann");
    assert!(runs(&undone).await.is_empty());
    let jobs: i64 = sqlx::query_scalar("SELECT count(*) FROM jobs").fetch_one(&pool).await.unwrap();
    assert_eq!(jobs, 1);
    relaying.abort();

    let (outbox, ticket) = (ledger.outbox(), tickets.pop().unwrap());
    let mut work = pool.begin().await.unwrap();
    outbox.report(&mut work, &ticket, &event::succeeded("daily", None)).await.unwrap();
    work.rollback().await.unwrap();
    let mut work = pool.begin().await.unwrap();
    for event in [event::started("w-1", None), event::succeeded("weekly", None), event::completed(None)] {
        outbox.report(&mut work, &ticket, &event).await.unwrap();
    }
    work.commit().await.unwrap();
    while relay.step().await.unwrap() > 0 {}
    let told = only_events(&kept, "succeeded").await;
    assert_eq!(types(&told), ["Queued", "Started", "ItemSucceeded", "Completed"]);
    assert_eq!(told[2]["data"]["item"], "weekly");
}

/// A step of a relay that dies at its nth change to the table.
async fn dies(pool: &PgPool, ledger: &Ledger, statements: i32) -> Result<usize, RelayError> {
    let dying = PgPoolOptions::new().max_connections(1).min_connections(1);
    let dying = dying.connect_with((*pool.connect_options()).clone()).await.unwrap();
    sqlx::query("SELECT set_config('app.left', $1, false)")
        .bind(statements.to_string())
        .execute(&dying)
        .await
        .unwrap();
    ledger.relay(dying).step().await
}

/// Counts the statements that change the table, and lets none begin where the session has no more of them left.
const DYING: &str = "
CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    still int := coalesce(nullif(current_setting('app.left', true), ''), '1000')::int;
BEGIN
    IF still <= 0 THEN RAISE EXCEPTION 'the relay died'; END IF;
    PERFORM set_config('app.left', (still - 1)::text, false);
    RETURN NULL;
END $$;
CREATE TRIGGER dies BEFORE UPDATE OR DELETE ON runledger_outbox FOR EACH STATEMENT EXECUTE FUNCTION die();
";

#[tokio::test]
async fn the_outbox_sends_once() {
    let (pool, between, world, name) = (database().await, Proxy::start().await, World::new(), kind());
    sqlx::raw_sql(DYING).execute(&pool).await.unwrap();
    let ledger = world.ledger_at(&between.url);
    let (outbox, mut tickets) = (ledger.outbox(), Vec::new());
    let mut own = pool.acquire().await.unwrap();
    for n in 0..2 {
        let ticket = outbox.start(&mut own, Start::new(&name, json!({"n": n}))).await.unwrap();
        for event in [event::started("w-1", None), event::succeeded("daily", None)] {
            outbox.report(&mut own, &ticket, &event).await.unwrap();
        }
        tickets.push(ticket);
    }
    // The relay dies at every place that there is, and sends again what the ledger may have.
    let (mut died, mut lost) = (0, 0);
    'all: for statements in 0.. {
        assert!(statements < 60);
        for mode in [Mode::Lost, Mode::Pass] {
            between.set(mode);
            match dies(&pool, &ledger, statements).await {
                Ok(_) => break 'all,
                Err(RelayError::Database(_)) => died += 1,
                Err(error) => {
                    assert_eq!(mode, Mode::Lost, "{error}");
                    lost += 1;
                }
            }
        }
    }
    assert!(died >= 3 && lost >= 3, "{died} {lost}");
    between.set(Mode::Pass);
    for ticket in &tickets {
        outbox.report(&mut own, ticket, &event::completed(None)).await.unwrap();
    }
    drop(own);
    let relay = ledger.relay(pool.clone());
    while relay.step().await.unwrap() > 0 {}
    let found = runs(&name).await;
    assert_eq!(found.len(), 2);
    for run in found {
        assert_eq!(types(&events(id(&run)).await), ["Queued", "Started", "ItemSucceeded", "Completed"]);
    }
}
