//! A sealer beside the test app, and exports as somebody elsewhere checks them.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderMap;
use seal::export::{EventLine, Manifest, RunLine};
use seal::policy::Policy;
use sealer::{KeyFile, Sealer, SealerConfig, TimeStamping};
use serde::de::DeserializeOwned;
use tempfile::TempDir;
use tests::{Client, TestApp};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use verify::{Refused, Report};
use zip::ZipArchive;

/// Seals what the app's log has, with a key of its own.
pub struct Sealing {
    pub keys: KeyFile,
    stop: CancellationToken,
    task: JoinHandle<()>,
    _folder: TempDir,
}

impl Sealing {
    pub async fn start(app: &TestApp) -> Self {
        Self::with(app, None).await
    }

    /// With a time stamp of the ledger's own log as soon as there is news.
    pub async fn stamped(app: &TestApp, authority: &str) -> Self {
        let every = Duration::from_millis(10);
        Self::with(app, Some(TimeStamping { authorities: vec![authority.to_owned()], every })).await
    }

    async fn with(app: &TestApp, time_stamps: Option<TimeStamping>) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("seal.key");
        let keys = KeyFile::create(&path, "ledger.test").unwrap();
        let config = SealerConfig {
            sign_every: Duration::from_millis(30),
            integrate_every: Duration::from_millis(10),
            sample_every: Duration::from_secs(3_600),
            time_stamps,
            ..SealerConfig::default()
        };
        let sealer = Sealer::new(app.log.clone(), app.pool.clone(), path, config).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn(sealer.run(stop.clone()));
        Self { keys, stop, task, _folder: folder }
    }

    pub async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    /// What a reader trusts who was given the key of a log beforehand.
    pub fn policy(&self, origin: &str) -> Policy {
        Policy::parse(&self.policy_text(origin)).unwrap()
    }

    /// The same as a file.
    pub fn policy_text(&self, origin: &str) -> String {
        let key = self.keys.verifiers(origin).unwrap().remove(0);
        format!("log {key}\nquorum none\n")
    }
}

/// Asks until the log is sealed up to a position; gives the checkpoint.
pub async fn sealed(reader: &Client, position: u64) -> String {
    let asking = async {
        loop {
            let answer = reader.get(&format!("/checkpoint?after={position}")).await;
            if answer.status == 200 {
                return answer.text;
            }
            answer.problem(503, "not_sealed");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), asking).await.expect("sealed in time")
}

/// An export.
pub struct Export {
    pub headers: HeaderMap,
    pub bytes: Arc<[u8]>,
    pub files: BTreeMap<String, Vec<u8>>,
}

pub async fn download(client: &Client, path: &str) -> Export {
    let request = client.request(Method::GET, path).header("accept-encoding", "gzip, br");
    let answer = request.send().await.unwrap();
    let (status, headers) = (answer.status(), answer.headers().clone());
    let bytes = answer.bytes().await.unwrap();
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&bytes));
    Export { headers, ..Export::of(&bytes) }
}

impl Export {
    pub fn of(bytes: &[u8]) -> Self {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).unwrap();
        let mut files = BTreeMap::new();
        for at in 0..archive.len() {
            let mut file = archive.by_index(at).unwrap();
            let (name, mut content) = (file.name().unwrap().into_owned(), Vec::new());
            file.read_to_end(&mut content).unwrap();
            assert!(files.insert(name, content).is_none(), "a name is there twice");
        }
        Self { headers: HeaderMap::new(), bytes: bytes.into(), files }
    }

    #[track_caller]
    pub fn text(&self, name: &str) -> &str {
        std::str::from_utf8(&self.files[name]).unwrap()
    }

    pub fn manifest(&self) -> Manifest {
        serde_json::from_slice(&self.files["manifest.json"]).unwrap()
    }

    pub fn runs(&self) -> Vec<RunLine> {
        self.lines("runs.ndjson")
    }

    pub fn events(&self) -> Vec<EventLine> {
        self.lines("events.ndjson")
    }

    fn lines<T: DeserializeOwned>(&self, name: &str) -> Vec<T> {
        self.text(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The numbers of the runs that are told of, and of those that are told whole.
    pub fn numbers(&self) -> (Vec<u64>, Vec<u64>) {
        let runs = self.runs();
        let selected = runs.iter().filter(|run| run.selected).map(|run| run.number).collect();
        (runs.iter().map(|run| run.number).collect(), selected)
    }

    /// What a verifier says that trusts the ledger's key, and has kept a checkpoint.
    pub fn verified(&self, sealing: &Sealing, older: Option<&str>) -> Result<Report, Refused> {
        let proof: seal::tlog_proof::TlogProof = self.text("heads.tlog-proof").parse().unwrap();
        let policy = sealing.policy(proof.checkpoint.text.lines().next().unwrap());
        let older = older.map(|note| verify::older_checkpoint(note).unwrap());
        verify::verify(|| Ok(Cursor::new(self.bytes.clone())), &policy, older.as_ref())
    }
}

/// Appends a run of that many events to the log, past the API; gives its id and the position of its last event.
pub async fn filled(app: &TestApp, items: u64) -> (String, u64) {
    use eventlog::{EventLog, ExpectedRevision, NewEvent, StreamAppend};

    let run = uuid::Uuid::now_v7();
    let metadata = serde_json::json!({
        "schema_version": 2, "tenant": "demo", "run_id": run, "occurred_at": "2026-03-01T12:00:00.123456Z",
        "recorded_at": "2026-03-01T12:00:00.123456Z", "actor": "producer",
    });
    let metadata = metadata.to_string().into_bytes();
    let event = |revision: u64| {
        let (event_type, data) = match revision {
            0 => ("Queued", r#"{"kind":"big","context":{},"labels":{}}"#.to_owned()),
            1 => ("Started", "{}".to_owned()),
            n => (
                "ItemFailed",
                format!(
                    r#"{{"item":"volume-{n:07}","reason_code":"permission_denied","message":"it may not be read by this worker: 403 from storage.example"}}"#
                ),
            ),
        };
        NewEvent {
            id: uuid::Uuid::now_v7(),
            event_type: event_type.into(),
            data: data.into(),
            metadata: metadata.clone(),
        }
    };
    let (mut at, mut position) = (0, 0);
    while at < items {
        let to = (at + 5_000).min(items);
        let expected = at.checked_sub(1).map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
        let append = StreamAppend {
            stream: format!("run-demo-{run}"),
            expected,
            events: (at..to).map(event).collect(),
        };
        position = app.log.append(append).await.unwrap().position.0;
        at = to;
    }
    (run.to_string(), position)
}
