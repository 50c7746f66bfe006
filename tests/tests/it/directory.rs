//! Names from a directory: said once, shown wherever their ids are.

use access::Role;
use chrono::Utc;
use domain::Named;
use eventlog::fact::Fact;
use eventlog::streams::directory_stream;
use eventlog::{EventLog, ExpectedRevision, StreamAppend};
use projector::Maintenance;
use redaction::CleanText;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Answer, Client, TestApp};
use uuid::Uuid;

use crate::hub::Visitor;

/// What `POST .../directory` takes: namespace, id, name, and the second of the day as of which.
fn entries(of: &[(&str, &str, &str, u32)]) -> Value {
    let entry = |(namespace, id, name, second): &(&str, &str, &str, u32)| {
        json!({"namespace": namespace, "id": id, "name": name,
            "as_of": format!("2026-01-31T00:{:02}:{:02}Z", second / 60, second % 60)})
    };
    json!({"entries": of.iter().map(entry).collect::<Vec<_>>()})
}

async fn name(client: &Client, of: &[(&str, &str, &str, u32)]) -> Answer {
    client.post("/directory", &entries(of)).await.expect(200)
}

/// A run on three policies: `p-1` and `p-2` of the namespace `policies`, and one that says none.
async fn run_on_policies(producer: &Client) -> (String, u64) {
    let body = json!({"kind": "backup_set.add_policies", "context": {},
        "labels": {"groups": "g-1", "devices": "d-1", "env": "prod"}});
    let run = producer.post_run(&body).await.expect(201).text_at("/run_id");
    let events = json!([
        {"type": "Started"},
        {"type": "ItemFailed", "item": "p-1", "namespace": "policies", "reason_code": "timeout", "message": "m"},
        {"type": "ItemSucceeded", "item": "p-2", "namespace": "policies", "label": "told by the event"},
        {"type": "ItemSucceeded", "item": "plain", "label": "Plain"},
    ]);
    let position = producer.append(&run, events).await.expect(200).number_at("/position");
    (run, position)
}

/// The items as id, namespace and name.
fn shown(page: &Answer) -> Vec<[Value; 3]> {
    let items = page.body["items"].as_array().unwrap().iter();
    items.map(|item| ["item", "namespace", "name"].map(|member| item[member].clone())).collect()
}

async fn items_of(client: &Client, run: &str, query: &str) -> Vec<[Value; 3]> {
    shown(&client.get(&format!("/runs/{run}/items?{query}")).await.expect(200))
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_rename_is_seen_everywhere_and_touches_no_run(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (producer, reader) = (app.producer(), app.client(Role::Readonly));
    let (run, position) = run_on_policies(&producer).await;
    let before = reader.get(&format!("/runs/{run}?after={position}")).await.expect(200);
    assert_eq!(before.body["label_names"], json!({}), "no label is an id of a namespace that has any names");
    let unknown = items_of(&reader, &run, "").await;
    assert_eq!(unknown[0], [json!("p-1"), json!("policies"), Value::Null]);
    assert_eq!(unknown[2], [json!("plain"), Value::Null, Value::Null]);

    let told = name(
        &producer,
        &[
            ("policies", "p-1", "Nightly", 10),
            ("groups", "g-1", "Storage", 10),
            ("devices", "d-2", "Disk", 10),
        ],
    )
    .await;
    assert_eq!((told.number_at("/recorded"), told.number_at("/known")), (3, 0));
    let named = reader.get(&format!("/runs/{run}?after={}", told.number_at("/position"))).await.expect(200);
    assert_eq!(named.body["label_names"], json!({"groups": "Storage", "devices": null}));
    assert_eq!(named.body["labels"], before.body["labels"]);
    assert_eq!(named.body["revision"], before.body["revision"]);
    assert_ne!(named.header("etag"), before.header("etag"), "another answer has another tag");
    assert_eq!(items_of(&reader, &run, "").await[0], [json!("p-1"), json!("policies"), json!("Nightly")]);

    let told = name(&producer, &[("policies", "p-1", "Weekly", 20), ("groups", "g-1", "Archive", 20)]).await;
    let renamed = reader.get(&format!("/runs/{run}?after={}", told.number_at("/position"))).await.expect(200);
    assert_eq!(renamed.body["label_names"]["groups"], "Archive");
    assert_eq!(renamed.body["revision"], before.body["revision"]);
    assert_eq!(reader.get("/runs").await.expect(200).body["runs"][0]["label_names"]["groups"], "Archive");
    // A past state has the names of today as well.
    for query in ["", "revision=1", "revision=2"] {
        assert_eq!(
            items_of(&reader, &run, query).await.first().map(|item| item[2].clone()),
            match query {
                "revision=1" => None,
                _ => Some(json!("Weekly")),
            }
        );
    }
    let past = reader.get(&format!("/runs/{run}?revision=1")).await.expect(200);
    assert_eq!(past.body["label_names"]["groups"], "Archive");
    let difference = reader.get(&format!("/runs/{run}/difference?from=1")).await.expect(200);
    assert_eq!(difference.body["items"][0]["name"], "Weekly");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_newest_counts_and_repeats_are_harmless(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let (run, _) = run_on_policies(&producer).await;
    let events = async || -> i64 {
        let count = "SELECT count(*) FROM log.events WHERE stream = 'directory-demo-policies'";
        sqlx::query_scalar(count).fetch_one(&app.pool).await.unwrap()
    };
    // Within one request as well, in whatever order; the same twice is said once.
    let mixed = [
        ("policies", "p-1", "new", 20),
        ("policies", "p-1", "old", 10),
        ("policies", "p-1", "new", 20),
        ("policies", "p-2", "first", 10),
        ("policies", "p-2", "last", 10),
    ];
    let told = name(&producer, &mixed).await;
    assert_eq!((told.number_at("/recorded"), told.number_at("/known")), (4, 1));
    let after = format!("after={}", told.number_at("/position"));
    let names = |items: Vec<[Value; 3]>| items.into_iter().map(|item| item[2].clone()).collect::<Vec<_>>();
    assert_eq!(names(items_of(&producer, &run, &after).await), [json!("new"), json!("last"), Value::Null]);
    assert_eq!(events().await, 4);

    // What the directory knows, or knows better, is not appended again.
    let again = name(&producer, &[("policies", "p-1", "new", 20), ("policies", "p-1", "older", 5)]).await;
    assert_eq!((again.number_at("/recorded"), again.number_at("/known")), (0, 2));
    assert!(again.number_at("/position") >= told.number_at("/position"));
    assert_eq!(events().await, 4);
    // Of the same moment, another name counts: it is the later in the log.
    let told = name(&producer, &[("policies", "p-1", "newer", 20)]).await;
    let after = format!("after={}", told.number_at("/position"));
    assert_eq!(names(items_of(&producer, &run, &after).await)[0], json!("newer"));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_older_name_that_comes_late_in_the_log_loses(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let (run, _) = run_on_policies(&producer).await;
    let told = name(&producer, &[("policies", "p-1", "new", 20)]).await;
    items_of(&producer, &run, &format!("after={}", told.number_at("/position"))).await;
    // As a process appends it that has not seen the new one.
    let old = Named {
        tenant: "demo".parse().unwrap(),
        namespace: "policies".parse().unwrap(),
        id: "p-1".to_owned().try_into().unwrap(),
        name: Some(CleanText::new("old")),
        as_of: "2026-01-31T00:00:10Z".parse().unwrap(),
        recorded_at: Utc::now(),
        actor: "sync".parse().unwrap(),
    };
    let append = StreamAppend {
        stream: directory_stream(&old.tenant, &old.namespace),
        expected: ExpectedRevision::Exact(0),
        events: vec![Fact::Named(Uuid::new_v4(), &old, None).record().unwrap()],
    };
    let position = app.log.append(append).await.unwrap().position.0;
    let items = items_of(&producer, &run, &format!("after={position}")).await;
    assert_eq!(items[0][2], "new");
    app.stop().await;
}

/// A name that was taken back is shown and found nowhere, and nothing that is older brings it back.
#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_name_is_taken_back(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database.clone()).await;
    let producer = app.producer();
    let (run, _) = run_on_policies(&producer).await;
    name(&producer, &[("policies", "p-1", "Ann Smith", 10), ("groups", "g-1", "Storage", 10)]).await;
    let taken = |id: &str, namespace: &str, second: u32| {
        let mut body = entries(&[(namespace, id, "", second)]);
        body["entries"][0]["name"] = Value::Null;
        body
    };
    let told = producer.post("/directory", &taken("p-1", "policies", 20)).await.expect(200);
    assert_eq!((told.number_at("/recorded"), told.number_at("/known")), (1, 0));
    let told = producer.post("/directory", &taken("g-1", "groups", 20)).await.expect(200);
    let after = format!("after={}", told.number_at("/position"));
    assert_eq!(
        items_of(&producer, &run, &after).await[0],
        [json!("p-1"), json!("policies"), Value::Null],
        "its id, and no name"
    );
    assert_eq!(items_of(&producer, &run, "item=ann").await.len(), 0);
    assert_eq!(items_of(&producer, &run, "item=p-1").await.len(), 1);
    let of_run = producer.get(&format!("/runs/{run}")).await.expect(200);
    assert_eq!(of_run.body["label_names"], json!({"groups": null}));
    for (label, found) in [("groups:Storage", 0), ("groups:g-1", 1)] {
        let page = producer.get(&format!("/runs?label={label}")).await.expect(200);
        assert_eq!(page.body["runs"].as_array().unwrap().len(), found, "{label}");
    }
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let page = visitor.get(&format!("/t/demo/runs/{run}")).await.expect(200).text;
    assert!(page.contains("the directory has no such id in policies") && !page.contains("Ann Smith"));
    let own = PgPoolOptions::new().max_connections(4).connect_with(database).await.unwrap();
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM projection.directory WHERE name IS NOT NULL")
        .fetch_one(&own)
        .await
        .unwrap();
    assert_eq!(kept, 0, "the tables have forgotten it");

    // Again, and what is older, changes nothing; as a process does that has not seen that it was taken back.
    let again = producer.post("/directory", &taken("p-1", "policies", 20)).await.expect(200);
    assert_eq!((again.number_at("/recorded"), again.number_at("/known")), (0, 1));
    let older = name(&producer, &[("policies", "p-1", "Ann Smith", 15)]).await;
    assert_eq!((older.number_at("/recorded"), older.number_at("/known")), (0, 1));
    let old = Named {
        tenant: "demo".parse().unwrap(),
        namespace: "policies".parse().unwrap(),
        id: "p-1".to_owned().try_into().unwrap(),
        name: Some(CleanText::new("Ann Smith")),
        as_of: "2026-01-31T00:00:15Z".parse().unwrap(),
        recorded_at: Utc::now(),
        actor: "sync".parse().unwrap(),
    };
    let append = StreamAppend {
        stream: directory_stream(&old.tenant, &old.namespace),
        expected: ExpectedRevision::Exact(1),
        events: vec![Fact::Named(Uuid::new_v4(), &old, None).record().unwrap()],
    };
    let position = app.log.append(append).await.unwrap().position.0;
    assert_eq!(items_of(&producer, &run, &format!("after={position}")).await[0][2], Value::Null);
    let maintenance = Maintenance::new(app.log.clone(), own.clone());
    assert_eq!(maintenance.verify(&|_| {}, &|_| {}).await.unwrap().wrong, 0);
    // Who forgets to say a name takes none back; a newer name counts.
    let mut without = taken("p-1", "policies", 30);
    without["entries"][0].as_object_mut().unwrap().remove("name");
    let refused = producer.post("/directory", &without).await.problem(422, "validation_failed");
    assert_eq!(refused.text_at("/errors/0/pointer"), "/entries/0/name");
    let told = name(&producer, &[("policies", "p-1", "Weekly", 30)]).await;
    let after = format!("after={}", told.number_at("/position"));
    assert_eq!(items_of(&producer, &run, &after).await[0][2], "Weekly");
    own.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn items_and_labels_are_found_by_id_and_by_name(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let (run, _) = run_on_policies(&producer).await;
    let told = name(
        &producer,
        &[
            ("policies", "p-1", "Ärzte nachts", 1),
            ("policies", "p-2", "plainly", 1),
            ("groups", "g-1", "Storage", 1),
        ],
    )
    .await;
    let after = format!("after={}", told.number_at("/position"));
    let ids = async |query: &str| -> Vec<String> {
        let items = items_of(&producer, &run, query).await.into_iter();
        items.map(|item| item[0].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&format!("item=p-&{after}")).await, ["p-1", "p-2"]);
    assert_eq!(ids("item=%C3%A4RZTE").await, ["p-1"], "in any case");
    assert_eq!(ids("item=plain").await, ["p-2", "plain"], "by its name, or by its id");
    assert_eq!(ids("item=plain&revision=3").await, ["p-2"], "in the past as well");
    assert_eq!(ids("item=plain&status=failed").await, [""; 0]);
    // Page by page each comes once.
    let first = producer.get(&format!("/runs/{run}/items?item=plain&limit=1")).await.expect(200);
    let cursor = first.text_at("/next_cursor");
    assert_eq!(ids(&format!("item=plain&limit=1&cursor={cursor}")).await, ["plain"]);

    for (label, found) in
        [("groups:g-1", 1), ("groups:storage", 1), ("groups:stor", 0), ("env:prod", 1), ("teams:Storage", 0)]
    {
        for more in ["", "&label=env:prod", "&label=env:prod&label=devices:d-1"] {
            let page = producer.get(&format!("/runs?label={label}{more}")).await.expect(200);
            assert_eq!(page.body["runs"].as_array().unwrap().len(), found, "{label}{more}");
        }
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_tenant_has_its_own_names(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (ours, theirs) = (app.producer(), app.client_of("other", Role::Producer));
    let ((our_run, _), (their_run, _)) = (run_on_policies(&ours).await, run_on_policies(&theirs).await);
    let told = name(&ours, &[("policies", "p-1", "Ours", 1), ("groups", "g-1", "Ours", 1)]).await;
    let after = format!("after={}", told.number_at("/position"));
    assert_eq!(items_of(&ours, &our_run, &after).await[0][2], "Ours");
    assert_eq!(items_of(&theirs, &their_run, &after).await[0][2], Value::Null);
    assert_eq!(items_of(&theirs, &their_run, "item=Ours").await.len(), 0);
    assert_eq!(theirs.get("/runs").await.expect(200).body["runs"][0]["label_names"], json!({}));
    let nobody = theirs.get("/runs?label=groups:Ours").await.expect(200);
    assert_eq!(nobody.body["runs"], json!([]));
    // Who may not append may not name either, and nobody does for another tenant.
    let body = entries(&[("policies", "p-1", "x", 9)]);
    app.client(Role::Readonly).post("/directory", &body).await.problem(403, "forbidden");
    theirs.in_tenant("demo").post("/directory", &body).await.problem(404, "not_found");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_wrong_is_named_by_its_entry(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let mut bad =
        entries(&[("policies", "p-1", "good", 1), ("Policies", "p-1", "x", 1), ("policies", "", "x", 1)]);
    bad["entries"][2]["as_of"] = json!("2126-01-31T00:00:00Z");
    let refused = producer.post("/directory", &bad).await.problem(422, "validation_failed");
    let places: Vec<&str> = refused.body["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| error["pointer"].as_str().unwrap())
        .collect();
    assert_eq!(places, ["/entries/1/namespace", "/entries/2/id"]);
    let many = entries(&vec![("policies", "p-1", "x", 1); 1_001]);
    producer.post("/directory", &many).await.problem(413, "too_many_events");
    let empty = producer.post("/directory", &json!({"entries": []})).await.problem(422, "validation_failed");
    assert_eq!(empty.body["errors"][0]["pointer"], "/entries");
    producer.post_raw("/directory", "{\"entries\": [").await.problem(400, "malformed_request");
    let none: i64 = sqlx::query_scalar("SELECT count(*) FROM log.events WHERE stream LIKE 'directory-%'")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(none, 0, "all or nothing");

    // Names lose what items' labels lose, and the answer says so.
    let told = name(&producer, &[("policies", "p-1", "backup\npassword=Hunt3r2now", 1)]).await;
    assert_eq!(told.body["changed"], json!([{"pointer": "/entries/0/name", "what": "redacted"}]));
    let kept: Vec<u8> =
        sqlx::query_scalar("SELECT data FROM log.events WHERE stream = 'directory-demo-policies'")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    let kept: Value = serde_json::from_slice(&kept).unwrap();
    assert_eq!(kept["name"], "backup password=[redacted:password]");
    let run = producer.new_run("names.bad", json!({})).await;
    let item = json!([{"type": "Started"}, {"type": "ItemSucceeded", "item": "a", "namespace": "no-such"}]);
    let refused = producer.append(&run, item).await.problem(422, "validation_failed");
    assert_eq!(refused.body["errors"][0]["pointer"], "/events/1/namespace");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_rebuild_keeps_the_names(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database.clone()).await;
    let producer = app.producer();
    let (run, _) = run_on_policies(&producer).await;
    name(&producer, &[("policies", "p-1", "old", 10), ("policies", "p-2", "Two", 10)]).await;
    let told = name(&producer, &[("policies", "p-1", "new", 20), ("groups", "g-1", "Storage", 1)]).await;
    let after = format!("after={}", told.number_at("/position"));
    let before = items_of(&producer, &run, &after).await;
    assert_eq!(before[0][2], "new");

    let own = PgPoolOptions::new().max_connections(4).connect_with(database).await.unwrap();
    let maintenance = Maintenance::new(app.log.clone(), own.clone());
    assert_eq!(maintenance.verify(&|_| {}, &|_| {}).await.unwrap().wrong, 0);
    sqlx::query("UPDATE projection.directory SET name = 'forged' WHERE entry_id = 'p-1'")
        .execute(&own)
        .await
        .unwrap();
    let found = maintenance.verify(&|_| {}, &|_| {}).await.unwrap();
    assert_eq!((found.wrong, found.differences[0].table.as_str()), (1, "directory"));
    maintenance.rebuild("postgres", true, &|_| {}).await.unwrap();
    assert_eq!(items_of(&producer, &run, "").await, before);
    assert_eq!(maintenance.verify(&|_| {}, &|_| {}).await.unwrap().wrong, 0);
    own.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn pages_show_the_name_with_the_id_or_that_it_is_not_known(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let (run, _) = run_on_policies(&producer).await;
    let told = name(
        &producer,
        &[
            ("policies", "p-1", "Nightly <all>", 1),
            ("groups", "g-1", "Storage", 1),
            ("devices", "d-2", "Disk", 1),
        ],
    )
    .await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let page =
        visitor.get(&format!("/t/demo/runs/{run}?after={}", told.number_at("/position"))).await.expect(200);
    let changes = visitor.get(&format!("/t/demo/runs/{run}/difference?from=1")).await.expect(200).text;
    for page in [&page.text, &changes] {
        for told in [
            "Nightly &#60;all&#62;</bdi> <span class=\"sub\"><bdi>p-1</bdi>",
            "told by the event</bdi> <span class=\"sub\"><bdi>p-2</bdi></span> <span class=\"quiet\" title=\"the directory has no such id in policies\">not known",
            "<bdi>Plain</bdi> <span class=\"sub\"><bdi>plain</bdi></span></td>",
        ] {
            assert!(page.contains(told), "{told} is missing");
        }
    }
    assert!(page.text.contains("Nightly &#60;all&#62; (p-1): m"), "in the timeline as well");
    let list = visitor.get("/t/demo/runs").await.expect(200).text;
    let labels = [
        "<bdi>devices:d-1</bdi> <small><bdi>not known</bdi></small>",
        "<bdi>env:prod</bdi></a>",
        "<bdi>groups:Storage</bdi> <small><bdi>g-1</bdi></small>",
    ];
    // In a row of the list there is room for two.
    for (page, labels, by_id) in
        [(&page.text, &labels[..], "label=groups%3Ag-1"), (&list, &labels[..2], "label=devices:d-1")]
    {
        for told in labels {
            assert!(page.contains(told), "{told} is missing");
        }
        assert!(page.contains(by_id), "the link filters by the id");
    }
    let found = visitor.get(&format!("/t/demo/runs/{run}?item=nightly")).await.expect(200).text;
    assert!(found.contains("<bdi>p-1</bdi>") && !found.contains("<bdi>p-2</bdi>"));
    app.stop().await;
}
