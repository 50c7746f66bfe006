//! `runledger witness` as a process: it is killed between an answer and the next one, and never cosigns two trees of one
//! size.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use crate::support::{PATIENCE, runledger};
use seal::Hash;
use seal::checkpoint::Checkpoint;
use seal::note::{KeyKind, SignedNote, SignerKey, VerifierKey};
use seal::witness::Submission;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Child;

const LEDGER: &str = "ledger.example";

fn ledger() -> SignerKey {
    SignerKey::new(LEDGER, KeyKind::Note, &[5; 32]).unwrap()
}

struct Program {
    child: Child,
    url: String,
}

impl Program {
    async fn start(folder: &Path) -> Self {
        let mut command = runledger();
        command.args(["--log-format", "json", "witness", "serve", "--witness-listen", "127.0.0.1:0"]);
        command
            .arg("--witness-key")
            .arg(folder.join("key"))
            .arg("--witness-state")
            .arg(folder.join("memory"));
        command.args(["--witness-ledger", &ledger().verifier().to_string()]);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it listens");
                let line: Value = serde_json::from_str(&line).unwrap();
                if line["message"] == "listening" {
                    return line["address"].as_str().unwrap().to_owned();
                }
            }
        };
        let address = tokio::time::timeout(PATIENCE, address).await.expect("in time");
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { child, url: format!("http://{address}") }
    }

    /// SIGKILL, and waits until it is gone and its lock with it.
    async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

/// The tree of one of several histories, with the proof from an older size.
fn submission(old: u64, size: u64, history: u8) -> Submission {
    let leaves: Vec<Hash> = (0..size).map(|n| Hash::leaf(&[history, u8::try_from(n).unwrap()])).collect();
    let root = |range: std::ops::Range<u64>| {
        Hash::root(&leaves[usize::try_from(range.start).unwrap()..usize::try_from(range.end).unwrap()])
    };
    let proof = seal::proof::consistency(old, size).unwrap().into_iter().map(root).collect();
    let text = Checkpoint { origin: LEDGER.into(), size, root: root(0..size) }.to_string();
    Submission { old, proof, note: SignedNote { signatures: vec![ledger().sign(&text)], text } }
}

/// The status, and the cosignature where there is one; none where the witness is gone.
async fn submit(url: &str, submission: &Submission) -> Option<(u16, String)> {
    let asked = reqwest::Client::new().post(format!("{url}/add-checkpoint")).body(submission.to_string());
    let answer = asked.send().await.ok()?;
    Some((answer.status().as_u16(), answer.text().await.ok()?))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_time_it_cosigns_one_tree_of_a_size() {
    let folder = TempDir::new().unwrap();
    let mut keygen = runledger();
    keygen.args(["witness", "keygen", "--witness-name", "w.example"]);
    keygen.arg("--witness-key").arg(folder.path().join("key"));
    let made = keygen.arg("--witness-state").arg(folder.path().join("memory")).output().await.unwrap();
    assert!(made.status.success(), "{made:?}");
    let said = String::from_utf8(made.stdout).unwrap();
    let key: VerifierKey = said.trim().rsplit(' ').next().unwrap().parse().unwrap();

    // One that is surely answered: of the others the first may take the witness to the largest size and be killed before it
    // is, and then all that follow are refused.
    let first = submission(0, 1, 0);
    let program = Program::start(folder.path()).await;
    assert_eq!(submit(&program.url, &first).await.unwrap().0, 200);
    program.kill().await;
    let mut cosigned = BTreeMap::from([(1, first.note.text)]);
    let mut refused = 0;
    for round in 0..6 {
        let program = Program::start(folder.path()).await;
        let mut asking = tokio::task::JoinSet::new();
        // Two histories, both signed by the ledger's key, from any size that the witness may have.
        for size in 1..=6 {
            for (history, old) in [0, 1].into_iter().flat_map(|h| (0..size).map(move |old| (h, old))) {
                let url = program.url.clone();
                asking.spawn(async move {
                    let submission = submission(old, size, history);
                    (size, submit(&url, &submission).await, submission.note.text)
                });
            }
        }
        let mut left = if round == 5 { usize::MAX } else { 3 + 5 * round };
        while let Some(answered) = asking.join_next().await {
            let (size, answer, text) = answered.unwrap();
            match answer {
                Some((200, line)) => {
                    let note = SignedNote { signatures: vec![line.trim_end().parse().unwrap()], text };
                    note.verified_by([&key]).unwrap();
                    let known = cosigned.entry(size).or_insert_with(|| note.text.clone());
                    assert_eq!(*known, note.text, "two trees of {size} entries");
                }
                Some((status, said)) => {
                    assert!([409, 422].contains(&status), "{status} {said}");
                    refused += 1;
                }
                None => {}
            }
            left -= 1;
            if left == 0 {
                break;
            }
        }
        program.kill().await;
        // What was under way when it was killed may have been answered.
        while let Some(answered) = asking.join_next().await {
            if let (size, Some((200, _)), text) = answered.unwrap() {
                assert_eq!(
                    *cosigned.entry(size).or_insert_with(|| text.clone()),
                    text,
                    "two trees of {size}"
                );
            }
        }
    }
    assert!(refused > 10, "{cosigned:?} {refused}");
}
