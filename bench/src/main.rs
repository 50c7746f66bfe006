//! `cargo run --release -p bench`: what the ledger does in a second, as ratios to a baseline that is
//! measured in the same run, on a private Postgres with durability on.
#![allow(clippy::print_stdout, reason = "printing figures is what it is for")]

mod appends;
mod audits;
mod catch_up;
mod child;
mod client;
mod cpu;
mod http_appends;
mod ids;
mod pages;
mod pixels;
mod profile;
mod report;
mod rig;
mod run_list;
mod sealed;
mod sealing;
mod sql_fold;
mod starts;
mod visible;
mod workload;
mod writes;

use std::error::Error;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use serde::Serialize;

use child::Server;
use profile::Profile;
use report::{Figure, print_table};
use rig::Rig;

/// Why a figure could not be taken.
type Failure = Box<dyn Error + Send + Sync>;

/// Measures the ledger against its machine.
#[derive(Debug, Parser)]
struct Args {
    /// Rounds of each figure; a figure and its baseline take turns, and the median counts.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Length of one round, in seconds.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Measures only these parts; all of them without.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// Events that catch-up folds.
    #[arg(long, default_value_t = 250_000)]
    events: usize,
    /// How many runs are interleaved in the logs that catch-up folds.
    #[arg(long, value_delimiter = ',', default_values_t = [64, 5_000])]
    interleaved: Vec<usize>,
    /// Events that both folds of catch-up take in one transaction; the projector's own number without.
    #[arg(long)]
    batch_events: Option<usize>,
    /// Runs among which lists are read.
    #[arg(long, default_value_t = 1_000_000)]
    runs: usize,
    /// After the rounds of catch-up, shows in one more round where the projector's time goes.
    #[arg(long)]
    profile: bool,
    /// Prints the figures as JSON at the end.
    #[arg(long)]
    json: bool,
}

/// A part of the measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// Appends through the log.
    Appends,
    /// The same without an index over all event ids, and with it.
    Ids,
    /// Starting runs.
    Starts,
    /// The projector on a log that is there already.
    CatchUp,
    /// Ways to write the rows of a batch.
    Writes,
    /// Appends over HTTP.
    Http,
    /// From append to visible.
    Visible,
    /// Lists of runs over HTTP.
    RunList,
    /// What auditors ask: events of all runs, runs by their ends, items at a moment.
    Audits,
    /// Pages of the hub.
    Pages,
    /// From an event to what a browser shows, and streams on which nothing happens.
    Pixels,
    /// Appends with a sealer beside them.
    Sealing,
    /// Sealing a log that is there already, and auditing it.
    SealedLog,
}

/// All that was measured, and where.
#[derive(Debug, Serialize)]
struct Report {
    machine: String,
    postgres: String,
    /// What else ran: the load averages over 1, 5 and 15 minutes before the start.
    load_before: String,
    figures: Vec<Figure>,
}

fn main() -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if std::env::args().nth(1).as_deref() == Some(child::AS_SERVER) {
        return runtime.block_on(child::run());
    }
    runtime.block_on(measure(&Args::parse()))
}

async fn measure(args: &Args) -> Result<(), Failure> {
    let load_before = rig::load()?;
    let rig = Rig::start().await?;
    let (machine, postgres) = (rig::machine()?, rig.version().await?);
    println!("{machine}, Postgres {postgres}; load before the start: {load_before}");
    let mut figures = Vec::new();
    let measured = parts(args, &rig, &mut figures).await;
    // The database goes in any case, and what was measured is shown; then comes what went wrong.
    rig.stop().await?;
    let report = Report { machine, postgres, load_before, figures };
    print_table(&report.figures);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    measured
}

async fn parts(args: &Args, rig: &Rig, figures: &mut Vec<Figure>) -> Result<(), Failure> {
    let wanted = |part| args.only.is_empty() || args.only.contains(&part);
    let length = Duration::from_secs(args.seconds);
    let profile = args.profile.then(Profile::listen).transpose()?;
    if wanted(Part::Appends) {
        figures.extend(appends::measure(rig, args.rounds, length).await?);
    }
    if wanted(Part::Ids) {
        figures.extend(ids::measure(rig, args.rounds, length).await?);
    }
    if wanted(Part::Starts) {
        figures.extend(starts::measure(rig, args.rounds, length).await?);
    }
    if wanted(Part::CatchUp) {
        figures.extend(catch_up::measure(rig, args, profile.as_ref()).await?);
    }
    if wanted(Part::Sealing) {
        figures.extend(sealing::measure(rig, args.rounds, length).await?);
    }
    if wanted(Part::SealedLog) {
        figures.extend(sealing::catch_up(rig, args).await?);
    }
    if wanted(Part::Writes) {
        figures.extend(writes::measure(rig, args.rounds).await?);
    }
    if wanted(Part::Http) {
        figures.push(http_appends::measure_api_alone(rig, args.rounds, length).await?);
    }
    if [Part::Http, Part::Visible, Part::RunList, Part::Audits, Part::Pages, Part::Pixels]
        .into_iter()
        .any(wanted)
    {
        child::skip_to_head(rig).await?;
        // Catching up is part of what its memory is measured through.
        println!("server: {} events wait for it", args.events);
        let interleaved = args.interleaved.iter().copied().max().unwrap_or(1);
        workload::append(&rig.options(), args.events.div_ceil(workload::RUN_EVENTS), interleaved).await?;
        let server = Server::start(rig, &[]).await?;
        let pool = rig.pool(1).await?;
        child::projected(&pool).await?;
        pool.close().await;
        if wanted(Part::Http) {
            figures.push(http_appends::measure(rig, &server, args.rounds, length).await?);
        }
        if wanted(Part::Visible) {
            let length = length * u32::try_from(args.rounds)?;
            figures.extend(visible::measure(rig, &server, length).await?);
        }
        if wanted(Part::Pixels) {
            figures.extend(pixels::measure(rig, &server, length * 4).await?);
        }
        if [Part::RunList, Part::Audits, Part::Pages].into_iter().any(wanted) {
            run_list::make(rig, args.runs).await?;
        }
        if wanted(Part::RunList) {
            figures.extend(run_list::measure(rig, &server, args.runs).await?);
        }
        if wanted(Part::Audits) {
            audits::make(rig).await?;
            figures.extend(audits::measure(rig, &server, args.runs).await?);
        }
        if wanted(Part::Pages) {
            figures.extend(pages::measure(rig, &server, args.runs).await?);
        }
        let memory = server.memory()?;
        println!("memory of the server: {:.0} MB now, {:.0} MB at most", memory.now, memory.most);
        figures.push(
            Figure::plain("resident memory of the server through all of it", memory.most, "MB").under(200.0),
        );
        server.stop().await?;
    }
    Ok(())
}
