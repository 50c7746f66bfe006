//! What pages tell, and to whom: readers of the screen, of its colours' shapes, of paper, and of what is said aloud.

use access::Role;
use api::ApiConfig;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::Browser;

use super::site::{LIVE, Visitor, at_runs, partial_events, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_start_before_the_run_was_queued_is_told_as_one(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let body = json!({"kind": "told.early", "context": {}, "occurred_at": "2026-01-31T10:00:10Z", "events": [
        {"type": "Started", "occurred_at": "2026-01-31T10:00:07.500Z"}]});
    let started = app.producer().post_run(&body).await.expect(201);
    let (run, position) = (started.text_at("/run_id"), started.number_at("/position"));
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let page = visitor.get(&format!("/t/demo/runs/{run}?after={position}")).await.expect(200).text;
    let (_, timeline) = page.split_once("id=\"timeline\"").unwrap();
    assert!(timeline.contains("−2.5 s") && timeline.matches("+0.0 s").count() == 1, "{timeline}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_paused_page_does_not_call_itself_live(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.until("document.getElementById('live').textContent === 'Live'").await;
    tab.click("#pause").await;
    tab.until("document.getElementById('live').textContent === 'Paused'").await;
    assert_eq!(tab.run("document.getElementById('connection').textContent.includes('Live')").await, false);
    // It is kept, and so is what is said of it.
    tab.go(&format!("{}/t/demo/notifications", app.url())).await;
    tab.until("document.documentElement.dataset.position >= 1").await;
    assert_eq!(tab.run("document.getElementById('live').textContent").await, "Paused");
    tab.click("#pause").await;
    tab.until("document.getElementById('live').textContent === 'Live'").await;
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_end_of_a_run_is_said_aloud(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("told.end", json!({})).await;
    let mut events = partial_events();
    let rest = events.as_array_mut().unwrap().split_off(4);
    let position = producer.append(&run, events).await.expect(200).number_at("/position");
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs/{run}?after={position}", app.url())).await;
    tab.until(LIVE).await;
    assert_eq!(tab.run("document.querySelector('#ended[role=status]').textContent.trim()").await, "");
    producer.append(&run, json!(rest)).await.expect(200);
    let said = "document.getElementById('ended').textContent.trim()";
    tab.until(&format!("{said} === 'The run has ended: Partially succeeded.'")).await;
    // Looking at how it was before does not end it once more.
    tab.run(
        "window.said = 0; new MutationObserver(() => said++).observe(document.getElementById('ended'), {
        childList: true, subtree: true, characterData: true })",
    )
    .await;
    tab.run("document.getElementById('revision').focus()").await;
    tab.press("Home").await;
    tab.until("document.querySelector('#past .past')").await;
    assert_eq!(tab.run("said").await, 0);
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn focus_is_not_lost_by_reading_a_notification(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (_, position) = partial_run(&app, "Focused").await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/notifications?after={position}", app.url())).await;
    tab.follow(".notes form button").await;
    tab.until("document.activeElement.id.startsWith('note-')").await;
    // It is gone from a list of what is unread: then to the list.
    tab.go(&format!("{}/t/demo/notifications?unread=true", app.url())).await;
    tab.follow(".notes form button").await;
    tab.until("document.activeElement.id === 'list'").await;
    assert!(tab.text().await.contains("All caught up"));
    // Nor by one that is read elsewhere.
    let (_, position) = partial_run(&app, "Elsewhere").await;
    tab.go(&format!("{}/t/demo/notifications?unread=true&after={position}", app.url())).await;
    tab.until(LIVE).await;
    tab.run("document.querySelector('.notes form button').focus()").await;
    let other = browser.window(&format!("{}/t/demo/notifications?unread=true", app.url())).await;
    other.follow(".all-read button").await;
    tab.until("!document.querySelector('.notes')").await;
    tab.until("document.activeElement.id === 'list'").await;
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_chosen_is_seen_in_forced_colours(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (_, position) = partial_run(&app, "Chosen").await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.in_forced_colours().await;
    tab.go(&format!("{}/t/demo/runs?status=partially_succeeded&label=env:prod&after={position}", app.url()))
        .await;
    for chosen in [".chip[aria-current]", ".label[aria-current]", ".top nav a[aria-current]"] {
        let look = format!(
            "(() => {{ const style = getComputedStyle(document.querySelector('{chosen}'));
                return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2; }})()"
        );
        assert_eq!(tab.run(&look).await, true, "{chosen}");
    }
    let others =
        tab.run("getComputedStyle(document.querySelector('.chip:not([aria-current])')).outlineStyle");
    assert_eq!(others.await, "none");
    tab.go(&format!("{}/t/demo/notifications", app.url())).await;
    let unread =
        "parseFloat(getComputedStyle(document.querySelector('.notes .unread')).borderLeftWidth) >= 4";
    assert_eq!(tab.run(unread).await, true);
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_browser_without_a_network_says_so_at_once(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    // No time passes: what the page would do later, it does not do.
    tab.run("window.setTimeout = () => 0").await;
    tab.offline(true).await;
    tab.until("!document.getElementById('lost').hidden").await;
    tab.until("document.getElementById('lost').textContent.startsWith('You are offline.')").await;
    assert_eq!(tab.run("document.getElementById('live').textContent").await, "Not connected");
    let sources = tab.run("spy.sources.length").await.as_u64().unwrap();
    tab.offline(false).await;
    tab.until("document.getElementById('lost').hidden").await;
    tab.until(LIVE).await;
    assert_eq!(tab.run("spy.sources.length").await, sources + 1);
    // Where the browser does not know, silence says it: for a quarter of a minute.
    assert!(ApiConfig::default().stream_heartbeat.as_secs() <= 5);
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_part_says_of_how_many_it_is(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("told.paper", json!({})).await;
    let mut events = vec![json!({"type": "Started"})];
    events.extend((0..1_200).map(|n| json!({"type": "ItemSucceeded", "item": format!("item-{n:04}")})));
    let (first, rest) = events.split_at(700);
    producer.append(&run, json!(first)).await.expect(200);
    let position = producer.append(&run, json!(rest)).await.expect(200).number_at("/position");
    for n in 0..3 {
        producer.new_run("told.paper", json!({"n": n})).await;
    }
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs/{run}?after={position}", app.url())).await;
    tab.on_paper().await;
    let text = tab.text().await;
    assert!(text.contains("50 of 1,200 items"), "{text}");
    assert!(text.contains("50 of 1,202 events"), "{text}");
    tab.go(&format!("{}/t/demo/runs?limit=2&kind=told.paper", app.url())).await;
    let text = tab.text().await;
    assert!(text.contains("2 of 4 runs"), "{text}");
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    for (path, told) in [
        (format!("/t/demo/runs/{run}?status=succeeded"), "50 of 1,200 items"),
        (format!("/t/demo/runs/{run}?item=item-00"), "50 items, and there are more"),
        (format!("/t/demo/runs/{run}?item=item-0001"), "1 item"),
        ("/t/demo/runs?limit=2&since=2020-01-01T00:00:00Z".to_owned(), "2 runs, and there are more"),
        ("/t/demo/runs?kind=told.paper&status=queued".to_owned(), "3 runs"),
    ] {
        let page = visitor.get(&path).await.expect(200).text;
        assert!(page.contains(&format!(">{told}<")), "{path}: {told}");
    }
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_part_that_failed_is_seen_at_the_run(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let whole = producer.new_run("told.whole", json!({})).await;
    let mut position = 0;
    for n in 0..4 {
        let body = json!({"kind": "told.part", "context": {"n": n}, "parent": {"run_id": whole}, "events": [
            {"type": "Started"},
            if n == 2 { json!({"type": "Failed", "reason_code": "conflict", "message": "no"}) }
            else { json!({"type": "Completed"}) },
        ]});
        producer.post_run(&body).await.expect(201);
    }
    let done: Value = json!([{"type": "Started"}, {"type": "Completed"}]);
    position = producer.append(&whole, done).await.expect(200).number_at("/position").max(position);
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    for path in [format!("/t/demo/runs?kind=told.whole&after={position}"), format!("/t/demo/runs/{whole}")] {
        let page = visitor.get(&path).await.expect(200).text;
        assert!(page.contains("Succeeded</span> <span class=\"bad-note\">1 part failed</span>"), "{page}");
    }
    app.stop().await;
}
