//! Inlets by the command line, and what a server that is killed has answered.

use std::fs::File;

use crate::support::site::{Site, serve, terminated};
use crate::support::{LOOK_AGAIN, PATIENCE, runledger};
use serde_json::{Value, json};
use uuid::Uuid;

async fn set_up() -> (Site, String) {
    let site = Site::start().await;
    site.run(&["migrate"]).await;
    site.run(&["tenant", "create", "acme"]).await;
    let args = ["token", "create", "--json", "--tenant", "acme", "--role", "owner", "--principal", "owner"];
    let owner: Value = serde_json::from_str(&site.run(&args).await).unwrap();
    (site, owner["token"].as_str().unwrap().to_owned())
}

async fn create(site: &Site, more: &[&str]) -> Value {
    let args = ["inlet", "create", "--json", "--tenant", "acme", "--inlet-type", "pings", "--kind", "cron"];
    serde_json::from_str(&site.run(&[&args[..], more].concat()).await).unwrap()
}

/// What the API answers, as soon as it is as wanted.
async fn until(site: &Site, base: &str, path: &str, token: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let asking = async {
        loop {
            let url = format!("{base}/v1/tenants/acme{path}");
            let answer = site.http.get(url).bearer_auth(token).send().await.unwrap();
            let answer: Value = answer.json().await.unwrap();
            if wanted(&answer) {
                return answer;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("it gets there")
}

fn length(answer: &Value, list: &str) -> usize {
    answer[list].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn an_inlet_is_made_listed_and_revoked_and_each_is_told() {
    let (site, owner) = set_up().await;
    let made = create(&site, &["--principal", "cron@db1", "--heartbeat-seconds", "90"]).await;
    let (key, id) = (made["key"].as_str().unwrap(), made["inlet_id"].as_str().unwrap());
    assert_eq!(made["heartbeat_seconds"], 90);
    let list = site.run(&["inlet", "list", "--tenant", "acme"]).await;
    assert!(list.contains(id) && list.contains("active") && list.contains("cron@db1"), "{list}");
    assert!(!list.contains(key), "{list}");
    for (args, says) in [
        (["--tenant", "acme", "--inlet-type", "pigeons", "--kind", "cron"], "cloudevents"),
        (["--tenant", "nobody", "--inlet-type", "pings", "--kind", "cron"], "no tenant nobody"),
        (["--tenant", "acme", "--inlet-type", "pings", "--kind", "A B"], "a kind is made of"),
    ] {
        let said = site.refused(&[&["inlet", "create"], &args[..]].concat()).await;
        assert!(said.contains(says), "{said}");
    }
    let (api, base) = site.serve(&[]).await;
    let ping = async || site.http.get(format!("{base}/in/{key}/job")).send().await.unwrap().status().as_u16();
    assert_eq!(ping().await, 200);
    for _ in 0..2 {
        site.run(&["inlet", "revoke", id]).await;
    }
    let refused = async {
        while ping().await == 200 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("a revoked key is refused");
    assert!(site.run(&["inlet", "list", "--tenant", "acme"]).await.contains("revoked"));
    let said = site.refused(&["inlet", "revoke", &Uuid::nil().to_string()]).await;
    assert!(said.contains("no inlet"), "{said}");
    let told = until(&site, &base, "/admin/events", &owner, |answer| length(answer, "events") >= 4).await;
    let told: Vec<_> = told["events"].as_array().unwrap().iter().take(2).collect();
    let types: Vec<_> = told.iter().map(|event| &event["type"]).collect();
    assert_eq!(types, [&json!("InletRevoked"), &json!("InletCreated")]);
    for event in told {
        assert_eq!((&event["actor_kind"], &event["data"]["inlet_id"]), (&json!("os"), &json!(id)), "{event}");
        assert!(!event.to_string().contains(key));
    }
    // What came in before it was revoked is a run.
    until(&site, &base, "/runs", &owner, |answer| length(answer, "runs") >= 1).await;
    assert!(terminated(api).await);
    site.postgres.stop().await.unwrap();
}

/// Between the answer and the log it is killed, again and again: each run is there, and once.
#[tokio::test]
async fn what_was_answered_outlives_a_kill() {
    const KILLS: usize = 4;
    const RUNS: usize = 10;
    let (site, owner) = set_up().await;
    let key = create(&site, &[]).await["key"].as_str().unwrap().to_owned();
    let grace = ["--inlet-grace-seconds", "1"];
    let (mut api, mut base) = site.serve(&grace).await;
    for _ in 0..KILLS {
        for _ in 0..RUNS {
            let rid = Uuid::new_v4();
            // The end first, and then the start: both have to wait for each other.
            for signal in ["", "/start", ""] {
                let url = format!("{base}/in/{key}/job{signal}?rid={rid}");
                assert_eq!(site.http.get(url).send().await.unwrap().status().as_u16(), 200);
            }
        }
        api.kill().await.unwrap();
        (api, base) = serve(&site.url(), &grace).await;
    }
    let path = "/runs?status=succeeded&limit=200";
    let all = until(&site, &base, path, &owner, |answer| length(answer, "runs") >= KILLS * RUNS).await;
    assert_eq!(length(&all, "runs"), KILLS * RUNS);
    for run in all["runs"].as_array().unwrap() {
        let path = format!("/runs/{}/events", run["run_id"].as_str().unwrap());
        let events = until(&site, &base, &path, &owner, |answer| length(answer, "events") > 0).await;
        let types: Vec<_> =
            events["events"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
        assert_eq!(types, ["Queued", "Started", "Completed"]);
    }
    site.run(&["projector", "verify"]).await;
    assert!(terminated(api).await);
    site.postgres.stop().await.unwrap();
}

/// Whatever the log says of requests, a key is not in it.
#[tokio::test]
async fn no_key_is_in_the_log() {
    let (site, _) = set_up().await;
    let key = create(&site, &[]).await["key"].as_str().unwrap().to_owned();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let mut command = runledger();
    command.env("DATABASE_URL", site.url()).args(["--log-format", "json", "--log", "debug", "serve"]);
    command.args(["--listen", "127.0.0.1:0", "--max-body-bytes", "1024"]);
    let api = command.stderr(File::create(&path).unwrap()).spawn().unwrap();
    let log = || std::fs::read_to_string(&path).unwrap();
    let listening = async {
        loop {
            let lines = log();
            let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            if let Some(line) = lines.into_iter().find(|line| line["message"] == "listening") {
                return line["address"].as_str().unwrap().to_owned();
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let base = format!("http://{}", tokio::time::timeout(PATIENCE, listening).await.unwrap());
    let get = async |path: &str| {
        site.http.get(format!("{base}/in/{key}{path}")).send().await.unwrap().status().as_u16()
    };
    let healthy = async {
        while get("/job").await != 200 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, healthy).await.unwrap();
    assert_eq!((get("/job/begin").await, get("/job?rid=7").await, get("/a/b/c/d").await), (404, 422, 404));
    let large = site.http.post(format!("{base}/in/{key}/job")).body("x".repeat(2_000));
    assert_eq!(large.send().await.unwrap().status().as_u16(), 413);
    let metrics = site.http.get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains("runledger_inlet_received_total") && !metrics.contains(&key), "{metrics}");
    assert!(terminated(api).await);
    let log = log();
    assert!(log.contains("/in/{key}/{slug}") && !log.contains(&key), "{log}");
    site.postgres.stop().await.unwrap();
}
