//! A worker as a process of its own: this program once more, with its one ignored test.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use runledger_client::{Ledger, Limits, Start};
use serde_json::json;

use crate::harness::setting;

const ROLE: &str = "RUNLEDGER_TEST_WORKER";

fn command(role: &str, url: &str, spool: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["worker::works", "--exact", "--ignored", "--nocapture"])
        .env(ROLE, role)
        .env("RUNLEDGER_URL", url)
        .env("RUNLEDGER_SPOOL", spool)
        .env("RUNLEDGER_TEST_ARGUMENTS", arguments.join(" "));
    command
}

/// A worker that has reported so many items and then hangs.
pub async fn hanging(url: &str, spool: &Path, kind: &str, items: usize) -> Child {
    let mut command = command("hang", url, spool, &[kind, &items.to_string()]);
    tokio::task::spawn_blocking(move || {
        let mut worker = command.stdout(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(worker.stdout.take().unwrap());
        assert!(said.lines().any(|line| line.unwrap().contains("ready")), "it died");
        worker
    })
    .await
    .unwrap()
}

/// Reports 50 items to the run of another process; how it ended.
pub async fn joining(url: &str, spool: &Path, run: &str, name: &str) -> bool {
    let mut command = command("join", url, spool, &[run, name]);
    tokio::task::spawn_blocking(move || command.stdout(Stdio::null()).status().unwrap().success())
        .await
        .unwrap()
}

#[tokio::test]
#[ignore = "it is started by other tests, as a process"]
async fn works() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let arguments = setting("RUNLEDGER_TEST_ARGUMENTS");
    let (first, second) = arguments.split_once(' ').unwrap();
    let (url, token, tenant) =
        (setting("RUNLEDGER_URL"), setting("RUNLEDGER_TOKEN"), setting("RUNLEDGER_TENANT"));
    let limits = Limits { exit_timeout: Duration::from_secs(2), ..Limits::default() };
    let ledger = Ledger::builder(&url, &token, &tenant)
        .limits(limits)
        .on_trouble(|_| {})
        .end_on_sigterm()
        .build()
        .unwrap();
    if role == "join" {
        let part = ledger.join(first.parse().unwrap(), None);
        (0..50).for_each(|item| part.succeeded(format!("{second} {item}")));
        drop(part);
        assert!(ledger.close().await);
        return;
    }
    let open = ledger.begin(Start::new(first, json!({})).heartbeat(Duration::from_secs(30)));
    (0..second.parse().unwrap()).for_each(|item: usize| open.succeeded(item));
    writeln!(std::io::stdout(), "ready").unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
}
