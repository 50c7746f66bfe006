//! A real ledger, and what a test begins with.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::RunId;
use runledger_client::{Builder, Ledger, Limits, Trouble, TroubleKind};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// A setting of the suite.
pub fn setting(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run scripts/check-clients rust"))
}

pub fn url() -> String {
    setting("RUNLEDGER_URL")
}

/// A kind that no other test uses.
pub fn kind() -> String {
    format!("test.t{}", &uuid::Uuid::new_v4().to_string()[..13])
}

/// A spool of its own, and ledgers on it.
pub struct World {
    folder: TempDir,
    troubles: Arc<Mutex<Vec<Trouble>>>,
}

impl World {
    pub fn new() -> Self {
        Self { folder: TempDir::new().unwrap(), troubles: Arc::default() }
    }

    pub fn spool(&self) -> &Path {
        self.folder.path()
    }

    /// Short times, so that a test need not wait for them.
    pub fn limits() -> Limits {
        Limits {
            retry_first: Duration::from_millis(50),
            retry_most: Duration::from_millis(200),
            adopt_every: Duration::from_millis(200),
            exit_timeout: Duration::from_millis(200),
            ..Limits::default()
        }
    }

    pub fn builder(&self, url: &str) -> Builder {
        let troubles = Arc::clone(&self.troubles);
        Ledger::builder(url, &setting("RUNLEDGER_TOKEN"), &setting("RUNLEDGER_TENANT"))
            .spool(self.spool())
            .limits(Self::limits())
            .on_trouble(move |trouble| troubles.lock().unwrap().push(trouble.clone()))
    }

    pub fn ledger(&self) -> Ledger {
        self.builder(&url()).build().unwrap()
    }

    pub fn ledger_at(&self, url: &str) -> Ledger {
        self.builder(url).build().unwrap()
    }

    pub fn troubles(&self) -> Vec<Trouble> {
        self.troubles.lock().unwrap().clone()
    }

    /// Each sort of trouble that was told, with how many events it is about.
    pub fn told(&self) -> Vec<(TroubleKind, u64)> {
        self.troubles().into_iter().map(|trouble| (trouble.kind, trouble.count)).collect()
    }

    /// All files of the spool.
    pub fn files(&self) -> Vec<PathBuf> {
        let (mut files, mut folders) = (Vec::new(), vec![self.spool().to_owned()]);
        while let Some(folder) = folders.pop() {
            for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }
}

pub const FLUSH: Duration = Duration::from_secs(15);

/// What a reader sees; none where it is not there (yet).
pub async fn get(path: &str) -> Option<Value> {
    let url = format!("{}/v1/tenants/{}{path}", url(), setting("RUNLEDGER_TENANT"));
    let asked = reqwest::Client::new().get(url).bearer_auth(setting("RUNLEDGER_TOKEN"));
    let answer = asked.send().await.unwrap();
    if answer.status().as_u16() == 404 {
        return None;
    }
    let answer = answer.error_for_status().unwrap();
    Some(serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
}

pub async fn run(id: RunId) -> Value {
    until(async || get(&format!("/runs/{id}")).await).await
}

pub async fn runs(kind: &str) -> Vec<Value> {
    let page = get(&format!("/runs?kind={kind}")).await.unwrap();
    page["runs"].as_array().unwrap().clone()
}

pub async fn events(id: RunId) -> Vec<Value> {
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = get(&format!("/runs/{id}/events?limit=200{cursor}")).await.unwrap();
        found.extend(page["events"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

pub fn types(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

pub fn id(run: &Value) -> RunId {
    run["run_id"].as_str().unwrap().parse().unwrap()
}

/// Waits until it is so: the read tables follow the log, and the sender the work.
pub async fn until<T, F: Future<Output = Option<T>>>(what: impl Fn() -> F) -> T {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(found) = what().await {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain");
        sleep(Duration::from_millis(20)).await;
    }
}

/// The one run of a kind, once it has that status.
pub async fn only_run(kind: &str, status: &str) -> Value {
    let found = until(async || {
        let found = runs(kind).await;
        assert!(found.len() <= 1, "{found:?}");
        found.into_iter().next().filter(|run| run["status"] == status)
    })
    .await;
    run(id(&found)).await
}

/// The events of the one run of a kind that has that status.
pub async fn only_events(kind: &str, status: &str) -> Vec<Value> {
    events(id(&only_run(kind, status).await)).await
}
