//! What somebody has changed behind the ledger is exported, told loudly, and proves nothing.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

use super::support::{Sealing, download, sealed};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_was_changed_behind_the_ledger_is_told(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let sealing = Sealing::start(&app).await;
    let (producer, auditor) = (app.producer(), app.client(Role::Auditor));
    let mut runs = Vec::new();
    for number in 0..5 {
        let run = producer.new_run("a", json!({"n": number})).await;
        let events =
            json!([{"type": "Started"}, {"type": "ItemSucceeded", "item": "x"}, {"type": "Completed"}]);
        producer.append(&run, events).await.expect(200);
        runs.push(run);
    }
    let head = app.head().await;
    sealed(&auditor, head).await;
    let whole = download(&auditor, "/export").await;
    whole.verified(&sealing, None).unwrap();
    assert!(!whole.files.contains_key("WARNING.txt"));

    let behind = format!(
        "ALTER TABLE log.events DISABLE TRIGGER ALL;
         UPDATE log.events SET data = convert_to('{{\"item\":\"y\"}}', 'UTF8') WHERE stream = 'run-demo-{}' AND revision = 2;
         DELETE FROM log.events WHERE stream = 'run-demo-{}' AND revision = 1;
         DELETE FROM log.events WHERE stream = 'run-demo-{}' AND revision = 3;
         DELETE FROM log.events WHERE stream = 'run-demo-{}';
         ALTER TABLE log.events ENABLE TRIGGER ALL;",
        runs[0], runs[1], runs[2], runs[3]
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(behind)).execute(&app.pool).await.unwrap();

    let says = [
        "one of its events is another one than was sealed",
        "the event of revision 1 is missing",
        "4 events were sealed, and the event log has 3 of them",
        "4 events were sealed, and the event log has 0 of them",
    ];
    for (run, says) in runs.iter().zip(says) {
        let export = download(&auditor, &format!("/runs/{run}/export")).await;
        let warning = export.text("WARNING.txt");
        assert!(warning.contains(says) && warning.contains(run), "{warning}");
        assert!(export.text("report.html").contains("not what was sealed"));
        export.verified(&sealing, None).unwrap_err();
    }
    // What is told of the change is still there to be seen.
    let changed = download(&auditor, &format!("/runs/{}/export", runs[0])).await;
    assert!(changed.events().iter().any(|event| event.data.as_deref() == Some(r#"{"item":"y"}"#)));
    let all = download(&auditor, "/export").await;
    assert_eq!(all.text("WARNING.txt").matches("\n  - Run ").count(), 4);
    all.verified(&sealing, None).unwrap_err();
    // Of the others all is as it was.
    let untouched = download(&auditor, &format!("/runs/{}/export", runs[4])).await;
    untouched.verified(&sealing, None).unwrap();
    assert!(!untouched.files.contains_key("WARNING.txt"));

    // Nor is it believed where the tables of the seal were changed along.
    sqlx::query("UPDATE seal.runs SET sealed_count = 3 WHERE number = 4").execute(&app.pool).await.unwrap();
    let forged = download(&auditor, &format!("/runs/{}/export", runs[4])).await;
    assert!(forged.text("WARNING.txt").contains("other heads than were sealed"));
    forged.verified(&sealing, None).unwrap_err();
    sealing.stop().await;
    app.stop().await;
}
