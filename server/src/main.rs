//! The `runledger` program.

use std::process::ExitCode;

use clap::Parser;
use server::cli::Cli;

#[tokio::main]
async fn main() -> ExitCode {
    match server::main(Cli::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("runledger: {error}");
            ExitCode::FAILURE
        }
    }
}
