//! Witnesses of sealed history.
#![allow(missing_docs, reason = "what a flattened field means stands with its type")]

use std::path::PathBuf;

use clap::{Args, Subcommand};
use seal::note::VerifierKey;

use super::TlsArgs;
use crate::listen;

/// `runledger witness ...`
#[derive(Debug, Subcommand)]
pub enum WitnessCommand {
    /// Makes a witness: a file with its key, that only its owner can read, and an empty folder for what it remembers.
    Keygen {
        /// The witness's name, such as witness.example.com. It is part of the key and can't be changed later.
        #[arg(long, env = "RUNLEDGER_WITNESS_NAME")]
        witness_name: String,
        /// The file with the witness's key.
        #[arg(long, env = "RUNLEDGER_WITNESS_KEY", value_name = "FILE")]
        witness_key: PathBuf,
        /// The folder of what the witness remembers. It must never be put back to an earlier state.
        #[arg(long, env = "RUNLEDGER_WITNESS_STATE", value_name = "DIR")]
        witness_state: PathBuf,
    },
    /// Cosigns checkpoints of the logs that it is told of, until stopped (c2sp.org/tlog-witness).
    ///
    /// It needs no database, and nothing of a ledger but its public key. Run it where those who run the ledger can't
    /// change it.
    Serve(WitnessServeArgs),
}

/// `runledger witness serve`
#[derive(Debug, Args)]
pub struct WitnessServeArgs {
    /// Host and port of the witness; of a host's name, all addresses. Port 0 picks a free one.
    #[arg(long, env = "RUNLEDGER_WITNESS_LISTEN", default_value = "127.0.0.1:7312")]
    pub witness_listen: listen::ListenAddress,
    /// The file with the witness's key.
    #[arg(long, env = "RUNLEDGER_WITNESS_KEY", value_name = "FILE")]
    pub witness_key: PathBuf,
    /// The folder of what the witness remembers. It must never be put back to an earlier state.
    #[arg(long, env = "RUNLEDGER_WITNESS_STATE", value_name = "DIR")]
    pub witness_state: PathBuf,
    /// The public key of a ledger, whose logs are all cosigned: its own and those of its tenants. May be repeated; in
    /// the variable, commas stand between them.
    #[arg(
        long = "witness-ledger",
        env = "RUNLEDGER_WITNESS_LEDGERS",
        value_name = "VKEY",
        value_delimiter = ',',
        required_unless_present = "witness_logs"
    )]
    pub witness_ledgers: Vec<VerifierKey>,
    /// The public key of one log, under its name. May be repeated; in the variable, commas stand between them.
    #[arg(long = "witness-log", env = "RUNLEDGER_WITNESS_LOGS", value_name = "VKEY", value_delimiter = ',')]
    pub witness_logs: Vec<VerifierKey>,
    #[command(flatten)]
    pub tls: TlsArgs,
}
