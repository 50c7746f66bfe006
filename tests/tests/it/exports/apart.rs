//! An export shows nothing of another tenant, not even how much there is of it.

use std::sync::Arc;

use access::Role;
use bytes::Bytes;
use chrono::DateTime;
use exports::{Exporter, Request, Which};
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

use super::support::{Export, Sealing, sealed};

async fn exported(app: &TestApp) -> Vec<u8> {
    let exporter = Exporter::new(app.pool.clone(), app.log.clone() as Arc<dyn eventlog::EventLog>);
    let request = Request {
        tenant: "demo".parse().unwrap(),
        which: Which::Population { since: None, until: None, kind: None },
        administration: true,
        old_sizes: vec![1],
        after: None,
        at: DateTime::from_timestamp(1_800_000_000, 0).unwrap(),
        most_runs: 100,
    };
    let export = exporter.prepare(request).await.unwrap();
    let (taker, mut pieces) = tokio::sync::mpsc::channel::<Bytes>(1);
    let writing = tokio::spawn(export.write(taker, |_| {}));
    let mut file = Vec::new();
    while let Some(piece) = pieces.recv().await {
        file.extend_from_slice(&piece);
    }
    assert!(writing.await.unwrap().unwrap().differences.is_empty());
    file
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn another_tenant_changes_no_byte(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let sealing = Sealing::start(&app).await;
    let (mine, theirs) = (app.producer(), app.client_of("other", Role::Producer));
    let mut foreign = Vec::new();
    for number in 0..3 {
        // The positions of one lie between those of the other.
        mine.new_run("mine", json!({"n": number})).await;
        foreign.push(theirs.new_run("theirs", json!({"n": number, "word": "foreignword"})).await);
    }
    let head = mine.get("//readyz").await.number_at("/head");
    sealed(&app.client(Role::Auditor), head).await;
    let before = exported(&app).await;

    for number in 10..20 {
        foreign.push(theirs.new_run("theirs", json!({"n": number})).await);
    }
    let head = mine.get("//readyz").await.number_at("/head");
    sealed(&app.client_of("other", Role::Auditor), head).await;
    let after = exported(&app).await;
    assert_eq!(before, after);

    let export = Export::of(&after);
    export.verified(&sealing, None).unwrap();
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT event_id::text FROM log.events WHERE stream NOT LIKE '%-demo%'")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    assert!(ids.len() >= 13, "{ids:?}");
    for (name, content) in &export.files {
        let text = String::from_utf8_lossy(content);
        for of_others in
            foreign.iter().chain(&ids).map(String::as_str).chain(["foreignword", "theirs", "\"position\""])
        {
            assert!(!text.contains(of_others), "{name} has {of_others}");
        }
    }
    sealing.stop().await;
    app.stop().await;
}
