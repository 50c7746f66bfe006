//! What exports hold, and what it proves.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::{Client, TestApp};

use super::support::{Sealing, download, sealed};

/// Starts a run and takes it to its end; gives its id and the position of its last event.
async fn ended(producer: &Client, kind: &str, number: u64) -> (String, u64) {
    let run = producer.new_run(kind, json!({"n": number})).await;
    let events = json!([{"type": "Started"}, {"type": "ItemSucceeded", "item": "a"}, {"type": "Completed"}]);
    let position = producer.append(&run, events).await.expect(200).number_at("/position");
    (run, position)
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_is_taken_away_and_proven(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let sealing = Sealing::start(&app).await;
    let (producer, auditor) = (app.producer(), app.client(Role::Auditor));
    ended(&producer, "other", 0).await;
    let body = json!({
        "kind": "backup", "context": {"set": "é<b>"}, "title": "<script>alert(1)</script>",
        "initiator": {"id": "ann", "name": "Ann"},
    });
    let run = producer.post_run(&body).await.expect(201).text_at("/run_id");
    let events = json!([
        {"type": "Started", "worker": "w"},
        {"type": "ItemFailed", "item": "=HYPERLINK(\"http://x\")", "reason_code": "timeout", "message": "+1"},
        {"type": "ItemFailed", "item": "b", "reason_code": "timeout", "message": "once"},
        {"type": "ItemSucceeded", "item": "b", "label": "B, \"quoted\""},
        {"type": "ItemSkipped", "item": "c"},
        {"type": "Completed"},
    ]);
    let position = producer.append(&run, events).await.expect(200).number_at("/position");
    sealed(&auditor, position).await;
    ended(&producer, "other", 1).await;

    let export = download(&auditor, &format!("/runs/{run}/export?after={position}")).await;
    let header = |name: &str| export.headers[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/zip");
    assert_eq!(
        header("content-disposition"),
        format!("attachment; filename=\"runledger-demo-run-{run}.zip\"")
    );
    assert!(!export.headers.contains_key("content-encoding"), "it is packed already");
    assert!(header("cache-control").contains("no-store"));
    assert!(header("runledger-position").parse::<u64>().unwrap() >= position);

    let report = export.verified(&sealing, None).unwrap();
    assert_eq!((report.runs_selected, report.runs_listed, report.events), (1, 1, 7));
    assert_eq!(export.numbers(), (vec![1], vec![1]));
    assert_eq!(export.runs()[0].run_id.to_string(), run);
    let names: Vec<&str> = export.files.keys().map(String::as_str).collect();
    let all = [
        "README.txt",
        "events.csv",
        "events.ndjson",
        "heads.tlog-proof",
        "heads.txt",
        "items.csv",
        "manifest.json",
        "report.html",
        "runs.ndjson",
    ];
    assert_eq!(names, all);

    // For people: nothing in it is run, neither as a formula nor as a script.
    let items = export.text("items.csv");
    assert!(items.starts_with("\u{feff}run,run_id,revision,"), "{items}");
    assert!(items.contains("\"'=HYPERLINK(\"\"http://x\"\")\",,failed,timeout,'+1\r\n"), "{items}");
    assert!(items.contains(",b,\"B, \"\"quoted\"\"\",succeeded,,\r\n"), "{items}");
    assert_eq!(items.lines().count(), 5);
    assert_eq!(export.text("events.csv").lines().count(), 8);
    let page = export.text("report.html");
    assert!(page.contains("&#60;script&#62;") && !page.contains("<script"), "{page}");
    assert!(page.contains("proves nothing by itself"));
    let failures = &page[page.find("Items that failed").unwrap()..];
    assert!(failures.contains("HYPERLINK") && !failures.contains("once"), "{failures}");
    assert!(page.contains("partially succeeded"), "{page}");
    assert!(export.text("README.txt").contains(&format!("the run {run}")));

    sealing.stop().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_population_shows_that_no_run_was_left_out(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let sealing = Sealing::start(&app).await;
    let (producer, owner) = (app.producer(), app.client(Role::Owner));
    let mut position = 0;
    for number in 0..6 {
        (_, position) = ended(&producer, if number % 2 == 0 { "even" } else { "odd" }, number).await;
    }
    sealed(&owner, position).await;

    let all = download(&owner, "/export").await;
    assert_eq!(all.verified(&sealing, None).unwrap().events, 24);
    assert_eq!(all.numbers(), ((0..6).collect(), (0..6).collect()));
    let disposition = all.headers["content-disposition"].to_str().unwrap();
    assert!(disposition.starts_with("attachment; filename=\"runledger-demo-20"), "{disposition}");

    // Moments of the runs' first events, as the export itself tells them.
    let began: Vec<String> =
        all.events().into_iter().filter(|event| event.revision == 0).map(|event| event.recorded_at).collect();
    let (third, fifth) = (&began[2], &began[4]);
    let cases = [
        (format!("since={third}&until={fifth}"), vec![1, 2, 3, 4], vec![2, 3]),
        // Those of another kind within the period show that there is none of this kind but those.
        (format!("since={third}&until={fifth}&kind=odd"), vec![1, 2, 3, 4], vec![3]),
        (format!("since={fifth}"), vec![3, 4, 5], vec![4, 5]),
        (format!("until={third}"), vec![0, 1, 2], vec![0, 1]),
        ("kind=odd".to_owned(), (0..6).collect(), vec![1, 3, 5]),
        ("kind=none".to_owned(), (0..6).collect(), vec![]),
        ("since=2030-01-01T00:00:00Z&until=2030-02-01T00:00:00Z".to_owned(), vec![5], vec![]),
        ("since=2020-01-01T00:00:00Z&until=2020-02-01T00:00:00%2B01:00".to_owned(), vec![0], vec![]),
        ("until=2020-02-01T00:00:00Z".to_owned(), vec![0], vec![]),
        ("since=2030-01-01T00:00:00Z".to_owned(), vec![5], vec![]),
    ];
    for (query, told, selected) in cases {
        let export = download(&owner, &format!("/export?{query}")).await;
        let report = export.verified(&sealing, None).unwrap_or_else(|refused| panic!("{query}: {refused}"));
        assert_eq!(export.numbers(), (told, selected.clone()), "{query}");
        assert_eq!(report.runs_selected, selected.len() as u64, "{query}");
        // What is told of the others is told to the verifier only.
        assert_eq!(export.text("events.csv").lines().count(), 1 + 4 * selected.len(), "{query}");
    }
    sealing.stop().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_checkpoint_that_was_kept_shows_that_nothing_was_changed_since(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let sealing = Sealing::start(&app).await;
    let (producer, auditor) = (app.producer(), app.client(Role::Auditor));
    let (run, position) = ended(&producer, "a", 0).await;
    // Any reader may keep one.
    let old = sealed(&app.client(Role::Readonly), position).await;
    let size: u64 = old.lines().nth(1).unwrap().parse().unwrap();
    let (_, position) = ended(&producer, "a", 1).await;
    sealed(&auditor, position).await;

    let export =
        download(&auditor, &format!("/runs/{run}/export?old_size={size}&old_size=1&old_size={size}")).await;
    let report = export.verified(&sealing, Some(&old)).unwrap();
    assert_eq!(report.older.unwrap().size, size);
    assert!(report.size > size);
    let sizes: Vec<u64> = export.manifest().consistency.iter().map(|proof| proof.size).collect();
    assert_eq!(sizes, [1, size]);
    // Without it there is no proof for it.
    let without = download(&auditor, "/export").await;
    let refused = without.verified(&sealing, Some(&old)).unwrap_err();
    assert!(refused.to_string().contains("no proof for its size"), "{refused}");

    let newest = report.size;
    let path = format!("/export?old_size={}", newest + 1_000);
    let problem = auditor.get(&path).await.problem(422, "validation_failed");
    assert_eq!(problem.body["errors"][0]["pointer"], "?old_size");
    sealing.stop().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_administration_comes_along_where_it_is_wanted(pool: PgPoolOptions, database: PgConnectOptions) {
    use eventlog::{EventLog, ExpectedRevision, NewEvent, StreamAppend};

    let app = TestApp::start(pool, database).await;
    let sealing = Sealing::start(&app).await;
    let auditor = app.client(Role::Auditor);
    let stream = "admin-demo".to_owned();
    let from = app.log.last_event(&stream).await.unwrap().map(|event| event.revision);
    let events = (0..3).map(|n| NewEvent {
        id: uuid::Uuid::from_u128(n),
        event_type: "Something".to_owned(),
        data: if n == 1 { vec![0xff, 0xfe] } else { b"{}".to_vec() },
        metadata: br#"{"tenant":"demo","recorded_at":"2026-03-01T12:00:00Z"}"#.to_vec(),
    });
    let expected = from.map_or(ExpectedRevision::NoStream, ExpectedRevision::Exact);
    let append = StreamAppend { stream, expected, events: events.collect() };
    let position = app.log.append(append).await.unwrap().position.0;
    sealed(&auditor, position).await;
    let count = from.map_or(0, |last| last + 1) + 3;

    let export = download(&auditor, "/export?administration=true").await;
    let report = export.verified(&sealing, None).unwrap();
    assert_eq!((report.administration, report.events), (Some(count), count));
    let events = export.events();
    assert!(events.iter().all(|event| event.run.is_none()));
    assert!(events.iter().any(|event| event.data.is_none() && event.data_base64.as_deref() == Some("//4=")));
    let without = download(&auditor, "/export?administration=false").await;
    assert_eq!(without.verified(&sealing, None).unwrap().administration, None);
    assert!(without.events().is_empty());
    sealing.stop().await;
    app.stop().await;
}
