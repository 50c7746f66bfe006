//! Who may call what: every row of the API's table, with every role, another tenant, and no token.

use access::Role;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Client, TestApp};

/// A call: what it is, and the status that a role gets.
struct Call {
    method: Method,
    path: String,
    body: Option<Value>,
    allowed: fn(Role) -> u16,
}

impl Call {
    fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, path: path.into(), body: None, allowed: |_| 200 }
    }

    fn post(path: impl Into<String>, body: Value, allowed: fn(Role) -> u16) -> Self {
        Self { method: Method::POST, path: path.into(), body: Some(body), allowed }
    }

    /// Whom it is for, where not for all.
    fn needed_role(&self) -> &'static str {
        match self.path.as_str() {
            path if path.starts_with("/tokens") => "owner",
            path if path.starts_with("/admin") => "auditor",
            _ => "producer",
        }
    }

    async fn by(&self, client: &Client) -> Answer {
        let request = client.request(self.method.clone(), &self.path);
        Answer::of(match &self.body {
            Some(body) => request.json(body),
            None => request,
        })
        .await
    }
}

fn overseers_only(role: Role) -> u16 {
    if matches!(role, Role::Owner | Role::Auditor) { 200 } else { 403 }
}

fn owners_only(role: Role, status: u16) -> u16 {
    if role == Role::Owner { status } else { 403 }
}

fn producers_only(role: Role) -> u16 {
    if role == Role::Producer { 200 } else { 403 }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_call_by_every_role_and_by_another_tenant(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let body = json!({"kind": "roles", "context": {}, "initiator": {"id": "readonly"}});
    let run = producer.post_run(&body).await.expect(201).text_at("/run_id");
    let events = json!([
        {"type": "Started"},
        {"type": "ItemFailed", "item": "a", "reason_code": "timeout", "message": "m"},
    ]);
    let position = producer.append(&run, events).await.expect(200).number_at("/position");
    let mine = app.client(Role::Readonly).get(&format!("/notifications?after={position}")).await.expect(200);
    let notification: String =
        sqlx::query_scalar("SELECT notification_id::text FROM projection.notifications")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert!(mine.text.contains(&notification), "{}", mine.text);

    let sign_of_life = json!({"events": [{"type": "Progressed"}]});
    let name =
        json!({"namespace": "policies", "id": "1", "name": "Nightly", "as_of": "2026-01-31T08:15:00Z"});
    let calls = [
        Call::post("/directory", json!({"entries": [name]}), producers_only),
        Call::post("/runs", body, producers_only),
        Call::post(format!("/runs/{run}/events"), sign_of_life, producers_only),
        Call::get(format!("/runs?after={position}")),
        Call::get("/runs?status=running&kind=roles&initiator=readonly&limit=5"),
        Call::get(format!("/runs/{run}")),
        Call::get(format!("/runs/{run}?revision=1")),
        Call::get(format!("/runs/{run}/items?status=failed")),
        Call::get(format!("/runs/{run}/events")),
        Call::get("/notifications?unread=true"),
        // The principals of the tokens are called like their roles; the notification is readonly's.
        Call::post(format!("/notifications/{notification}/read"), json!({}), |role| {
            if role == Role::Readonly { 200 } else { 404 }
        }),
        Call::get("/stats"),
        Call { allowed: overseers_only, ..Call::get(format!("/admin/events?after={position}")) },
        Call { allowed: |role| owners_only(role, 200), ..Call::get("/tokens") },
        Call::post("/tokens", json!({"role": "readonly", "principal": "ria"}), |role| owners_only(role, 201)),
        Call {
            method: Method::DELETE,
            allowed: |role| owners_only(role, 404),
            ..Call::get("/tokens/01890a5d-ac96-774b-bcce-b302099a8057")
        },
    ];
    for call in &calls {
        let at = format!("{} {}", call.method, call.path);
        for role in Role::ALL {
            let answer = call.by(&app.client(role)).await;
            assert_eq!(answer.status, (call.allowed)(role), "{at} by {role}: {}", answer.text);
            if answer.status == 403 {
                let needed = answer.problem(403, "forbidden").text_at("/needed_role");
                assert_eq!(needed, call.needed_role(), "{at}");
            }

            // A good token of another tenant learns nothing, not even that the tenant is there.
            let stranger = app.client_of("other", role);
            let foreign = call.by(&stranger.in_tenant("demo")).await.problem(404, "not_found");
            let absent = call.by(&stranger.in_tenant("absent")).await.problem(404, "not_found");
            assert_eq!(foreign.body, absent.body, "{at} by other's {role}");
            // Nor does it find the run in its own tenant.
            if call.path.contains(&run) || call.path.contains(&notification) {
                let answer = call.by(&stranger).await;
                assert!(
                    answer.status == 404 || answer.status == 403,
                    "{at} by other's {role}: {}",
                    answer.text
                );
            }
        }
        let answer = call.by(&producer.with_token(None)).await.problem(401, "unauthorized");
        assert!(answer.header("www-authenticate").starts_with("Bearer"), "{at}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn reading_a_notification_is_recorded_once(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let body = json!({"kind": "read", "context": {}, "initiator": {"id": "operator"}});
    let position = app.producer().post_run(&body).await.expect(201).number_at("/position");
    let operator = app.client(Role::Operator);
    operator.get(&format!("/notifications?after={position}")).await.expect(200);
    let notification: String =
        sqlx::query_scalar("SELECT notification_id::text FROM projection.notifications")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    let path = format!("/notifications/{notification}/read");
    let first = operator.post(&path, &json!({})).await.expect(200);
    assert_eq!(first.body["notification_id"], notification.as_str());
    assert_eq!(first.body["read"], true);
    let again = operator.post(&path, &json!({})).await.expect(200);
    assert_eq!(again.body, first.body);
    let after = first.number_at("/position");
    let unread = operator.get(&format!("/notifications?unread=true&after={after}")).await.expect(200);
    assert!(!unread.text.contains(&notification), "{}", unread.text);
    for unknown in ["018f0000-0000-7000-8000-000000000000", "7", "x%00y"] {
        let path = format!("/notifications/{unknown}/read");
        operator.post(&path, &json!({})).await.problem(404, "not_found");
    }
    app.stop().await;
}
