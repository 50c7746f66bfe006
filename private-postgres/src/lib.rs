//! A Postgres of our own: found or downloaded, set up once, started and stopped with the program.
//!
//! It listens on a Unix socket in a folder that is closed to others, and on no port: so two of them never
//! get into each other's way, and nothing else on the machine can reach it. A client needs the
//! superuser's password all the same, for as root the server's user is not us. Durability stays on.

mod account;
mod cluster;
mod download;
mod error;
mod home;
mod locate;
mod lock;
mod log;
mod maven;
mod orphan;
mod process;
mod ready;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use tokio::time::Instant;

pub use error::{Attempt, PostgresError, ServerExit};

use account::RunAs;
use home::{Home, PORT};
use locate::{Binaries, Search};
use lock::DataLock;
use log::Log;
use process::Process;

/// How long the sessions of a server that was killed may take to notice.
const LEFT_SESSIONS: Duration = Duration::from_secs(60);

/// What can't stand in a URL's query as it is (RFC 3986, section 3.4).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// What a private server needs to know.
#[derive(Debug, Clone, Default)]
pub struct PrivatePostgresConfig {
    /// The folder for all of it. It is made if it is missing. One process at a time may use it.
    pub data_dir: PathBuf,
    /// `PG_BIN_DIR`: the folder that holds `initdb` and `postgres`, if they are not to be looked for.
    pub bin_dir: Option<PathBuf>,
    /// Where a server is downloaded from when the machine has none: a folder of Maven artifacts
    /// `embedded-postgres-binaries-<system>`, such as a mirror of
    /// `https://repo1.maven.org/maven2/io/zonky/test/postgres`, which is the default.
    pub releases_url: Option<String>,
    /// Where a downloaded server is kept. By default the user's cache folder; as root
    /// `/var/cache/runledger/postgres`.
    pub cache_dir: Option<PathBuf>,
}

/// A private server that runs. Use [`Self::stop`] to end it; dropped, it is asked to stop and not waited for.
pub struct PrivatePostgres {
    process: Process,
    home: Home,
    password: String,
    log: Log,
}

impl PrivatePostgres {
    /// Finds a server, sets up its cluster if there is none, starts it and waits until it answers.
    ///
    /// # Errors
    /// [`PostgresError`], each of which says how to mend it.
    pub async fn start(config: PrivatePostgresConfig) -> Result<Self, PostgresError> {
        let search = Search::here(config.bin_dir.clone());
        Self::start_found(config, search).await
    }

    async fn start_found(config: PrivatePostgresConfig, search: Search) -> Result<Self, PostgresError> {
        let run_as = RunAs::choose()?;
        let data_dir = home::data_dir(&config.data_dir, &run_as)?;
        let lock = Arc::new(DataLock::take(&data_dir)?);
        let home = Home::open(&data_dir, &run_as)?;
        let major = cluster::major(&home)?;
        let binaries = find(&config, search, &run_as, major).await?;
        if major.is_none() {
            let (lock, home, binaries, run_as) =
                (lock.clone(), home.clone(), binaries.clone(), run_as.clone());
            blocking(move || {
                // If we are interrupted here, no other process may come in before it is done.
                let _lock = lock;
                cluster::create(&home, &binaries, &run_as)
            })
            .await?;
        }
        let password = cluster::password(&home)?;
        orphan::stop(&home).await?;
        let deadline = Instant::now() + LEFT_SESSIONS;
        loop {
            let (log, file) = Log::open(&data_dir.join("postgres.log"))?;
            let mut command = run_as.command(&binaries.program("postgres"));
            let copy = file.try_clone().map_err(PostgresError::file("open", log.path()))?;
            command
                .args(cluster::arguments(&home))
                .stdin(std::process::Stdio::null())
                .stdout(copy)
                .stderr(file);
            let process = Process::start(command, lock.clone()).await?;
            let server = Self { process, home: home.clone(), password: password.clone(), log };
            match ready::wait(server.options(), server.log.path(), server.exited()).await {
                Ok(()) => {
                    let pid = server.process.pid();
                    tracing::info!(pid, programs = %binaries.dir().display(), "the private Postgres is ready");
                    return Ok(server);
                }
                Err(PostgresError::EarlyExit(exit))
                    if exit.has_left_sessions() && Instant::now() < deadline =>
                {
                    // They end as soon as they see that their server is gone.
                    tokio::time::sleep(Duration::from_millis(250)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// How to connect to the database `runledger`, as superuser.
    pub fn connect_options(&self) -> PgConnectOptions {
        self.options().database(cluster::NAME)
    }

    /// The same as a URL, for the environment of other programs. It holds the password.
    pub fn url(&self) -> String {
        // The folder goes into the query, where libpq and all drivers that know sockets look for it.
        let socket_dir = percent_encode(self.home.socket_dir().as_os_str().as_encoded_bytes(), ESCAPED);
        let (name, password) = (cluster::NAME, &self.password);
        format!("postgres://{name}:{password}@localhost/{name}?host={socket_dir}&port={PORT}")
    }

    /// Resolves when the server ends by itself, and says how.
    pub async fn exited(&self) -> ServerExit {
        let status = self.process.exited().await;
        ServerExit { status, log_tail: self.log.tail(), log: self.log.path().to_owned() }
    }

    /// Stops the server and waits until it has ended. One that has ended already is no error.
    ///
    /// # Errors
    /// [`PostgresError::WontStop`].
    pub async fn stop(self) -> Result<(), PostgresError> {
        self.process.stop().await
    }

    fn options(&self) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(self.home.socket_dir())
            .port(PORT)
            .username(cluster::NAME)
            .password(&self.password)
            .ssl_mode(PgSslMode::Disable)
    }
}

impl fmt::Debug for PrivatePostgres {
    // Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { process, home, .. } = self;
        f.debug_struct("PrivatePostgres")
            .field("process", process)
            .field("home", home)
            .finish_non_exhaustive()
    }
}

async fn find(
    config: &PrivatePostgresConfig,
    search: Search,
    run_as: &RunAs,
    major: Option<u32>,
) -> Result<Binaries, PostgresError> {
    let user = run_as.clone();
    let mut attempts = match blocking(move || search.run(&user, major)).await? {
        Ok(binaries) => return Ok(binaries),
        Err(attempts) => attempts,
    };
    let download = async {
        let cache_dir = config.cache_dir.clone().map_or_else(download::default_cache_dir, Ok)?;
        let bin = download::download(config.releases_url.as_deref(), &cache_dir, major).await?;
        Binaries::check(&bin, run_as, major).map_err(|reason| format!("{}: {reason}", bin.display()))
    };
    download.await.map_err(|reason| {
        attempts.push(Attempt { place: "download".into(), reason });
        PostgresError::NotFound { major, attempts }
    })
}

/// Runs what blocks where it may.
async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, PostgresError> + Send + 'static,
) -> Result<T, PostgresError> {
    match tokio::task::spawn_blocking(run).await {
        Ok(result) => result,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => Err(PostgresError::Interrupted),
    }
}

#[cfg(test)]
mod download_tests;
