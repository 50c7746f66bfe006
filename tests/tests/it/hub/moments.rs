//! Moments on the page of a run: how they are asked for, and what is said of the one that is shown.

use access::Role;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::Browser;

use super::site::{LIVE, Visitor, at_runs, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_field_for_a_time_shows_all_of_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    // As wide as it would be by itself, with the half of the day at its end.
    let clipped = "[...document.querySelectorAll('input[type=datetime-local]')].filter((field) => {
        const free = field.cloneNode();
        Object.assign(free.style, { position: 'absolute', width: 'auto', minWidth: '0', maxWidth: 'none' });
        field.after(free);
        const clipped = field.offsetWidth < free.offsetWidth;
        free.remove();
        return clipped;
    }).map((field) => field.name)";
    for (width, height) in [(1440, 900), (1280, 800), (800, 600), (390, 844), (320, 640)] {
        tab.screen(width, height, false).await;
        tab.go(&format!("{}/t/demo/runs?since=2026-11-24T19:00:00Z", app.url())).await;
        tab.run("document.querySelector('.filters details').open = true").await;
        let fields = tab.run("document.querySelectorAll('input[type=datetime-local]').length").await;
        assert!(fields.as_u64().unwrap() >= 2, "{fields}");
        assert_eq!(tab.run(clipped).await, json!([]), "at {width}");
    }
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_moment_that_is_wrong_hides_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Wrongly asked").await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    visitor.get(&format!("/t/demo/runs?after={position}")).await.expect(200);
    let path = format!("/t/demo/runs/{run}");
    for (query, told) in [
        ("at=nonsense", "Write an event’s number, or a time"),
        ("at=-3", "Write an event’s number, or a time"),
        ("at=2020-01-01", "Write an event’s number, or a time"),
        ("at=2020-01-01T00:00:00Z", "did not know the run"),
        ("revision=-3", "Write an event’s number, or a time"),
        ("revision=99", "The run has no event 99 yet: its last is 5."),
        ("at=99", "The run has no event 99 yet: its last is 5."),
        ("revision=1&at=2", "one says it all"),
    ] {
        let page = visitor.get(&format!("{path}?{query}")).await.expect(422).text;
        assert!(page.contains(told), "{query}: {page}");
        assert!(page.contains("id=\"wrong-moment\""), "{query}: it is said at the field");
        assert!(page.contains(">beta<") && !page.contains("No items yet"), "{query}: {page}");
        assert!(!page.contains("class=\"past\""), "{query}: the run is shown as it is");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_run_is_shown_as_of_a_time(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Then").await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    visitor.get(&format!("/t/demo/runs?after={position}")).await.expect(200);
    sqlx::query(
        "UPDATE projection.run_events SET recorded_at = CASE WHEN revision <= 2
             THEN timestamptz '2026-01-31 10:00:00Z' ELSE timestamptz '2026-01-31 11:00:00Z' END",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let path = format!("/t/demo/runs/{run}");
    for at in ["2026-01-31T10:30:00Z", "2026-01-31%2010:30", "2", "2026-01-31T12:30:00%2B02:00"] {
        let page = visitor.get(&format!("{path}?at={at}")).await.expect(200).text;
        assert!(page.contains("Viewing event 2 of 5"), "{at}: {page}");
        assert!(page.contains("1 of 3") && !page.contains("may not touch beta"), "{at}");
    }
    // After the last event it is as it was then, too: nothing that comes later changes it.
    let page = visitor.get(&format!("{path}?at=2026-01-31T11:30:00Z")).await.expect(200).text;
    assert!(page.contains("Viewing event 5 of 5"), "{page}");
    // What is to come is now.
    let page = visitor.get(&format!("{path}?at=2126-01-31T11:30:00Z")).await.expect(200).text;
    assert!(!page.contains("class=\"past\"") && page.contains("3 of 3"), "{page}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_slider_says_what_is_shown_and_stays_where_it_is(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("slid", json!({})).await;
    let items = (0..1_200).map(|n| json!({"type": "ItemSucceeded", "item": n.to_string()}));
    let events: Vec<Value> = std::iter::once(json!({"type": "Started"})).chain(items).collect();
    let (first, rest) = events.split_at(900);
    producer.append(&run, json!(first)).await.expect(200);
    producer.append(&run, json!(rest)).await.expect(200);
    let position = producer.append(&run, json!([{"type": "Completed"}])).await.expect(200);
    let position = position.number_at("/position");
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    for (width, height) in [(1280, 800), (390, 844)] {
        tab.screen(width, height, false).await;
        tab.go(&format!("{}/t/demo/runs/{run}?after={position}", app.url())).await;
        tab.until(LIVE).await;
        tab.run(
            "spy.gate = (address) => address.includes('revision=') && new Promise((go) => {
                 window.letGo = () => go(address);
                 document.documentElement.dataset.held = 'yes';
             }); delete document.documentElement.dataset.held",
        )
        .await;
        let place = "(() => { const { left, top, width } = document.getElementById('revision').getBoundingClientRect();
            return [left + scrollX, top + scrollY, width]; })()";
        let before = tab.run(place).await;
        tab.run(
            "document.getElementById('revision').value = 0;
            document.getElementById('revision').dispatchEvent(new Event('input', { bubbles: true }))",
        )
        .await;
        tab.until("document.documentElement.dataset.held").await;
        // Not "event 0" beside how the run ended.
        assert_eq!(tab.run("document.getElementById('head').ariaBusy").await, "true");
        let moment = tab.run("document.getElementById('as-of-moment').textContent").await;
        assert_eq!(moment.as_str().unwrap().trim(), "Loading …");
        assert_eq!(tab.run("document.getElementById('revision').ariaValueText").await, "event 0, loading");
        assert_eq!(tab.run(place).await, before, "at {width}, while it loads");
        tab.run("letGo()").await;
        tab.until("document.querySelector('#past .past')?.textContent.includes('event 0 of 1,202')").await;
        tab.until("document.getElementById('head').ariaBusy !== 'true'").await;
        tab.until("document.querySelector('#head .badge').textContent === 'Queued'").await;
        tab.until("document.getElementById('revision').ariaValueText.startsWith('event 0, ')").await;
        tab.until("document.getElementById('revision').ariaValueText.endsWith('UTC')").await;
        assert_eq!(tab.run(place).await, before, "at {width}, once it is shown");
    }
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn an_event_is_typed(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Typed").await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs/{run}?after={position}", app.url())).await;
    tab.until(LIVE).await;
    tab.type_into("#moment", "2").await;
    tab.until("document.getElementById('moment').value === '2'").await;
    tab.follow("#go button").await;
    assert!(tab.address().await.contains("at=2"));
    assert!(tab.text().await.contains("Viewing event 2 of 5"));
    assert_eq!(tab.run("document.getElementById('revision').value").await, "2");
    // The slider goes on from there, and the address says one thing only.
    tab.until(LIVE).await;
    tab.run("document.getElementById('revision').focus()").await;
    tab.press("ArrowLeft").await;
    tab.until("document.querySelector('#past .past')?.textContent.includes('event 1 of 5')").await;
    let address = tab.address().await;
    assert!(address.contains("revision=1") && !address.contains("at="), "{address}");
    tab.follow("#past a").await;
    assert!(!tab.address().await.contains("revision"));
    browser.close().await;
    app.stop().await;
}
