//! The private Postgres, with a real one.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use server::postgres::{PostgresError, PrivatePostgres, PrivatePostgresConfig};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use tempfile::TempDir;

/// Far more than anything here takes.
const BOUND: Duration = Duration::from_secs(120);

/// Tells the test `holder` which folder to hold.
const HOLD: &str = "RUNLEDGER_TEST_HOLD";

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

fn postmaster(data_dir: &Path) -> Pid {
    let text = fs::read_to_string(data_dir.join("postgres/data/postmaster.pid")).unwrap();
    Pid::from_raw(text.lines().next().unwrap().trim().parse().unwrap()).unwrap()
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
async fn a_server_that_is_killed_is_noticed_and_comes_back_with_all_rows() {
    let dir = open_dir();
    let postgres = start(dir.path()).await;
    let mut connection = connect(&postgres).await;
    create_numbers(&mut connection).await;
    for number in 0..100 {
        insert(&mut connection, number).await.unwrap();
    }
    kill_process(postmaster(dir.path()), Signal::KILL).unwrap();
    let exit = tokio::time::timeout(BOUND, postgres.exited()).await.unwrap();
    assert!(exit.to_string().contains("signal: 9"), "{exit}");
    postgres.stop().await.unwrap();

    let postgres = start(dir.path()).await;
    assert_eq!(numbers(&postgres).await, (0..100).collect::<Vec<_>>());
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_session_that_is_busy_when_its_server_is_killed_only_delays_the_next_start() {
    let dir = open_dir();
    let postgres = start(dir.path()).await;
    create_numbers(&mut connect(&postgres).await).await;
    let mut busy = connect(&postgres).await;
    // Takes an advisory lock to show that it has begun, then looks at nothing but the clock.
    let spin = "DO $$ BEGIN PERFORM pg_advisory_lock(1); INSERT INTO numbers VALUES (1);
        WHILE clock_timestamp() < statement_timestamp() + interval '2 seconds' LOOP END LOOP; END $$";
    let session = tokio::spawn(async move { sqlx::query(spin).execute(&mut busy).await });
    let mut watcher = connect(&postgres).await;
    let begun = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted)";
    while !sqlx::query_scalar::<_, bool>(begun).fetch_one(&mut watcher).await.unwrap() {}
    kill_process(postmaster(dir.path()), Signal::KILL).unwrap();
    tokio::time::timeout(BOUND, postgres.exited()).await.unwrap();
    drop(postgres);

    let postgres = start(dir.path()).await;
    // Such a session may still commit. If it said so, it is so.
    if session.await.unwrap().is_ok() {
        assert_eq!(numbers(&postgres).await, [1]);
    }
    postgres.stop().await.unwrap();
}

/// Not a test: the process that the next test kills. It inserts numbers for ever and prints each one that
/// was acknowledged.
#[tokio::test]
#[ignore = "started by another test"]
async fn holder() {
    let Some(dir) = std::env::var_os(HOLD) else { return };
    let postgres = start(Path::new(&dir)).await;
    let mut connection = connect(&postgres).await;
    create_numbers(&mut connection).await;
    let mut out = std::io::stdout();
    writeln!(out, "\nurl {}", postgres.url()).unwrap();
    for number in 0.. {
        insert(&mut connection, number).await.unwrap();
        writeln!(out, "ack {number}").unwrap();
    }
}

#[tokio::test]
async fn after_kill_9_of_the_whole_program_every_acknowledged_row_is_there() {
    let dir = open_dir();
    let mut holder = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "holder", "--nocapture"])
        .env(HOLD, dir.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(holder.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = lines.find_map(|line| line.strip_prefix("url ").map(str::to_owned)).unwrap();
    assert!(lines.any(|line| line == "ack 200"));

    // A session of our own shows when the server goes.
    let mut watcher = PgConnectOptions::from_str(&url).unwrap().connect().await.unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    let acknowledged =
        lines.filter_map(|line| line.strip_prefix("ack ").map(|n| n.parse::<i64>().unwrap())).max();
    let acknowledged = acknowledged.unwrap_or(200);
    if cfg!(target_os = "linux") {
        let asleep = sqlx::query("SELECT pg_sleep(3600)").execute(&mut watcher);
        tokio::time::timeout(BOUND, asleep).await.expect("the server outlives its program").unwrap_err();
    }

    let postgres = start(dir.path()).await;
    let numbers = numbers(&postgres).await;
    assert!(numbers.len() as i64 > acknowledged, "{} rows, {acknowledged} acknowledged", numbers.len());
    assert!(numbers.iter().copied().eq(0..numbers.len() as i64), "a row in between is missing");
    postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_server_that_outlived_its_program_is_stopped_first() {
    let dir = open_dir();
    let postgres = start(dir.path()).await;
    create_numbers(&mut connect(&postgres).await).await;
    postgres.stop().await.unwrap();

    // The same server, started by somebody else who does not hold the lock.
    let data = dir.path().canonicalize().unwrap().join("postgres/data");
    let mut orphan = orphan(&data);
    let mut lines = BufReader::new(orphan.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("ready to accept connections")));

    let postgres = start(dir.path()).await;
    assert!(orphan.wait().unwrap().success(), "it was not stopped in order");
    assert_eq!(numbers(&postgres).await, [0; 0]);
    postgres.stop().await.unwrap();
}

fn orphan(data: &Path) -> std::process::Child {
    use std::os::unix::process::CommandExt;

    let owner = fs::metadata(data).unwrap();
    let socket_dir = data.parent().unwrap().join("socket");
    // The server writes down its own command line.
    let words = fs::read_to_string(data.join("postmaster.opts")).unwrap();
    let mut command = Command::new(words.split_whitespace().next().unwrap());
    command.arg("-D").arg(data).arg("-k").arg(socket_dir).args(["-c", "listen_addresses="]);
    if rustix::process::geteuid().is_root() {
        command.uid(owner.uid()).gid(owner.gid());
    }
    command.current_dir("/").stderr(Stdio::piped()).spawn().unwrap()
}

#[tokio::test]
async fn a_stale_pid_file_is_no_obstacle() {
    let dir = open_dir();
    start(dir.path()).await.stop().await.unwrap();
    // The id is that of a process that lives and is no Postgres: ourselves.
    let data = dir.path().join("postgres/data");
    let pid_file = data.join("postmaster.pid");
    fs::write(&pid_file, format!("{}\n{}\n", std::process::id(), data.display())).unwrap();
    fs::write(dir.path().join("postgres/socket/.s.PGSQL.5432.lock"), format!("{}\n", std::process::id()))
        .unwrap();
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

#[tokio::test]
async fn a_long_path_gets_a_short_socket() {
    let dir = open_dir();
    let postgres = start(&dir.path().join("x".repeat(120))).await;
    create_numbers(&mut connect(&postgres).await).await;
    assert!(postgres.url().contains("host=/tmp/runledger-"), "{}", postgres.url());
    let options = PgConnectOptions::from_str(&postgres.url()).unwrap();
    options.connect().await.unwrap();
    let socket_dir = options.get_socket().unwrap().clone();
    postgres.stop().await.unwrap();
    fs::remove_dir_all(socket_dir).unwrap();
}

#[tokio::test]
async fn a_folder_that_the_servers_user_cannot_reach_gets_its_cluster_elsewhere() {
    if !rustix::process::geteuid().is_root() {
        // Then the server runs as ourselves, and reaches what we reach.
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let data_dir = dir.path().join(".runledger");
    let postgres = start(&data_dir).await;
    create_numbers(&mut connect(&postgres).await).await;
    postgres.stop().await.unwrap();
    let cluster = fs::read_link(data_dir.join("postgres")).unwrap();
    assert!(cluster.starts_with("/var/lib/runledger"), "{}", cluster.display());
    assert_eq!(
        fs::metadata(dir.path()).unwrap().mode() & 0o777,
        0o700,
        "a folder that is not ours was opened"
    );

    let postgres = start(&data_dir).await;
    assert_eq!(numbers(&postgres).await, [0; 0]);
    postgres.stop().await.unwrap();

    // A data folder that was removed is an empty one when it comes back; the old cluster is kept aside.
    fs::remove_dir_all(&data_dir).unwrap();
    let postgres = start(&data_dir).await;
    create_numbers(&mut connect(&postgres).await).await;
    postgres.stop().await.unwrap();

    let aside = |path: &Path| path.file_stem() == cluster.file_stem();
    let all = fs::read_dir(cluster.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
    let ours: Vec<PathBuf> = all.filter(|path| aside(path)).collect();
    assert_eq!(ours.len(), 2, "{ours:?}");
    ours.iter().for_each(|path| fs::remove_dir_all(path).unwrap());

    let error = PrivatePostgres::start(config(&data_dir)).await.unwrap_err();
    assert!(matches!(error, PostgresError::DanglingLink { .. }), "{error}");
}

#[tokio::test]
async fn a_link_to_a_closed_folder_is_refused_with_the_reason() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let [dir, closed] = [open_dir(), tempfile::tempdir().unwrap()];
    symlink(closed.path(), dir.path().join("postgres")).unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(closed.path().join("file"), "").unwrap();
    let error = PrivatePostgres::start(config(dir.path())).await.unwrap_err();
    assert!(matches!(error, PostgresError::WrongOwner { owner: 0, .. }), "{error}");
}

#[tokio::test]
async fn an_empty_pg_bin_dir_is_named_in_the_error() {
    let [dir, empty] = [open_dir(), open_dir()];
    let bin_dir = Some(empty.path().to_owned());
    let error =
        PrivatePostgres::start(PrivatePostgresConfig { bin_dir, ..config(dir.path()) }).await.unwrap_err();
    let expected = format!(
        "PG_BIN_DIR={}: holds no initdb. Set it to the folder that holds initdb and postgres, or unset it to \
         have them looked for",
        empty.path().display()
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn a_pg_bin_dir_that_the_servers_user_cannot_reach_is_named_with_the_user() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let [dir, closed] = [open_dir(), tempfile::tempdir().unwrap()];
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    for name in ["initdb", "postgres"] {
        fs::write(closed.path().join(name), "#!/bin/sh\n").unwrap();
        fs::set_permissions(closed.path().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let bin_dir = Some(closed.path().to_owned());
    let error =
        PrivatePostgres::start(PrivatePostgresConfig { bin_dir, ..config(dir.path()) }).await.unwrap_err();
    assert!(matches!(error, PostgresError::BadBinDir { .. }), "{error}");
    assert!(error.to_string().contains("initdb can't be run by the user"), "{error}");
}
