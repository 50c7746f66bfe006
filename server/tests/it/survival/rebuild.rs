//! The read tables are made anew under load, by a command that is killed on its way: readers notice nothing.

use serde_json::Value;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::audit::audit;
use super::counts::{count, say};
use super::load::Load;
use super::program::Program;
use super::site::{Site, TENANT};

/// Reads until it is stopped; gives how often. What is seen never becomes less.
async fn read(base: String, token: String, stop: CancellationToken) -> usize {
    let http = reqwest::Client::new();
    let (mut times, mut position, mut runs, mut rows) = (0, 0, 0, 0);
    while !stop.is_cancelled() {
        for path in ["/stats", "/runs?limit=200"] {
            let url = format!("{base}/v1/tenants/{TENANT}{path}");
            let answer = http.get(url).bearer_auth(&token).send().await.unwrap();
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body: Value = answer.json().await.unwrap();
            assert_eq!(status, 200, "{path}: {body}");
            let at: u64 = headers["runledger-position"].to_str().unwrap().parse().unwrap();
            assert!(at >= position, "{path} went back from {position} to {at}");
            position = at;
            if path == "/stats" {
                let counted = body["runs"].as_object().unwrap().values();
                let counted = counted.map(|count| count.as_u64().unwrap()).sum();
                assert!(counted >= runs, "{counted} runs are counted after {runs}");
                runs = counted;
            } else {
                let listed = body["runs"].as_array().unwrap().len();
                assert!(listed >= rows, "{listed} runs are listed after {rows}");
                rows = listed;
            }
        }
        times += 1;
    }
    times
}

#[tokio::test]
async fn nobody_sees_a_rebuild() {
    let mut site = Site::start().await;
    let api = site.serve(&[]).await;
    let mut load = Load::start(8, vec![api.url.clone()], TENANT, &site.token);
    load.acknowledged(500).await;
    let (stop, mut readers) = (CancellationToken::new(), JoinSet::new());
    for _ in 0..4 {
        readers.spawn(read(api.url.clone(), site.token.clone(), stop.clone()));
    }
    for _ in 0..count("RUNLEDGER_SOAK_REBUILDS", 3) {
        let mut killed = Program::spawn(site.command(&["projector", "rebuild"]));
        killed.line("rebuilding: ").await;
        killed.kill().await;
        let said = site.run(&["projector", "rebuild"]).await;
        say(said.trim());
        load.acknowledged(100).await;
    }
    stop.cancel();
    let mut times = 0;
    while let Some(read) = readers.join_next().await {
        times += read.unwrap_or_else(|_| panic!("{}", api.warnings()));
    }
    say(format!("read {times} times meanwhile"));
    let seen = load.finish().await;
    audit(&site.url, &site.event_log, &seen).await;
    api.stop().await;
    site.stop_postgres().await;
}
