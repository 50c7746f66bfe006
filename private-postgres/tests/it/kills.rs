//! Servers and programs that end without warning.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use super::*;

/// Tells the test `holder` which folder to hold.
const HOLD: &str = "RUNLEDGER_TEST_HOLD";

fn postmaster(data_dir: &Path) -> Pid {
    let text = fs::read_to_string(data_dir.join("postgres/data/postmaster.pid")).unwrap();
    Pid::from_raw(text.lines().next().unwrap().trim().parse().unwrap()).unwrap()
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
        .args(["--ignored", "--exact", "kills::holder", "--nocapture"])
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
