//! What can go wrong with the private server, and how to mend it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why the private Postgres can't be used. Each message says how to mend it.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// The folder that was named as `PG_BIN_DIR` is of no use.
    #[error(
        "PG_BIN_DIR={path}: {reason}. Set it to the folder that holds initdb and postgres, or unset it to have \
         them looked for",
        path = .path.display()
    )]
    BadBinDir {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// No server was found and none could be downloaded.
    #[error(
        "no Postgres server was found{}. Tried:\n{}\nInstall one (Debian, Ubuntu: `apt-get install postgresql`; \
         Fedora: `dnf install postgresql-server`; macOS: `brew install postgresql`), or set PG_BIN_DIR to the \
         folder that holds initdb and postgres, or set DATABASE_URL to a server of yours",
        needed(*.major),
        list(.attempts)
    )]
    NotFound {
        /// The major version that the cluster needs, if there is a cluster already.
        major: Option<u32>,
        /// Where it was looked for, in order.
        attempts: Vec<Attempt>,
    },
    /// Another process holds the data folder.
    #[error(
        "{} is in use by another runledger{}: stop that one, or choose another folder with --data-dir",
        .data_dir.display(),
        process(*.pid)
    )]
    Locked {
        /// The data folder.
        data_dir: PathBuf,
        /// The other process, if it wrote down its id.
        pid: Option<u32>,
    },
    /// We are root, which Postgres refuses, and there is nobody else to be.
    #[error(
        "Postgres does not run as root, and this machine has neither a user `postgres` nor `nobody`: create one \
         (`useradd --system postgres`), or start runledger as an ordinary user"
    )]
    NoAccount,
    /// The user that the server runs as can't reach its folder.
    #[error(
        "{} can't be reached by the user {user}, as whom the server runs, because of {}: let others pass that \
         folder (`chmod o+x`), or choose another folder with --data-dir",
        .dir.display(),
        .blocked_at.display()
    )]
    NotTraversable {
        /// The folder of the cluster.
        dir: PathBuf,
        /// The folder on the way that can't be passed.
        blocked_at: PathBuf,
        /// The user.
        user: String,
    },
    /// The cluster was made under another user.
    #[error(
        "{} belongs to the user with id {owner}, but the server would run as {user}: start runledger as the \
         user that made it, or hand the folder over with `chown -R`",
        .dir.display()
    )]
    WrongOwner {
        /// The folder of the cluster.
        dir: PathBuf,
        /// Whose it is.
        owner: u32,
        /// The system user that the server would run as.
        user: String,
    },
    /// The link from the data folder leads nowhere.
    #[error(
        "{} points to a folder that is gone: bring that folder back, or remove the link to start with an empty \
         database",
        .link.display()
    )]
    DanglingLink {
        /// The link.
        link: PathBuf,
    },
    /// The short folder for the socket is not ours.
    #[error(
        "{} exists but is no private folder of the server's user: remove it, or choose a shorter --data-dir so \
         that it is not needed",
        .dir.display()
    )]
    ForeignSocketDir {
        /// The folder.
        dir: PathBuf,
    },
    /// The cluster is there and the password is not.
    #[error(
        "{} is missing: bring it back from a copy, or remove the folder it was in to start with an empty database",
        .path.display()
    )]
    MissingPassword {
        /// Where the password should be.
        path: PathBuf,
    },
    /// `initdb` failed.
    #[error(
        "initdb could not make the database cluster ({status}): mend what it says and start again\n{output}"
    )]
    Initdb {
        /// How it ended.
        status: String,
        /// What it said.
        output: String,
    },
    /// The server ended before it was ready.
    #[error("{0}. Mend what its log says and start again")]
    EarlyExit(ServerExit),
    /// The server runs and does not let us in.
    #[error("the private Postgres does not let us in: {source}; its log is {}", .log.display())]
    Connect {
        /// What it says.
        source: sqlx::Error,
        /// The server's log.
        log: PathBuf,
    },
    /// The server does not become ready.
    #[error(
        "the private Postgres was not ready after {} s; its log {} says why. Start again when the machine is \
         less busy",
        .waited.as_secs(),
        .log.display()
    )]
    NotReady {
        /// How long we waited.
        waited: Duration,
        /// The server's log.
        log: PathBuf,
    },
    /// The server does not stop.
    #[error(
        "the private Postgres (process {pid}) does not stop: end it with `kill -QUIT {pid}` and start again"
    )]
    WontStop {
        /// Its process id.
        pid: i32,
    },
    /// A program could not be run.
    #[error("can't run {program}: {source}; look at its permissions, and whether this user may start it", program = .program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file or folder of ours.
    #[error("can't {action} {}: {source}; look at the permissions and the space there", .path.display())]
    File {
        /// What we were at.
        action: &'static str,
        /// Which one.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The program is ending while the server starts.
    #[error("the start of the private Postgres was interrupted: start again")]
    Interrupted,
}

impl PostgresError {
    /// Ties a system error to the file it is about.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { action, path: path.to_owned(), source }
    }
}

/// One place where a server was looked for in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Where: a folder, a command, an address.
    pub place: String,
    /// Why it was of no use.
    pub reason: String,
}

/// How the server ended, when it ended without being asked to.
#[derive(Debug, Clone)]
pub struct ServerExit {
    /// The exit status, in words.
    pub status: String,
    /// The last lines of its log.
    pub log_tail: String,
    /// The whole log.
    pub log: PathBuf,
}

impl ServerExit {
    /// Whether it ended because sessions of a killed server still hold the cluster. They end by themselves.
    pub(crate) fn has_left_sessions(&self) -> bool {
        self.log_tail.contains("pre-existing shared memory block")
    }
}

impl fmt::Display for ServerExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Postgres ended with {}; the last lines of {}:\n{}",
            self.status,
            self.log.display(),
            self.log_tail
        )
    }
}

fn needed(major: Option<u32>) -> String {
    major.map(|major| format!(" of version {major}, which made the cluster")).unwrap_or_default()
}

fn process(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (process {pid})")).unwrap_or_default()
}

fn list(attempts: &[Attempt]) -> String {
    let lines: Vec<String> = attempts.iter().map(|a| format!("  {}: {}", a.place, a.reason)).collect();
    lines.join("\n")
}
