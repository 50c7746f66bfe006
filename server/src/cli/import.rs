//! Old rows.
#![allow(missing_docs, reason = "what a flattened field means stands with its type")]
#![allow(rustdoc::bare_urls, reason = "--help shows these texts as they are")]

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};
use imports::{Unfinished, Zone};

use super::{DatabaseArgs, EventLogArgs, OutputArgs};

/// `runledger import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// Whose runs the rows become.
    #[arg(long, env = "RUNLEDGER_TENANT")]
    pub tenant: String,
    /// The rows: a file that ends with .ndjson, .jsonl or .csv, or postgres://user:password@host/database.
    #[arg(long, env = "RUNLEDGER_SOURCE", hide_env_values = true, value_name = "FILE|URL")]
    pub source: String,
    /// What the columns mean: a file (TOML), or the name of a mapping that comes with the program, such as
    /// `laravel-job-batches`.
    #[arg(long, env = "RUNLEDGER_MAP", value_name = "FILE|NAME")]
    pub map: String,
    /// The zone of times that say none, in the place of the mapping's: Europe/Berlin, UTC, +02:00.
    #[arg(long, env = "RUNLEDGER_ZONE")]
    pub zone: Option<Zone>,
    /// What a source that is a database is asked, in the place of the mapping's query.
    #[arg(long, env = "RUNLEDGER_QUERY", value_name = "SQL")]
    pub query: Option<String>,
    /// What becomes of rows that are not done, in the place of what the mapping says.
    #[arg(long, env = "RUNLEDGER_UNFINISHED", value_enum)]
    pub unfinished: Option<UnfinishedArg>,
    /// Appends nothing, and says what would be.
    #[arg(long, env = "RUNLEDGER_DRY_RUN", value_parser = BoolishValueParser::new())]
    pub dry_run: bool,
    /// Goes on with an import that was broken off: rows that the read tables show as done are passed over, without
    /// asking the event log.
    #[arg(long, env = "RUNLEDGER_RESUME", value_parser = BoolishValueParser::new())]
    pub resume: bool,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub event_log: EventLogArgs,
}

/// What becomes of rows that are not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnfinishedArg {
    /// They are left out, and may be imported later.
    Skip,
    /// They have failed, as stale.
    FailStale,
    /// They are queued or running here as well.
    Keep,
}

impl From<UnfinishedArg> for Unfinished {
    fn from(arg: UnfinishedArg) -> Self {
        match arg {
            UnfinishedArg::Skip => Self::Skip,
            UnfinishedArg::FailStale => Self::FailStale,
            UnfinishedArg::Keep => Self::Keep,
        }
    }
}
