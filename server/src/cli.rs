//! The command line. Every flag has an environment variable, and the flag counts more: `--some-flag` is
//! `RUNLEDGER_SOME_FLAG`. A command's own flags come first, then those that it shares with others, in the order of
//! the groups below. `docs/settings.md` lists them all.
#![allow(missing_docs, reason = "what a flattened field means stands with its type")]
#![allow(rustdoc::bare_urls, reason = "--help shows these texts as they are")]

mod seal;
mod witness;

use std::path::PathBuf;

use api::CorsOrigin;
use chrono::{DateTime, Utc};
use clap::builder::BoolishValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use reads::BasePath;
use uuid::Uuid;

use crate::event_log::LogLocation;
use crate::expiry::Expires;
use crate::listen;

pub use seal::{SealArgs, SealCommand, SealKeyArgs};
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
    /// The event log.
    #[command(subcommand)]
    Log(LogCommand),
    /// Takes sealed history out of the ledger: a zip file that is checked elsewhere, without the ledger.
    ///
    /// Without --run it holds all runs that meet what is said, and shows that none of them was left out. Exit code 1
    /// where the event log is not what was sealed: then the file shows what is there, and will not verify.
    Export(ExportArgs),
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

/// The least that may be set as the largest body.
const LEAST_BODY: usize = 1024;

/// A folder, there or not yet. What is a file, or would be in one, can't become a folder.
fn folder(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.ancestors().find(|part| part.exists()) {
        Some(part) if !part.is_dir() => Err(format!("{} is a file: name a folder", part.display())),
        _ => Ok(path),
    }
}

/// A size that a request may have. The smallest that says something has some hundred bytes.
fn bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if bytes >= LEAST_BODY => Ok(bytes),
        Ok(_) => Err(format!("a request must have room for {LEAST_BODY} bytes")),
        Err(error) => Err(format!("{error}")),
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

/// Where the API listens and what it takes in.
#[derive(Debug, Clone, Args)]
pub struct HttpArgs {
    /// Host and port of the API; of a host's name, all addresses. Port 0 picks a free one.
    #[arg(long, env = "RUNLEDGER_LISTEN", default_value = "127.0.0.1:7311")]
    pub listen: listen::ListenAddress,
    /// The largest request body, in bytes.
    #[arg(long, env = "RUNLEDGER_MAX_BODY_BYTES", default_value_t = 4 * 1024 * 1024, value_parser = bytes)]
    pub max_body_bytes: usize,
    /// How long one request may take, in seconds.
    #[arg(long, env = "RUNLEDGER_REQUEST_TIMEOUT_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub request_timeout_seconds: u64,
    /// Connections to the database for reading.
    #[arg(long, env = "RUNLEDGER_READ_CONNECTIONS", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..))]
    pub read_connections: u32,
    /// Clients that may be connected at once; more wait to be accepted.
    #[arg(long, env = "RUNLEDGER_MAX_CONNECTIONS", default_value_t = 12_000)]
    pub max_connections: usize,
    /// How long a connection may be idle between two requests, in seconds. Longer than a balancer in front keeps
    /// its own.
    #[arg(long, env = "RUNLEDGER_KEEP_ALIVE_SECONDS", default_value_t = 75, value_parser = clap::value_parser!(u64).range(1..))]
    pub keep_alive_seconds: u64,
    /// The path under which the server is seen from outside, such as /ledger. A proxy may take it away or not, or say
    /// it in X-Forwarded-Prefix instead.
    #[arg(long, env = "RUNLEDGER_BASE_PATH", default_value = "/")]
    pub base_path: BasePath,
    /// Another site whose scripts may use the API, with a token: https://tools.example. May be repeated; in the
    /// variable, commas stand between them.
    #[arg(
        long = "cors-origin",
        env = "RUNLEDGER_CORS_ORIGINS",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    pub cors_origins: Vec<CorsOrigin>,
}

/// Whether the API speaks TLS. With it, and without it behind a proxy, it speaks HTTP/2 and HTTP/1.1.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsArgs {
    /// The certificate of the API and those that vouch for it, a PEM file. Read anew on SIGHUP.
    #[arg(long, env = "RUNLEDGER_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, a PEM file (PKCS #8, PKCS #1 or SEC 1).
    #[arg(long, env = "RUNLEDGER_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

/// By what equal operations are known.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// A file with the ledger's secret for idempotency keys: 64 hex digits, as `openssl rand -hex 32` makes them. For
    /// a ledger whose log is on a cluster: then the secret outlives the database. Without it the database's own counts.
    #[arg(long, env = "RUNLEDGER_IDEMPOTENCY_SECRET_FILE")]
    pub idempotency_secret_file: Option<PathBuf>,
}

/// Whether stuck runs are looked for.
#[derive(Debug, Clone, Args)]
pub struct SweeperArgs {
    /// Leaves stuck runs alone, whatever the policies say.
    #[arg(long, env = "RUNLEDGER_NO_SWEEPER", value_parser = BoolishValueParser::new())]
    pub no_sweeper: bool,
    /// How long a run may be stalled before it is presumed failed where its policy says so, in seconds.
    #[arg(long, env = "RUNLEDGER_STALE_GRACE_SECONDS", default_value_t = 60)]
    pub stale_grace_seconds: u32,
}

/// `runledger dev`
#[derive(Debug, Args)]
pub struct DevArgs {
    /// Runs a few sample producers against the HTTP API, as any client would.
    #[arg(long, env = "RUNLEDGER_DEMO", value_parser = BoolishValueParser::new())]
    pub demo: bool,
    #[command(flatten)]
    pub database: DevDatabaseArgs,
    #[command(flatten)]
    pub http: HttpArgs,
    #[command(flatten)]
    pub keys: KeyArgs,
    #[command(flatten)]
    pub sweeper: SweeperArgs,
}

/// Where `dev` keeps what it makes. What it makes is for trying out, so it goes nowhere but where it was told to for
/// this command: DATABASE_URL and RUNLEDGER_EVENT_LOG may name somebody's real ledger.
#[derive(Debug, Args)]
pub struct DevDatabaseArgs {
    /// A Postgres to try it on, in the place of the private one. DATABASE_URL is not used.
    #[arg(long, env = "RUNLEDGER_DEV_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    #[command(flatten)]
    pub private: PrivateArgs,
    /// A cluster to try it on, as `serve --event-log` takes it. RUNLEDGER_EVENT_LOG is not used.
    #[arg(long, env = "RUNLEDGER_DEV_EVENT_LOG", hide_env_values = true, default_value = "postgres", value_parser = LogLocation::parse)]
    pub event_log: LogLocation,
}

/// `runledger serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Leaves projecting to `runledger projector run` elsewhere.
    #[arg(long, env = "RUNLEDGER_NO_PROJECTOR", value_parser = BoolishValueParser::new())]
    pub no_projector: bool,
    /// Brings tables and rights up to date first, as `runledger migrate` does.
    #[arg(long, env = "RUNLEDGER_MIGRATE", value_parser = BoolishValueParser::new())]
    pub migrate: bool,
    /// Keeps the database in a private Postgres in the data folder, which is made if there is none.
    #[arg(long, env = "RUNLEDGER_PRIVATE_POSTGRES", value_parser = BoolishValueParser::new())]
    pub private_postgres: bool,
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub event_log: EventLogArgs,
    #[command(flatten)]
    pub http: HttpArgs,
    #[command(flatten)]
    pub tls: TlsArgs,
    #[command(flatten)]
    pub keys: KeyArgs,
    #[command(flatten)]
    pub sweeper: SweeperArgs,
    #[command(flatten)]
    pub seal: SealArgs,
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

/// How a command answers.
#[derive(Debug, Clone, Copy, Args)]
pub struct OutputArgs {
    /// Answers with one JSON document on standard output.
    #[arg(long, env = "RUNLEDGER_JSON", value_parser = BoolishValueParser::new())]
    pub json: bool,
}

/// `runledger tenant ...`
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Creates a tenant.
    Create {
        /// 1 to 63 characters a-z, 0-9 and -.
        tenant: String,
        /// The name people know it by; the tenant's own where it is left out.
        #[arg(long, env = "RUNLEDGER_NAME")]
        name: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Lists the tenants.
    List {
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Ends the life of all of a tenant's tokens, at once. Its runs and their history stay.
    Revoke {
        /// Which tenant.
        tenant: String,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// `runledger token ...`
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Creates a token and shows it, this once.
    Create {
        /// Whose runs it opens.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: String,
        /// owner, manager, operator, readonly, producer or auditor.
        #[arg(long, env = "RUNLEDGER_ROLE")]
        role: String,
        /// Who uses it: the actor of its events, and the initiator whose notifications it reads.
        #[arg(long, env = "RUNLEDGER_PRINCIPAL")]
        principal: String,
        /// When it ends: after a time such as 90d, 12h or 30m, at the end of a day such as 2027-01-31 (UTC), or at a
        /// moment such as 2027-01-31T12:00:00Z. Without it, never.
        #[arg(long, env = "RUNLEDGER_EXPIRES", value_name = "TIME|DATE")]
        expires: Option<Expires>,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Lists a tenant's tokens, without the tokens themselves.
    List {
        /// Which tenant.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: String,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Ends a token's life, at once.
    Revoke {
        /// The token's id, as `token list` shows it.
        token_id: Uuid,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

/// `runledger policy ...`
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Makes a policy, or changes what is given of it. Without a policy no run is ever presumed failed.
    Set {
        /// Whose runs.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: String,
        /// The kind of operation; * for all kinds of the tenant that have no policy of their own.
        #[arg(long, env = "RUNLEDGER_KIND")]
        kind: String,
        /// How long a run may wait in the queue before it is shown as stalled.
        #[arg(long, env = "RUNLEDGER_QUEUED_LIMIT_SECONDS")]
        queued_limit_seconds: Option<i32>,
        /// Whether a run that stays stalled is presumed failed.
        #[arg(long, env = "RUNLEDGER_FAIL_STALE", value_name = "true|false", value_parser = BoolishValueParser::new(), num_args = 0..=1, default_missing_value = "true")]
        fail_stale: Option<bool>,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Lists the policies.
    List {
        /// Only this tenant's.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: Option<String>,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
    /// Removes a policy.
    Remove {
        /// Whose.
        #[arg(long, env = "RUNLEDGER_TENANT")]
        tenant: String,
        /// The kind, or *.
        #[arg(long, env = "RUNLEDGER_KIND")]
        kind: String,
        #[command(flatten)]
        output: OutputArgs,
        #[command(flatten)]
        database: DatabaseArgs,
    },
}

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
