//! The `runledger` program: knows every adapter and the configuration, and puts the rooms together.

mod admin;
pub mod cli;
mod connect;
mod copy;
mod database;
mod dev;
mod error;
pub mod event_log;
mod expiry;
mod export;
mod exporter;
mod files;
mod import;
mod inlet;
mod keys;
mod lacking;
pub mod listen;
mod logging;
mod maintain;
mod meter;
mod operator;
mod output;
mod restored;
mod rights;
mod run;
mod seal;
mod services;
mod tls;
mod usage;
mod witness;

use std::process::ExitCode;

use futures::future::LocalBoxFuture;

pub use error::Error;
pub use usage::parse;

use cli::{Cli, Command, LogCommand, ProjectorCommand};

/// Prints a line to standard output. A reader that went away is no reason to fail.
macro_rules! print_line {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        drop(writeln!(std::io::stdout(), $($words)*));
    }};
}
pub(crate) use print_line;

/// Does what the command line says.
///
/// In a box, for the crate that first polls a future compiles it with all that it polls: else the binary would compile
/// most of the program once more.
///
/// # Errors
/// What made the program stop, for the person at the terminal.
pub fn main(cli: Cli) -> LocalBoxFuture<'static, Result<ExitCode, Error>> {
    Box::pin(obey(cli))
}

async fn obey(cli: Cli) -> Result<ExitCode, Error> {
    logging::init(&cli.logging)?;
    // Somebody else may have named one already; all of them do.
    let _named = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    match cli.command {
        Command::Dev(args) => dev::run(args).await?,
        Command::Serve(args) => run::serve(args).await?,
        Command::Projector(ProjectorCommand::Run(args)) => run::project(args).await?,
        Command::Projector(command) => return maintain::projector(command).await,
        Command::Log(LogCommand::Copy(args)) => return copy::copy(args).await,
        Command::Export(args) => return export::export(args).await,
        Command::Import(args) => return import::import(args).await,
        Command::Seal(command) => return seal::seal(command).await,
        Command::Witness(command) => witness::witness(command).await?,
        Command::Migrate(args) => run::migrate(args).await?,
        Command::Tenant(command) => admin::tenant(command).await?,
        Command::Token(command) => admin::token(command).await?,
        Command::Inlet(command) => inlet::inlet(command).await?,
        Command::Policy(command) => admin::policy(command).await?,
        Command::Restored(args) => restored::restored(args).await?,
        Command::WithPostgres(args) => return run::with_postgres(args).await.map(ExitCode::from),
    }
    Ok(ExitCode::SUCCESS)
}
