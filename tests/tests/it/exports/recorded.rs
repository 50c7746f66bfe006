//! Who took what away is history too.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

use super::support::{Sealing, download, sealed};
use crate::administration::relayed;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn each_export_is_an_event_of_the_administration(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let sealing = Sealing::start(&app).await;
    let (producer, auditor) = (app.producer(), app.client(Role::Auditor));
    let run = producer.new_run("backup", json!({})).await;
    let position =
        producer.append(&run, json!([{"type": "Started"}])).await.expect(200).number_at("/position");
    sealed(&auditor, position).await;
    download(&auditor, &format!("/runs/{run}/export")).await;
    // What is refused took nothing away.
    app.producer().get("/export").await.expect(403);
    let after = relayed(&app).await;
    let told = auditor.get(&format!("/admin/events?type=Exported&after={after}")).await.expect(200).body;
    let events = told["events"].as_array().unwrap();
    assert_eq!(events.len(), 1, "{told}");
    let what = events[0]["data"]["what"].as_str().unwrap();
    assert!(what.starts_with(&format!("the run {run}, as of ")), "{what}");
    assert_eq!(events[0]["data"]["events"], 2);
    assert_eq!(events[0]["actor_kind"], "principal");
    sealing.stop().await;
    app.stop().await;
}
