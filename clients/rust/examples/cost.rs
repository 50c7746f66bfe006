//! What a report costs the job, without a ledger: the spool takes it all. `cargo run --release -p runledger-client
//! --example cost`
#![expect(clippy::print_stdout, reason = "it is what it is for")]

use std::time::{Duration, Instant};

use runledger_client::{Error, Ledger, Limits, Start};
use serde_json::json;

const REPORTS: u32 = 100_000;

fn main() -> Result<(), Error> {
    let spool = std::env::temp_dir().join(format!("runledger-cost-{}", std::process::id()));
    let limits = Limits { exit_timeout: Duration::ZERO, ..Limits::default() };
    // Nobody listens there.
    let ledger =
        Ledger::builder("http://127.0.0.1:9", "none", "none").spool(&spool).limits(limits).build()?;
    let open = ledger.begin(Start::new("bench.cost", json!({})).heartbeat(Duration::from_secs(30)));
    let mut costs: Vec<Duration> = (0..REPORTS)
        .map(|item| {
            let began = Instant::now();
            open.item(item).label("Daily policy").succeeded();
            began.elapsed()
        })
        .collect();
    costs.sort_unstable();
    let mean = costs.iter().sum::<Duration>() / REPORTS;
    let of = |share: usize| costs.get(costs.len() * share / 1_000).copied().unwrap_or_default();
    println!("a report: median {:?}, mean {mean:?}, 99 of 100 within {:?}", of(500), of(990));
    open.complete();
    drop((open, ledger));
    std::fs::remove_dir_all(spool)?;
    Ok(())
}
