//! Why the program stops.

use std::io;
use std::path::PathBuf;

use access::AccessError;
use commands::policies::PolicyError;
use database::DatabaseErrorKind;
use eventlog::LogError;
use private_postgres::PostgresError;
use projector::ProjectorError;
use sqlx::migrate::MigrateError;

use crate::lacking::Lacking;

/// Why the program stops. Each message is meant for the person at the terminal.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The arguments can't be what was meant.
    #[error("{0}")]
    Usage(String),
    /// The private Postgres.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// The private Postgres ended by itself.
    #[error("the private Postgres stopped by itself: {0}")]
    PostgresDied(String),
    /// The database.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database does not let us in.
    #[error("no connection to the database at {host}, port {port}: {reason}")]
    Unreachable {
        /// The host, or the folder of the socket.
        host: String,
        /// The port.
        port: u16,
        /// What the system or the database says.
        reason: String,
    },
    /// The tables could not be brought up to date.
    #[error("the migrations failed: {0}")]
    Migrate(#[from] MigrateError),
    /// The tables are older or newer than the program.
    #[error("{0}")]
    Schema(String),
    /// Roles, grants, policies or guards are missing in the database.
    #[error("{0}")]
    Rights(Lacking),
    /// Tenants and tokens.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// Policies.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The secret for idempotency keys.
    #[error(transparent)]
    Keys(#[from] commands::KeysError),
    /// What seals history.
    #[error(transparent)]
    Seal(#[from] sealer::SealError),
    /// The keys that sign history.
    #[error(transparent)]
    SealKey(#[from] sealer::KeyFileError),
    /// The witness.
    #[error(transparent)]
    Witness(#[from] ::witness::WitnessError),
    /// The event log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// There is no export.
    #[error("no export was made: {0}")]
    Export(#[from] exports::ExportError),
    /// Old rows. What was appended until then stays: it may be repeated.
    #[error("the import ended early, and may be repeated: {0}")]
    Import(#[from] imports::ImportError),
    /// The projector.
    #[error("the projector failed: {0}")]
    Projector(ProjectorError),
    /// The log has lost what the tables were folded from.
    #[error(
        "{0}.\nIf the log or the database was restored, run `runledger restored`: it builds the read tables anew \
         and begins a new epoch, so that everybody who was answered with a position is told. Otherwise restore what \
         the log has lost first. Nothing was changed. See docs/restoring.md"
    )]
    LogBehind(ProjectorError),
    /// The ledger was restored under a running process.
    #[error(
        "the ledger was restored while this process ran, and what it remembers is of the epoch before: start it again"
    )]
    Restored,
    /// A file or folder of ours.
    #[error("{path}: {source}", path = .path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The certificate or the key of the API.
    #[error("TLS: {path}: {reason}", path = .path.display())]
    Tls {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The address can't be listened on.
    #[error("can't listen on {address}: {source}; choose another with --listen, port 0 picks a free one")]
    Listen {
        /// Which address, or host and port.
        address: String,
        /// What the system says.
        source: io::Error,
    },
    /// The API stopped by itself.
    #[error("the API stopped: {0}")]
    Api(io::Error),
    /// A part ended though nobody asked it to.
    #[error("a part of the program stopped by itself")]
    Stopped,
    /// A part of the program panicked; its message is in the log.
    #[error("a part of the program panicked: {0}")]
    Panicked(#[from] tokio::task::JoinError),
    /// The metrics could not be set up.
    #[error("the metrics could not be set up: {0}")]
    Metrics(String),
    /// What was found can't be written as JSON.
    #[error("the answer can't be written as JSON: {0}")]
    Output(serde_json::Error),
    /// The sample producers.
    #[error("the sample producers failed: {0}")]
    Demo(String),
    /// The command that `with-postgres` ran.
    #[error("can't run {command}: {source}")]
    Command {
        /// Which command.
        command: String,
        /// What the system says.
        source: io::Error,
    },
}

impl From<ProjectorError> for Error {
    fn from(error: ProjectorError) -> Self {
        match error {
            error @ ProjectorError::LogBehind { .. } => Self::LogBehind(error),
            other => Self::Projector(other),
        }
    }
}

impl Error {
    /// Whether the database or the log is away, and may be back in a moment.
    pub(crate) fn is_away(&self) -> bool {
        match self {
            Self::Log(error) | Self::Projector(ProjectorError::Log(error)) => {
                matches!(error, LogError::Unavailable(_))
            }
            _ => self.database().is_some_and(|error| DatabaseErrorKind::of(error).is_transient()),
        }
    }

    /// What the database itself says, if it is the database's word.
    fn database(&self) -> Option<&sqlx::Error> {
        match self {
            Self::Database(error)
            | Self::Migrate(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _))
            | Self::Access(AccessError::Database(error))
            | Self::Policy(PolicyError::Database(error))
            | Self::Export(exports::ExportError::Database(error))
            | Self::Seal(sealer::SealError::Database(error))
            | Self::Projector(ProjectorError::Database(error)) => Some(error),
            _ => None,
        }
    }

    /// What mends it, where the message is another room's and can't know.
    #[must_use]
    pub fn advice(&self) -> Option<&'static str> {
        (DatabaseErrorKind::of(self.database()?) == DatabaseErrorKind::Forbidden)
            .then_some("this is for the owner of the tables: connect as that database user")
    }

    /// What the program ends with. An event log that refuses us has a code of its own, that of sysexits.h for a
    /// configuration that is wrong: starting again does not help.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        if matches!(self, Self::Log(LogError::Refused(_))) { 78 } else { 1 }
    }

    /// Ties a system error to the file it is about.
    pub(crate) fn file(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { path, source }
    }
}
