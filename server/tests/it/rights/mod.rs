//! Rights in the database: what a restore loses, what `migrate` mends, and how little whoever serves needs.

mod damage;
mod least;
mod migrators;
mod restored;

use crate::support::site::{Site, program};
use crate::support::{LOOK_AGAIN, PATIENCE};
use serde_json::{Value, json};

/// A token of the tenant `acme`, which is made if it is missing.
async fn token(site: &Site, role: &str) -> String {
    site.output(&["tenant", "create", "acme"]).await;
    let args = ["token", "create", "--tenant", "acme", "--role", role, "--principal", role];
    site.run(&args).await.trim().to_owned()
}

/// A run that has ended, as far as readers see it; gives its id.
async fn a_run(site: &Site, base: &str, producer: &str) -> String {
    readyz_until(site, base, "ready", |status, _| status == 200).await;
    let body = json!({"kind": "backup", "context": {"n": 1}, "initiator": {"id": "operator"}});
    let (status, run) = site.post(base, "/runs", producer, &body).await;
    assert!(status < 300, "{run}");
    let id = run["run_id"].as_str().unwrap().to_owned();
    let events = json!({"events": [
        {"type": "Started"},
        {"type": "ItemFailed", "item": "a", "reason_code": "timeout", "message": "m"},
        {"type": "Completed"},
    ]});
    let (status, ended) = site.post(base, &format!("/runs/{id}/events"), producer, &events).await;
    assert_eq!(status, 200, "{ended}");
    let path = format!("/runs/{id}?after={}", ended["position"]);
    let (status, row) = get(site, base, &path, producer).await;
    assert_eq!((status, &row["status"]), (200, &json!("failed")), "{row}");
    id
}

/// Listens to the tenant's stream, and starts a run that it must tell of.
async fn hears_of_a_run(site: &Site, base: &str, producer: &str) {
    let url = format!("{base}/v1/tenants/acme/stream");
    let mut stream = site.http.get(url).bearer_auth(producer).send().await.unwrap();
    assert_eq!(stream.status(), 200);
    let mut told = String::new();
    until_told(&mut stream, &mut told, "event: position").await;
    let body = json!({"kind": "told", "context": {"once": uuid::Uuid::new_v4()}});
    let (status, run) = site.post(base, "/runs", producer, &body).await;
    assert_eq!(status, 201, "{run}");
    until_told(&mut stream, &mut told, run["run_id"].as_str().unwrap()).await;
}

async fn until_told(stream: &mut reqwest::Response, told: &mut String, words: &str) {
    let listening = async {
        while !told.contains(words) {
            let chunk = stream.chunk().await.unwrap().expect("the stream goes on");
            told.push_str(&String::from_utf8_lossy(&chunk));
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, listening).await;
    assert!(in_time.is_ok(), "{words} is not told: {told}");
}

async fn get(site: &Site, base: &str, path: &str, token: &str) -> (u16, Value) {
    let url = format!("{base}/v1/tenants/acme{path}");
    let answer = site.http.get(url).bearer_auth(token).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

async fn readyz(site: &Site, base: &str) -> (u16, Value) {
    let answer = site.http.get(format!("{base}/readyz")).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Asks `/readyz` until the answer is as it should be.
async fn readyz_until(site: &Site, base: &str, what: &str, right: impl Fn(u16, &Value) -> bool) -> Value {
    let mut last = Value::Null;
    let asking = async {
        loop {
            let (status, body) = readyz(site, base).await;
            if right(status, &body) {
                return body;
            }
            last = body;
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    match tokio::time::timeout(PATIENCE, asking).await {
        Ok(body) => body,
        Err(_) => panic!("{what}: {last}"),
    }
}
