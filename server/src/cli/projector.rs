//! The projector and its tables.
#![allow(missing_docs, reason = "what a flattened field means stands with its type")]

use clap::builder::BoolishValueParser;
use clap::{Args, Subcommand};
use uuid::Uuid;

use super::{DatabaseArgs, EventLogArgs, OutputArgs};
use crate::listen;

/// `runledger projector ...`
#[derive(Debug, Subcommand)]
pub enum ProjectorCommand {
    /// Folds the event log into the read tables, until stopped.
    Run(ProjectorRunArgs),
    /// Folds what is held back once more, in order.
    ///
    /// An event that can't be folded holds back its run, and all others go on. When the reason is gone, this
    /// drains what has waited. Fails when anything is still held.
    Retry {
        /// Only this run.
        #[arg(long, env = "RUNLEDGER_RUN")]
        run: Option<Uuid>,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        event_log: EventLogArgs,
    },
    /// Builds the read tables anew from the event log, beside the live ones, and swaps them.
    ///
    /// The live tables serve and move on meanwhile; the swap is one transaction. Notifications are neither
    /// sent nor unread again. Started again after a crash, it goes on where it was.
    Rebuild {
        #[command(flatten)]
        which: WhichRun,
        /// Begins from nothing, whatever an earlier rebuild has left.
        #[arg(long, env = "RUNLEDGER_ANEW", conflicts_with = "run", value_parser = BoolishValueParser::new())]
        anew: bool,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        event_log: EventLogArgs,
    },
    /// Folds the event log once more and compares every row of the read tables. Exit code 1 and a line for
    /// each row that is wrong, 0 when there is none.
    Verify {
        #[command(flatten)]
        which: WhichRun,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        event_log: EventLogArgs,
    },
}

/// `runledger projector run`
#[derive(Debug, Args)]
pub struct ProjectorRunArgs {
    /// Host and port of a page with this process's metrics, at /metrics. Without it there is none.
    #[arg(long, env = "RUNLEDGER_METRICS_LISTEN")]
    pub metrics_listen: Option<listen::ListenAddress>,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub event_log: EventLogArgs,
}

/// All runs, or one of them.
#[derive(Debug, Clone, Args)]
pub struct WhichRun {
    /// Only this run.
    #[arg(long, env = "RUNLEDGER_RUN")]
    pub run: Option<Uuid>,
    /// Whose run it is; needed only where no table knows the run any more.
    #[arg(long, env = "RUNLEDGER_RUN_TENANT", requires = "run")]
    pub tenant: Option<String>,
}
