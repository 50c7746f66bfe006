//! A time-stamping authority on loopback: `openssl ts`, with a certificate of an authority of its own. It can be made to
//! answer what it should not.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    Well,
    /// For another nonce than was asked with.
    OtherNonce,
    /// For another hash.
    OtherImprint,
    /// Without a nonce.
    NoNonce,
    /// With a refusal.
    Refusal,
    /// With a page of HTML.
    Garbage,
    /// With the beginning of an answer.
    Cut,
    /// With more than anybody reads.
    Huge,
    /// With an error of HTTP.
    Error,
    /// Never.
    Never,
}

pub struct Authority {
    pub url: String,
    folder: Arc<TempDir>,
    answers: Arc<Mutex<Answers>>,
    task: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    folder: Arc<TempDir>,
    answers: Arc<Mutex<Answers>>,
}

const CONFIG: &str = "[tsa]\ndefault_tsa = here\n[here]\nserial = serial\nsigner_digest = sha256\n\
    default_policy = 1.2.3.4.1\ndigests = sha256\naccuracy = secs:1\ness_cert_id_alg = sha256\n";

/// Runs `openssl` in a folder. It has to be there: nothing is skipped.
#[track_caller]
pub fn openssl(folder: &Path, arguments: &str) -> Output {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split(' '));
    command.output().unwrap_or_else(|error| panic!("openssl {arguments}: {error}"))
}

#[track_caller]
fn well(output: Output) {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

impl Authority {
    pub async fn start() -> Self {
        let folder = Arc::new(TempDir::new().unwrap());
        let at = folder.path();
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        well(openssl(at, &format!("req -x509 {key} -keyout ca.key -out ca.pem -subj /CN=ca -days 30")));
        well(openssl(at, &format!("req {key} -keyout tsa.key -out tsa.csr -subj /CN=tsa")));
        std::fs::write(at.join("ext"), "extendedKeyUsage = critical,timeStamping\n").unwrap();
        well(openssl(
            at,
            "x509 -req -in tsa.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out tsa.pem -days 30 -extfile ext",
        ));
        std::fs::write(at.join("serial"), "01\n").unwrap();
        std::fs::write(at.join("tsa.cnf"), CONFIG).unwrap();
        let answers = Arc::new(Mutex::new(Answers::Well));
        let shared = Shared { folder: folder.clone(), answers: answers.clone() };
        let routes = Router::new().route("/tsa", post(answer)).with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/tsa", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { url, folder, answers, task }
    }

    pub fn answers(&self, how: Answers) {
        *self.answers.lock().unwrap() = how;
    }

    /// The file that readers have from the authority itself.
    pub fn certificate(&self) -> std::path::PathBuf {
        self.folder.path().join("ca.pem")
    }
}

impl Drop for Authority {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Makes of a question one for a hash or nonce that differs in its last byte.
fn other(question: &[u8], how: Answers) -> Vec<u8> {
    let mut other = question.to_vec();
    // The hash has 32 bytes behind its tag; the nonce is what comes then, before `certReq`.
    let hash = question.windows(2).position(|two| two == [4, 32]).unwrap() + 2;
    match how {
        Answers::OtherImprint => other[hash + 31] ^= 1,
        Answers::OtherNonce => other[question.len() - 4] ^= 1,
        Answers::NoNonce => {
            other.drain(hash + 32..question.len() - 3);
            other[1] = u8::try_from(other.len() - 2).unwrap();
        }
        // A hash that it does not know.
        Answers::Refusal => {
            let oid = question.windows(3).position(|three| three == [4, 2, 1]).unwrap() + 2;
            other[oid] = 9;
        }
        _ => {}
    }
    other
}

async fn answer(State(shared): State<Shared>, question: Bytes) -> Response {
    let how = *shared.answers.lock().unwrap();
    match how {
        Answers::Garbage => return "<html>Welcome</html>".into_response(),
        Answers::Huge => return vec![0x30; 1 << 20].into_response(),
        Answers::Error => return (StatusCode::PAYMENT_REQUIRED, "no more today").into_response(),
        Answers::Never => return std::future::pending().await,
        _ => {}
    }
    let replied = tokio::task::spawn_blocking(move || {
        // One at a time: openssl counts in a file.
        let _turn = shared.answers.lock().unwrap();
        let at = shared.folder.path();
        std::fs::write(at.join("question"), other(&question, how)).unwrap();
        openssl(
            at,
            "ts -reply -config tsa.cnf -queryfile question -signer tsa.pem -inkey tsa.key -out answer",
        );
        std::fs::read(at.join("answer")).unwrap()
    });
    let mut reply = replied.await.unwrap();
    if how == Answers::Cut {
        reply.truncate(reply.len() / 2);
    }
    ([("content-type", "application/timestamp-reply")], reply).into_response()
}
