//! One process of the program, its signals, its log and its memory.

use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// Longer than anything here takes; only a hang meets it.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Between two looks at something that tells nobody when it changes.
pub const LOOK_AGAIN: Duration = Duration::from_millis(25);

pub struct Program {
    child: Child,
    pid: Pid,
    lines: Arc<Mutex<Vec<Value>>>,
    told: watch::Receiver<usize>,
    /// Where it listens, once it does.
    pub url: String,
}

/// The program as an operator would call it, without the settings of the test run.
pub fn runledger() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_runledger"));
    command
        .env_remove("DATABASE_URL")
        .env_remove("RUNLEDGER_LOG")
        .env_remove("RUNLEDGER_EVENT_LOG")
        .kill_on_drop(true);
    command
}

/// Which event log a deployment in that folder has: its own Postgres, or the cluster that
/// `RUNLEDGER_TEST_KURRENTDB` names, under a prefix of its own there.
pub fn event_log(folder: &Path) -> String {
    match std::env::var("RUNLEDGER_TEST_KURRENTDB") {
        Ok(cluster) => on_cluster(&cluster, folder),
        Err(_) => "postgres".to_owned(),
    }
}

/// The event log of a deployment in that folder, on a cluster.
pub fn on_cluster(cluster: &str, folder: &Path) -> String {
    let name: String = folder.file_name().unwrap().to_string_lossy().replace('.', "");
    let and = if cluster.contains('?') { '&' } else { '?' };
    format!("{cluster}{and}streamPrefix=runledger-survival-{name}-")
}

impl Program {
    /// Starts it with a log of JSON lines, which are kept.
    pub fn spawn(mut command: Command) -> Self {
        command.env("RUNLEDGER_LOG_FORMAT", "json").stdin(Stdio::null());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id().unwrap()).unwrap()).unwrap();
        let lines: Arc<Mutex<Vec<Value>>> = Arc::default();
        let (tell, told) = watch::channel(0);
        tokio::spawn(keep(child.stdout.take().unwrap(), lines.clone(), tell.clone()));
        tokio::spawn(keep(child.stderr.take().unwrap(), lines.clone(), tell));
        Self { child, pid, lines, told, url: String::new() }
    }

    /// Starts an API and waits until it listens.
    pub async fn listening(command: Command) -> Self {
        let mut program = Self::spawn(command);
        program.wait_for_address().await;
        program
    }

    pub async fn wait_for_address(&mut self) {
        let line = self.line("listening").await;
        self.url = format!("http://{}", line["address"].as_str().unwrap());
    }

    /// Waits for a line of its log that holds these words.
    pub async fn line(&mut self, words: &str) -> Value {
        let said = async {
            let mut read = 0;
            loop {
                let lines = self.lines.lock().unwrap()[read..].to_vec();
                read += lines.len();
                if let Some(line) = lines.into_iter().find(|line| line.to_string().contains(words)) {
                    return line;
                }
                if self.told.changed().await.is_err() {
                    panic!("it ended before it said {words:?}: {:#?}", self.lines.lock().unwrap());
                }
            }
        };
        tokio::time::timeout(PATIENCE, said).await.unwrap_or_else(|_| {
            panic!("it never said {words:?}: {:#?}", self.lines.lock().unwrap());
        })
    }

    /// How often it has said these words.
    pub fn said(&self, words: &str) -> usize {
        self.lines.lock().unwrap().iter().filter(|line| line.to_string().contains(words)).count()
    }

    /// The last line of its log that holds these words, or null.
    pub fn last(&self, words: &str) -> Value {
        let lines = self.lines.lock().unwrap();
        lines.iter().rfind(|line| line.to_string().contains(words)).cloned().unwrap_or_default()
    }

    /// Waits until it has said these words more than `before` times.
    pub async fn says_again(&self, words: &str, before: usize) {
        until(words, async || (self.said(words) > before).then_some(())).await;
    }

    /// The last lines of its log, for messages.
    pub fn tail(&self) -> String {
        let lines = self.lines.lock().unwrap();
        let tail: Vec<String> = lines.iter().rev().take(15).rev().map(Value::to_string).collect();
        tail.join("\n")
    }

    /// What it has warned of, for messages.
    pub fn warnings(&self) -> String {
        let lines = self.lines.lock().unwrap();
        let warned = lines.iter().filter(|line| line["level"] != "INFO").map(Value::to_string);
        warned.collect::<Vec<_>>().join("\n")
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid, signal).unwrap();
    }

    /// SIGKILL, and gone.
    pub async fn kill(mut self) {
        self.signal(Signal::KILL);
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("a killed process ends").unwrap();
    }

    /// SIGTERM. It must end well.
    pub async fn stop(mut self) {
        self.signal(Signal::TERM);
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.expect("stops in time").unwrap();
        assert!(status.success(), "{status}: {}", self.tail());
    }

    /// The most memory it has ever held, in MiB.
    pub fn most_memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.pid.as_raw_nonzero());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
    }
}

/// Somebody must read on, or the program stops at a full pipe.
async fn keep(source: impl AsyncRead + Unpin, lines: Arc<Mutex<Vec<Value>>>, tell: watch::Sender<usize>) {
    let mut source = BufReader::new(source).lines();
    while let Ok(Some(line)) = source.next_line().await {
        let line = serde_json::from_str(&line).unwrap_or(Value::String(line));
        lines.lock().unwrap().push(line);
        tell.send_modify(|lines| *lines += 1);
    }
}

/// Asks again and again until it is so, with a bound that only a hang meets.
pub async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("waited for {what}"))
}
