//! What serves, and its settings.
#![allow(missing_docs, reason = "what a flattened field means stands with its type")]

use std::path::PathBuf;

use api::CorsOrigin;
use clap::Args;
use clap::builder::BoolishValueParser;
use reads::BasePath;

use super::{DatabaseArgs, EventLogArgs, InletArgs, PrivateArgs, SealArgs};
use crate::event_log::LogLocation;
use crate::listen;

/// The least that may be set as the largest body.
const LEAST_BODY: usize = 1024;

/// A size that a request may have. The smallest that says something has some hundred bytes.
fn bytes(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(bytes) if bytes >= LEAST_BODY => Ok(bytes),
        Ok(_) => Err(format!("a request must have room for {LEAST_BODY} bytes")),
        Err(error) => Err(format!("{error}")),
    }
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
    /// How long ago an event that is taken in may have happened, in seconds; back to the year 2000, where nothing is
    /// set. Repeats of what is there are answered however late they come.
    #[arg(long, env = "RUNLEDGER_MAX_AGE_SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_age_seconds: Option<u32>,
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
    #[command(flatten)]
    pub inlets: InletArgs,
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
    pub inlets: InletArgs,
    #[command(flatten)]
    pub seal: SealArgs,
}
