//! Events to tell stories with.

use domain::admin::{AdminBody, TenantTold, TokenTold};
use domain::{
    Completed, EventBody, Failure, ItemFailed, ItemName, ItemSkipped, ItemSucceeded, Progressed, Queued,
    Resumed, Started, Tally,
};
use serde_json::{Value, json};

pub fn queued_with(fields: Value) -> EventBody {
    let mut queued = json!({
        "kind": "backup_set.add_policies",
        "context": {"set": 7},
        "idempotency_key": "ab".repeat(32),
    });
    for (name, value) in fields.as_object().unwrap() {
        queued[name] = value.clone();
    }
    let queued: Queued = serde_json::from_value(queued).unwrap();
    EventBody::Queued(Box::new(queued))
}

pub fn queued() -> EventBody {
    queued_with(json!({"initiator": {"id": "ada", "name": "Ada"}, "title": "Add policies"}))
}

pub fn started() -> EventBody {
    EventBody::Started(Started { worker: None, heartbeat_seconds: None })
}

pub fn started_promising(seconds: u64) -> EventBody {
    let started = json!({"worker": "worker-1", "heartbeat_seconds": seconds});
    EventBody::Started(serde_json::from_value(started).unwrap())
}

pub fn resumed_promising(seconds: u64) -> EventBody {
    let resumed = json!({"worker": "worker-2", "heartbeat_seconds": seconds});
    EventBody::Resumed(serde_json::from_value::<Resumed>(resumed).unwrap())
}

pub fn tallied(succeeded: u64, failed: u64) -> EventBody {
    let tally = json!({"succeeded": succeeded, "failed": failed});
    EventBody::Completed(Completed {
        message: None,
        tally: Some(serde_json::from_value::<Tally>(tally).unwrap()),
    })
}

pub fn item(name: &str) -> ItemName {
    ItemName::try_from(name.to_owned()).unwrap()
}

pub fn succeeded(name: &str) -> EventBody {
    EventBody::ItemSucceeded(ItemSucceeded { item: item(name), label: None, namespace: None })
}

pub fn skipped(name: &str) -> EventBody {
    EventBody::ItemSkipped(ItemSkipped { item: item(name), label: None, namespace: None, reason_code: None })
}

pub fn failed_item(name: &str) -> EventBody {
    let Failure { reason_code, message } = failure();
    let label = Some(redaction::CleanText::new(&format!("Item {name}")));
    EventBody::ItemFailed(ItemFailed { item: item(name), label, namespace: None, reason_code, message })
}

pub fn progressed(message: Option<&str>, items_total: Option<u64>) -> EventBody {
    let progressed: Progressed =
        serde_json::from_value(json!({"message": message, "items_total": items_total})).unwrap();
    EventBody::Progressed(progressed)
}

pub fn completed() -> EventBody {
    EventBody::Completed(Completed { message: None, tally: None })
}

pub fn failure() -> Failure {
    serde_json::from_value(json!({"reason_code": "timeout", "message": "no answer in 30 s"})).unwrap()
}

pub fn failed() -> EventBody {
    EventBody::Failed(failure().into())
}

pub fn aborted() -> EventBody {
    EventBody::Aborted(failure())
}

pub fn tenant_created(name: &str) -> AdminBody {
    AdminBody::TenantCreated(TenantTold { name: name.into(), old_name: None })
}

pub fn token_created(principal: &str) -> AdminBody {
    AdminBody::TokenCreated(TokenTold {
        token_id: uuid::Uuid::nil(),
        role: "owner".into(),
        principal: principal.into(),
        expires_at: None,
    })
}
