//! Inlets.
#![allow(missing_docs, reason = "what a flattened field means stands with its type")]

use std::time::Duration;

use clap::{Args, Subcommand};
use inlets::{OrdererConfig, ReceiverConfig};
use uuid::Uuid;

use super::{DatabaseArgs, OutputArgs};

/// How what comes in through inlets is taken.
#[derive(Debug, Clone, Args)]
pub struct InletArgs {
    /// How long a report that came in through an inlet waits for others that belong before it, in seconds.
    #[arg(long, env = "RUNLEDGER_INLET_GRACE_SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(..=600))]
    pub inlet_grace_seconds: u16,
    /// How many reports of one inlet may wait; more are answered 503 until some were taken to the log.
    #[arg(long, env = "RUNLEDGER_INLET_BACKLOG", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub inlet_backlog: u32,
    /// How many days what came in and became no event is kept for its owner to see.
    #[arg(long, env = "RUNLEDGER_INLET_KEEP_DAYS", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..=3650))]
    pub inlet_keep_days: u16,
}

impl Default for InletArgs {
    fn default() -> Self {
        Self { inlet_grace_seconds: 2, inlet_backlog: 100_000, inlet_keep_days: 30 }
    }
}

impl InletArgs {
    /// How it is kept.
    #[must_use]
    pub fn receiving(&self) -> ReceiverConfig {
        let grace = Duration::from_secs(self.inlet_grace_seconds.into());
        ReceiverConfig { grace, backlog: self.inlet_backlog }
    }

    /// How it is taken to the log.
    #[must_use]
    pub fn ordering(&self) -> OrdererConfig {
        OrdererConfig { keep_days: self.inlet_keep_days, ..OrdererConfig::default() }
    }
}

/// `runledger inlet ...`
#[derive(Debug, Subcommand)]
pub enum InletCommand {
    /// Creates an inlet and shows its key, this once. It appends runs of one kind, and does nothing else.
    Create {
        /// Whose runs come in.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: String,
        /// In which form reports come in: pings, openlineage or cloudevents.
        #[arg(long, env = "RUNLEDGER_INLET_TYPE")]
        inlet_type: String,
        /// The kind of operation that its runs are.
        #[arg(long, env = "RUNLEDGER_KIND")]
        kind: String,
        /// The actor of its events; without it, `inlet-` and the type.
        #[arg(long, env = "RUNLEDGER_PRINCIPAL")]
        principal: Option<String>,
        /// After how many silent seconds its runs are shown as stalled, and may be presumed failed where a policy says
        /// so; without it, never.
        #[arg(long, env = "RUNLEDGER_HEARTBEAT_SECONDS", value_parser = clap::value_parser!(u64).range(1..=86_400))]
        heartbeat_seconds: Option<u64>,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Lists a tenant's inlets, without their keys.
    List {
        /// Which tenant.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: String,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Ends the life of an inlet's key, at once. What came in before is still taken to the log.
    Revoke {
        /// The inlet's id, as `inlet list` shows it.
        inlet_id: Uuid,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}
