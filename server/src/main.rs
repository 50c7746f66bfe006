//! The `runledger` program.

use std::io::{self, Write};
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match server::main(server::parse()).await {
        Ok(code) => code,
        Err(error) => {
            let advice = error.advice().map_or_else(String::new, |advice| format!("{advice}\n"));
            // Where nobody reads it any more, the exit code says it still.
            drop(write!(io::stderr(), "runledger: {error}\n{advice}"));
            ExitCode::from(error.exit_code())
        }
    }
}
