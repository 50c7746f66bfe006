//! The private Postgres, with a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

mod kills;
mod places;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;

use private_postgres::{PostgresError, PrivatePostgres, PrivatePostgresConfig};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tempfile::TempDir;

/// Far more than anything here takes.
const BOUND: Duration = Duration::from_secs(120);

/// A folder that the server's user can pass through, too.
fn open_dir() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

fn config(data_dir: impl Into<PathBuf>) -> PrivatePostgresConfig {
    PrivatePostgresConfig { data_dir: data_dir.into(), ..Default::default() }
}

async fn start(data_dir: &Path) -> PrivatePostgres {
    tokio::time::timeout(BOUND, PrivatePostgres::start(config(data_dir))).await.unwrap().unwrap()
}

async fn connect(postgres: &PrivatePostgres) -> PgConnection {
    postgres.connect_options().connect().await.unwrap()
}

async fn create_numbers(connection: &mut PgConnection) {
    sqlx::query("CREATE TABLE numbers (n bigint)").execute(connection).await.unwrap();
}

async fn insert(connection: &mut PgConnection, number: i64) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO numbers VALUES ($1)").bind(number).execute(connection).await.map(drop)
}

async fn numbers(postgres: &PrivatePostgres) -> Vec<i64> {
    let mut connection = connect(postgres).await;
    sqlx::query_scalar("SELECT n FROM numbers ORDER BY n").fetch_all(&mut connection).await.unwrap()
}

async fn setting(connection: &mut PgConnection, name: &str) -> String {
    sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn what_was_stored_is_there_after_the_next_start() {
    let dir = open_dir();
    let data_dir = dir.path().join("deep/.runledger");
    let postgres = start(&data_dir).await;
    create_numbers(&mut connect(&postgres).await).await;
    insert(&mut connect(&postgres).await, 7).await.unwrap();
    let url = postgres.url();
    postgres.stop().await.unwrap();
    assert!(!data_dir.join("postgres/data/postmaster.pid").exists(), "the server is still there");

    let postgres = start(&data_dir).await;
    assert_eq!(numbers(&postgres).await, [7]);
    assert_eq!(postgres.url(), url, "the address stays the same");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn the_url_works_with_sqlx_and_libpq() {
    let dir = open_dir();
    let postgres = start(&dir.path().join("a folder & more")).await;
    let question = "SELECT current_user || ' ' || current_database()";
    let mut connection = PgConnectOptions::from_str(&postgres.url()).unwrap().connect().await.unwrap();
    let answer: String = sqlx::query_scalar(question).fetch_one(&mut connection).await.unwrap();
    assert_eq!(answer, "runledger runledger");

    match Command::new("psql").args(["-XAtc", question, &postgres.url()]).output() {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "runledger runledger"),
        // A machine with a server and no client; sqlx was asked all the same.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
    }
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_gets_in_without_the_password() {
    let dir = open_dir();
    let postgres = start(dir.path()).await;
    let written = fs::read_to_string(dir.path().join("postgres/password")).unwrap();
    assert!(!format!("{postgres:?}").contains(written.trim()), "the password would get into logs");
    let error = postgres.connect_options().password("guessed").connect().await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().unwrap(), "28P01");
    let password = fs::metadata(dir.path().join("postgres/password")).unwrap();
    assert_eq!(password.mode() & 0o777, 0o600);
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn durability_is_on_and_cannot_be_turned_off() {
    let dir = open_dir();
    let postgres = start(dir.path()).await;
    let mut connection = connect(&postgres).await;
    sqlx::query("ALTER SYSTEM SET fsync = off").execute(&mut connection).await.unwrap();
    sqlx::query("ALTER SYSTEM SET full_page_writes = off").execute(&mut connection).await.unwrap();
    sqlx::query("ALTER SYSTEM SET synchronous_commit = off").execute(&mut connection).await.unwrap();
    postgres.stop().await.unwrap();

    let postgres = start(dir.path()).await;
    let mut connection = connect(&postgres).await;
    for name in ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"] {
        assert_eq!(setting(&mut connection, name).await, "on", "{name}");
    }
    for (name, value) in [
        ("listen_addresses", ""),
        ("max_connections", "200"),
        ("shared_buffers", "128MB"),
        ("max_wal_size", "2GB"),
        ("cluster_name", "runledger"),
        ("server_encoding", "UTF8"),
    ] {
        assert_eq!(setting(&mut connection, name).await, value, "{name}");
    }
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_instance_is_told_who_has_the_folder() {
    let dir = open_dir();
    let postgres = start(dir.path()).await;
    let error = PrivatePostgres::start(config(dir.path())).await.unwrap_err();
    assert!(
        matches!(&error, PostgresError::Locked { pid: Some(pid), .. } if *pid == std::process::id()),
        "{error}"
    );
    let text = error.to_string();
    assert!(text.contains(dir.path().to_str().unwrap()) && text.contains("--data-dir"), "{text}");
    // The first is none the worse for it.
    create_numbers(&mut connect(&postgres).await).await;
    postgres.stop().await.unwrap();
    start(dir.path()).await.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_that_was_begun_and_not_ended_is_made_anew() {
    let dir = open_dir();
    start(dir.path()).await.stop().await.unwrap();
    let home = dir.path().join("postgres");
    fs::rename(home.join("data"), home.join("data.new-1")).unwrap();
    start(dir.path()).await.stop().await.unwrap();
    assert!(home.join("data/PG_VERSION").exists());
    assert!(!home.join("data.new-1").exists());
}

#[tokio::test]
async fn a_server_that_does_not_start_shows_its_log() {
    let dir = open_dir();
    start(dir.path()).await.stop().await.unwrap();
    fs::write(dir.path().join("postgres/data/postgresql.conf"), "no_such_setting = 1\n").unwrap();
    let error = PrivatePostgres::start(config(dir.path())).await.unwrap_err();
    assert!(matches!(error, PostgresError::EarlyExit(_)));
    assert!(error.to_string().contains("no_such_setting"), "{error}");
}
