//! Who may migrate, and what is said to those who may not.

use super::*;

/// The statements that a message gives for a superuser to run: its lines of SQL.
fn statements(said: &str) -> String {
    let (_, sql) = said.split_once("as a superuser").expect("says who must run it");
    sql.lines().filter(|line| line.starts_with("  ")).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn a_missing_createrole_is_named_with_what_mends_it() {
    let mut site = Site::start().await;
    site.sql("CREATE ROLE plain LOGIN PASSWORD 'plain'").await;
    site.connect_as("plain");
    let said = site.refused(&["migrate"]).await;
    for words in [
        "plain lacks CREATEROLE",
        "may not make schemas in the database",
        "may not make tables in the schema public",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    site.sql(&statements(&said)).await;
    site.run(&["migrate"]).await;

    // Later on it needs the right no more, unless something is missing that only it can give.
    site.sql("ALTER ROLE plain NOCREATEROLE").await;
    site.run(&["migrate"]).await;
    site.sql("DROP OWNED BY runledger_api; DROP ROLE runledger_api").await;
    let said = site.refused(&["migrate"]).await;
    assert!(said.contains("the role runledger_api, as which the API reads, does not exist"), "{said}");
    assert!(!said.contains("CREATEROLE,"), "{said}");
    site.sql(&statements(&said)).await;
    site.run(&["migrate"]).await;
    let producer = token(&site, "producer").await;
    let (api, base) = site.serve(&[]).await;
    a_run(&site, &base, &producer).await;
    assert!(crate::support::site::terminated(api).await);
    site.postgres.stop().await.unwrap();
}

/// The last migration before the role that live streams are fed as.
const WITHOUT_LIVE: i64 = 25;

#[tokio::test]
async fn who_gave_createrole_away_is_told_how_to_make_a_role_that_came_later() {
    let mut site = Site::start().await;
    site.sql("CREATE ROLE owner LOGIN CREATEROLE PASSWORD 'owner'; ALTER DATABASE runledger OWNER TO owner")
        .await;
    site.connect_as("owner");
    let db = sqlx::PgPool::connect(&site.url()).await.unwrap();
    migrations::MIGRATOR.run_to(WITHOUT_LIVE, &db).await.unwrap();
    db.close().await;
    site.sql("ALTER ROLE owner NOCREATEROLE").await;

    let said = site.refused(&["migrate"]).await;
    assert!(
        said.contains("the role runledger_live, as which live streams are fed, does not exist"),
        "{said}"
    );
    site.sql(&statements(&said)).await;
    site.run(&["migrate"]).await;
    let producer = token(&site, "producer").await;
    let (api, base) = site.serve(&[]).await;
    hears_of_a_run(&site, &base, &producer).await;
    assert!(crate::support::site::terminated(api).await);
    site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn two_ledgers_on_one_server_are_migrated_at_once() {
    let site = Site::start().await;
    site.sql("CREATE DATABASE one").await;
    site.sql("CREATE DATABASE two").await;
    let migrating = ["one", "two"].map(|name| {
        let url = site.url().replace("/runledger?", &format!("/{name}?"));
        let mut command = site.command(&["migrate", "--serve-role", "app", "--database-url", &url]);
        async move { command.output().await.unwrap() }
    });
    for output in futures::future::join_all(migrating).await {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    site.postgres.stop().await.unwrap();
}
