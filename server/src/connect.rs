//! Connecting to the database for the first time.

use std::net::SocketAddr;
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection};

use crate::error::Error;

/// How long a database may take to let us in.
const PATIENCE: Duration = Duration::from_secs(10);

/// The pauses between tries: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// Connects once, without a pool's patience, for the error that says what is wrong.
///
/// # Errors
/// [`Error::Unreachable`].
pub async fn probe(options: &PgConnectOptions) -> Result<(), Error> {
    connect(options).await.map_err(|error| unreachable(options, &error))
}

/// Waits until the database lets us in: it may start later than we do. Each try that fails is logged, with
/// the address at which the API listens meanwhile.
///
/// # Errors
/// [`Error::Unreachable`] when it answers and refuses us for good, such as for a wrong password.
pub async fn wait(options: &PgConnectOptions, listening: Option<SocketAddr>) -> Result<(), Error> {
    let address = listening.map(tracing::field::display);
    let (mut pause, longest) = PAUSES;
    loop {
        match connect(options).await {
            Ok(()) => return Ok(()),
            Err(error) if is_away(&error) => {
                tracing::warn!(%error, address, "the database does not answer; trying again in {pause:?}");
            }
            Err(error) => return Err(unreachable(options, &error)),
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(longest);
    }
}

async fn connect(options: &PgConnectOptions) -> Result<(), sqlx::Error> {
    match tokio::time::timeout(PATIENCE, PgConnection::connect_with(options)).await {
        Ok(connected) => connected?.close().await,
        Err(_) => Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())),
    }
}

fn unreachable(options: &PgConnectOptions, error: &sqlx::Error) -> Error {
    let socket = options.get_socket().map(|folder| folder.display().to_string());
    let host = socket.unwrap_or_else(|| options.get_host().to_owned());
    Error::Unreachable { host, port: options.get_port(), reason: error.to_string() }
}

/// Whether it may be better in a moment.
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut => true,
        // Class 08: no connection; 53: it lacks resources, such as free connections; 57: it starts or stops.
        sqlx::Error::Database(error) => {
            error.code().is_some_and(|code| ["08", "53", "57"].iter().any(|class| code.starts_with(class)))
        }
        _ => false,
    }
}
