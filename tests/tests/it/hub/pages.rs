//! The page of a run, and the notifications, as they are served: what they say without a script.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

use super::site::{Visitor, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_page_of_a_run_tells_all_of_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Nightly backup").await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let page = visitor.get(&format!("/t/demo/runs/{run}?after={position}")).await.expect(200).text;
    for told in [
        "Nightly backup",
        "Partially succeeded",
        "two of three",
        "3 of 3, 1 failed",
        "<bdi>Olga Operator</bdi></a> <span class=\"quiet\"><bdi>operator</bdi>",
        "w-1",
        "permission_denied</code> <b>1</b>",
        "may not touch beta",
        "Item failed",
        "with a heartbeat every 60 s",
        "env:prod",
        "Idempotency key",
        "Event <span class=\"sized\"><output",
        &run,
    ] {
        assert!(page.contains(told), "{told} is missing");
    }
    let failed = page.find("may not touch beta").unwrap();
    assert!(failed < page.find(">alpha<").unwrap(), "failed items come first");

    let was = visitor.get(&format!("/t/demo/runs/{run}?revision=2")).await.expect(200).text;
    assert!(
        was.contains("Viewing event 2 of 5, recorded ") && was.contains("Running") && was.contains("1 of 3")
    );
    assert!(!was.contains("permission_denied") && !was.contains("two of three"));

    let items = visitor.get(&format!("/t/demo/runs/{run}?status=succeeded&item=g")).await.expect(200).text;
    let items =
        items.split_once("id=\"item-list\"").unwrap().1.split_once("id=\"timeline\"").unwrap().0.to_owned();
    assert!(items.contains("gamma") && !items.contains("beta"));
    visitor.get(&format!("/t/demo/runs/{run}?revision=x")).await.expect(422);
    visitor.get("/t/demo/runs/00000000-0000-7000-8000-000000000000").await.expect(404);
    visitor.get("/t/demo/runs/no-id").await.expect(404);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_past_revision_has_its_moment_and_its_items(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("pages.past", json!({})).await;
    let failed = |item: &str, code: &str| json!({"type": "ItemFailed", "item": item, "label": format!("The {item}"), "reason_code": code, "message": format!("{item} did not work")});
    let events = json!([
        {"type": "Started"},
        {"type": "ItemSucceeded", "item": "alpha"},
        failed("beta", "permission_denied"),
        failed("gamma", "conflict"),
        {"type": "ItemSucceeded", "item": "beta"},
        failed("delta", "conflict"),
        {"type": "Completed"},
    ]);
    let position = producer.append(&run, events).await.expect(200).number_at("/position");
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let page = async |query: &str| {
        visitor.get(&format!("/t/demo/runs/{run}?after={position}{query}")).await.expect(200).text
    };
    let items = |page: &str| {
        let list = page
            .split_once("id=\"item-list\"")
            .unwrap()
            .1
            .split_once("id=\"timeline\"")
            .unwrap()
            .0
            .to_owned();
        ["alpha", "beta", "gamma", "delta"]
            .into_iter()
            .filter_map(|item| Some((list.find(&format!("<bdi>{item}</bdi>"))?, item)))
            .collect::<std::collections::BTreeMap<_, _>>()
            .into_values()
            .collect::<Vec<_>>()
            .join(" ")
    };
    // As it is, beta has succeeded in the end; as it was, it had failed.
    assert_eq!(items(&page("").await), "gamma delta alpha beta");
    let past = page("&revision=4").await;
    assert_eq!(items(&past), "beta gamma alpha");
    for told in [
        "permission_denied</code> <b>1</b>",
        "conflict</code> <b>1</b>",
        "beta did not work",
        "The beta",
        "as they were after event 4",
    ] {
        assert!(past.contains(told), "{told} is missing");
    }
    // The moment is that of the event, to the letter.
    let at: chrono::DateTime<chrono::Utc> = sqlx::query_scalar(
        "SELECT recorded_at FROM projection.run_events WHERE run_id = $1::uuid AND revision = 4",
    )
    .bind(&run)
    .fetch_one(&app.pool)
    .await
    .unwrap();
    let at = at.format("%-d %b %Y %H:%M:%S UTC").to_string();
    assert!(past.contains(&format!("event 4 of 7, recorded {at}")), "{at} is missing in the banner");
    assert!(past.contains(&format!("aria-valuetext=\"event 4, {at}\"")), "{at} is missing at the slider");
    // Filters and pages hold for the past too, and stay there.
    assert_eq!(items(&page("&revision=4&reason_code=conflict").await), "gamma");
    assert_eq!(items(&page("&revision=4&status=succeeded").await), "alpha");
    assert_eq!(items(&page("&revision=4&item=b").await), "beta");
    let first = page("&revision=4&limit=2").await;
    let more = first.split("href=\"").find(|link| link.contains("cursor=")).unwrap();
    let more = more.split('"').next().unwrap().replace("&#38;", "&");
    let more = more.split('#').next().unwrap();
    assert!(more.contains("revision=4"), "{more}");
    assert_eq!(
        (items(&first), items(&visitor.get(more).await.expect(200).text)),
        ("beta gamma".into(), "alpha".into())
    );
    assert!(page("&revision=1").await.contains("No items had been reported by then."));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn filters_of_items_never_contradict_each_other(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Filtered").await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    visitor.get(&format!("/t/demo/runs?after={position}")).await.expect(200);
    let path = format!("/t/demo/runs/{run}");
    // The form sends the chosen reason along with whatever outcome is chosen next.
    let page =
        visitor.get(&format!("{path}?reason_code=permission_denied&status=succeeded")).await.expect(200).text;
    assert!(
        page.contains("<bdi>alpha</bdi>") && !page.contains("type=\"hidden\" name=\"reason_code\""),
        "{page}"
    );
    let page = visitor.get(&format!("{path}?reason_code=permission_denied")).await.expect(200).text;
    // The chosen reason is taken out by its own link.
    assert!(
        page.contains(&format!("<a href=\"{path}#items\" aria-current=\"true\"><code>permission_denied")),
        "{page}"
    );
    let page = visitor.get(&format!("{path}?status=nonsense")).await.expect(422).text;
    let (_, items) = page.split_once("id=\"items\"").unwrap();
    assert!(
        items.contains("role=\"alert\">There is no outcome “nonsense”. ")
            && !items.contains("No matching items"),
        "{items}"
    );
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn times_are_told_in_full(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let then = json!({"kind": "pages.times", "context": {}, "occurred_at": "2026-01-31T23:59:50Z", "events": [
        {"type": "Started", "occurred_at": "2026-01-31T23:59:58.250Z"},
        {"type": "ItemSucceeded", "item": "a", "occurred_at": "2026-02-01T00:00:01.007Z"},
    ]});
    let started = producer.post_run(&then).await.expect(201);
    let (run, position) = (started.text_at("/run_id"), started.number_at("/position"));
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    visitor.get(&format!("/t/demo/runs?after={position}")).await.expect(200);
    let page = visitor.get(&format!("/t/demo/runs/{run}")).await.expect(200).text;
    let (head, timeline) = page.split_once("id=\"timeline\"").unwrap();
    assert!(head.contains(">31 Jan 2026 23:59:58 UTC</time>") && head.contains(" days ago"), "{head}");
    for told in [">00:00:01.007</time>", ">23:59:58.250</time>", "+8.2 s", "+11 s", "+0.0 s"] {
        assert!(timeline.contains(told), "{told} is missing");
    }
    let days: Vec<_> = timeline.match_indices("class=\"day\"").collect();
    assert_eq!(days.len(), 2, "the day is told where it changes");
    assert!(timeline.find("1 February 2026") < timeline.find("31 January 2026"));
    let page = visitor.get("/t/demo/runs").await.expect(200).text;
    assert!(page.contains(">31 Jan 23:59:58</time>"), "{page}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_past_run_waits_by_the_clock_of_then(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("pages.waits", json!({})).await;
    let position =
        producer.append(&run, json!([{"type": "Started"}])).await.expect(200).number_at("/position");
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    visitor.get(&format!("/t/demo/runs?after={position}")).await.expect(200);
    for statement in [
        "INSERT INTO policy.stale_policies (tenant, kind, queued_limit_seconds) VALUES ('demo', '*', 600)",
        "UPDATE projection.run_events SET occurred_at = '2026-01-31T10:00:00Z', recorded_at = '2026-01-31T10:00:00Z'",
    ] {
        sqlx::query(statement).execute(&app.pool).await.unwrap();
    }
    let page = visitor.get(&format!("/t/demo/runs/{run}?revision=0")).await.expect(200).text;
    assert!(
        page.contains("waiting for a worker, at most until 31 Jan 2026 10:10:00 UTC, in 10 min"),
        "{page}"
    );
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn reading_a_notification_leaves_the_reader_where_they_are(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    for n in 1..=2 {
        partial_run(&app, &format!("First {n}")).await;
    }
    let (_, position) = partial_run(&app, "Last").await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Operator).await;
    let csrf = visitor.csrf("/t/demo/runs").await;
    let first = visitor
        .get(&format!("/t/demo/notifications?after={position}&unread=true&limit=2"))
        .await
        .expect(200)
        .text;
    let older = first.split("href=\"").find(|link| link.contains("cursor=")).unwrap();
    let older = older.split('"').next().unwrap().replace("&#38;", "&");
    let second = visitor.get(&older).await.expect(200).text;
    let actions = second.split("action=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let mut actions = actions.filter(|action| action.starts_with("/t/demo/notifications/"));
    let one = actions.find(|action| !action.contains("notifications/read")).unwrap();
    let answer = visitor.post(&one.replace("&#38;", "&"), &[("csrf", &csrf)]).await.expect(303);
    let back = answer.header("location").to_owned();
    let (_, cursor) = older.split_once("cursor=").unwrap();
    assert!(
        back.starts_with("/t/demo/notifications?unread=true&limit=2&cursor=") && back.contains(cursor),
        "{back}"
    );
    // All on the page at once, and no others.
    let ids: Vec<_> = first
        .match_indices("name=\"notification\" value=\"")
        .map(|(at, found)| first[at + found.len()..].split('"').next().unwrap())
        .collect();
    assert_eq!(ids.len(), 2);
    let form: Vec<_> = ids.iter().map(|id| ("notification", *id)).chain([("csrf", csrf.as_str())]).collect();
    visitor.post("/t/demo/notifications/read", &form[..2]).await.expect(403);
    let answer = visitor.post("/t/demo/notifications/read?unread=true", &form).await.expect(303);
    let left = visitor.get(answer.header("location")).await.expect(200).text;
    assert_eq!(left.matches("class=\"unread\"").count(), 3);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn items_and_events_go_on_page_by_page(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("pages.long", json!({})).await;
    let mut events = vec![json!({"type": "Started"})];
    events.extend((0..120).map(|n| json!({"type": "ItemSucceeded", "item": format!("item-{n:03}")})));
    let position = producer.append(&run, json!(events)).await.expect(200).number_at("/position");
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let mut path = format!("/t/demo/runs/{run}?after={position}");
    let (mut items, mut revisions) = (0, 0);
    for _ in 0..3 {
        let page = visitor.get(&path).await.expect(200).text;
        items += page.matches("<tr id=\"item-").count();
        let Some(more) = page.split("href=\"").find(|link| link.contains("cursor=")) else { break };
        path = more.split(['"', '#']).next().unwrap().replace("&#38;", "&");
    }
    assert_eq!(items, 120);
    let mut path = format!("/t/demo/runs/{run}");
    for _ in 0..3 {
        let page = visitor.get(&path).await.expect(200).text;
        revisions += page.matches("<li id=\"event-").count();
        let Some(older) = page.split("href=\"").find(|link| link.contains("events_from=")) else { break };
        path = older.split(['"', '#']).next().unwrap().replace("&#38;", "&");
    }
    assert_eq!(revisions, 122);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_silent_run_does_not_look_healthy(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("pages.silent", json!({})).await;
    let started = json!([{"type": "Started", "heartbeat_seconds": 1}]);
    let position = producer.append(&run, started).await.expect(200).number_at("/position");
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    visitor.get(&format!("/t/demo/runs?after={position}")).await.expect(200);
    sqlx::query("UPDATE projection.runs SET heartbeat_due_at = now() - interval '14 min', last_event_at = now() - interval '15 min'")
        .execute(&app.pool)
        .await
        .unwrap();
    let page = visitor.get("/t/demo/runs?liveness=stalled").await.expect(200).text;
    assert!(page.contains("No heartbeat for 15 min (expected every 1 s)") && page.contains("Running"));
    let page = visitor.get(&format!("/t/demo/runs/{run}")).await.expect(200).text;
    assert!(page.contains("Stalled: </svg>") || page.contains("Stalled: "), "{page}");
    assert!(page.contains("No heartbeat for 15 min (expected every 1 s)"));
    app.stop().await;
}
