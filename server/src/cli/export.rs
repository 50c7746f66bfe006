//! Taking sealed history out.
#![allow(missing_docs, reason = "what a flattened field means stands with its type")]

use std::path::PathBuf;

use chrono::{DateTime, Utc};
use clap::Args;
use clap::builder::BoolishValueParser;
use uuid::Uuid;

use super::{DatabaseArgs, EventLogArgs, OutputArgs};

/// A moment (RFC 3339).
fn moment(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.to_utc())
        .map_err(|error| reads::time::explain(text, error))
}

/// `runledger export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Whose history.
    #[arg(long, env = "RUNLEDGER_TENANT")]
    pub tenant: String,
    /// Only this run.
    #[arg(long, env = "RUNLEDGER_RUN", conflicts_with_all = ["since", "until", "kind"])]
    pub run: Option<Uuid>,
    /// Runs that the ledger recorded then or later: 2026-01-31T08:15:00Z.
    #[arg(long, env = "RUNLEDGER_SINCE", value_name = "MOMENT", value_parser = moment)]
    pub since: Option<DateTime<Utc>>,
    /// Runs that it recorded before.
    #[arg(long, env = "RUNLEDGER_UNTIL", value_name = "MOMENT", value_parser = moment)]
    pub until: Option<DateTime<Utc>>,
    /// Runs of this kind.
    #[arg(long, env = "RUNLEDGER_KIND")]
    pub kind: Option<String>,
    /// With all events of the tenant's administration.
    #[arg(long, env = "RUNLEDGER_ADMINISTRATION", value_parser = BoolishValueParser::new())]
    pub administration: bool,
    /// A checkpoint that was kept: the file proves that nothing was changed since.
    #[arg(long, env = "RUNLEDGER_SINCE_CHECKPOINT", value_name = "FILE")]
    pub since_checkpoint: Option<PathBuf>,
    /// To where.
    #[arg(long, env = "RUNLEDGER_TO", value_name = "FILE.zip")]
    pub to: PathBuf,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub event_log: EventLogArgs,
}
