//! Too much at once, and clients that do not behave: memory stays bounded and others are served.

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::{Value, json};
use sqlx::Row;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::Command;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::audit::audit;
use super::counts::{count, say};
use super::health::{lives, ready};
use super::load::Load;
use super::program::{PATIENCE, Program};
use super::site::{Site, TENANT, signal_all};

/// What one process may ever hold, in MiB, in a build without optimisation: the queue's 64 MiB of events
/// with what parsed requests weigh around them.
const MOST_MEMORY: u64 = 512;

/// Events of one append.
const EVENTS: usize = 500;

async fn post(
    http: &reqwest::Client,
    api: &str,
    token: &str,
    path: &str,
    body: &Value,
) -> reqwest::Result<(u16, bool, Value)> {
    let url = format!("{api}/v1/tenants/{TENANT}{path}");
    let answer = http.post(url).bearer_auth(token).json(body).send().await?;
    let retry = answer.headers().contains_key("retry-after");
    Ok((answer.status().as_u16(), retry, answer.json().await?))
}

#[tokio::test]
async fn a_full_queue_refuses_and_is_worked_off() {
    let mut site = Site::start_on_postgres().await;
    let api = site.serve(&[]).await;
    let db = site.db().await;
    let (mut runs, mut refused, mut taken) = (0, 0, 0);
    // A slow machine may take longer to say all this than the writer waits for the database: then once more.
    let filling = async {
        while refused == 0 || taken == 0 {
            ready(&api).await;
            let started = start(&site, &api, count("RUNLEDGER_SOAK_QUEUED", 400)).await;
            runs += started.len();
            let more = flood(&site, &api, &backends(&db).await, &started).await;
            (refused, taken) = (refused + more.0, taken + more.1);
        }
    };
    tokio::time::timeout(PATIENCE * 2, filling).await.expect("the queue is full once");
    say(format!(
        "queue: {refused} of {runs} appends of {EVENTS} events refused as overloaded, {taken} taken, {} MiB at most",
        api.most_memory()
    ));
    assert!(taken > 0);
    assert!(api.most_memory() < MOST_MEMORY, "{} MiB", api.most_memory());
    ready(&api).await;
    let mut load = Load::start(4, vec![api.url.clone()], TENANT, &site.token);
    load.acknowledged(50).await;
    load.finish().await;
    let held: (i64,) = sqlx::query_as("SELECT count(*) FROM log.events WHERE event_type = 'Started'")
        .fetch_one(&db)
        .await
        .unwrap();
    assert!(held.0 >= taken, "what was acknowledged is there");
    db.close().await;
    api.stop().await;
    site.stop_postgres().await;
}

/// Starts so many runs.
async fn start(site: &Site, api: &Program, runs: usize) -> Vec<String> {
    let http = reqwest::Client::new();
    let mut started = JoinSet::new();
    for _ in 0..runs {
        let (http, api, token) = (http.clone(), api.url.clone(), site.token.clone());
        started.spawn(async move {
            let start = json!({"kind": "survival.queue", "context": {"n": Uuid::new_v4()}});
            let (status, _, body) = post(&http, &api, &token, "/runs", &start).await.unwrap();
            assert_eq!(status, 201, "{body}");
            body["run_id"].as_str().unwrap().to_owned()
        });
    }
    started.join_all().await
}

/// Appends to all runs at once while the writer's sessions are held still, until the first is refused. Gives how
/// many were refused as overloaded and how many were taken.
async fn flood(site: &Site, api: &Program, writer: &[Pid], runs: &[String]) -> (usize, i64) {
    // One that the log has given up goes now, or is gone already.
    let let_go = || signal_all(writer, Signal::CONT);
    signal_all(writer, Signal::STOP);
    let http = reqwest::Client::new();
    let mut appends = JoinSet::new();
    for run in runs {
        let (http, api, token) = (http.clone(), api.url.clone(), site.token.clone());
        let path = format!("/runs/{run}/events");
        appends.spawn(async move {
            // Each event has its price in the queue however small it is, and small ones are said fastest.
            let mut list = vec![json!({"type": "Started"})];
            list.extend((1..EVENTS).map(|n| json!({"type": "Progressed", "items_total": n})));
            post(&http, &api, &token, &path, &json!({"events": list})).await
        });
    }
    let (mut refused, mut taken) = (0, 0);
    while let Some(answer) = appends.join_next().await {
        let (status, retry, body) = match answer.unwrap() {
            Ok(answer) => answer,
            // A client that is starved for so long that its body is waited for no more may still be sending when the
            // connection is closed behind the 408, and then never reads it.
            Err(error) => {
                say(format!("queue: an append was cut off: {error}"));
                continue;
            }
        };
        match (status, body["code"].as_str()) {
            (503, Some("overloaded")) => {
                assert!(retry, "says when to come again");
                refused += 1;
                lives(api).await;
                if refused == 1 {
                    let_go();
                }
            }
            (503, _) => assert!(retry, "{body}"),
            (408, Some("body_timeout")) => {}
            (200, _) => taken += 1,
            _ => panic!("{status}: {body}"),
        }
    }
    let_go();
    (refused, taken)
}

/// The sessions of the program that append, by what they did last.
async fn backends(db: &sqlx::PgPool) -> Vec<Pid> {
    let rows = sqlx::query(
        "SELECT pid FROM pg_stat_activity
         WHERE application_name = 'runledger' AND query LIKE '%INSERT INTO log.events%'",
    );
    let rows = rows.fetch_all(db).await.unwrap();
    assert!(!rows.is_empty(), "the writer's session is found");
    rows.iter().map(|row| Pid::from_raw(row.get::<i32, _>("pid")).unwrap()).collect()
}

/// As many connections as both sides may have, up to the wanted number.
fn connections(wanted: u64) -> u64 {
    let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    // The test needs some files for itself, and so do those beside it: the limit is all the tests'.
    let most = wanted.min(hard.saturating_sub(1_000));
    setrlimit(Resource::Nofile, Rlimit { current: Some(hard), maximum: Some(hard) }).unwrap();
    if most < wanted {
        say(format!("{most} connections instead of {wanted}: the hard limit of open files is {hard}"));
    }
    most
}

/// An API that may open as many files as it is allowed to.
async fn wide_open(site: &Site) -> Program {
    let mut command = Command::new("sh");
    command
        .kill_on_drop(true)
        .env("DATABASE_URL", &site.url)
        .env("RUNLEDGER_EVENT_LOG", &site.event_log)
        .args(["-c", "ulimit -n $(ulimit -Hn); exec \"$0\" \"$@\""]);
    command.arg(env!("CARGO_BIN_EXE_runledger")).args(["serve", "--listen", "127.0.0.1:0"]);
    Program::listening(command).await
}

#[tokio::test]
async fn clients_that_do_not_behave_keep_nobody_else_out() {
    let mut site = Site::start().await;
    let api = wide_open(&site).await;
    let address = api.url.strip_prefix("http://").unwrap().to_owned();

    let wanted = connections(count("RUNLEDGER_SOAK_CONNECTIONS", 10_000));
    let mut idle = Vec::new();
    while (idle.len() as u64) < wanted {
        let more = (0..200).map(|_| TcpStream::connect(&address));
        for connection in futures::future::join_all(more).await {
            idle.push(connection.unwrap());
        }
        // Answered while they hang on. They are taken in by turns, so these have been by now: faster than
        // that, the system's own queue overflows, and what is dropped there comes again a second later.
        lives(&api).await;
    }
    say(format!("{} idle connections, {} MiB", idle.len(), api.most_memory()));

    // A body that never ends, from many: it is refused at the limit.
    let mut endless = JoinSet::new();
    for _ in 0..20 {
        endless.spawn(endless_body(address.clone(), site.token.clone()));
    }
    // Requests whose answers nobody reads.
    let mut slow = JoinSet::new();
    for _ in 0..20 {
        slow.spawn(never_reads(address.clone()));
    }
    let mut load = Load::start(8, vec![api.url.clone()], TENANT, &site.token);
    load.acknowledged(100).await;
    let statuses = tokio::time::timeout(PATIENCE, endless.join_all()).await.expect("cut in time");
    // Too large, or on a slow machine too late before it is too large.
    assert!(statuses.iter().all(|status| [408, 413].contains(status)), "{statuses:?}");
    load.acknowledged(50).await;
    say(format!("with endless bodies and slow readers: {} MiB at most", api.most_memory()));
    assert!(api.most_memory() < MOST_MEMORY, "{} MiB", api.most_memory());
    slow.abort_all();
    drop(idle);
    ready(&api).await;
    let seen = load.finish().await;
    audit(&site.url, &site.event_log, &seen).await;
    api.stop().await;
    site.stop_postgres().await;
}

/// Sends a body without end; gives the status that it gets.
async fn endless_body(address: String, token: String) -> u16 {
    let mut connection = TcpStream::connect(&address).await.unwrap();
    let head = format!(
        "POST /v1/tenants/{TENANT}/runs HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {token}\r\n\
         content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    connection.write_all(head.as_bytes()).await.unwrap();
    let (mut answers, mut body) = connection.into_split();
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let sending = async {
        // It ends when the server has closed the connection.
        while body.write_all(chunk.as_bytes()).await.is_ok() {}
        std::future::pending::<()>().await
    };
    let mut status = [0; 12];
    tokio::select! {
        read = answers.read_exact(&mut status) => { read.unwrap(); }
        () = sending => {}
    }
    std::str::from_utf8(&status[9..]).unwrap().parse().unwrap()
}

/// Asks for the API's description again and again and reads nothing.
async fn never_reads(address: String) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut connection = socket.connect(address.parse().unwrap()).await.unwrap();
    let request = format!("GET /openapi.json HTTP/1.1\r\nhost: {address}\r\n\r\n");
    while connection.write_all(request.as_bytes()).await.is_ok() {}
    std::future::pending().await
}

#[tokio::test]
async fn a_stopped_database_is_not_waited_for_without_end() {
    let mut site = Site::start().await;
    let api = site.serve(&[]).await;
    let mut load = Load::start(8, vec![api.url.clone()], TENANT, &site.token);
    load.acknowledged(50).await;
    let all = site.processes();
    signal_all(&all, Signal::STOP);
    lives(&api).await;
    super::health::unready(&api).await;
    load.refused(8).await;
    signal_all(&all, Signal::CONT);
    ready(&api).await;
    load.acknowledged(50).await;
    let seen = load.finish().await;
    audit(&site.url, &site.event_log, &seen).await;
    api.stop().await;
    site.stop_postgres().await;
}
