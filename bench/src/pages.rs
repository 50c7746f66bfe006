//! How soon pages come: the list among many runs, and a run with many items.

use std::time::Instant;

use access::Role;
use serde_json::json;
use sqlx::AssertSqlSafe;

use crate::Failure;
use crate::child::Server;
use crate::child::{caller, projected};
use crate::client::Connection;
use crate::http_appends::{events_path, start_run};
use crate::report::{Figure, Times};
use crate::rig::Rig;
use crate::run_list::TENANT;

/// The items of the run whose page is read; one in ten has failed, for one of ten reasons.
const ITEMS: usize = 100_000;
/// Of which the items are ids that the directory names.
const NAMESPACE: &str = "volumes";
/// Events in a request.
const BATCH: usize = 1_000;
/// Requests of each page.
const REQUESTS: usize = 300;

/// Pages of a tenant whose `runs` runs are there already.
pub async fn measure(rig: &Rig, server: &Server, runs: usize) -> Result<Vec<Figure>, Failure> {
    let pool = rig.pool(2).await?;
    let producer = caller(&pool, TENANT, Role::Producer).await?;
    let viewer = caller(&pool, TENANT, Role::Readonly).await?;
    let mut writes = Connection::open(server.address, &producer.token).await?;
    let run = start_run(&mut writes, &producer, 0).await?;
    // The same once more, of items whose names are in the directory.
    let named_run = start_run(&mut writes, &producer, 1).await?;
    for (run, namespace) in [(&run, None), (&named_run, Some(NAMESPACE))] {
        for batch in 0..ITEMS / BATCH {
            let events: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).map(|n| item(n, namespace)).collect();
            let body = serde_json::to_vec(&json!({"events": events}))?;
            writes.post(&events_path(&producer, run), &body).await?;
        }
    }
    for batch in 0..ITEMS / BATCH {
        let entries: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).map(entry).collect();
        let body = serde_json::to_vec(&json!({"entries": entries}))?;
        writes.post(&format!("/v1/tenants/{TENANT}/directory"), &body).await?;
    }
    projected(&pool).await?;
    // As it will be a minute later, by itself.
    for table in ["projection.run_items", "projection.run_events", "projection.directory"] {
        sqlx::query(AssertSqlSafe(format!("VACUUM ANALYZE {table}"))).execute(&pool).await?;
    }
    pool.close().await;

    let list = format!("/t/{TENANT}/runs");
    let page = format!("/t/{TENANT}/runs/{run}");
    let named = format!("/t/{TENANT}/runs/{named_run}");
    let mut pages = [
        (format!("page of runs among {runs}"), list.clone()),
        (format!("page of runs among {runs}, filtered"), format!("{list}?status=failed&kind=kind.k5")),
        (format!("page of a run with {ITEMS} items"), page.clone()),
        (format!("page of a run with {ITEMS} items, one reason"), format!("{page}?reason_code=bench.r3")),
        (format!("page of a run with {ITEMS} items, by name"), format!("{page}?item=volume-05")),
        (format!("page of a run with {ITEMS} items, named by the directory"), named.clone()),
        (
            format!("page of a run with {ITEMS} items, by the directory's name"),
            format!("{named}?item=Disk+05"),
        ),
    ]
    .map(|(name, path)| (name, path, Times::default(), Times::default()));
    let mut reads = Connection::open(server.address, &viewer.token).await?;
    for request in 0..REQUESTS {
        for (_, path, first, all) in &mut pages {
            let begin = Instant::now();
            reads.get(path).await?;
            first.push(reads.first_byte - begin);
            all.push(begin.elapsed());
        }
        if (request + 1).is_multiple_of(100) {
            println!("pages: {} of {REQUESTS} requests of each", request + 1);
        }
    }
    let mut figures = Vec::new();
    for (name, _, first, all) in &mut pages {
        figures.push(Figure::plain(format!("{name}, first byte, p50"), first.percentile(50), "ms"));
        figures
            .push(Figure::plain(format!("{name}, first byte, p99"), first.percentile(99), "ms").under(25.0));
        figures.push(Figure::plain(format!("{name}, last byte, p99"), all.percentile(99), "ms"));
    }
    Ok(figures)
}

fn item(n: usize, namespace: Option<&str>) -> serde_json::Value {
    let item = format!("volume-{n:06}");
    if n.is_multiple_of(10) {
        let reason = format!("bench.r{}", n / 10 % 10);
        json!({"type": "ItemFailed", "item": item, "namespace": namespace, "reason_code": reason,
            "message": "the volume did not answer"})
    } else {
        json!({"type": "ItemSucceeded", "item": item, "namespace": namespace})
    }
}

fn entry(n: usize) -> serde_json::Value {
    json!({"namespace": NAMESPACE, "id": format!("volume-{n:06}"), "name": format!("Disk {n:06}"),
        "as_of": "2026-01-31T08:15:00Z"})
}
