//! The outbox, in Postgres and SQLite: see `clients/behaviours.md`.

use std::time::Duration;

use runledger_client::{
    Ledger, POSTGRES_SCHEMA, RelayError, SQLITE_SCHEMA, Start, Table, TroubleKind, event,
};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Connection, Database, Executor, PgPool, Pool, SqlitePool};
use tempfile::TempDir;

use crate::harness::{FLUSH, World, events, id, kind, only_events, only_run, runs, setting, types, until};
use crate::proxy::{Mode, Proxy};

const JOBS: &str = "CREATE TABLE jobs (id INTEGER)";

/// A database of the caller's own, with the outbox's table and one of the caller's.
async fn postgres() -> PgPool {
    let options: PgConnectOptions = setting("DATABASE_URL").parse().unwrap();
    let server = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await.unwrap();
    let name = format!("app_{}", uuid::Uuid::new_v4().simple());
    sqlx::query(AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&server).await.unwrap();
    let pool = PgPoolOptions::new().max_connections(2).connect_with(options.database(&name)).await.unwrap();
    sqlx::raw_sql(POSTGRES_SCHEMA).execute(&pool).await.unwrap();
    sqlx::raw_sql(JOBS).execute(&pool).await.unwrap();
    pool
}

async fn sqlite(folder: &TempDir) -> SqlitePool {
    let options = SqliteConnectOptions::new().filename(folder.path().join("app.db")).create_if_missing(true);
    let options = options.journal_mode(SqliteJournalMode::Wal);
    let pool = SqlitePoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
    sqlx::raw_sql(SQLITE_SCHEMA).execute(&pool).await.unwrap();
    sqlx::raw_sql(JOBS).execute(&pool).await.unwrap();
    pool
}

#[tokio::test(flavor = "multi_thread")]
async fn the_outbox_commits_with_the_work() {
    commits_with_the_work(postgres().await).await;
    commits_with_the_work(sqlite(&TempDir::new().unwrap()).await).await;
}

async fn commits_with_the_work<D>(pool: Pool<D>)
where
    D: Database<Connection: Table>,
    for<'c> &'c mut D::Connection: Executor<'c, Database = D>,
{
    let (world, kept, undone) = (World::new(), kind(), kind());
    let ledger = world.ledger();
    let mut tickets = Vec::new();
    for (name, commit) in [(&undone, false), (&kept, true)] {
        let mut own = pool.acquire().await.unwrap();
        let mut work = own.begin().await.unwrap();
        let start = Start::new(name, json!({"set": "finance"})).initiator("ann").items_total(1);
        tickets.push(ledger.outbox().start(&mut *work, start).await.unwrap());
        work.execute(sqlx::raw_sql("INSERT INTO jobs VALUES (1)")).await.unwrap();
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
    let mut own = pool.acquire().await.unwrap();
    assert_eq!(own.fetch_all(sqlx::raw_sql("SELECT id FROM jobs")).await.unwrap().len(), 1);
    drop(own);
    relaying.abort();

    let (outbox, ticket) = (ledger.outbox(), tickets.pop().unwrap());
    let mut own = pool.acquire().await.unwrap();
    let mut work = own.begin().await.unwrap();
    outbox.report(&mut *work, &ticket, &event::succeeded("daily", None)).await.unwrap();
    work.rollback().await.unwrap();
    let mut work = own.begin().await.unwrap();
    for event in [event::started("w-1", None), event::succeeded("weekly", None), event::completed(None)] {
        outbox.report(&mut *work, &ticket, &event).await.unwrap();
    }
    work.commit().await.unwrap();
    drop(own);
    while relay.step().await.unwrap() > 0 {}
    let told = only_events(&kept, "succeeded").await;
    assert_eq!(types(&told), ["Queued", "Started", "ItemSucceeded", "Completed"]);
    assert_eq!(told[2]["data"]["item"], "weekly");
}

#[tokio::test]
async fn the_outbox_carries_first_events() {
    carries_first_events(postgres().await).await;
    carries_first_events(sqlite(&TempDir::new().unwrap()).await).await;
}

async fn carries_first_events<D: Database<Connection: Table>>(pool: Pool<D>) {
    let (world, name, active) = (World::new(), kind(), kind());
    let ledger = world.ledger();
    let (outbox, relay) = (ledger.outbox(), ledger.relay(pool.clone()));
    let whole = [
        event::started("w-1", None),
        event::succeeded("p-17", None).within("policies"),
        event::completed(None),
    ];
    for (title, commit) in [("undone", false), ("kept", true)] {
        let mut own = pool.acquire().await.unwrap();
        let mut work = own.begin().await.unwrap();
        let start = Start::new(&name, json!({})).title(title).events(whole.clone());
        outbox.start(&mut *work, start).await.unwrap();
        if commit { work.commit().await.unwrap() } else { work.rollback().await.unwrap() }
    }
    while relay.step().await.unwrap() > 0 {}
    let run = only_run(&name, "succeeded").await;
    assert_eq!(run["title"], "kept");
    let told = events(id(&run)).await;
    assert_eq!(types(&told), ["Queued", "Started", "ItemSucceeded", "Completed"]);
    assert_eq!(told[2]["data"]["namespace"], "policies");
    assert!(world.told().is_empty());

    // Another start has made the run: what is reported of this one is not that one's.
    let open = ledger.begin(Start::new(&active, json!({})));
    until(async || open.id()).await;
    let mut own = pool.acquire().await.unwrap();
    let start = Start::new(&active, json!({})).events([event::started("w-2", None)]);
    let ticket = outbox.start(&mut *own, start).await.unwrap();
    outbox.report(&mut *own, &ticket, &event::completed(None)).await.unwrap();
    drop(own);
    assert_eq!((relay.step().await.unwrap(), relay.step().await.unwrap()), (2, 0));
    open.complete();
    assert!(ledger.flush(FLUSH).await);
    assert_eq!(types(&only_events(&active, "succeeded").await), ["Queued", "Started", "Completed"]);
    assert_eq!(world.told(), [(TroubleKind::Refused, 1); 2]);
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

/// The same of rows, of which there are as many left as `app_left` says.
const SQLITE_DYING: &str = "
CREATE TABLE app_left (n INTEGER);
INSERT INTO app_left VALUES (1000);
CREATE TRIGGER dies_updating BEFORE UPDATE ON runledger_outbox BEGIN
    SELECT RAISE(ABORT, 'the relay died') FROM app_left WHERE n <= 0;
    UPDATE app_left SET n = n - 1;
END;
CREATE TRIGGER dies_deleting BEFORE DELETE ON runledger_outbox BEGIN
    SELECT RAISE(ABORT, 'the relay died') FROM app_left WHERE n <= 0;
    UPDATE app_left SET n = n - 1;
END;
";

#[tokio::test]
async fn the_outbox_sends_once() {
    let (pool, folder) = (postgres().await, TempDir::new().unwrap());
    sqlx::raw_sql(DYING).execute(&pool).await.unwrap();
    let dying = async |left: i32| {
        let options = PgPoolOptions::new().max_connections(1).min_connections(1);
        let dying = options.connect_with((*pool.connect_options()).clone()).await.unwrap();
        let set = sqlx::query("SELECT set_config('app.left', $1, false)");
        set.bind(left.to_string()).execute(&dying).await.unwrap();
        dying
    };
    sends_once(&pool, dying).await;

    let pool = sqlite(&folder).await;
    sqlx::raw_sql(SQLITE_DYING).execute(&pool).await.unwrap();
    let dying = async |left: i32| {
        sqlx::query("UPDATE app_left SET n = $1").bind(left).execute(&pool).await.unwrap();
        pool.clone()
    };
    sends_once(&pool, dying).await;
}

/// `dying`: the database, as a relay has it that dies at a change to the table when so many were made.
async fn sends_once<D: Database<Connection: Table>>(pool: &Pool<D>, dying: impl AsyncFn(i32) -> Pool<D>) {
    let (between, world, name) = (Proxy::start().await, World::new(), kind());
    let ledger: Ledger = world.ledger_at(&between.url);
    let (outbox, mut tickets) = (ledger.outbox(), Vec::new());
    let mut own = pool.acquire().await.unwrap();
    for n in 0..2 {
        let ticket = outbox.start(&mut *own, Start::new(&name, json!({"n": n}))).await.unwrap();
        for event in [event::started("w-1", None), event::succeeded("daily", None)] {
            outbox.report(&mut *own, &ticket, &event).await.unwrap();
        }
        tickets.push(ticket);
    }
    // The relay dies at every place that there is, and sends again what the ledger may have.
    let (mut died, mut lost) = (0, 0);
    'all: for left in 0.. {
        assert!(left < 60);
        for mode in [Mode::Lost, Mode::Pass] {
            between.set(mode);
            match ledger.relay(dying(left).await).step().await {
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
        outbox.report(&mut *own, ticket, &event::completed(None)).await.unwrap();
    }
    drop(own);
    let relay = ledger.relay(dying(1_000).await);
    while relay.step().await.unwrap() > 0 {}
    let found = runs(&name).await;
    assert_eq!(found.len(), 2);
    for run in found {
        assert_eq!(types(&events(id(&run)).await), ["Queued", "Started", "ItemSucceeded", "Completed"]);
    }
}
