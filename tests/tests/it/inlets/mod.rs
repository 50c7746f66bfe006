//! Emitters that know nothing of this ledger: what they send is kept before it is answered, and is in the log once.

mod cloudevents;
mod kept;
mod keys;
mod lineage;
mod pings;
mod together;

use std::time::Duration;

use access::Role;
use api::ApiConfig;
use eventlog::EventLog;
use inlets::ReceiverConfig;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Client, Setup, TestApp};

/// An app whose inlets wait for nothing that might belong before.
async fn without_grace(pool: PgPoolOptions, database: PgConnectOptions) -> TestApp {
    with_inlets(pool, database, ReceiverConfig { grace: Duration::ZERO, ..ReceiverConfig::default() }).await
}

async fn with_inlets(pool: PgPoolOptions, database: PgConnectOptions, inlets: ReceiverConfig) -> TestApp {
    let api = ApiConfig { inlets, ..ApiConfig::default() };
    TestApp::with(pool, database, Setup { api, ..Setup::default() }).await
}

/// An inlet of the tenant `demo`, as its owner makes it, and what speaks to it.
struct Emitter {
    key: String,
    inlet_id: String,
    client: Client,
}

impl Emitter {
    async fn new(app: &TestApp, inlet_type: &str) -> Self {
        Self::with(app, &json!({"inlet_type": inlet_type, "kind": "jobs.nightly"})).await
    }

    async fn with(app: &TestApp, inlet: &Value) -> Self {
        let made = app.client(Role::Owner).post("/inlets", inlet).await.expect(201);
        let (key, inlet_id) = (made.text_at("/key"), made.text_at("/inlet_id"));
        assert_eq!(made.text_at("/address"), format!("/in/{key}"));
        Self { key, inlet_id, client: app.client(Role::Owner).with_token(None) }
    }

    fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, &format!("//in/{}{path}", self.key))
    }

    /// Sends JSON to a path behind the key.
    async fn post(&self, path: &str, body: &Value) -> Answer {
        Answer::of(self.request(Method::POST, path).json(body)).await
    }

    /// A ping, as `curl` without options sends it.
    async fn ping(&self, path: &str) -> Answer {
        let answer = Answer::of(self.request(Method::GET, path)).await.expect(200);
        assert_eq!(answer.text, "OK");
        answer
    }
}

/// Takes to the log whatever is due.
async fn ordered(app: &TestApp) -> u64 {
    app.orderer().await.round().await.unwrap()
}

/// The runs of the tenant `demo` as its operator sees them, the oldest first.
async fn runs(app: &TestApp) -> Vec<Value> {
    let head = app.log.head().await.unwrap().0;
    let list =
        app.client(Role::Operator).get(&format!("/runs?sort=queued_at&after={head}")).await.expect(200);
    list.body["runs"].as_array().unwrap().clone()
}

/// The types of the events of the only run.
async fn events_of(app: &TestApp, run: &Value) -> Vec<String> {
    let id = run["run_id"].as_str().unwrap();
    let events = app.client(Role::Operator).get(&format!("/runs/{id}/events")).await.expect(200);
    let events = events.body["events"].as_array().unwrap().clone();
    events.iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
}

/// What of an inlet was set aside, and why.
async fn set_aside(app: &TestApp, emitter: &Emitter) -> Vec<(String, Value)> {
    let path = format!("/inlets/{}/set-aside", emitter.inlet_id);
    let list = app.client(Role::Owner).get(&path).await.expect(200);
    let list = list.body["set_aside"].as_array().unwrap().clone();
    list.into_iter().map(|one| (one["why"].as_str().unwrap().to_owned(), one["content"].clone())).collect()
}

async fn waiting(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM inlet.received").fetch_one(&app.pool).await.unwrap()
}

fn lineage(event_type: &str, run: &str, second: u32) -> Value {
    json!({
        "eventType": event_type,
        "eventTime": format!("2026-01-05T08:15:{second:02}Z"),
        "run": {"runId": run},
        "job": {"namespace": "warehouse", "name": "orders.daily"},
        "producer": "https://example.com/emitter",
    })
}
