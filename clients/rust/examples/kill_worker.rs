//! What `clients/python/kill.py` kills: `worker work SPOOL KIND NOTES`, and `worker left SPOOL`, which sends what the killed
//! ones left and says how many runs were not sent.
#![expect(clippy::print_stdout, reason = "who started it reads it")]

use std::error::Error;
use std::fs::OpenOptions;
use std::io::Write;
use std::time::Duration;

use runledger_client::{Ledger, Limits, Start};
use serde_json::json;

const ITEMS: u32 = 60;

fn ledger(spool: &str) -> Result<Ledger, Box<dyn Error + Send + Sync>> {
    let setting = |name: &str| std::env::var(format!("RUNLEDGER_{name}"));
    let limits = Limits {
        retry_first: Duration::from_millis(50),
        retry_most: Duration::from_millis(500),
        adopt_every: Duration::from_millis(500),
        ..Limits::default()
    };
    let builder = Ledger::builder(&setting("URL")?, &setting("TOKEN")?, &setting("TENANT")?);
    Ok(builder.spool(spool).limits(limits).build()?)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error + Send + Sync>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["work", spool, kind, notes] => work(&ledger(spool)?, kind, notes).await,
        ["left", spool] => {
            // A folder that was just made is left alone for a second.
            tokio::time::sleep(Duration::from_secs(1)).await;
            println!("{}", ledger(spool)?.send_left(Duration::from_secs(60)).await);
            Ok(())
        }
        _ => Err("worker work SPOOL KIND NOTES, or worker left SPOOL".into()),
    }
}

/// Items, each noted after it was reported.
async fn work(ledger: &Ledger, kind: &str, notes: &str) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut noted = OpenOptions::new().append(true).create(true).open(notes)?;
    println!("ready");
    let open = ledger.begin(Start::new(kind, json!({})).heartbeat(Duration::from_secs(1)));
    let work = open.work(async |run| {
        for item in 0..ITEMS {
            let begun = run.item(item);
            tokio::time::sleep(Duration::from_millis(5)).await;
            begun.succeeded();
            writeln!(noted, "{item}")?;
        }
        Ok::<_, std::io::Error>(())
    });
    work.await?;
    ledger.close().await;
    Ok(())
}
