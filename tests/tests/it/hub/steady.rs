//! Lists that stay where they are: under the pointer, and on the way to a run and back.

use access::Role;
use chromiumoxide::cdp::browser_protocol::input::DispatchMouseEventType as Mouse;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::browser::Browser;
use tests::{Answer, TestApp};

use super::site::{Visitor, at_runs, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn new_runs_do_not_move_rows_under_the_pointer(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let first = producer.new_run("steady", json!({"n": 0})).await;
    producer.new_run("steady", json!({"n": 1})).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.until("document.querySelectorAll('#list tbody tr').length === 2").await;
    let top = format!("document.getElementById('run-{first}').getBoundingClientRect().top");
    // In focus is under the pointer, too.
    tab.run(&format!("document.querySelector('#run-{first} a.title').focus()")).await;
    let before = tab.run(&top).await;
    for n in 2..5 {
        producer.new_run("steady", json!({"n": n})).await;
    }
    tab.until("document.querySelector('#fresh button')?.textContent === '3 new runs'").await;
    assert_eq!(tab.run(&top).await, before, "the button takes no room of theirs");
    assert_eq!(tab.run("document.querySelectorAll('#list tbody tr').length").await, 2);
    // What is there goes on to change.
    producer.append(&first, json!([{"type": "Started"}])).await.expect(200);
    tab.until(&format!("document.querySelector('#run-{first} .badge').textContent === 'Running'")).await;
    assert_eq!(tab.run(&top).await, before);
    tab.click("#fresh button").await;
    tab.until("document.querySelectorAll('#list tbody tr').length === 5").await;
    tab.until("document.getElementById('fresh').hidden").await;
    assert_eq!(
        tab.run("document.activeElement.closest('tr') === document.querySelector('#list tbody tr')").await,
        true
    );
    // Where nobody points at the list, it is as it is now.
    tab.run("document.activeElement.blur()").await;
    tab.mouse(Mouse::MouseMoved, (1.0, 1.0)).await;
    producer.new_run("steady", json!({"n": 5})).await;
    tab.until("document.querySelectorAll('#list tbody tr').length === 6").await;
    assert_eq!(tab.run("document.getElementById('fresh').hidden").await, true);
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_way_back_leads_to_the_list_as_it_was_filtered(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Back again").await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    let list = format!("{}/t/demo/runs?status=partially_succeeded&q=back&after={position}", app.url());
    tab.go(&list).await;
    tab.follow("a.title").await;
    let back = "document.querySelector('.crumbs a').getAttribute('href')";
    tab.until(&format!("{back} === '/t/demo/runs?status=partially_succeeded&q=back'")).await;
    // From page to page of the run.
    tab.follow(".groups a").await;
    tab.until(&format!("{back} === '/t/demo/runs?status=partially_succeeded&q=back'")).await;
    tab.follow(".places a.compare-moments").await;
    tab.until(&format!("{back} === '/t/demo/runs?status=partially_succeeded&q=back'")).await;
    tab.follow(".crumbs a").await;
    assert!(tab.address().await.ends_with("/t/demo/runs?status=partially_succeeded&q=back"));
    // Without a script the browser says where it comes from; another site's word is not taken.
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let path = format!("/t/demo/runs/{run}");
    let from = async |referer: String| {
        let request = visitor.request(reqwest::Method::GET, &path).header("referer", referer);
        let page = Answer::of(request).await.expect(200).text;
        let (_, crumbs) = page.split_once("class=\"crumbs\"").unwrap();
        let (_, href) = crumbs.split_once("href=\"").unwrap();
        href.split_once('"').unwrap().0.replace("&#38;", "&")
    };
    let own = app.url();
    assert_eq!(from(format!("{own}/t/demo/runs?q=a%20b&kind=x")).await, "/t/demo/runs?q=a%20b&kind=x");
    for other in [
        "https://evil.example/t/demo/runs?q=a".to_owned(),
        format!("{own}/t/other/runs?q=a"),
        format!("{own}/t/demo/notifications?unread=true"),
        format!("{own}{path}?revision=1"),
        "nonsense".to_owned(),
    ] {
        assert_eq!(from(other.clone()).await, "/t/demo/runs", "{other}");
    }
    browser.close().await;
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_bar_leads_to_the_runs_it_counts(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (_, position) = partial_run(&app, "Ended with failures").await;
    app.producer().new_run("steady.waits", json!({})).await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let page = visitor.get(&format!("/t/demo/runs?sort=queued_at&after={position}")).await.expect(200).text;
    let link = |page: &str, word: &str| {
        let link = page.split("href=\"").find(|link| link.contains(word)).unwrap();
        link.split('"').next().unwrap().replace("&#38;", "&")
    };
    let ended = link(&page, "ended_since=");
    assert!(ended.contains("status=failed&status=partially_succeeded"), "{ended}");
    let list = visitor.get(&ended).await.expect(200).text;
    assert!(list.contains(">Ended with failures<") && !list.contains("steady.waits</bdi></a>"), "{list}");
    assert!(list.contains("Ended (UTC)"), "it is in the order of ends, and says when that was");
    // The hour that is chosen is marked, and what is chosen can be taken out again.
    let marked = |page: &str| {
        page.matches("class=\"bar-link\"").count() > 0 && page.contains("bad-link\" aria-current=\"true\"")
    };
    assert!(marked(&list) && !marked(&page), "{list}");
    assert!(list.contains("Remove this filter"), "{list}");
    let queued = visitor.get(&link(&page, "since=")).await.expect(200).text;
    assert!(queued.contains("bar-link\" aria-current=\"true\""), "{queued}");
    // From one to the other.
    let other = link(&list, "?since=");
    assert!(!other.contains("ended_since") && !other.contains("status="), "{other}");
    app.stop().await;
}
