//! What owners and auditors see on the page of administration of what is sealed.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

use super::support::{Sealing, sealed};
use crate::hub::Visitor;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_page_says_what_is_sealed_and_where_it_differs(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let auditor = Visitor::signed_in(&app, "demo", Role::Auditor).await;
    let page = async || auditor.get("/t/demo/administration").await.expect(200).text;
    assert!(page().await.contains("Nothing is sealed yet."));
    let sealing = Sealing::start(&app).await;
    let run = app.producer().new_run("mine", json!({})).await;
    let head = app.head().await;
    sealed(&app.client(Role::Auditor), head).await;
    let fine = page().await;
    assert!(fine.contains("Sealed history:") && fine.contains(", 1 run, signed"), "{fine}");
    assert!(fine.contains("href=\"/v1/tenants/demo/export?administration=true\""), "{fine}");
    assert!(!fine.contains("does not match its seals"), "{fine}");
    sealing.stop().await;

    let found = "INSERT INTO seal.findings (log_id, number, run_id, revision, what)
                 SELECT log_id, number, run_id, 0, 'this event is not the one that was sealed' FROM seal.runs
                 WHERE run_id = $1";
    let id: uuid::Uuid = run.parse().unwrap();
    sqlx::query(found).bind(id).execute(&app.pool).await.unwrap();
    let differs = page().await;
    assert!(
        differs.contains("class=\"fault\" role=\"alert\"") && differs.contains("runledger seal audit"),
        "{differs}"
    );
    assert!(differs.contains(&format!("href=\"/t/demo/runs/{run}\"")), "{differs}");
    assert!(differs.contains("event 0: this event is not the one that was sealed"), "{differs}");
    // Nobody is told of another tenant's.
    let other = Visitor::signed_in(&app, "other", Role::Owner).await;
    assert!(
        !other.get("/t/other/administration").await.expect(200).text.contains("does not match its seals")
    );
    app.stop().await;
}
