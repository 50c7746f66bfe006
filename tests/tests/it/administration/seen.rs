//! Who sees what was administered, and how it is looked through.

use super::{psql, relayed};
use access::Role;
use projector::Maintenance;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, TestApp};

fn types(answer: &Answer) -> Vec<&str> {
    answer.body["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn owners_and_auditors_see_it_and_nobody_else(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    psql(&app.pool, "UPDATE access.tenants SET name = 'Only for others' WHERE tenant = 'other'").await;
    let path = format!("/admin/events?after={}", relayed(&app).await);
    for role in Role::ALL {
        let answer = app.client(role).get(&path).await;
        if matches!(role, Role::Owner | Role::Auditor) {
            let answer = answer.expect(200);
            assert_eq!(types(&answer).len(), 1 + Role::ALL.len(), "{role}");
            assert!(!answer.text.contains("Only for others"), "another tenant's: {}", answer.text);
        } else {
            let needed = answer.problem(403, "forbidden").text_at("/needed_role");
            assert_eq!(needed, "auditor", "{role}");
            // Before anything is said of the parameters.
            app.client(role).get("/admin/events?typ=x").await.problem(403, "forbidden");
        }
        let stranger = app.client_of("other", role).in_tenant("demo").get(&path).await;
        stranger.problem(404, "not_found");
    }
    app.producer().with_token(None).get(&path).await.problem(401, "unauthorized");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn it_has_pages_and_filters(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    psql(
        &app.pool,
        "BEGIN; SELECT set_config('runledger.actor', '{\"kind\": \"os\", \"name\": \"ann@ledger-1\"}', true);
         UPDATE access.tenants SET name = 'Demo' WHERE tenant = 'demo';
         UPDATE access.tokens SET revoked_at = now() WHERE tenant = 'demo' AND role = 'manager'; COMMIT",
    )
    .await;
    let after = relayed(&app).await;
    let auditor = app.client(Role::Auditor);
    let get =
        async |query: &str| auditor.get(&format!("/admin/events?after={after}&{query}")).await.expect(200);
    let all = get("").await;
    assert_eq!(types(&all)[..3], ["TokenRevoked", "TenantChanged", "TokenCreated"], "the newest first");
    assert_eq!((all.number_at("/events/0/revision"), &all.body["next_cursor"]), (8, &Value::Null));

    let (mut seen, mut query) = (Vec::new(), "limit=4".to_owned());
    loop {
        let page = get(&query).await;
        seen.extend(page.body["events"].as_array().unwrap().clone());
        let Some(cursor) = page.body["next_cursor"].as_str() else { break };
        query = format!("limit=4&cursor={cursor}");
    }
    assert_eq!(json!(seen), all.body["events"]);

    assert_eq!(types(&get("actor=ann@ledger-1").await), ["TokenRevoked", "TenantChanged"]);
    assert_eq!(types(&get("actor=ann@ledger-1&type=TenantChanged").await), ["TenantChanged"]);
    assert_eq!(types(&get("type=PolicySet").await), [""; 0]);
    let at = all.text_at("/events/1/recorded_at");
    assert_eq!(types(&get(&format!("since={at}")).await), ["TokenRevoked", "TenantChanged"]);
    assert_eq!(types(&get(&format!("until={at}")).await).len(), 1 + Role::ALL.len());
    for (wrong, name) in [
        ("type=Exploded", "?type"),
        ("since=yesterday", "?since"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "?until"),
        ("cursor=x", "?cursor"),
        ("tenant=other", "?tenant"),
    ] {
        let problem = auditor.get(&format!("/admin/events?{wrong}")).await.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), name);
    }
    app.stop().await;
}

async fn rows(pool: &PgPool) -> Vec<Value> {
    let sql = "SELECT to_jsonb(e) FROM projection.admin_events AS e ORDER BY tenant, revision";
    sqlx::query_scalar(sql).fetch_all(pool).await.unwrap()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn tables_made_anew_say_the_same(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let auditor = app.client(Role::Auditor);
    auditor.get(&format!("/admin/events?after={}", relayed(&app).await)).await.expect(200);
    let before = rows(&app.pool).await;
    assert_eq!(before.len(), 2 * (1 + Role::ALL.len()));
    psql(&app.pool, "DELETE FROM projection.admin_events WHERE revision > 2").await;
    let own =
        PgPoolOptions::new().max_connections(4).connect_lazy_with((*app.pool.connect_options()).clone());
    let maintenance = Maintenance::new(app.log.clone(), own.clone());
    let findings = maintenance.verify(&|_| {}, &|_| {}).await.unwrap();
    assert_eq!(findings.wrong, 8, "{findings:?}");
    maintenance.rebuild("postgres", true, &|_| {}).await.unwrap();
    assert_eq!(rows(&app.pool).await, before);
    assert_eq!(maintenance.verify(&|_| {}, &|_| {}).await.unwrap().wrong, 0);
    auditor.get("/admin/events").await.expect(200);
    own.close().await;
    app.stop().await;
}
