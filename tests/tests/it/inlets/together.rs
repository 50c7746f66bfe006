//! Several at once, and deaths in between: whatever happens, each report is in its run once.

use commands::{Commands, Keys};
use inlets::{Orderer, OrdererConfig, Receiver, ReceiverConfig};
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Fault, FaultyLog, TestApp};

use super::{Emitter, events_of, lineage, ordered, runs, set_aside, waiting, without_grace};

/// As where it is killed: the log has the events, and the reports are still there.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_orderer_that_dies_after_the_append_doubles_nothing(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = without_grace(pool, database).await;
    let (pings, jobs) = (Emitter::new(&app, "pings").await, Emitter::new(&app, "openlineage").await);
    psql(
        &app,
        "CREATE FUNCTION dies() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''killed''; END';
         CREATE TRIGGER dies BEFORE DELETE ON inlet.received FOR EACH STATEMENT EXECUTE FUNCTION dies()",
    )
    .await;
    let dies = async || app.orderer().await.round().await.unwrap_err();
    jobs.post("/api/v1/lineage", &lineage("COMPLETE", "r-1", 9)).await.expect(200);
    dies().await;
    pings.ping("/job").await;
    pings.ping("/cron/start").await;
    pings.ping("/cron").await;
    for _ in 0..3 {
        dies().await;
    }
    // A start that is late by less than the death took, and another run of the same job.
    jobs.post("/api/v1/lineage", &lineage("START", "r-1", 0)).await.expect(200);
    pings.ping("/cron/start").await;
    psql(&app, "DROP TRIGGER dies ON inlet.received").await;
    ordered(&app).await;
    assert_eq!(waiting(&app).await, 0);
    let mut shown: Vec<(String, Vec<String>)> = Vec::new();
    for run in runs(&app).await {
        shown.push((run["title"].as_str().unwrap().to_owned(), events_of(&app, &run).await));
    }
    shown.sort();
    let whole = ["Queued", "Started", "Completed"].map(str::to_owned).to_vec();
    let open = ["Queued", "Started"].map(str::to_owned).to_vec();
    assert_eq!(
        shown,
        [
            ("cron".to_owned(), open),
            ("cron".to_owned(), whole.clone()),
            ("job".to_owned(), whole.clone()),
            ("orders.daily".to_owned(), whole),
        ]
    );
    // What the late start would have said is kept.
    assert_eq!(set_aside(&app, &jobs).await.len(), 1);
    app.stop().await;
}

/// Two servers with an orderer each, and an emitter that sends everything to both of them, in any order.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn two_servers_at_once_take_each_report_once(pool: PgPoolOptions, database: PgConnectOptions) {
    let mut app = without_grace(pool, database).await;
    let elsewhere = app.another_api().await;
    let emitter = Emitter::new(&app, "openlineage").await;
    let there = emitter.client.at(&elsewhere);
    let path = format!("//in/{}/api/v1/lineage/batch", emitter.key);
    let events: Vec<Value> = (0..20)
        .flat_map(|run| ["FAIL", "RUNNING", "START"].map(|what| lineage(what, &format!("r-{run}"), 5)))
        .collect();
    let (one, two) = (app.orderer().await, app.orderer().await);
    let sending = async {
        for part in events.chunks(7) {
            let (forwards, backwards) = (json!(part), json!(part.iter().rev().collect::<Vec<_>>()));
            let both = tokio::join!(emitter.client.post(&path, &forwards), there.post(&path, &backwards));
            both.0.expect(200);
            both.1.expect(200);
        }
    };
    let ordering = async |orderer: Orderer| {
        for _ in 0..20 {
            orderer.round().await.unwrap();
        }
    };
    tokio::join!(sending, ordering(one), ordering(two));
    // The other server has a grace.
    psql(&app, "UPDATE inlet.received SET due_at = now()").await;
    ordered(&app).await;
    assert_eq!(waiting(&app).await, 0);
    let all = runs(&app).await;
    assert_eq!(all.len(), 20);
    for run in &all {
        let events = events_of(&app, run).await;
        let count = |name: &str| events.iter().filter(|event| *event == name).count();
        assert_eq!((count("Queued"), count("Started"), count("Failed")), (1, 1, 1), "{events:?}");
        assert_eq!(run["status"], "failed");
    }
    app.stop().await;
}

/// While the log is away everything is kept, and gets there afterwards.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_log_that_is_away_loses_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = without_grace(pool, database).await;
    let emitter = Emitter::new(&app, "pings").await;
    for job in ["a", "b", "c"] {
        emitter.ping(&format!("/{job}/start")).await;
        emitter.ping(&format!("/{job}")).await;
    }
    // Each is refused once, or taken in without an answer.
    let plan = [Fault::Lost, Fault::Unanswered].into_iter().cycle().take(8);
    let away = FaultyLog::new(app.log.clone(), plan);
    let keys = Keys::load(&app.pool).await.unwrap();
    let receiver = Receiver::new(app.pool.clone(), ReceiverConfig::default());
    let orderer = Orderer::new(Commands::new(away, keys), receiver, OrdererConfig::default());
    orderer.round().await.unwrap_err();
    assert_eq!(waiting(&app).await, 6);
    let mut rounds = 0;
    while waiting(&app).await > 0 {
        rounds += 1;
        assert!(rounds < 50, "it never gets there");
        // What came of it is seen by what waits.
        let _round = orderer.round().await;
    }
    assert!(runs(&app).await.iter().all(|run| run["status"] == "succeeded"));
    app.stop().await;
}

async fn psql(app: &TestApp, sql: &str) {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(&app.pool).await.unwrap();
}
