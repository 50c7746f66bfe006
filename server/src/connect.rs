//! Connecting to the database for the first time.

use std::net::SocketAddr;
use std::time::Duration;

use database::DatabaseErrorKind;
use percent_encoding::percent_decode_str;
use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgSslMode};

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
            Err(error) if DatabaseErrorKind::of(&error).is_transient() => {
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
    let reason = match error {
        sqlx::Error::Tls(source) => no_tls(options, &source.to_string()),
        sqlx::Error::Io(source) if DatabaseErrorKind::of(error) == DatabaseErrorKind::Tls => {
            no_tls(options, &source.to_string())
        }
        other => other.to_string(),
    };
    Error::Unreachable { host, port: options.get_port(), reason }
}

/// Why there is no connection that the settings call safe, and how to get one.
fn no_tls(options: &PgConnectOptions, said: &str) -> String {
    let host = options.get_host();
    let mend = if said.contains("does not support TLS") {
        "turn `ssl` on in the server, or choose another sslmode".to_owned()
    } else if said.contains("NotValidForName") || said.contains("not valid for name") {
        format!("its certificate is for another name than {host}: connect by a name that is in it")
    } else if said.contains("UnknownIssuer") {
        "nobody whom we trust has signed its certificate: name the authority that has in sslrootcert"
            .to_owned()
    } else if said.contains("Expired") || said.contains("expired") {
        "its certificate is over: renew it".to_owned()
    } else {
        "look at sslmode, sslrootcert, sslcert and sslkey".to_owned()
    };
    format!("{said}; {mend}")
}

/// The parameters that name files, with the names that the client knows them by as well, and their variables.
const FILES: [(&[&str], &str); 3] = [
    (&["sslrootcert", "ssl-root-cert", "ssl-ca"], "PGSSLROOTCERT"),
    (&["sslcert", "ssl-cert"], "PGSSLCERT"),
    (&["sslkey", "ssl-key"], "PGSSLKEY"),
];

/// Makes sure that the files of a URL can be read: without them the client reports no more than a file that is not
/// there, as it does of a server's socket. As libpq does, a root certificate is checked with whatever the mode.
///
/// # Errors
/// [`Error::Usage`] that names the file.
pub fn with_files(options: PgConnectOptions, url: &str) -> Result<PgConnectOptions, Error> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    let pairs: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    for (names, variable) in FILES {
        let given = pairs
            .iter()
            .rfind(|(name, _)| names.contains(name))
            .map(|(_, value)| percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned());
        // Certificates may also stand there as they are.
        let file = given
            .or_else(|| std::env::var(variable).ok())
            .filter(|text| !text.trim().starts_with("-----BEGIN"));
        let Some(file) = file else { continue };
        if let Err(error) = std::fs::File::open(&file) {
            return Err(Error::Usage(format!("the database's {} can't be read: {file}: {error}", names[0])));
        }
    }
    let rooted = pairs.iter().any(|(name, _)| FILES[0].0.contains(name));
    match options.get_ssl_mode() {
        PgSslMode::Require if rooted => Ok(options.ssl_mode(PgSslMode::VerifyCa)),
        _ => Ok(options),
    }
}
