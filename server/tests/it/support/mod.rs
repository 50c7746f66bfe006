//! The real program as a child process, with a data folder of its own.

pub mod site;

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Longer than anything here takes; only a hang meets it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at something that tells nobody when it changes.
pub const LOOK_AGAIN: Duration = Duration::from_millis(25);

/// A running `runledger dev`.
pub struct Dev {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    pub info: Value,
    http: reqwest::Client,
}

pub fn data_dir() -> TempDir {
    TempDir::new().unwrap()
}

/// The program with a private Postgres: a DATABASE_URL of the test run is not for it.
pub fn runledger() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runledger"));
    command.env_remove("DATABASE_URL").kill_on_drop(true);
    command
}

impl Dev {
    pub async fn start(data_dir: &Path, more: &[&str]) -> Self {
        Self::start_on(data_dir, "127.0.0.1:0", more).await
    }

    pub async fn start_on(data_dir: &Path, listen: &str, more: &[&str]) -> Self {
        let mut command = runledger();
        command.args(["--log", "warn", "dev", "--listen", listen, "--data-dir"]).arg(data_dir).args(more);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut dev = Self { child, lines, info: Value::Null, http: reqwest::Client::new() };
        dev.line_with("Runledger is ready").await;
        dev.info = serde_json::from_slice(&std::fs::read(data_dir.join("dev.json")).unwrap()).unwrap();
        dev
    }

    /// Waits until the program prints a line that holds `words`.
    pub async fn line_with(&mut self, words: &str) -> String {
        let found = async {
            loop {
                match self.lines.next_line().await.unwrap() {
                    Some(line) if line.contains(words) => return line,
                    Some(_) => {}
                    None => panic!("the program ended before it said {words:?}"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, found).await.expect("said in time")
    }

    pub fn token(&self, role: &str) -> &str {
        self.info["tokens"][role].as_str().unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}/v1/tenants/demo{path}", self.info["base_url"].as_str().unwrap())
    }

    pub async fn get(&self, path: &str) -> Value {
        let request = self.http.get(self.url(path)).bearer_auth(self.token("operator"));
        request.send().await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// Asks until the answer is as it should be.
    pub async fn get_until(&self, path: &str, right: impl Fn(&Value) -> bool) -> Value {
        let asking = async {
            loop {
                let answer = self.get(path).await;
                if right(&answer) {
                    return answer;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("right in time")
    }

    /// Gives back the answer's status and body, or none when the program is gone.
    pub async fn try_post(&self, path: &str, body: &Value) -> Option<(u16, Value)> {
        let request = self.http.post(self.url(path)).bearer_auth(self.token("producer")).json(body);
        let answer = request.send().await.ok()?;
        let status = answer.status().as_u16();
        Some((status, answer.json().await.ok()?))
    }

    pub async fn post(&self, path: &str, body: &Value) -> Value {
        let (status, body) = self.try_post(path, body).await.expect("the program answers");
        assert!(status < 300, "{status}: {body}");
        body
    }

    /// SIGKILL: no chance to clean up. It may still be there for a moment, see [`Dev::gone`].
    pub async fn kill_now(&self) {
        self.signal("-KILL").await;
    }

    /// Waits until the program is gone, and with it its lock on the folder.
    pub async fn gone(mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("it ends in time").unwrap()
    }

    async fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
    }

    /// Ctrl-C. Gives back whether the program ended well.
    pub async fn interrupt(self) -> bool {
        self.signal("-INT").await;
        self.gone().await.success()
    }
}
