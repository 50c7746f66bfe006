//! The command line. Every flag has an environment variable, and the flag counts more: `--some-flag` is
//! `RUNLEDGER_SOME_FLAG`. A command's own flags come first, then those that it shares with others, in the order of
//! the groups below. `docs/settings.md` lists them all.
#![allow(missing_docs, reason = "what a flattened field means stands with its type")]
#![allow(rustdoc::bare_urls, reason = "--help shows these texts as they are")]

mod administration;
mod export;
mod import;
mod inlet;
mod projector;
mod seal;
mod serve;
mod witness;

use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::event_log::LogLocation;

pub use administration::{PolicyCommand, TenantCommand, TokenCommand};
pub use export::ExportArgs;
pub use import::ImportArgs;
pub use inlet::{InletArgs, InletCommand};
pub use projector::{ProjectorCommand, ProjectorRunArgs, WhichRun};
pub use seal::{SealArgs, SealCommand, SealKeyArgs};
pub use serve::{DevArgs, DevDatabaseArgs, HttpArgs, KeyArgs, ServeArgs, SweeperArgs, TlsArgs};
pub use witness::{WitnessCommand, WitnessServeArgs};

/// The ledger of long-running operations.
#[derive(Debug, Parser)]
#[command(name = "runledger", version, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    pub logging: LoggingArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// How the program speaks of its work, on standard error.
#[derive(Debug, Args)]
pub struct LoggingArgs {
    /// How log lines look.
    #[arg(long, global = true, env = "RUNLEDGER_LOG_FORMAT", value_enum, default_value_t = LogFormat::Pretty)]
    pub log_format: LogFormat,
    /// What is logged, such as `info` or `warn,api=debug`.
    #[arg(long, global = true, env = "RUNLEDGER_LOG", default_value = "info,sqlx::postgres::notice=warn")]
    pub log: String,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs all of it on this machine, with a private database and a tenant to try it with.
    ///
    /// Starts the private Postgres, migrates it, creates the tenant `demo` with one token per role, and
    /// writes address and tokens to `<data-dir>/dev.json`.
    Dev(DevArgs),
    /// Runs API, projector and sweeper.
    Serve(ServeArgs),
    /// The projector by itself, and what can be done with its tables.
    #[command(subcommand)]
    Projector(ProjectorCommand),
    /// Brings the database's tables up to date, and the roles, grants and policies on them.
    ///
    /// Run it again whenever a database was restored: roles are in no dump. It mends what is missing, or says what a
    /// superuser must run.
    Migrate(MigrateArgs),
    /// Tenants: whose runs they are.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Tokens: who may come in.
    #[command(subcommand)]
    Token(TokenCommand),
    /// Policies: when a run counts as stalled, and whether it is then presumed failed.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Inlets: addresses by which emitters that know nothing of this ledger report.
    #[command(subcommand)]
    Inlet(InletCommand),
    /// The event log.
    #[command(subcommand)]
    Log(LogCommand),
    /// Takes sealed history out of the ledger: a zip file that is checked elsewhere, without the ledger.
    ///
    /// Without --run it holds all runs that meet what is said, and shows that none of them was left out. Exit code 1
    /// where the event log is not what was sealed: then the file shows what is there, and will not verify.
    Export(ExportArgs),
    /// Takes over what another system has kept of its runs: a file or a table, with a mapping of its columns.
    ///
    /// Times, ids and ends are those of the rows; nobody is notified. A second import of the same rows adds nothing. Begin
    /// with --dry-run. Exit code 1 where rows could not be imported. Mappings that come with the program:
    /// airflow-dag-run, airflow-task-instance, bulk-operation-runs, celery-results, jenkins-builds, laravel-failed-jobs,
    /// laravel-job-batches, oban-jobs, river-jobs, spring-batch.
    Import(ImportArgs),
    /// Sealed history: keys, policies for readers, audits.
    #[command(subcommand)]
    Seal(SealCommand),
    /// A witness of sealed history, of this ledger or others: cosigns checkpoints that go on from the last one.
    #[command(subcommand)]
    Witness(WitnessCommand),
    /// Begins a new epoch, after the database or the event log was restored to an earlier moment.
    ///
    /// Positions are given anew then that were given before, to other events. In a new epoch everybody who comes with a
    /// position of before is told so. Read tables that show what the log has lost are built anew first. Run it after
    /// every restore, before the processes of the ledger are started.
    Restored(RestoredArgs),
    /// Runs a command with a private Postgres beside it, whose address it finds in DATABASE_URL.
    WithPostgres(WithPostgresArgs),
}

/// Which database.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// A Postgres of yours: postgres://user:password@host/database, also with `sslmode=verify-full` and the like.
    /// Without it, the private one of a program that runs on the data folder.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    #[command(flatten)]
    pub private: PrivateArgs,
}

/// Where a private Postgres is.
#[derive(Debug, Clone, Args)]
pub struct PrivateArgs {
    /// The folder of the private Postgres and of `dev.json`. One process at a time may use it.
    #[arg(long, env = "RUNLEDGER_DATA_DIR", default_value = "./.runledger", value_parser = folder)]
    pub data_dir: PathBuf,
    /// The folder that holds `initdb` and `postgres`, if they are not where they are usually found.
    #[arg(long, env = "PG_BIN_DIR")]
    pub pg_bin_dir: Option<PathBuf>,
    /// From where Postgres is downloaded when this machine has none.
    #[arg(long, env = "RUNLEDGER_POSTGRES_RELEASES_URL", hide = true)]
    pub postgres_releases_url: Option<String>,
}

/// A folder, there or not yet. What is a file, or would be in one, can't become a folder.
fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.ancestors().find(|part| part.exists()) {
        Some(part) if !part.is_dir() => Err(format!("{} is a file: name a folder", part.display())),
        _ => Ok(path),
    }
}

/// Where the events are.
#[derive(Debug, Clone, Args)]
pub struct EventLogArgs {
    /// `postgres`, the database itself, or an EventStoreDB or KurrentDB cluster:
    /// kurrentdb://user:password@host:2113?tls=true, also esdb://. `streamPrefix=NAME-` begins the names of
    /// all streams, where several ledgers share a cluster.
    #[arg(long, env = "RUNLEDGER_EVENT_LOG", hide_env_values = true, default_value = "postgres", value_parser = LogLocation::parse)]
    pub event_log: LogLocation,
}

/// `runledger log ...`
#[derive(Debug, Subcommand)]
pub enum LogCommand {
    /// Copies all events of one log into another, and compares them.
    ///
    /// Each stream keeps its order. Started again, it goes on where it was. Stop what appends before the last
    /// time; afterwards `runledger projector rebuild --event-log TO` folds the read tables from the new log.
    Copy(CopyArgs),
}

/// `runledger log copy`
#[derive(Debug, Args)]
pub struct CopyArgs {
    /// From where: `postgres`, or a cluster's address.
    #[arg(long, env = "RUNLEDGER_FROM", hide_env_values = true, value_parser = LogLocation::parse)]
    pub from: LogLocation,
    /// To where.
    #[arg(long, env = "RUNLEDGER_TO", hide_env_values = true, value_parser = LogLocation::parse)]
    pub to: LogLocation,
    #[command(flatten)]
    pub output: OutputArgs,
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// `runledger migrate`
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// A database user that is to serve without owning anything: it may append and read, and can't change what is in
    /// the log. It is made if it is missing, without a password.
    #[arg(long, env = "RUNLEDGER_SERVE_ROLE", value_name = "USER")]
    pub serve_role: Option<String>,
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// How a command answers.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// Answers with one JSON document on standard output.
    #[arg(long, env = "RUNLEDGER_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

/// `runledger restored`
#[derive(Debug, Args)]
pub struct RestoredArgs {
    /// Builds the read tables anew also where they show nothing that the log has lost. Where the log is on a cluster
    /// this is always done: its positions tell too little.
    #[arg(long, env = "RUNLEDGER_REBUILD", value_parser = BoolishValueParser::new())]
    pub rebuild: bool,
    /// Says what was done as one JSON object.
    #[arg(long, env = "RUNLEDGER_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub event_log: EventLogArgs,
}

/// `runledger with-postgres`
#[derive(Debug, Args)]
pub struct WithPostgresArgs {
    /// A Postgres that is used in the place of a private one.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    #[command(flatten)]
    pub private: PrivateArgs,
    /// The command and its arguments.
    #[arg(trailing_var_arg = true, required = true)]
    pub command: Vec<String>,
}
