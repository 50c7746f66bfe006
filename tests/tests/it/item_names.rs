//! Two items stay two, whatever their names lose when they are cleaned, and each is found by the name it was
//! sent with.

use access::Role;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

/// The name of an item in a query.
fn asked(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn names_that_differ_in_what_is_lost_are_two_items(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let long = "dir/".repeat(90);
    let secret = |last: &str| format!("copy of https://b.example/k?sig=Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cX{last}");
    let pairs = [
        ("Invoice  7.pdf".to_owned(), "Invoice 7.pdf".to_owned()),
        (" Invoice 7.pdf".to_owned(), "Invoice 7.pdf".to_owned()),
        ("Invoice 7.pdf ".to_owned(), "Invoice 7.pdf".to_owned()),
        ("a\tb".to_owned(), "a b".to_owned()),
        ("a\nb".to_owned(), "a\tb".to_owned()),
        ("a\u{0}b".to_owned(), "ab".to_owned()),
        ("\u{1b}[31mred".to_owned(), "red".to_owned()),
        ("a\u{200b}b".to_owned(), "a\u{200d}b".to_owned()),
        ("\u{202e}ab".to_owned(), "ab".to_owned()),
        (format!("{long}1"), format!("{long}2")),
        (secret("V4"), secret("V5")),
        ("user password=aaaa1111".to_owned(), "user password=bbbb2222".to_owned()),
    ];
    for (failed, succeeded) in pairs {
        let body = json!({"kind": "names", "context": {"pair": [&failed.escape_unicode().to_string(), &succeeded.escape_unicode().to_string()]}});
        let run = producer.post_run(&body).await.expect(201).text_at("/run_id");
        let events = json!([
            {"type": "Started"},
            {"type": "ItemFailed", "item": failed, "reason_code": "timeout", "message": "m"},
            {"type": "ItemSucceeded", "item": succeeded},
            {"type": "Completed"},
        ]);
        let position = producer.append(&run, events).await.expect(200).number_at("/position");
        let reader = app.client(Role::Readonly);
        let shown = reader.get(&format!("/runs/{run}?after={position}")).await.expect(200);
        assert_eq!(shown.text_at("/status"), "partially_succeeded", "{failed:?} {succeeded:?}");
        for (name, status) in [(&failed, "failed"), (&succeeded, "succeeded")] {
            let path = format!("/runs/{run}/items?item={}", asked(name));
            let found = reader.get(&path).await.expect(200);
            let items = found.body["items"].as_array().unwrap();
            assert!(items.iter().any(|item| item["status"] == status), "{name:?}: {items:?}");
            let start: String = name.chars().take(name.chars().count() / 2).collect();
            if start.chars().any(char::is_alphanumeric) && !start.starts_with('\u{1b}') {
                let path = format!("/runs/{run}/items?item={}", asked(&start));
                let found = reader.get(&path).await.expect(200);
                assert_eq!(found.body["items"].as_array().unwrap().len(), 2, "{start:?}");
            }
        }
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_name_without_anything_to_see_can_not_be_asked_for(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let run = app.producer().post_run(&json!({"kind": "names", "context": {}})).await.expect(201);
    let path = format!("/runs/{}/items?item=%E2%80%8B%20", run.text_at("/run_id"));
    let refused: Value = app.client(Role::Readonly).get(&path).await.expect(422).body;
    assert_eq!(refused["errors"][0]["pointer"], "?item", "{refused}");
}
