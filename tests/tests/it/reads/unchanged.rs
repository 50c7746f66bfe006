//! Who has what there is already is told so, and gets it no second time (RFC 9110, section 13).

use access::Role;
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Client, TestApp};

use super::fixture::Story;
use super::served::Served;

async fn ask(client: &Client, path: &str, known: &str) -> Answer {
    Answer::of(client.request(reqwest::Method::GET, path).header("if-none-match", known)).await
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_has_not_changed_is_not_sent_again(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (producer, reader) = (app.producer(), app.client(Role::Operator));
    let body = json!({"kind": "unchanged", "context": {}, "initiator": {"id": "operator"}});
    let run = producer.post_run(&body).await.expect(201).text_at("/run_id");
    let events = json!([{"type": "Started"}, {"type": "ItemSucceeded", "item": "a"}]);
    let mut position = producer.append(&run, events).await.expect(200).number_at("/position");
    let paths = [
        format!("/runs/{run}"),
        format!("/runs/{run}?revision=1"),
        "/runs?limit=7".to_owned(),
        format!("/runs/{run}/items"),
        format!("/runs/{run}/events"),
        format!("/runs/{run}/events?from=0&limit=2"),
        "/notifications".to_owned(),
        "/stats".to_owned(),
        "//openapi.json".to_owned(),
    ];
    reader.get(&format!("/runs?after={position}")).await.expect(200);
    let mut tags = Vec::new();
    for path in &paths {
        let whole = reader.get(path).await.expect(200);
        let tag = whole.header("etag").to_owned();
        assert!(!tag.is_empty(), "{path}");
        for known in [
            tag.clone(),
            format!("\"other\", {tag}"),
            "*".to_owned(),
            format!("W/{}", tag.trim_start_matches("W/")),
        ] {
            let nothing = ask(&reader, path, &known).await.expect(304);
            assert_eq!((nothing.text.as_str(), nothing.header("etag")), ("", tag.as_str()), "{path} {known}");
            for name in ["runledger-position", "cache-control", "link"] {
                assert_eq!(nothing.header(name), whole.header(name), "{path}: {name}");
            }
            assert!(!nothing.headers.contains_key("content-type"), "{path}");
        }
        ask(&reader, path, "\"other\"").await.expect(200);
        tags.push(tag);
    }
    // Others go on, and move the position with them: nothing of this has changed.
    let elsewhere = app.client_of("other", Role::Producer).new_run("elsewhere", json!({})).await;
    let elsewhere =
        app.client_of("other", Role::Producer).append(&elsewhere, json!([{"type": "Started"}])).await;
    let after = elsewhere.expect(200).number_at("/position");
    for (path, tag) in paths.iter().zip(&tags) {
        let waits = if path.starts_with("//") {
            String::new()
        } else {
            format!("{}after={after}", if path.contains('?') { '&' } else { '?' })
        };
        let nothing = ask(&reader, &format!("{path}{waits}"), tag).await.expect(304);
        if !path.starts_with("//") {
            assert!(nothing.header("runledger-position").parse::<u64>().unwrap() >= after);
        }
    }
    // Something happens: what shows it is sent.
    let events = json!([{"type": "ItemFailed", "item": "b", "reason_code": "timeout", "message": "slow"}]);
    position = producer.append(&run, events).await.expect(200).number_at("/position").max(position);
    reader.get(&format!("/runs?after={position}")).await.expect(200);
    for (path, tag) in paths.iter().zip(&tags) {
        let still =
            ["revision=1", "limit=2", "notifications", "openapi"].iter().any(|same| path.contains(same));
        ask(&reader, path, tag).await.expect(if still { 304 } else { 200 });
    }
    // Auditors see more of the same events.
    let (plain, audited) = (reader.get(&paths[5]).await, app.client(Role::Auditor).get(&paths[5]).await);
    assert_ne!(plain.header("etag"), audited.header("etag"));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_that_falls_silent_has_changed(pool: PgPool) {
    let run = Story::queued(0, json!({})).then("Started", json!({"heartbeat_seconds": 60})).told(&pool).await;
    let served = Served::start(pool.clone()).await;
    let path = format!("/v1/tenants/demo/runs/{}", run.id);
    let ask = async |known: &str| served.ask_raw(&path, &[("if-none-match", known)]).await;
    let (status, tag) = ask("\"1\"").await;
    assert_eq!(status, 200, "it was alive at revision 1, and is not any more");
    assert!(tag.starts_with("\"1-"), "{tag}");
    assert_eq!(ask(&tag).await, (304, tag.clone()));
    sqlx::query("UPDATE projection.runs SET heartbeat_due_at = now() + interval '1 hour'")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(ask(&tag).await, (200, "\"1\"".to_owned()));
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_append_insists_on_any_of_several_revisions(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("insists", json!({})).await;
    let message = |n: usize| json!([{"type": "Progressed", "message": format!("{n}")}]);
    producer.append_at(&run, "\"0\", \"7\"", json!([{"type": "Started"}])).await.expect(200);
    // A weak tag never matches strongly, though it names the revision.
    for never in ["W/\"1\"", "\"0\", \"7\"", "\"abc\"", "W/\"1\", \"0\"", "\"\""] {
        let refused = producer.append_at(&run, never, message(0)).await.problem(412, "revision_mismatch");
        assert_eq!(refused.number_at("/current_revision"), 1, "{never}");
    }
    for (n, matches) in
        ["*", "\"1\", \"2\"", "\"7\",\"3\" ,\"8\"", "W/\"4\", \"4\"", "5"].into_iter().enumerate()
    {
        producer.append_at(&run, matches, message(n)).await.expect(200);
    }
    for bad in ["", "\"1", "1, 2", "\"1\" \"2\"", "*, \"1\""] {
        producer.append_at(&run, bad, message(0)).await.problem(400, "malformed_request");
    }
    // The tag of a run that is stalled names its revision all the same.
    let tag = "\"6-0123456789abcdef0123456789abcdef\"";
    let done: Value = json!([{"type": "Completed"}]);
    producer.append_at(&run, tag, done).await.expect(200);
    app.stop().await;
}
