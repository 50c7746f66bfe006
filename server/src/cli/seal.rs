//! What seals history, and its commands.
#![allow(missing_docs, reason = "what a flattened field means stands with its type")]

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{DatabaseArgs, EventLogArgs, OutputArgs};

/// Whether history is sealed.
#[derive(Debug, Clone, Default, Args)]
pub struct SealArgs {
    /// A file with the key that signs history, as `runledger seal keygen` makes it. Without it nothing is sealed.
    #[arg(long, env = "RUNLEDGER_SEAL_KEY", value_name = "FILE")]
    pub seal_key: Option<PathBuf>,
    /// How long news wait to be signed at most, in seconds.
    #[arg(long, env = "RUNLEDGER_SEAL_EVERY_SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub seal_every_seconds: u64,
    /// A policy (c2sp.org/tlog-policy) with witnesses: those with a URL are asked to cosign every checkpoint, and the
    /// quorum says how many must have. Without it nobody is asked.
    #[arg(long, env = "RUNLEDGER_SEAL_POLICY", value_name = "FILE", requires = "seal_key")]
    pub seal_policy: Option<PathBuf>,
    /// A time-stamping authority (RFC 3161) that time-stamps the ledger's own log, an http or https URL. May be repeated;
    /// in the variable, commas stand between them. They are asked one after another, until one has answered.
    #[arg(
        long,
        env = "RUNLEDGER_SEAL_TIMESTAMP",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "URL",
        requires = "seal_key"
    )]
    pub seal_timestamp: Vec<String>,
    /// How often a time stamp is asked for, where there is news, in seconds.
    #[arg(long, env = "RUNLEDGER_SEAL_TIMESTAMP_EVERY_SECONDS", default_value_t = 3_600, value_parser = clap::value_parser!(u64).range(1..))]
    pub seal_timestamp_every_seconds: u64,
}

/// The key file of a command.
#[derive(Debug, Clone, Args)]
pub struct SealKeyArgs {
    /// The file with the key that signs history.
    #[arg(long, env = "RUNLEDGER_SEAL_KEY", value_name = "FILE")]
    pub seal_key: PathBuf,
}

/// `runledger seal ...`
#[derive(Debug, Subcommand)]
pub enum SealCommand {
    /// Makes a key that signs history, in a new file that only its owner can read.
    ///
    /// Keep a copy apart from the database: who has both can make another history.
    Keygen {
        /// The ledger's name, such as ledger.example.org. It begins the names of all logs and can't be changed later.
        #[arg(long, env = "RUNLEDGER_LEDGER_NAME")]
        ledger_name: String,
        #[command(flatten)]
        key: SealKeyArgs,
    },
    /// Prints the policy by which readers check a tenant's history: the log's public key under its name.
    ///
    /// Give it to auditors before they need it, by another way than exports.
    Policy {
        /// Whose history.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: String,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        key: SealKeyArgs,
    },
    /// Tells how far each tenant's history is sealed, and what became of time stamps.
    Status {
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        key: SealKeyArgs,
    },
    /// Recomputes all that was ever sealed from the event log. Exit code 1 and a line for each finding where something is
    /// not as it was, 0 where all is.
    Audit {
        /// Only this tenant's.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: Option<String>,
        /// Reads at most so many events a second, beside a ledger at work. As fast as it goes by default.
        #[arg(long, env = "RUNLEDGER_RATE", value_name = "EVENTS_PER_SECOND")]
        rate: Option<NonZeroU32>,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        event_log: EventLogArgs,
        /// With the key, signatures are checked too.
        #[arg(long, env = "RUNLEDGER_SEAL_KEY", value_name = "FILE")]
        seal_key: Option<PathBuf>,
    },
    /// Audits a copy of the event log, made by `runledger log copy`, and goes on sealing from it.
    ///
    /// Positions differ in a copy; every root stays. Run it after the copy, while nothing appends.
    Adopt {
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        event_log: EventLogArgs,
        /// With the key, signatures are checked too.
        #[arg(long, env = "RUNLEDGER_SEAL_KEY", value_name = "FILE")]
        seal_key: Option<PathBuf>,
    },
    /// Begins all logs anew under other names, after the database was restored to an earlier moment: `<name>/2`.
    ///
    /// Sealing stops by itself where what was signed is gone. What the backup has stays proven; an entry that every export
    /// shows says from where the logs go on, and why. Readers need the new policies (`runledger seal policy`).
    BeginAnew {
        /// Why the database was restored, in a line. Whoever verifies an export reads it.
        #[arg(long, env = "RUNLEDGER_REASON", value_name = "TEXT", value_parser = clap::builder::NonEmptyStringValueParser::new())]
        reason: String,
        /// A checkpoint of a tenant's log that somebody has kept (`GET .../checkpoint`, or heads.tlog-proof of an export): it
        /// says how far the log had come. May be repeated.
        #[arg(long, env = "RUNLEDGER_KNOWN_CHECKPOINTS", value_name = "FILE", value_delimiter = ',')]
        known_checkpoint: Vec<PathBuf>,
        #[command(flatten)]
        database: DatabaseArgs,
        #[command(flatten)]
        event_log: EventLogArgs,
        #[command(flatten)]
        key: SealKeyArgs,
        /// The policy with the witnesses, as the processes have it: those with a URL are asked what they know, and to cosign.
        #[arg(long, env = "RUNLEDGER_SEAL_POLICY", value_name = "FILE")]
        seal_policy: Option<PathBuf>,
    },
    /// Puts a new key before the ones in the file. All of them sign, until `retire-keys`: readers have time to trust the new
    /// one.
    RotateKey {
        #[command(flatten)]
        key: SealKeyArgs,
    },
    /// Takes all keys but the newest out of the file.
    RetireKeys {
        #[command(flatten)]
        key: SealKeyArgs,
    },
}
