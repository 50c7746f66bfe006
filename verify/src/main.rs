//! The `runledger-verify` program.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use seal::policy::Policy;
use serde::Serialize;
use verify::{Receipted, Refused, Report, older_checkpoint, receipt, verify};

/// The most that is read of a receipt, in bytes. What is longer does not end, and is refused.
const LARGEST: u64 = 64 << 20;

/// Checks an export of sealed history, or a receipt for one event. Reads these files, and nothing else: no network, no
/// ledger, no clock.
///
/// Ends with 0 where all is proven, with 1 where it is refused, and with 2 where nothing could be checked.
#[derive(Debug, Parser)]
#[command(name = "runledger-verify", version, max_term_width = 100)]
struct Cli {
    /// The export, a zip, or a receipt, which is JSON.
    file: PathBuf,
    /// Which keys are trusted: your own file, from before. One that came with the export proves nothing.
    #[arg(long)]
    policy: PathBuf,
    /// A checkpoint that you kept, or the heads.tlog-proof of an earlier export: the export must go on from it.
    #[arg(long)]
    since: Option<PathBuf>,
    /// Answer in JSON.
    #[arg(long)]
    json: bool,
}

/// What was found in an export or a receipt.
#[derive(Serialize)]
#[serde(untagged)]
enum Found {
    Export(Box<Report>),
    Receipt(Box<Receipted>),
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Export(report) => report.fmt(f),
            Self::Receipt(receipt) => receipt.fmt(f),
        }
    }
}

#[derive(Serialize)]
struct Answer<'a> {
    verified: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    report: Option<&'a Found>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a Refused>,
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn run(cli: &Cli) -> Result<Result<Found, Refused>, String> {
    let policy = Policy::parse(&read(&cli.policy)?);
    let policy = policy.map_err(|error| format!("{}: {error}", cli.policy.display()))?;
    let older = cli
        .since
        .as_deref()
        .map(|path| older_checkpoint(&read(path)?).map_err(|error| format!("{}: {error}", path.display())));
    let older = older.transpose()?;
    let open = || File::open(&cli.file).map(BufReader::new);
    let failed = |error| format!("{}: {error}", cli.file.display());
    let mut file = open().map_err(failed)?;
    if !file.fill_buf().map_err(failed)?.trim_ascii_start().starts_with(b"{") {
        let report = verify(open, &policy, older.as_ref());
        return Ok(report.map(|report| Found::Export(Box::new(report))));
    }
    if older.is_some() {
        return Err("--since is for exports: a receipt has no proof from an older checkpoint".into());
    }
    let mut text = Vec::new();
    file.take(LARGEST).read_to_end(&mut text).map_err(failed)?;
    Ok(receipt(&text, &policy).map(|receipt| Found::Receipt(Box::new(receipt))))
}

fn say(cli: &Cli, result: &Result<Found, Refused>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if cli.json {
        let (report, refused) = (result.as_ref().ok(), result.as_ref().err());
        serde_json::to_writer(&mut out, &Answer { verified: result.is_ok(), report, refused })?;
        return writeln!(out);
    }
    match result {
        Ok(report) => write!(out, "{report}"),
        Err(refused) => writeln!(out, "REFUSED: {refused}"),
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = match run(&cli) {
        Ok(result) => result,
        Err(error) => {
            // Where nobody reads it any more, the exit code says it still.
            drop(writeln!(io::stderr(), "runledger-verify: nothing was checked: {error}"));
            return ExitCode::from(2);
        }
    };
    match say(&cli, &result) {
        // Who reads it has read enough. What was found out stays what the program ends with.
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            drop(writeln!(io::stderr(), "runledger-verify: {error}"));
            ExitCode::from(2)
        }
        _ => ExitCode::from(u8::from(result.is_err())),
    }
}
