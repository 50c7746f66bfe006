//! What a report costs the job, and how many go through one client. Figures, no verdicts. The first needs no ledger: the
//! spool takes it all; the others are made with `RUNLEDGER_URL`, `RUNLEDGER_TENANT` and `RUNLEDGER_TOKEN`.
//! `cargo run --release -p runledger-client --example bench`
#![expect(clippy::print_stdout, reason = "it is what it is for")]

use std::path::Path;
use std::time::{Duration, Instant};

use runledger_client::{Error, Ledger, Limits, Run, Start};
use serde_json::json;

const REPORTS: u32 = 100_000;
const ITEMS: u32 = 100_000;
const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::main]
async fn main() -> Result<(), Error> {
    let spool = std::env::temp_dir().join(format!("runledger-bench-{}", std::process::id()));
    // Nobody listens there.
    let away = ledger("http://127.0.0.1:9", "none", "none", &spool.join("away"))?;
    let open = away.begin(Start::new("bench.cost", json!({})).heartbeat(Duration::from_secs(30)));
    costs("without a ledger", &open);
    open.complete();
    drop((open, away));

    let setting = |name: &str| std::env::var(format!("RUNLEDGER_{name}")).ok();
    if let (Some(url), Some(token), Some(tenant)) = (setting("URL"), setting("TOKEN"), setting("TENANT")) {
        let there = ledger(&url, &token, &tenant, &spool.join("there"))?;
        let context = |part: &str| json!({"part": part, "process": std::process::id()});
        let open = there.begin(Start::new("bench.client", context("cost")));
        costs("with a ledger   ", &open);
        open.complete();
        there.flush(PATIENCE).await;

        let began = Instant::now();
        let open = there.begin(Start::new("bench.client", context("through")));
        (0..ITEMS).for_each(|item| open.succeeded(format_args!("item-{item}")));
        open.complete();
        let told = began.elapsed();
        let sent = there.flush(PATIENCE).await;
        let rate = f64::from(ITEMS) / began.elapsed().as_secs_f64();
        println!("{ITEMS} items: told in {told:.2?}, at the ledger {rate:.0}/s (all of them: {sent})");
    }
    std::fs::remove_dir_all(spool)?;
    Ok(())
}

fn ledger(url: &str, token: &str, tenant: &str, spool: &Path) -> Result<Ledger, Error> {
    let limits = Limits { exit_timeout: Duration::ZERO, spool_bytes: 1 << 30, ..Limits::default() };
    Ledger::builder(url, token, tenant).spool(spool).limits(limits).build()
}

/// How long one call takes, seen from the job, while the sender works beside it.
fn costs(with: &str, run: &Run) {
    let mut costs: Vec<Duration> = (0..REPORTS)
        .map(|item| {
            let began = Instant::now();
            run.item(item).label("Daily policy").succeeded();
            let cost = began.elapsed();
            if item % 100 == 0 {
                std::thread::sleep(Duration::from_millis(1)); // a job has something else to do
            }
            cost
        })
        .collect();
    costs.sort_unstable();
    let mean = costs.iter().sum::<Duration>() / REPORTS;
    let of = |share: usize| costs.get(costs.len() * share / 1_000).copied().unwrap_or_default();
    println!("one report, {with}: median {:.1?}  mean {mean:.1?}  99 % {:.1?}", of(500), of(990));
}
