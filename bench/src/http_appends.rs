//! Durable appends over HTTP, against the real server in a process of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use access::Role;
use uuid::Uuid;

use crate::Failure;
use crate::appends::{one_row_commits, rate};
use crate::child::{Caller, Server, caller, projected};
use crate::client::{Connection, text_at};
use crate::report::{Figure, Rounds};
use crate::rig::Rig;

/// Producers, each with a connection and a run of its own, of single events.
const PRODUCERS: usize = 64;

/// Appends to a server with API and projector, beside plain commits.
pub async fn measure(rig: &Rig, server: &Server, rounds: usize, length: Duration) -> Result<Figure, Failure> {
    let measured = take_turns(rig, server, rounds, length, true).await?;
    let name = format!("single events over HTTP, {PRODUCERS} producers, API and projector in one process");
    Ok(measured.figure(name, "one-row commits, 64 connections").at_least(0.6))
}

/// Appends to a server that does not project, beside plain commits.
pub async fn measure_api_alone(rig: &Rig, rounds: usize, length: Duration) -> Result<Figure, Failure> {
    let server = Server::start(rig, &["--no-projector"]).await?;
    let measured = take_turns(rig, &server, rounds, length, false).await?;
    server.stop().await?;
    let name = format!("single events over HTTP, {PRODUCERS} producers, no projector beside it");
    Ok(measured.figure(name, "one-row commits, 64 connections").at_least(0.6))
}

async fn take_turns(
    rig: &Rig,
    server: &Server,
    rounds: usize,
    length: Duration,
    projecting: bool,
) -> Result<Rounds, Failure> {
    let pool = rig.pool(2).await?;
    let producer = Arc::new(caller(&pool, "bench", Role::Producer).await?);
    let mut measured = Rounds::default();
    for round in 1..=rounds {
        let rows = one_row_commits(rig, PRODUCERS, length).await?;
        let http = over_http(server.address, &producer, (PRODUCERS, 1), length).await?;
        println!("over HTTP, round {round}/{rounds}: one-row commits {rows:.0}/s, over HTTP {http:.0}/s");
        measured.push(http, rows);
        if projecting {
            // The next round's baseline has the machine for itself.
            projected(&pool).await?;
        }
    }
    pool.close().await;
    Ok(measured)
}

/// Events a second of so many producers together, each of which appends so many at a time.
pub async fn over_http(
    address: SocketAddr,
    producer: &Arc<Caller>,
    (producers, batch): (usize, usize),
    length: Duration,
) -> Result<f64, Failure> {
    let mut ready = Vec::with_capacity(producers);
    for _ in 0..producers {
        let mut connection = Connection::open(address, &producer.token).await?;
        let run = start_run(&mut connection, producer, 0).await?;
        ready.push((connection, run));
    }
    let mut ready = ready.into_iter();
    rate(producers, batch, length, |until| {
        let producer = producer.clone();
        let ready = ready.next();
        async move {
            let (mut connection, run) = ready.ok_or("fewer connections than producers")?;
            let path = events_path(&producer, &run);
            let mut appends = 0;
            while Instant::now() < until {
                connection.post(&path, all_succeeded(appends * batch, batch).as_bytes()).await?;
                appends += 1;
            }
            Ok(appends)
        }
    })
    .await
}

/// Queues a run and starts it.
pub async fn start_run(
    connection: &mut Connection,
    producer: &Caller,
    number: usize,
) -> Result<String, Failure> {
    let path = format!("/v1/tenants/{}/runs", producer.tenant);
    let body = format!(
        r#"{{"kind":"bench.append","title":"Bench {number}","labels":{{"env":"bench"}},"initiator":{{"id":"bench"}},"context":{{"run":"{}"}}}}"#,
        Uuid::new_v4()
    );
    let run = text_at(connection.post(&path, body.as_bytes()).await?, "/run_id")?;
    let started = r#"{"events":[{"type":"Started","worker":"bench","heartbeat_seconds":60}]}"#;
    connection.post(&events_path(producer, &run), started.as_bytes()).await?;
    Ok(run)
}

/// Where a run's events are appended.
pub fn events_path(producer: &Caller, run: &str) -> String {
    format!("/v1/tenants/{}/runs/{run}/events", producer.tenant)
}

/// A request with one event.
pub fn succeeded(number: usize) -> String {
    all_succeeded(number, 1)
}

/// A request with so many.
fn all_succeeded(first: usize, count: usize) -> String {
    let event = |n| format!(r#"{{"type":"ItemSucceeded","item":"volume-{n:06}","label":"Volume {n}"}}"#);
    let events: Vec<_> = (first..first + count).map(event).collect();
    format!(r#"{{"events":[{}]}}"#, events.join(","))
}
