//! A deployment of an operator's: a database server that knows nothing of us, and processes on it.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use private_postgres::{PrivatePostgres, PrivatePostgresConfig};
use serde_json::Value;
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::{PATIENCE, runledger};

/// A database server that knows nothing of us.
pub struct Site {
    pub postgres: PrivatePostgres,
    _folder: TempDir,
    pub http: reqwest::Client,
    /// Whom the program connects as; the superuser where it is none.
    user: Option<String>,
}

impl Site {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = PrivatePostgresConfig { data_dir: folder.path().to_owned(), ..Default::default() };
        let postgres = PrivatePostgres::start(config).await.unwrap();
        Self { postgres, _folder: folder, http: reqwest::Client::new(), user: None }
    }

    /// Whom the program connects as from now on, with a password like the name.
    pub fn connect_as(&mut self, user: &str) {
        self.user = Some(user.to_owned());
    }

    /// The address of the database, for the program.
    pub fn url(&self) -> String {
        let url = self.postgres.url();
        match (&self.user, url.split_once('@')) {
            (Some(user), Some((_, rest))) => format!("postgres://{user}:{user}@{rest}"),
            _ => url,
        }
    }

    /// The superuser's hands on the database.
    pub async fn sql(&self, sql: &str) {
        let db = PgPool::connect(&self.postgres.url()).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()))
            .execute(&db)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"));
        db.close().await;
    }

    /// Runs a short command that must fail; gives what it said.
    pub async fn refused(&self, args: &[&str]) -> String {
        let output = self.output(args).await;
        assert!(!output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stdout));
        String::from_utf8(output.stderr).unwrap()
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = runledger();
        command.env("DATABASE_URL", self.url()).args(args);
        command
    }

    pub async fn output(&self, args: &[&str]) -> Output {
        self.command(args).output().await.unwrap()
    }

    /// Runs a short command that must succeed; gives what it printed.
    pub async fn run(&self, args: &[&str]) -> String {
        let output = self.output(args).await;
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts an API process; gives it and its base URL.
    pub async fn api(&self, more: &[&str]) -> (Child, String) {
        self.serve(&[&["--no-projector"][..], more].concat()).await
    }

    /// Starts API, projector and sweeper; gives the process and its base URL.
    pub async fn serve(&self, more: &[&str]) -> (Child, String) {
        serve(&self.url(), more).await
    }

    pub async fn post(&self, base: &str, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let url = format!("{base}/v1/tenants/acme{path}");
        let answer = self.http.post(url).bearer_auth(token).json(body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }
}

/// Starts API, projector and sweeper on a database; gives the process and its base URL.
pub async fn serve(url: &str, more: &[&str]) -> (Child, String) {
    let mut command = runledger();
    command.env("DATABASE_URL", url).args(["--log-format", "json", "serve", "--listen", "127.0.0.1:0"]);
    let mut child = command.args(more).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it says where it listens");
            let line: Value = serde_json::from_str(&line).expect("every line of the log is JSON");
            if line["message"] == "listening" {
                return line["address"].as_str().unwrap().to_owned();
            }
        }
    };
    let address = tokio::time::timeout(PATIENCE, address).await.unwrap();
    // Somebody must read on, or the program stops at a full pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, format!("http://{address}"))
}

/// Stops a process as an operator does; gives back whether it ended well.
pub async fn terminated(mut child: Child) -> bool {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    tokio::time::timeout(PATIENCE, child.wait()).await.expect("stops in time").unwrap().success()
}

/// One of Postgres' own programs.
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("PG_BIN_DIR").map(PathBuf::from);
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|version| version.unwrap().path().join("bin"))
        .collect();
    folders.sort();
    let found = folder.into_iter().chain(folders.into_iter().rev()).map(|folder| folder.join(name));
    found.into_iter().find(|program| program.exists()).unwrap_or_else(|| PathBuf::from(name))
}
