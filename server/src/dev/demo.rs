//! Sample producers: what they do, any client in any language can do. They know the API by its
//! address and a token, and nothing else of this program.
//!
//! Event ids are made from the run and the step, so a producer that is stopped and started again
//! repeats what it has already said without harm and goes on from there.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::error::Error;

/// A producer's way to the ledger.
#[derive(Clone)]
pub struct Producer {
    http: reqwest::Client,
    runs_url: String,
    token: String,
}

/// What a sample run came to.
#[derive(Debug)]
pub struct RunSummary {
    /// The kind of operation.
    pub kind: String,
    /// The run's id.
    pub run_id: String,
    /// The run's status after the producer's last word.
    pub status: String,
}

struct Run<'a> {
    producer: &'a Producer,
    kind: String,
    id: String,
    status: String,
}

type Finished = Result<RunSummary, Error>;

impl Producer {
    /// A producer of that tenant's runs.
    #[must_use]
    pub fn new(base_url: &str, tenant: &str, token: &str) -> Self {
        Self {
            http: reqwest::Client::new(),
            runs_url: format!("{base_url}/v1/tenants/{tenant}/runs"),
            token: token.to_owned(),
        }
    }

    async fn start(&self, body: Value) -> Result<Run<'_>, Error> {
        let answer = self.post(&self.runs_url, &body).await?;
        let text = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
        let kind = body["kind"].as_str().unwrap_or_default().to_owned();
        Ok(Run { producer: self, kind, id: text("run_id"), status: text("status") })
    }

    async fn post(&self, url: &str, body: &Value) -> Result<Value, Error> {
        let failed = |what: String| Error::Demo(format!("POST {url}: {what}"));
        loop {
            let request = self.http.post(url).bearer_auth(&self.token).json(body);
            let answer = request.send().await.map_err(|error| failed(error.to_string()))?;
            let status = answer.status();
            let body: Value = answer.json().await.map_err(|error| failed(error.to_string()))?;
            match status.as_u16() {
                200 | 201 => return Ok(body),
                // The ledger is busy. The events keep their ids, so saying them again is safe.
                503 => tokio::time::sleep(Duration::from_secs(1)).await,
                _ => {
                    return Err(failed(format!(
                        "{status}: {}",
                        body["detail"].as_str().unwrap_or("no detail")
                    )));
                }
            }
        }
    }
}

impl Run<'_> {
    /// Appends one event. `step` names it within the run.
    async fn tell(&mut self, step: &str, event_type: &str, fields: Value) -> Result<(), Error> {
        let namespace = Uuid::try_parse(&self.id).unwrap_or(Uuid::NAMESPACE_OID);
        let mut event = json!({"type": event_type, "id": Uuid::new_v5(&namespace, step.as_bytes())});
        if let (Some(event), Value::Object(fields)) = (event.as_object_mut(), fields) {
            event.extend(fields);
        }
        let url = format!("{}/{}/events", self.producer.runs_url, self.id);
        let answer = self.producer.post(&url, &json!({"events": [event]})).await?;
        self.status = answer["status"].as_str().unwrap_or_default().to_owned();
        Ok(())
    }

    fn summary(self) -> RunSummary {
        RunSummary { kind: self.kind, run_id: self.id, status: self.status }
    }
}

/// Real work takes time; so do the samples, so that there is something to watch.
async fn work() {
    tokio::time::sleep(Duration::from_millis(120)).await;
}

/// Runs all sample producers at once and hands on what each came to as it ends.
///
/// # Errors
/// The first producer that the API refuses.
pub async fn run_all(producer: Producer, mut each: impl FnMut(RunSummary)) -> Result<(), Error> {
    let mut producers = JoinSet::new();
    for cluster in ["fra-1", "fra-2", "ams-1"] {
        producers.spawn(drift_check(producer.clone(), cluster));
    }
    producers.spawn(add_policies(producer.clone()));
    producers.spawn(bulk_delete(producer.clone()));
    producers.spawn(aborted_import(producer.clone()));
    producers.spawn(failed_dispatch(producer.clone()));
    producers.spawn(long_import(producer));
    while let Some(told) = producers.join_next().await {
        each(told??);
    }
    Ok(())
}

async fn drift_check(producer: Producer, cluster: &'static str) -> Finished {
    let mut run = producer
        .start(json!({
            "kind": "drift.check",
            "title": format!("Nightly drift check of {cluster}"),
            "context": {"cluster": cluster, "baseline": "2026.11"},
            "labels": {"team": "platform", "cluster": cluster},
            "items_total": 8,
        }))
        .await?;
    run.tell("start", "Started", json!({"worker": "drift-worker-1", "heartbeat_seconds": 30})).await?;
    for node in 1..=8 {
        work().await;
        let item = format!("{cluster}/node-{node}");
        run.tell(&item, "ItemSucceeded", json!({"item": item})).await?;
    }
    run.tell("end", "Completed", json!({"message": "no drift found"})).await?;
    Ok(run.summary())
}

async fn add_policies(producer: Producer) -> Finished {
    let policies = ["daily-35", "weekly-52", "monthly-12", "legal-hold"];
    let mut run = producer
        .start(json!({
            "kind": "backup_set.add_policies",
            "title": "Add four policies to backup set finance",
            "initiator": {"id": "demo-operator", "name": "Demo operator"},
            "context": {"backup_set": "finance", "policies": policies},
            "unordered": ["/policies"],
            "labels": {"team": "backup"},
            "items_total": policies.len(),
        }))
        .await?;
    run.tell("start", "Started", json!({"worker": "backup-worker-2", "heartbeat_seconds": 30})).await?;
    for policy in policies {
        work().await;
        if policy == "legal-hold" {
            let why = json!({"item": policy, "reason_code": "permission_denied",
                "message": "the service account may not attach legal-hold policies"});
            run.tell(policy, "ItemFailed", why).await?;
        } else {
            run.tell(policy, "ItemSucceeded", json!({"item": policy})).await?;
        }
    }
    run.tell("end", "Completed", json!({})).await?;
    Ok(run.summary())
}

async fn bulk_delete(producer: Producer) -> Finished {
    let mut run = producer
        .start(json!({
            "kind": "snapshot.bulk_delete",
            "title": "Delete 24 snapshots past their retention",
            "initiator": {"id": "demo-operator", "name": "Demo operator"},
            "context": {"older_than_days": 90, "region": "eu-central"},
            "labels": {"team": "storage", "ticket": "OPS-1184"},
            "items_total": 24,
        }))
        .await?;
    run.tell("start", "Started", json!({"worker": "storage-worker-4", "heartbeat_seconds": 30})).await?;
    for n in 1..=24 {
        work().await;
        let item = format!("snap-{n:04}");
        match n % 8 {
            3 => {
                let why =
                    json!({"item": item, "reason_code": "throttled", "message": "429 from the storage API"});
                run.tell(&format!("{item}/first"), "ItemFailed", why).await?;
                work().await;
                run.tell(&format!("{item}/again"), "ItemSucceeded", json!({"item": item})).await?;
            }
            5 => {
                // What upstream services put into messages; the ledger keeps the secret out.
                let why = json!({"item": item, "reason_code": "dependency_failed",
                    "message": "DELETE https://svc-snap:Tr0ub4dor@storage.internal/v2/snapshots failed: 502"});
                run.tell(&item, "ItemFailed", why).await?;
            }
            7 => run.tell(&item, "ItemSkipped", json!({"item": item, "reason_code": "not_found"})).await?,
            _ => run.tell(&item, "ItemSucceeded", json!({"item": item})).await?,
        }
    }
    run.tell("end", "Completed", json!({"message": "3 snapshots are left over"})).await?;
    Ok(run.summary())
}

async fn aborted_import(producer: Producer) -> Finished {
    let mut run = producer
        .start(json!({
            "kind": "inventory.import",
            "title": "Import the asset list of site north",
            "initiator": {"id": "demo-manager", "name": "Demo manager"},
            "context": {"site": "north", "file": "assets-2026-11.csv"},
            "items_total": 500,
        }))
        .await?;
    run.tell("start", "Started", json!({"worker": "import-worker-1", "heartbeat_seconds": 30})).await?;
    for row in 1..=6 {
        work().await;
        let item = format!("row-{row}");
        run.tell(&item, "ItemSucceeded", json!({"item": item})).await?;
    }
    let why = json!({"reason_code": "cancelled", "message": "stopped by its initiator: wrong file"});
    run.tell("end", "Aborted", why).await?;
    Ok(run.summary())
}

async fn failed_dispatch(producer: Producer) -> Finished {
    let mut run = producer
        .start(json!({
            "kind": "replica.rebuild",
            "title": "Rebuild replica db-7b",
            "initiator": {"id": "demo-operator", "name": "Demo operator"},
            "context": {"replica": "db-7b"},
            "labels": {"team": "database"},
        }))
        .await?;
    work().await;
    let why =
        json!({"reason_code": "dispatch_failed", "message": "no worker takes replica.rebuild in eu-west"});
    run.tell("end", "Failed", why).await?;
    Ok(run.summary())
}

async fn long_import(producer: Producer) -> Finished {
    let mut run = producer
        .start(json!({
            "kind": "catalog.import",
            "title": "Import the product catalog",
            "initiator": {"id": "demo-manager", "name": "Demo manager"},
            "context": {"source": "catalog-2026-11"},
            "labels": {"team": "shop"},
            "items_total": 60,
        }))
        .await?;
    run.tell("start", "Started", json!({"worker": "import-worker-2", "heartbeat_seconds": 5})).await?;
    for page in 1..=60 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let item = format!("page-{page}");
        run.tell(&item, "ItemSucceeded", json!({"item": item})).await?;
        if page % 10 == 0 {
            run.tell(
                &format!("after-{item}"),
                "Progressed",
                json!({"message": format!("{page} of 60 pages")}),
            )
            .await?;
        }
    }
    run.tell("end", "Completed", json!({})).await?;
    Ok(run.summary())
}
