//! The pages in a real browser: what happens there without a reload.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::browser::Browser;
use tests::{TestApp, Wire};

use super::site::{at_runs, partial_events, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn sign_in_look_around_and_sign_out(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (_, position) = partial_run(&app, "Nightly backup").await;
    app.client(Role::Readonly).get(&format!("/runs?after={position}")).await.expect(200);
    let browser = Browser::open().await;
    let tab = browser.tab(&format!("{}/t/demo/runs?status=partially_succeeded", app.url())).await;
    assert!(tab.address().await.contains("/sign-in?next="));
    tab.type_into("#token", "rlg_wrong").await;
    tab.follow("button[type=submit]").await;
    assert!(tab.text().await.contains("can't be right"));
    tab.type_into("#token", app.token("demo", Role::Operator)).await;
    tab.follow("button[type=submit]").await;
    assert!(tab.address().await.ends_with("/t/demo/runs?status=partially_succeeded"));
    assert!(tab.text().await.contains("Nightly backup"));

    // Filters by hand: they are in the address, and another browser would show the same.
    tab.follow("a.chip.failed").await;
    tab.until("document.body.innerText.includes('No matching runs.')").await;
    tab.follow("a.chip.all").await;
    tab.type_into("#q", "night").await;
    tab.follow(".main-filter button").await;
    assert!(tab.address().await.contains("q=night") && tab.text().await.contains("Nightly backup"));

    // Failed items of the run.
    tab.follow("a.title").await;
    tab.follow(".groups a").await;
    assert!(tab.address().await.ends_with("?reason_code=permission_denied#items"));
    let items = tab.run("document.getElementById('item-list').innerText").await;
    assert!(
        items.as_str().unwrap().contains("may not touch beta") && !items.as_str().unwrap().contains("alpha")
    );

    tab.follow(".who button").await;
    assert!(tab.text().await.contains("You are signed out."));
    tab.go(&format!("{}/t/demo/runs", app.url())).await;
    assert!(tab.address().await.contains("/sign-in"));
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_goes_from_queued_to_partially_succeeded_before_ones_eyes(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let list = at_runs(&browser, app.url(), &app).await;
    list.run("window.same = true").await;
    let producer = app.producer();
    let body = json!({"kind": "watched", "title": "Watched", "context": {}, "items_total": 3, "initiator": {"id": "operator"}});
    let run = producer.post_run(&body).await.expect(201).text_at("/run_id");
    let badge = format!("document.querySelector('#run-{run} .badge').textContent");
    list.until(&format!("{badge} === 'Queued'")).await;
    list.until("document.querySelector('#unread .count').textContent.endsWith('1')").await;

    let page = browser.window(&format!("{}/t/demo/runs/{run}", app.url())).await;
    page.run("window.same = true; document.querySelector('#events details').open = true").await;
    let mut events = partial_events();
    let rest = events.as_array_mut().unwrap().split_off(2);
    producer.append(&run, events).await.expect(200);
    list.until(&format!("{badge} === 'Running'")).await;
    page.until("document.querySelector('#head .badge').textContent === 'Running'").await;
    page.until("document.querySelector('#head .done').textContent.startsWith('1 of 3')").await;
    producer.append(&run, json!(rest)).await.expect(200);
    list.until(&format!("{badge} === 'Partially succeeded'")).await;
    list.until("document.querySelector('.chip.partially_succeeded b').textContent === '1'").await;
    list.until("document.querySelector('.runs .why').textContent.includes('permission_denied')").await;
    page.until("document.querySelector('#item-list .badge').textContent === 'Failed'").await;
    page.until("document.querySelectorAll('.events li').length === 6").await;
    assert_eq!(
        page.run("document.querySelector('#event-0 details').open").await,
        true,
        "what was opened stays so"
    );
    for tab in [&list, &page] {
        assert_eq!(tab.run("window.same").await, true, "the page was not loaded again");
    }
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_slider_shows_the_run_as_it_was(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Back in time").await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs/{run}?after={position}", app.url())).await;
    tab.run("window.same = true; document.getElementById('revision').focus()").await;
    for shown in [4, 3, 2] {
        tab.press("ArrowLeft").await;
        tab.until(&format!("document.getElementById('as-of').textContent === '{shown}'")).await;
    }
    tab.until("document.querySelector('#past .past')").await;
    tab.until("document.querySelector('#head .badge').textContent === 'Running'").await;
    tab.until("document.querySelector('#head .done').textContent === '1 of 3'").await;
    tab.until("document.querySelectorAll('.events li').length === 3").await;
    assert!(tab.address().await.contains("revision=2"));
    tab.press("End").await;
    tab.until("document.querySelector('#head .badge').textContent === 'Partially succeeded'").await;
    tab.until("!document.querySelector('#past .past')").await;
    tab.until("!location.search.includes('revision')").await;
    assert_eq!(tab.run("window.same").await, true);
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_notification_is_read(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (_, position) = partial_run(&app, "Notified").await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/notifications?after={position}", app.url())).await;
    assert_eq!(tab.run("document.querySelectorAll('.notes .unread').length").await, 2);
    let other = browser.tab(&format!("{}/t/demo/runs", app.url())).await;
    tab.follow(".notes form button").await;
    assert_eq!(tab.run("document.querySelectorAll('.notes .unread').length").await, 1);
    assert!(tab.text().await.contains("Partially succeeded"));
    other.go(&format!("{}/t/demo/notifications?unread=true", app.url())).await;
    assert_eq!(other.run("document.querySelectorAll('.notes li').length").await, 1);
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_lost_connection_is_seen_and_what_was_missed_is_made_up_for(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let mut wire = Wire::to(app.url()).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, &wire.url(), &app).await;
    tab.run("window.same = true").await;
    assert_eq!(tab.run("document.getElementById('lost').hidden").await, true);
    wire.cut().await;
    let (run, _) = partial_run(&app, "Missed").await;
    tab.until("!document.getElementById('lost').hidden").await;
    assert!(tab.text().await.contains("Connection lost. This page shows what was known at"));
    assert!(!tab.text().await.contains("Missed"));
    wire.mend().await;
    tab.until("document.getElementById('lost').hidden").await;
    tab.until(&format!("document.querySelector('#run-{run} .badge').textContent === 'Partially succeeded'"))
        .await;
    assert_eq!(tab.run("window.same").await, true);
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_run_of_another_tenant_is_not_found(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let theirs = app.client_of("other", Role::Producer).new_run("theirs", json!({"title": "Theirs"})).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    for path in [format!("/t/demo/runs/{theirs}"), format!("/t/other/runs/{theirs}")] {
        tab.go(&format!("{}{path}", app.url())).await;
        let text = tab.text().await;
        assert!(text.contains("Not found") && !text.contains("theirs"), "{text}");
    }
    browser.close().await;
    app.stop().await;
}
