//! `cargo run --release -p bench`: what the ledger does in a second, as ratios to a baseline that is
//! measured in the same run, on a private Postgres with durability on.
#![allow(clippy::print_stdout, reason = "printing figures is what it is for")]

mod appends;
mod rig;

use std::error::Error;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;

use rig::Rig;

/// Why a figure could not be taken.
type Failure = Box<dyn Error + Send + Sync>;

/// Measures the ledger against its machine.
#[derive(Debug, Parser)]
struct Args {
    /// Rounds of each figure; the figures of all take turns, and the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of one round, in seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Prints the figures as JSON at the end.
    #[arg(long)]
    json: bool,
}

/// One figure and the baseline it is held against.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    /// Median over the rounds, events a second.
    per_second: f64,
    baseline: &'static str,
    /// Median over the rounds, events a second.
    baseline_per_second: f64,
    /// Median of the rounds' own ratios.
    ratio: f64,
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let args = Args::parse();
    let rig = Rig::start().await?;
    let length = Duration::from_secs(args.seconds);

    let mut single = Rounds::default();
    let mut batched = Rounds::default();
    for round in 1..=args.rounds {
        let rows = appends::one_row_commits(&rig, 64, length).await?;
        let log = appends::through_the_log(&rig, 64, 1, length).await?;
        println!("round {round}/{}: one-row commits {rows:.0}/s, through the log {log:.0}/s", args.rounds);
        single.push(log, rows);
        let sets = appends::set_based_inserts(&rig, 8, 25, length).await?;
        let log = appends::through_the_log(&rig, 8, 25, length).await?;
        println!("round {round}/{}: set-based inserts {sets:.0}/s, through the log {log:.0}/s", args.rounds);
        batched.push(log, sets);
    }
    rig.stop().await?;

    let figures = [
        single.figure("single events through the log, 64 producers", "one-row commits, 64 connections"),
        batched
            .figure("batches of 25 through the log, 8 producers", "set-based inserts of 25, 8 connections"),
    ];
    println!("\n| what | events/s | baseline | events/s | ratio |\n|---|---|---|---|---|");
    for f in &figures {
        let Figure { name, per_second, baseline, baseline_per_second, ratio } = f;
        println!("| {name} | {per_second:.0} | {baseline} | {baseline_per_second:.0} | {ratio:.2} |");
    }
    if args.json {
        println!("{}", serde_json::to_string_pretty(&figures)?);
    }
    Ok(())
}

#[derive(Default)]
struct Rounds {
    ours: Vec<f64>,
    baseline: Vec<f64>,
}

impl Rounds {
    fn push(&mut self, ours: f64, baseline: f64) {
        self.ours.push(ours);
        self.baseline.push(baseline);
    }

    fn figure(self, name: &'static str, baseline: &'static str) -> Figure {
        let ratios = self.ours.iter().zip(&self.baseline).map(|(ours, base)| ours / base).collect();
        Figure {
            name,
            per_second: median(self.ours),
            baseline,
            baseline_per_second: median(self.baseline),
            ratio: median(ratios),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
