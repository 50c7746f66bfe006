//! A deployment of an operator's: a Postgres that the test starts, kills and starts again, and processes
//! of the program that know it by its URL.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use private_postgres::{PrivatePostgres, PrivatePostgresConfig};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::process::Command;

use super::audit;
use super::program::{Program, event_log, on_cluster, runledger};

pub struct Site {
    postgres: Option<PrivatePostgres>,
    folder: TempDir,
    pub url: String,
    pub token: String,
    /// Where its events are.
    pub event_log: String,
}

pub const TENANT: &str = "acme";

/// Sends a signal to each process that has not ended meanwhile, as one of the database's may at any time.
pub fn signal_all(processes: &[Pid], signal: Signal) {
    for pid in processes {
        match kill_process(*pid, signal) {
            Ok(()) | Err(Errno::SRCH) => {}
            Err(error) => panic!("{pid:?}: {error}"),
        }
    }
}

impl Site {
    /// A migrated database with a tenant and a producer's token.
    pub async fn start() -> Self {
        let mut site = Self::empty().await;
        site.event_log = event_log(site.folder.path());
        site.migrate().await;
        site
    }

    /// The same, with its events in its own Postgres, whatever the test run is told: for what is about that log.
    pub async fn start_on_postgres() -> Self {
        let mut site = Self::empty().await;
        site.migrate().await;
        site
    }

    /// The same, with its events on a cluster.
    pub async fn start_on(cluster: &str) -> Self {
        let mut site = Self::empty().await;
        site.event_log = site.on(cluster);
        site.migrate().await;
        site
    }

    /// Whether its events are gone while its Postgres is: on a cluster they are taken in and kept all the same.
    pub fn is_on_postgres(&self) -> bool {
        self.event_log == "postgres"
    }

    /// The address of its events on a cluster.
    pub fn on(&self, cluster: &str) -> String {
        on_cluster(cluster, self.folder.path())
    }

    /// A database without tables.
    pub async fn empty() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let (url, token, event_log) = (String::new(), String::new(), "postgres".to_owned());
        let mut site = Self { postgres: None, folder, url, token, event_log };
        site.start_postgres().await;
        site
    }

    pub async fn migrate(&mut self) {
        self.run(&["migrate"]).await;
        self.run(&["tenant", "create", TENANT]).await;
        let args = ["token", "create", "--tenant", TENANT, "--role", "producer", "--principal", "p"];
        self.token = self.run(&args).await.trim().to_owned();
    }

    pub async fn start_postgres(&mut self) {
        let config = PrivatePostgresConfig { data_dir: self.folder.path().to_owned(), ..Default::default() };
        let postgres = PrivatePostgres::start(config).await.unwrap();
        self.url = postgres.url();
        self.postgres = Some(postgres);
    }

    pub async fn stop_postgres(&mut self) {
        self.postgres.take().unwrap().stop().await.unwrap();
    }

    /// SIGKILL to the postmaster, and gone.
    pub async fn kill_postgres(&mut self) {
        kill_process(self.postmaster(), Signal::KILL).unwrap();
        self.postgres.take().unwrap().exited().await;
    }

    /// As an operator would: starts Postgres again if it has ended by itself.
    pub async fn mend_postgres(&mut self) {
        let postgres = self.postgres.take().unwrap();
        tokio::select! {
            biased;
            ended = postgres.exited() => super::counts::say(format!("Postgres ended: {}", ended.status)),
            // One that still runs may be on its way down: it is stopped, so that it surely starts.
            () = std::future::ready(()) => {
                let _ended_meanwhile = postgres.stop().await;
            }
        }
        self.start_postgres().await;
    }

    fn postmaster(&self) -> Pid {
        let file = std::fs::read_to_string(self.data().join("postmaster.pid")).unwrap();
        Pid::from_raw(file.lines().next().unwrap().parse().unwrap()).unwrap()
    }

    /// The postmaster and its children.
    pub fn processes(&self) -> Vec<Pid> {
        let postmaster = self.postmaster();
        let id = postmaster.as_raw_nonzero();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap();
        let children = children.split_whitespace().map(|pid| Pid::from_raw(pid.parse().unwrap()).unwrap());
        std::iter::once(postmaster).chain(children).collect()
    }

    /// The cluster's folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("postgres/data").canonicalize().unwrap()
    }

    pub async fn db(&self) -> PgPool {
        audit::connect(&self.url).await
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = runledger();
        command.env("DATABASE_URL", &self.url).env("RUNLEDGER_EVENT_LOG", &self.event_log).args(args);
        command
    }

    /// Runs a short command that must succeed; gives what it printed.
    pub async fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().await.unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// An API, with or without a projector.
    pub async fn serve(&self, more: &[&str]) -> Program {
        let mut command = self.command(&["serve", "--listen", "127.0.0.1:0"]);
        command.args(more);
        Program::listening(command).await
    }

    pub fn projector(&self) -> Program {
        Program::spawn(self.command(&["projector", "run"]))
    }
}
