//! How soon what happens is seen in a browser, and what mere listeners cost.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access::Role;
use tests::browser::Browser;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Failure;
use crate::child::{Caller, Server, caller, projected};
use crate::client::Connection;
use crate::http_appends::{events_path, start_run, succeeded};
use crate::report::{Figure, Times};
use crate::rig::Rig;

/// Runs that move at once, and the time between two events of each: 200 events a second.
const RUNS: usize = 20;
const PACE: Duration = Duration::from_millis(100);

/// A mere listener.
const LISTENERS: usize = 1_000;
/// How long they do.
const QUIET: Duration = Duration::from_secs(10);

/// Notes, after each painting, which count of items each run on the page of runs shows.
const WATCH: &str = "(() => {
    window.seen = [];
    const shown = new Map();
    const note = () => requestAnimationFrame(() => requestAnimationFrame(() => {
        const at = performance.timeOrigin + performance.now();
        for (const row of document.querySelectorAll('.runs tbody tr')) {
            const count = parseInt(row.querySelector('.done').textContent, 10) || 0;
            if (shown.get(row.id) !== count) window.seen.push([row.id, shown.set(row.id, count).get(row.id), at]);
        }
    }));
    new MutationObserver(note).observe(document.getElementById('list'), { subtree: true, childList: true, characterData: true });
})()";

/// From the moment an event is sent until its count is painted.
pub async fn measure(rig: &Rig, server: &Server, length: Duration) -> Result<Vec<Figure>, Failure> {
    let pool = rig.pool(2).await?;
    let producer = Arc::new(caller(&pool, "pixels", Role::Producer).await?);
    let viewer = caller(&pool, "pixels", Role::Readonly).await?;
    let mut figures = vec![listeners(server, &viewer).await?];
    let mut connections = Vec::with_capacity(RUNS);
    for number in 0..RUNS {
        let mut writes = Connection::open(server.address, &producer.token).await?;
        let run = start_run(&mut writes, &producer, number).await?;
        connections.push((writes, run));
    }
    projected(&pool).await?;
    pool.close().await;

    let browser = Browser::open().await;
    let tab = browser.tab("about:blank").await;
    tab.sign_in(&format!("http://{}", server.address), &viewer.token).await;
    tab.until("document.getElementById('connection').textContent.startsWith('Live')").await;
    tab.run(WATCH).await;
    println!("pixels: {RUNS} runs, 200 events/s for {} s, watched in a browser", length.as_secs());
    let mut producers = Vec::new();
    let begin = tokio::time::Instant::now() + PACE;
    for (number, (writes, run)) in (0u32..).zip(connections) {
        let first = begin + PACE * number / u32::try_from(RUNS).unwrap_or(u32::MAX);
        producers.push(tokio::spawn(produce(writes, run, producer.clone(), first, first + length)));
    }
    let mut sent: HashMap<String, Vec<f64>> = HashMap::new();
    for producer in producers {
        let (run, times) = producer.await??;
        sent.insert(format!("run-{run}"), times);
    }
    for (row, times) in &sent {
        tab.until(&format!(
            "document.querySelector('#{row} .done').textContent.startsWith('{} items')",
            times.len()
        ))
        .await;
    }
    // The last painting is noted two frames after it.
    tab.run("new Promise((done) => setTimeout(done, 200))").await;
    let seen: Vec<(String, usize, f64)> = serde_json::from_value(tab.run("window.seen").await)?;
    let updates: std::collections::HashSet<u64> = seen.iter().map(|(_, _, at)| at.to_bits()).collect();
    browser.close().await;

    let mut times = Times::default();
    for (row, sent) in &sent {
        let mut painted = seen.iter().filter(|(id, ..)| id == row).peekable();
        for (count, sent) in (1..).zip(sent) {
            while painted.peek().is_some_and(|(_, shown, _)| *shown < count) {
                painted.next();
            }
            let (_, _, at) = painted.peek().ok_or("an event was never painted")?;
            times.push(Duration::from_secs_f64((at - sent).max(0.0) / 1_000.0));
        }
    }
    println!("pixels: {} events were seen in {} updates of the page", times.len(), updates.len());
    figures.push(Figure::plain(
        "event sent to painted in Chromium at 200 events/s, p50",
        times.percentile(50),
        "ms",
    ));
    let p99 = times.percentile(99);
    figures.push(
        Figure::plain("event sent to painted in Chromium at 200 events/s, p99", p99, "ms").under(250.0),
    );
    Ok(figures)
}

/// What the server's memory grows by for each of many streams on which nothing happens.
async fn listeners(server: &Server, viewer: &Caller) -> Result<Figure, Failure> {
    let before = server.memory()?.now;
    let mut streams = Vec::with_capacity(LISTENERS);
    for _ in 0..LISTENERS {
        let mut stream = TcpStream::connect(server.address).await?;
        let request = format!(
            "GET /v1/tenants/{}/stream HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\n\r\n",
            viewer.tenant, server.address, viewer.token
        );
        stream.write_all(request.as_bytes()).await?;
        let mut begin = [0; 512];
        let read = stream.read(&mut begin).await?;
        if !begin.get(..read).unwrap_or_default().starts_with(b"HTTP/1.1 200") {
            return Err("a stream was refused".into());
        }
        streams.push(stream);
    }
    tokio::time::sleep(QUIET).await;
    let kilobytes = (server.memory()?.now - before) * 1_000.0 / LISTENERS as f64;
    println!("pixels: {LISTENERS} streams on which nothing happens, {kilobytes:.1} kB each");
    Ok(Figure::plain(format!("memory of each of {LISTENERS} idle streams"), kilobytes, "kB"))
}

async fn produce(
    mut writes: Connection,
    run: String,
    producer: Arc<Caller>,
    first: tokio::time::Instant,
    until: tokio::time::Instant,
) -> Result<(String, Vec<f64>), Failure> {
    let path = events_path(&producer, &run);
    let mut sent = Vec::new();
    let mut due = first;
    while due < until {
        tokio::time::sleep_until(due).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64() * 1_000.0;
        writes.post(&path, succeeded(sent.len()).as_bytes()).await?;
        sent.push(now);
        due += PACE;
    }
    Ok((run, sent))
}
