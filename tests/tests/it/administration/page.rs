//! The page of what was administered.

use super::{psql, relayed};
use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

use crate::hub::Visitor;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn owners_and_auditors_have_a_page_and_a_way_to_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    psql(&app.pool, "UPDATE access.tenants SET name = '<b>Only for others</b>' WHERE tenant = 'other'").await;
    let token = json!({"role": "readonly", "principal": "<script>ria</script>", "expires_at": "2127-01-31T00:00:00Z"});
    app.client(Role::Owner).post("/tokens", &token).await.expect(201);
    let after = relayed(&app).await;
    for role in Role::ALL {
        let visitor = Visitor::signed_in(&app, "demo", role).await;
        let runs = visitor.get("/t/demo/runs").await.expect(200).text;
        let sees = matches!(role, Role::Owner | Role::Auditor);
        assert_eq!(runs.contains("href=\"/t/demo/administration\""), sees, "{role}");
        let page = visitor.get(&format!("/t/demo/administration?after={after}")).await;
        if !sees {
            let refused = page.expect(403).text;
            assert!(refused.contains("owner or auditor") && refused.contains("<html"), "{refused}");
            continue;
        }
        let page = page.expect(200).text;
        assert!(page.contains("href=\"/t/demo/administration\" aria-current=\"page\""), "{page}");
        assert!(
            page.contains("readonly for &#60;script&#62;ria&#60;/script&#62; · ends 31 Jan 2127"),
            "{page}"
        );
        assert!(page.contains("Token created") && page.contains("over HTTP"), "{page}");
        assert!(!page.contains("Only for others"), "another tenant's: {page}");
    }
    let owner = Visitor::signed_in(&app, "demo", Role::Owner).await;
    owner.get("/t/other/administration").await.expect(404);
    let filtered = owner.get("/t/demo/administration?type=TenantCreated").await.expect(200).text;
    assert!(
        filtered.contains("<option value=\"TenantCreated\" selected>Tenant created</option>"),
        "{filtered}"
    );
    assert!(
        filtered.contains("<b>Tenant created</b>") && !filtered.contains("<b>Token created</b>"),
        "{filtered}"
    );
    assert!(filtered.contains("Clear all filters"), "{filtered}");
    let wrong = owner.get("/t/demo/administration?since=yesterday").await.expect(422).text;
    assert!(wrong.contains("role=\"alert\"") && wrong.contains("value=\"yesterday\""), "{wrong}");
    let none = owner.get("/t/demo/administration?actor=nobody").await.expect(200).text;
    assert!(none.contains("No matching changes."), "{none}");
    let first = owner.get("/t/demo/administration?limit=5").await.expect(200).text;
    let older = first.split("href=\"").find(|part| part.contains("rel=\"next\"")).unwrap();
    let older = older.split('"').next().unwrap().replace("&#38;", "&");
    let second = owner.get(&older).await.expect(200).text;
    assert!(second.contains("Newest") && !second.contains("readonly for &#60;script"), "{second}");
    app.stop().await;
}
