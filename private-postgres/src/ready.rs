//! Waits until a server that was started answers.

use std::path::Path;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tokio::time::Instant;

use crate::cluster::NAME;
use crate::error::{PostgresError, ServerExit};

/// How long a server may be silent.
const SILENT: Duration = Duration::from_secs(60);
/// How long it may say that it is starting: after a crash it reads its log first.
const STARTING: Duration = Duration::from_secs(600);
/// How often we ask.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// Connects until the server lets us in, and creates the database if it is missing. `exited` resolves when the server
/// ends by itself, and `log` is where it says why.
pub(crate) async fn wait(
    options: PgConnectOptions,
    log: &Path,
    exited: impl Future<Output = ServerExit>,
) -> Result<(), PostgresError> {
    let options = options.database("postgres");
    tokio::select! {
        biased;
        exit = exited => Err(PostgresError::EarlyExit(exit)),
        result = connect(&options, log) => result,
    }
}

async fn connect(options: &PgConnectOptions, log: &Path) -> Result<(), PostgresError> {
    let begun = Instant::now();
    let mut patience = SILENT;
    while begun.elapsed() < patience {
        // One question may not outlast the whole wait: a server may take a connection and say nothing.
        match tokio::time::timeout_at(begun + patience, open(options)).await {
            Ok(Ok(())) => return Ok(()),
            // The socket is not there yet.
            Ok(Err(sqlx::Error::Io(_))) => {}
            // "The database system is starting up", or is stopping after a failure.
            Ok(Err(sqlx::Error::Database(error))) if error.code().as_deref() == Some("57P03") => {
                patience = STARTING
            }
            Ok(Err(source)) => return Err(PostgresError::Connect { source, log: log.to_owned() }),
            Err(_) => break,
        }
        tokio::time::sleep(ASK_EVERY).await;
    }
    Err(PostgresError::NotReady { waited: begun.elapsed(), log: log.to_owned() })
}

async fn open(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    let mut connection = options.clone().disable_statement_logging().connect().await?;
    let exists = sqlx::query_scalar::<_, bool>("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)");
    if !exists.bind(NAME).fetch_one(&mut connection).await? {
        sqlx::query("CREATE DATABASE runledger").execute(&mut connection).await?;
    }
    connection.close().await
}
