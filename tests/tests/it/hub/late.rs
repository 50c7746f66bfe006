//! Runs that take longer than usual.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

use super::site::Visitor;

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_that_takes_longer_than_usual_says_so_where_it_is_shown(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    // A hundred took less than half a second.
    sqlx::query("INSERT INTO projection.run_durations VALUES ('demo', 'drift.check', current_date, 0, 100)")
        .execute(&app.pool)
        .await
        .unwrap();
    let start = json!({"kind": "drift.check", "title": "Slow", "context": {}});
    let run = producer.post("/runs", &start).await.expect(201).text_at("/run_id");
    let position =
        producer.append(&run, json!([{"type": "Started"}])).await.expect(200).number_at("/position");
    app.client(Role::Readonly).get(&format!("/runs?after={position}")).await.expect(200);
    let visitor = Visitor::signed_in(&app, "demo", Role::Operator).await;
    let late = async {
        loop {
            let text = visitor.get("/t/demo/runs").await.expect(200).text;
            if text.contains("usually 0.2 s, 95 of 100 within 0.4 s") {
                return text;
            }
        }
    };
    let list = late.await;
    assert!(list.contains("class=\"chip late\""), "{list}");
    let page = visitor.get(&format!("/t/demo/runs/{run}")).await.expect(200).text;
    assert!(page.contains("Late. Running for") && page.contains("<dt>Usually</dt><dd>0.2 s"), "{page}");
    let past = visitor.get(&format!("/t/demo/runs/{run}?revision=0")).await.expect(200).text;
    assert!(!past.contains("Late.") && !past.contains("<dt>Usually</dt>"), "{past}");

    let only = visitor.get("/t/demo/runs?late=true").await.expect(200).text;
    assert!(only.contains(&format!("run-{run}")), "{only}");
    producer.append(&run, json!([{"type": "Completed"}])).await.expect(200);
    let ended = async {
        while visitor.get("/t/demo/runs?late=true").await.expect(200).text.contains(&format!("run-{run}")) {}
    };
    ended.await;
    let wrong = visitor.get("/t/demo/runs?late=yes").await.expect(422).text;
    assert!(wrong.contains("Choose “Stalled”, “Late” or “Held” above the list instead."), "{wrong}");
    app.stop().await;
}
