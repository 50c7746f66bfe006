//! Titles are found in any case, whatever letters the database's locale knows.

use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, Connection};
use tests::TestApp;

/// Whether `q` finds the run of that title.
async fn found(app: &TestApp, text: &str, title: &str) -> bool {
    let query = serde_json::to_string(text).unwrap();
    let query = query.trim_matches('"').bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    let page = app.producer().get(&format!("/runs?q={query}")).await.expect(200);
    page.body["runs"].as_array().unwrap().iter().any(|run| run["title"] == title)
}

async fn in_any_case(app: &TestApp) {
    let pairs = [
        ("Ärzte-Bericht", "ärzte"),
        ("ärzteliste", "ÄRZTEL"),
        ("A\u{308}rzte, anders geschrieben", "ärzte, A"),
        ("Straßen und Plätze", "STRASSEN UND PL"),
        ("ПЛАН резервного копирования", "план резер"),
        ("ΟΔΥΣΣΕΥΣ", "οδυσσευς"),
        ("Nightly 42%", "nIGHTLY 42%"),
        ("İstanbul", "İSTANBUL"),
    ];
    let producer = app.producer();
    let mut position = 0;
    for (n, (title, _)) in pairs.iter().enumerate() {
        let body = json!({"kind": "titles", "context": {"n": n}, "title": title});
        position = producer.post_run(&body).await.expect(201).number_at("/position");
    }
    producer.get(&format!("/runs?after={position}")).await.expect(200);
    for (title, text) in pairs {
        assert!(found(app, text, title).await, "{text} finds {title}");
        assert!(!found(app, &format!("{text}x"), title).await, "{text}x");
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn titles_are_found_in_any_case(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    in_any_case(&app).await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn titles_are_found_in_any_case_where_the_locale_knows_ascii_only(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    // The test's own name is as long as one may be.
    let name = database.get_database().unwrap().replacen("_sqlx_test", "locale_c", 1);
    let mut connection = database.connect().await.unwrap();
    let create = format!("CREATE DATABASE \"{name}\" TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C'");
    sqlx::raw_sql(sqlx::AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
    let plain = database.clone().database(&name);
    migrations::MIGRATOR.run(&mut plain.connect().await.unwrap()).await.unwrap();
    let app = TestApp::start(pool, plain).await;
    in_any_case(&app).await;
    app.stop().await;
    let drop = format!("DROP DATABASE \"{name}\" WITH (FORCE)");
    sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}
