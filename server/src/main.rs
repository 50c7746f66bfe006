//! The `runledger` program.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    match server::main(server::parse()).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("runledger: {error}");
            if let Some(advice) = error.advice() {
                eprintln!("{advice}");
            }
            ExitCode::from(error.exit_code())
        }
    }
}
