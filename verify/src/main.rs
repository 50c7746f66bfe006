//! The `runledger-verify` program.

use std::fs::{self, File};
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use seal::policy::Policy;
use serde::Serialize;
use verify::{Refused, Report, older_checkpoint, verify};

/// Checks an export of sealed history. Reads these files, and nothing else: no network, no ledger, no clock.
///
/// Ends with 0 where all is proven, with 1 where the export is refused, and with 2 where nothing could be checked.
#[derive(Debug, Parser)]
#[command(name = "runledger-verify", version, max_term_width = 100)]
struct Cli {
    /// The export, a zip.
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

#[derive(Serialize)]
struct Answer<'a> {
    verified: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    report: Option<&'a Report>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<&'a Refused>,
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn run(cli: &Cli) -> Result<Result<Report, Refused>, String> {
    let policy = Policy::parse(&read(&cli.policy)?);
    let policy = policy.map_err(|error| format!("{}: {error}", cli.policy.display()))?;
    let older = cli
        .since
        .as_deref()
        .map(|path| older_checkpoint(&read(path)?).map_err(|error| format!("{}: {error}", path.display())));
    let older = older.transpose()?;
    let open = || File::open(&cli.file).map(BufReader::new);
    open().map_err(|error| format!("{}: {error}", cli.file.display()))?;
    Ok(verify(open, &policy, older.as_ref()))
}

fn say(cli: &Cli, result: &Result<Report, Refused>) -> io::Result<()> {
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
            eprintln!("runledger-verify: nothing was checked: {error}");
            return ExitCode::from(2);
        }
    };
    if let Err(error) = say(&cli, &result) {
        eprintln!("runledger-verify: {error}");
        return ExitCode::from(2);
    }
    ExitCode::from(u8::from(result.is_err()))
}
