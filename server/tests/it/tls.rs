//! The program with a certificate: what it is told of its files, and how it takes new ones. No database is needed
//! for that: the API answers before one does.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::support::{LOOK_AGAIN, PATIENCE, runledger};
use rcgen::{CertificateParams, KeyPair};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A port at which nobody ever listens.
const NO_DATABASE: &str = "postgres://nobody@127.0.0.1:1/none";

struct Files {
    folder: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// Makes a certificate for this machine; gives it as PEM.
    fn make(&self, name: &str) -> String {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        self.write(&format!("{name}.crt"), &pem);
        self.write(&format!("{name}.key"), &key.serialize_pem());
        pem
    }
}

fn serve(cert: &Path, key: &Path) -> Command {
    let mut command = runledger();
    command.env("DATABASE_URL", NO_DATABASE).args([
        "--log-format",
        "json",
        "serve",
        "--listen",
        "127.0.0.1:0",
    ]);
    command.arg("--tls-cert").arg(cert).arg("--tls-key").arg(key);
    command
}

/// What the program says before it ends.
async fn refused(cert: &Path, key: &Path) -> String {
    let output = tokio::time::timeout(PATIENCE, serve(cert, key).output()).await.expect("it ends").unwrap();
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn files_that_are_no_certificate_and_key_are_told_apart() {
    let files = Files::new();
    files.make("one");
    files.make("other");
    files.write("empty", "");
    files.write("broken", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    files.write("cut", "-----BEGIN CERTIFICATE-----\nAAAA\n");
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    files.write("locked", locked);
    for (cert, key, named, reason) in [
        ("none.crt", "one.key", "none.crt", "No such file"),
        ("one.crt", "none.key", "none.key", "No such file"),
        ("empty", "one.key", "empty", "BEGIN CERTIFICATE"),
        ("one.key", "one.key", "one.key", "BEGIN CERTIFICATE"),
        ("one.crt", "one.crt", "one.crt", "BEGIN PRIVATE KEY"),
        ("one.crt", "locked", "locked", "without a passphrase"),
        ("one.crt", "other.key", "other.key", "belongs to another certificate"),
        ("broken", "one.key", "broken", "can't be used"),
        ("cut", "one.key", "cut", "not PEM"),
        ("", "one.key", "", "directory"),
    ] {
        let said = refused(&files.path(cert), &files.path(key)).await;
        assert!(said.contains(named) && said.contains(reason), "{cert} {key}: {said}");
    }
    let mut half = runledger();
    half.env("DATABASE_URL", NO_DATABASE).args(["serve", "--tls-cert", "one.crt"]);
    let output = half.output().await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("--tls-key"), "{said}");
}

/// A program that waits for its database, and the address at which it answers meanwhile.
async fn waiting(mut command: Command) -> (Child, String) {
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it says where it listens");
            let line: Value = serde_json::from_str(&line).expect("every line of the log is JSON");
            if let Some(address) = line["address"].as_str() {
                return address.to_owned();
            }
        }
    };
    let address = tokio::time::timeout(PATIENCE, address).await.unwrap();
    // Somebody must read on, or the program stops at a full pipe.
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    (child, format!("https://{address}"))
}

/// A new client each time: a connection that is open keeps its certificate.
async fn status(url: &str, trusted: &str) -> Result<u16, reqwest::Error> {
    let trusted = reqwest::Certificate::from_pem(trusted.as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_built_in_root_certs(false).add_root_certificate(trusted);
    Ok(http.build().unwrap().get(format!("{url}/healthz")).send().await?.status().as_u16())
}

async fn signal(child: &Child, signal: &str) {
    let pid = child.id().unwrap().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
}

#[tokio::test]
async fn a_new_certificate_is_taken_without_a_restart() {
    let files = Files::new();
    let first = files.make("shown");
    let (mut program, url) = waiting(serve(&files.path("shown.crt"), &files.path("shown.key"))).await;
    assert_eq!(status(&url, &first).await.unwrap(), 200);

    // What is no certificate changes nothing; the next one is taken.
    files.write("shown.crt", "nothing");
    signal(&program, "-HUP").await;
    assert_eq!(status(&url, &first).await.unwrap(), 200);
    let second = files.make("shown");
    signal(&program, "-HUP").await;
    let taken = async {
        while status(&url, &second).await.is_err() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, taken).await.expect("the new one is shown");
    assert!(status(&url, &first).await.is_err(), "the old one is shown no more");
    // Who speaks without TLS gets nowhere, and harms nobody.
    let plain = reqwest::get(url.replace("https:", "http:")).await;
    assert!(plain.is_err());
    signal(&program, "-TERM").await;
    assert!(tokio::time::timeout(PATIENCE, program.wait()).await.expect("stops").unwrap().success());
}
