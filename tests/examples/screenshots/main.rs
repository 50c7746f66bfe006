//! Takes pictures of every page, light and dark, on a desktop and a phone, of a small world that is made for
//! them: two days of runs, and some at work. `scripts/screenshots` calls this with a Postgres.
//!
//! Argument: the folder for the pictures. `DATABASE_URL` names the server to make a database on.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a failure is a panic")]

mod world;

use std::fs;
use std::path::{Path, PathBuf};

use access::Role;
use eventlog::EventLog;
use serde_json::json;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use tests::browser::{Browser, Tab};
use tests::{Answer, TestApp};

use world::World;

/// Name, width and height of a screen in CSS pixels, and how much of a page is shown at most.
const SCREENS: [(&str, i64, i64, i64); 2] = [("desktop", 1280, 800, 1300), ("phone", 390, 844, 1350)];

const DATABASE: &str = "screenshots";

#[tokio::main]
async fn main() {
    let folder = std::env::args_os().nth(1).map(PathBuf::from).unwrap();
    fs::create_dir_all(&folder).unwrap();
    let database = fresh_database().await;
    let app = TestApp::start(PgPoolOptions::new(), database).await;
    let world = World::make(&app).await;
    let base = format!("{}/t/demo", app.url());
    let runs = format!("{base}/runs?limit=14");

    let browser = Browser::open().await;
    let tab = browser.tab(&format!("{}/sign-in", app.url())).await;
    everywhere(&tab, &folder, "sign-in").await;
    tab.sign_in(app.url(), app.token("demo", Role::Operator)).await;
    for (name, page) in [
        ("runs", runs.clone()),
        ("run", format!("{base}/runs/{}?limit=14", world.partial)),
        ("run-as-it-was", format!("{base}/runs/{}?revision=24&limit=14", world.partial)),
        ("difference", format!("{base}/runs/{}/difference?from=12&to=34&limit=14", world.partial)),
        ("notifications", format!("{base}/notifications")),
    ] {
        tab.go(&page).await;
        everywhere(&tab, &folder, name).await;
    }
    for (name, page) in [
        ("run-running", format!("{base}/runs/{}", world.running)),
        ("run-stalled", format!("{base}/runs/{}", world.stalled)),
        ("run-failed", format!("{base}/runs/{}", world.failed)),
        ("runs-filtered", format!("{runs}&kind=backup.nightly&status=partially_succeeded&label=env:prod")),
        ("runs-wrong-filter", format!("{base}/runs?kind=drift.check&label=cluster&q=Drift")),
        ("runs-none", format!("{base}/runs?q=nothing+is+called+like+this")),
        ("not-found", format!("{base}/nothing")),
    ] {
        tab.go(&page).await;
        tab.screen(1280, 800, false).await;
        keep(&folder, &format!("{name}-desktop-light"), &tab.picture(1280, 1100).await);
    }
    tab.go(&format!("{base}/runs/{}", world.partial)).await;
    tab.on_paper().await;
    keep(&folder, "run-print", &tab.picture(718, 1047).await);
    tab.go(&format!("{}/sign-in", app.url())).await;
    tab.sign_in(app.url(), app.token("demo", Role::Owner)).await;
    let after = administered(&app).await;
    tab.go(&format!("{base}/administration?after={after}")).await;
    everywhere(&tab, &folder, "administration").await;
    browser.close().await;
    app.stop().await;
}

/// Some things that are done to the administration, by several ways. Gives the position at which they can be read.
async fn administered(app: &TestApp) -> u64 {
    let owner = app.client(Role::Owner);
    let token = json!({"role": "producer", "principal": "svc:backup-eu-1", "expires_in_seconds": 7_776_000});
    let made = owner.post("/tokens", &token).await.expect(201);
    let ends =
        json!({"role": "readonly", "principal": "ria@acme.example", "expires_at": "2127-01-31T00:00:00Z"});
    owner.post("/tokens", &ends).await.expect(201);
    let revoked = format!("/tokens/{}", made.text_at("/token_id"));
    Answer::of(owner.request(reqwest::Method::DELETE, &revoked)).await.expect(200);
    sqlx::raw_sql(
        "BEGIN; SELECT set_config('runledger.actor', '{\"kind\": \"os\", \"name\": \"ann@ledger-1\"}', true);
         INSERT INTO policy.stale_policies (tenant, kind, queued_limit_seconds, fail_stale)
             VALUES ('demo', '*', 600, true) ON CONFLICT (tenant, kind) DO UPDATE SET queued_limit_seconds = 601;
         UPDATE access.tenants SET name = 'Demo' WHERE tenant = 'demo'; COMMIT;
         UPDATE access.tokens SET role = 'operator' WHERE tenant = 'demo' AND principal = 'manager'",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    app.relay().await.relay().await.unwrap();
    app.log.head().await.unwrap().0
}

/// An empty database with our tables on the server that `DATABASE_URL` names.
async fn fresh_database() -> PgConnectOptions {
    let server: PgConnectOptions = std::env::var("DATABASE_URL").unwrap().parse().unwrap();
    let mut connection = PgConnection::connect_with(&server).await.unwrap();
    for statement in [
        format!("DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)"),
        format!("CREATE DATABASE {DATABASE} TEMPLATE template0"),
    ] {
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
    let database = server.database(DATABASE);
    let mut connection = PgConnection::connect_with(&database).await.unwrap();
    migrations::MIGRATOR.run(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    database
}

/// The page on every screen, light and dark.
async fn everywhere(tab: &Tab, folder: &Path, name: &str) {
    for (screen, width, height, tallest) in SCREENS {
        for (scheme, dark) in [("light", false), ("dark", true)] {
            tab.screen(width, height, dark).await;
            keep(folder, &format!("{name}-{screen}-{scheme}"), &tab.picture(width, tallest).await);
        }
    }
}

fn keep(folder: &Path, name: &str, picture: &[u8]) {
    fs::write(folder.join(format!("{name}.png")), picture).unwrap();
}
