//! `kill -9` of the whole program under load.

use std::path::Path;

use serde_json::Value;

use super::audit::audit;
use super::counts::{count, say};
use super::load::Load;
use super::program::{Program, event_log, runledger};

async fn dev(folder: &Path) -> (Program, Value) {
    let mut command = runledger();
    command.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder);
    command.env("RUNLEDGER_EVENT_LOG", event_log(folder));
    let mut program = Program::spawn(command);
    program.line("Runledger is ready").await;
    let info: Value = serde_json::from_slice(&std::fs::read(folder.join("dev.json")).unwrap()).unwrap();
    program.url = info["base_url"].as_str().unwrap().to_owned();
    (program, info)
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_by_kills() {
    let kills = count("RUNLEDGER_SOAK_KILLS", 20);
    let folder = tempfile::tempdir().unwrap();
    let (mut program, info) = dev(folder.path()).await;
    let producers = count("RUNLEDGER_SOAK_PRODUCERS", 16);
    let token = info["tokens"]["producer"].as_str().unwrap();
    let mut load = Load::start(producers, vec![program.url.clone()], "demo", token);
    for round in 1..=kills {
        // Sooner and later after the start, in no step with the batches.
        load.acknowledged(20 + round * 37 % 200).await;
        program.kill().await;
        (program, _) = dev(folder.path()).await;
        load.point_at(vec![program.url.clone()]);
        if round % 10 == 0 {
            say(format!("killed {round} times, {} events acknowledged", load.total()));
        }
    }
    load.acknowledged(100).await;
    let seen = load.finish().await;
    let url = std::fs::read_to_string(folder.path().join("database-url")).unwrap();
    audit(url.trim(), &event_log(folder.path()), &seen).await;
    program.stop().await;
}
