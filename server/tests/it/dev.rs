//! `runledger dev` as a new user meets it: the real program, its private Postgres, real HTTP.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Dev, data_dir, runledger};
use serde_json::{Value, json};

async fn statuses(dev: &Dev) -> Vec<String> {
    let runs = dev.get("/runs?limit=200").await;
    runs["runs"].as_array().unwrap().iter().map(|run| run["status"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_sample_producers_show_every_ending() {
    let folder = data_dir();
    let mut dev = Dev::start(folder.path(), &["--demo"]).await;
    let mode = std::fs::metadata(folder.path().join("dev.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    // The bulk delete is the longest but for the import that goes on for a minute.
    let line = dev.line_with("snapshot.bulk_delete").await;
    let run = line.rsplit('/').next().unwrap();
    let row = dev.get_until(&format!("/runs/{run}"), |row| row["ended_as"] == "completed").await;
    assert_eq!(row["status"], "partially_succeeded");
    assert_eq!(
        row["items"],
        json!({"total": 24, "succeeded": 18, "failed": 3, "skipped": 3, "tallied": false})
    );

    let seen = statuses(&dev).await;
    let count = |status: &str| seen.iter().filter(|seen| *seen == status).count();
    assert_eq!(
        (count("succeeded"), count("partially_succeeded"), count("failed"), count("running")),
        (3, 2, 2, 1)
    );

    let items = dev.get(&format!("/runs/{run}/items?status=failed")).await.to_string();
    assert!(items.contains("[redacted:password]") && !items.contains("Tr0ub4dor"), "{items}");
    assert!(dev.interrupt().await);
}

#[tokio::test]
async fn a_second_program_on_the_same_folder_is_told_so() {
    let folder = data_dir();
    let dev = Dev::start(folder.path(), &[]).await;
    let mut second = runledger();
    second.args(["dev", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
    let output = second.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    assert!(said.contains(&*folder.path().to_string_lossy()), "names the folder: {said}");
    assert!(dev.interrupt().await);
}

#[tokio::test]
async fn the_next_start_finds_everything_and_the_same_tokens() {
    let folder = data_dir();
    let dev = Dev::start(folder.path(), &[]).await;
    let run = dev.post("/runs", &json!({"kind": "k", "context": {"n": 1}})).await;
    let tokens = dev.info["tokens"].clone();
    assert!(dev.interrupt().await);

    let dev = Dev::start(folder.path(), &[]).await;
    assert_eq!(dev.info["tokens"], tokens);
    let again = dev.post("/runs", &json!({"kind": "k", "context": {"n": 1}})).await;
    assert_eq!((&again["run_id"], &again["reused"]), (&run["run_id"], &Value::Bool(true)));
    assert!(dev.interrupt().await);
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there_after_it() {
    let folder = data_dir();
    let dev = Dev::start(folder.path(), &[]).await;
    let run = dev.post("/runs", &json!({"kind": "k", "context": {}})).await;
    let path = format!("/runs/{}/events", run["run_id"].as_str().unwrap());
    let started = dev.post(&path, &json!({"events": [{"type": "Started"}]})).await;
    dev.get(&format!("{path}?after={}", started["position"])).await;

    // A producer that does not stop talking, until nobody answers.
    let dev = std::sync::Arc::new(dev);
    let producer = tokio::spawn({
        let (dev, path) = (dev.clone(), path.clone());
        async move {
            let mut acknowledged = Vec::new();
            for n in 0..100_000 {
                let event = json!({"events": [{"type": "ItemSucceeded", "item": format!("i{n}")}]});
                match dev.try_post(&path, &event).await {
                    Some((200, body)) => acknowledged
                        .push((body["revision"].as_u64().unwrap(), body["position"].as_u64().unwrap())),
                    _ => break,
                }
            }
            acknowledged
        }
    });
    dev.get_until(&path, |page| page["events"].as_array().unwrap().len() >= 50).await;
    dev.kill_now().await;
    let acknowledged = producer.await.unwrap();
    assert!(acknowledged.len() >= 40);
    std::sync::Arc::into_inner(dev).expect("the producer has let go of it").gone().await;

    let dev = Dev::start(folder.path(), &[]).await;
    let (last, position) = *acknowledged.last().unwrap();
    let row = dev.get(&format!("/runs/{}?after={position}", run["run_id"].as_str().unwrap())).await;
    // One more may have been made durable without anybody hearing of it; none may be missing.
    let revision = row["revision"].as_u64().unwrap();
    assert!(revision == last || revision == last + 1, "{revision} after {last}");
    assert_eq!(row["items"]["succeeded"].as_u64().unwrap(), revision - 1);
    assert!(dev.interrupt().await);
}

#[tokio::test]
async fn tenants_and_tokens_are_managed_while_it_runs() {
    let folder = data_dir();
    let dev = Dev::start(folder.path(), &[]).await;
    let admin = async |args: &[&str]| {
        let output = runledger().args(args).arg("--data-dir").arg(folder.path()).output().await.unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    admin(&["tenant", "create", "acme", "--name", "Acme"]).await;
    assert!(admin(&["tenant", "list"]).await.contains("acme"));
    let token =
        admin(&["token", "create", "--tenant", "acme", "--role", "readonly", "--principal", "ada"]).await;
    let list = admin(&["token", "list", "--tenant", "acme"]).await;
    let id = list.split_whitespace().next().unwrap();

    let url = format!("{}/v1/tenants/acme/runs", dev.info["base_url"].as_str().unwrap());
    let status =
        async || reqwest::Client::new().get(&url).bearer_auth(token.trim()).send().await.unwrap().status();
    assert_eq!(status().await, 200);
    assert!(!list.contains(token.trim()));
    admin(&["token", "revoke", id]).await;
    let refused = async {
        while status().await != 401 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(30), refused).await.expect("revoked at once");
    assert!(dev.interrupt().await);
}
