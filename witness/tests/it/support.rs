//! A witness in a folder of its own, and a ledger's log to submit to it.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::header::CONTENT_TYPE;
use axum::http::{Request, StatusCode};
use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::note::{KeyKind, SignedNote, SignerKey, VerifierKey};
use seal::proof::consistency;
use seal::tiles::Tiles;
use seal::witness::{LogKeys, Submission};
use tempfile::TempDir;
use tower::ServiceExt;
use witness::{Witness, WitnessError};

pub const LEDGER: &str = "ledger.example";

pub struct Site {
    pub folder: TempDir,
    pub key: VerifierKey,
}

pub struct Answer {
    pub status: StatusCode,
    pub kind: String,
    pub body: String,
}

impl Site {
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let key =
            witness::create(&folder.path().join("key"), "w.example", &folder.path().join("memory")).unwrap();
        Self { folder, key }
    }

    pub fn key_file(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    pub fn memory(&self) -> PathBuf {
        self.folder.path().join("memory")
    }

    /// Where what is remembered of the ledger's log is.
    pub fn file(&self) -> PathBuf {
        let hash = Hash::of(&[LEDGER.as_bytes()]);
        self.memory().join(hash.0.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
    }

    pub fn try_open(&self) -> Result<Witness, WitnessError> {
        let mut logs = LogKeys::default();
        logs.add_ledger(log().verifier()).unwrap();
        Witness::open(witness::read_key(&self.key_file())?, logs, &self.memory())
    }

    pub fn open(&self) -> Arc<Witness> {
        Arc::new(self.try_open().unwrap())
    }

    pub fn routes(&self) -> Router {
        witness::router(self.open())
    }
}

pub fn log() -> SignerKey {
    SignerKey::new(LEDGER, KeyKind::Note, &[5; 32]).unwrap()
}

fn tree(leaves: u64, seed: u64) -> Tiles {
    let mut tiles = Tiles::default();
    (0..leaves).for_each(|n| tiles.set(n, Hash::leaf(&(n + seed).to_be_bytes())).unwrap());
    tiles
}

/// The tree of a seed, from one size to another.
pub fn submission(old: u64, size: u64, seed: u64) -> Submission {
    let tiles = tree(size, seed);
    let root = tiles.root(0..size).unwrap();
    let text = Checkpoint { origin: LEDGER.into(), size, root }.to_string();
    let ranges = consistency(old, size).unwrap_or_default();
    let proof = ranges.into_iter().map(|range| tiles.root(range).unwrap()).collect();
    Submission { old, proof, note: SignedNote { signatures: vec![log().sign(&text)], text } }
}

pub async fn ask(routes: &Router, request: Request<Body>) -> Answer {
    let answer = routes.clone().oneshot(request).await.unwrap();
    let kind = answer.headers().get(CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap()).to_owned();
    let status = answer.status();
    let body = String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap();
    Answer { status, kind, body }
}

pub async fn post(routes: &Router, body: impl Into<Body>) -> Answer {
    ask(routes, Request::post("/add-checkpoint").body(body.into()).unwrap()).await
}

pub async fn submit(routes: &Router, submission: &Submission) -> Answer {
    post(routes, submission.to_string()).await
}
