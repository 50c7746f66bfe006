//! Pages of items while these are tried again: all of them show the run as it was when the first was made.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Client, TestApp};

/// A run of twelve items, four of each outcome.
async fn run_with_items(producer: &Client, asked: &str) -> (String, u64) {
    let run = producer.new_run("pages.moving", json!({"asked": asked})).await;
    let mut events = vec![json!({"type": "Started"})];
    for n in 0..12 {
        let item = format!("item-{n:02}");
        events.push(match n % 3 {
            0 => json!({"type": "ItemFailed", "item": item, "label": format!("Item {n}"),
                        "reason_code": if n < 6 { "timeout" } else { "permission_denied" }, "message": "no"}),
            1 => json!({"type": "ItemSkipped", "item": item}),
            _ => json!({"type": "ItemSucceeded", "item": item}),
        });
    }
    let position = producer.append(&run, Value::Array(events)).await.expect(200).number_at("/position");
    (run, position)
}

/// What is tried again between two pages: one that failed succeeds, one that succeeded fails, and one is new.
fn retries(round: usize) -> Value {
    json!([
        {"type": "ItemSucceeded", "item": format!("item-{:02}", round * 3 % 12)},
        {"type": "ItemFailed", "item": format!("item-{:02}", (round * 3 + 2) % 12), "reason_code": "timeout",
         "message": "again"},
        {"type": "ItemFailed", "item": format!("item-new-{round}"), "reason_code": "timeout", "message": "new"},
    ])
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn every_item_is_on_one_page_while_items_are_tried_again(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    for (filter, limits) in
        [("", 1..=13), ("status=failed", 1..=5), ("reason_code=timeout", 1..=3), ("item=item-0", 1..=11)]
    {
        let (run, mut position) = run_with_items(&producer, filter).await;
        let mut round = 0;
        for limit in limits {
            let page = |rest: &str, after: u64| format!("/runs/{run}/items?{filter}&after={after}{rest}");
            let whole = producer.get(&page("&limit=200", position)).await.expect(200);
            let revision = whole.number_at("/revision");
            let mut found = Vec::new();
            let mut rest = format!("&limit={limit}");
            loop {
                let answer = producer.get(&page(&rest, position)).await.expect(200);
                assert_eq!(answer.number_at("/revision"), revision, "{filter} {limit}");
                found.extend(answer.body["items"].as_array().unwrap().iter().cloned());
                round += 1;
                position = producer.append(&run, retries(round)).await.expect(200).number_at("/position");
                let Some(cursor) = answer.body["next_cursor"].as_str() else { break };
                rest = format!("&limit={limit}&cursor={cursor}");
            }
            let names = found.iter().map(|item| item["item"].as_str().unwrap()).collect::<BTreeSet<_>>();
            assert_eq!(names.len(), found.len(), "{filter} {limit}: none twice");
            assert_eq!(json!(found), whole.body["items"], "{filter} {limit}: none missing, and in order");
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_cursor_is_good_for_its_own_run_and_form_only(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let (run, _) = run_with_items(&producer, "").await;
    let other = producer.new_run("pages.other", json!({})).await;
    let position =
        producer.append(&other, json!([{"type": "Started"}])).await.expect(200).number_at("/position");
    let page = producer.get(&format!("/runs/{run}/items?limit=2&after={position}")).await.expect(200);
    let cursor = page.text_at("/next_cursor");
    let next = producer.get(&format!("/runs/{run}/items?cursor={cursor}")).await.expect(200);
    assert_eq!(next.body["items"].as_array().unwrap().len(), 10);

    let content: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&cursor).unwrap()).unwrap();
    let with = |edit: &dyn Fn(&mut Value)| {
        let mut content = content.clone();
        edit(&mut content[2]);
        URL_SAFE_NO_PAD.encode(content.to_string())
    };
    // As they were before they said what they show.
    let old = with(&|key| {
        key.as_object_mut().unwrap().retain(|name, _| ["outcome", "revision"].contains(&name.as_str()));
    });
    let ahead = with(&|key| key["shown"] = json!(1_000));
    for (run, cursor) in [(&other, &cursor), (&run, &old), (&run, &ahead)] {
        let problem = producer.get(&format!("/runs/{run}/items?cursor={cursor}")).await;
        let problem = problem.problem(422, "validation_failed");
        assert_eq!(problem.text_at("/errors/0/pointer"), "?cursor");
        assert!(problem.text_at("/errors/0/detail").contains("begin without"), "{}", problem.text);
    }
    app.stop().await;
}
