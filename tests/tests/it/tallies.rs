//! Runs that count their items and don't name them.

use access::Role;
use reqwest::Method;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, TestApp};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_tally_says_how_a_run_went(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (producer, reader) = (app.producer(), app.client(Role::Readonly));
    let run = producer.new_run("bulk", json!({})).await;
    let failed = json!({"type": "ItemFailed", "item": "a", "reason_code": "timeout", "message": "m"});
    producer.append(&run, json!([{"type": "Started"}, failed])).await.expect(200);
    let completed = |tally| json!([{"type": "Completed", "tally": tally}]);
    let refused = producer.append(&run, completed(json!({"succeeded": 2_000}))).await;
    let refused = refused.problem(422, "validation_failed");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/events/0/tally");
    assert!(refused.text_at("/detail").contains("2000 succeeded, 0 failed"), "{}", refused.text);
    assert_eq!(refused.body["named"], json!({"succeeded": 0, "failed": 1, "skipped": 0}));
    for (wrong, pointer) in [
        (json!({"done": 1}), "/events/0/tally/done"),
        (json!({"failed": -1}), "/events/0/tally/failed"),
        (json!(7), "/events/0/tally"),
        (json!([2_000, 1, 0]), "/events/0/tally"),
    ] {
        let refused = producer.append(&run, completed(wrong)).await.problem(422, "validation_failed");
        assert_eq!(refused.text_at("/errors/0/pointer"), pointer);
    }
    let tally = json!({"succeeded": 1_997, "failed": 2, "skipped": 1});
    let ended = producer.append(&run, completed(tally)).await.expect(200);
    assert_eq!(ended.text_at("/status"), "partially_succeeded");
    let shown = reader.get(&format!("/runs/{run}?after={}", ended.number_at("/position"))).await.expect(200);
    let items = json!({"total": null, "succeeded": 1_997, "failed": 2, "skipped": 1, "tallied": true});
    assert_eq!(shown.body["items"], items);
    let past = reader.get(&format!("/runs/{run}?revision=3")).await.expect(200);
    assert_eq!(past.body, shown.body);
    let page =
        Answer::of(reader.request(Method::GET, &format!("//t/demo/runs/{run}"))).await.expect(200).text;
    assert!(page.contains("1,997 succeeded, 2 failed, 1 skipped"), "{page}");
    app.stop().await;
}
