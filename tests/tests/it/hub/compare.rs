//! What became of a run between two moments: the page without a script, and in a real browser.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;
use tests::browser::Browser;

use super::site::{LIVE, Visitor, at_runs};

/// A run of eight events, the last of which are of the item that is tried again. Its id and last position.
async fn told(app: &TestApp) -> (String, u64) {
    let producer = app.producer();
    let run = producer.new_run("pages.compared", json!({"title": "<b>Twice</b>", "items_total": 4})).await;
    let failed = |item: &str, code: &str| json!({"type": "ItemFailed", "item": item, "reason_code": code, "message": "no"});
    let events = json!([
        {"type": "Started", "worker": "w-9"},
        failed("alpha", "conflict"),
        {"type": "ItemSucceeded", "item": "beta", "label": "The beta"},
        failed("gamma", "conflict"),
        {"type": "ItemSucceeded", "item": "alpha"},
        failed("gamma", "permission_denied"),
        {"type": "Completed", "message": "two of three"},
    ]);
    let position = producer.append(&run, events).await.expect(200).number_at("/position");
    seen(app, position).await;
    (run, position)
}

/// Waits until readers see it: a page is shown either way.
async fn seen(app: &TestApp, position: u64) {
    app.client(Role::Readonly).get(&format!("/runs?after={position}")).await.expect(200);
}

/// The part of a page between two of its ids.
fn part<'a>(page: &'a str, from: &str, to: &str) -> &'a str {
    page.split_once(&format!("id=\"{from}\"")).unwrap().1.split_once(to).unwrap().0
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn two_moments_are_shown_side_by_side(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = told(&app).await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let at = format!("/t/demo/runs/{run}/difference?after={position}");
    let whole = visitor.get(&at).await.expect(200).text;
    for told in [
        "value=\"0\"",
        "7 events, in ",
        "After event 0</a>",
        "After event 7</a>",
        "Queued</span>",
        "Partially succeeded</span>",
        "<b class=\"delta\">+2</b>",
        "<b class=\"delta\">+1</b>",
        "two of three",
        "w-9",
        "Ended by",
        "1 item failed</a>",
        "2 items succeeded</a>",
        "not reported yet",
        "<bdi>The beta</bdi> <span class=\"sub\"><bdi>beta</bdi></span>",
        "<option value=\"6\">Item failed, ",
    ] {
        assert!(whole.contains(told), "{told} is missing");
    }
    assert!(!whole.contains("<b>Twice"), "what producers send is escaped");

    // alpha had failed and succeeded then; gamma failed for another reason; of beta nothing has changed.
    let between = visitor.get(&format!("{at}&from=4&to=6")).await.expect(200).text;
    let items = part(&between, "changes", "</table>");
    assert!(items.contains("alpha") && items.contains("gamma") && !items.contains("beta"), "{items}");
    let gamma = items.split_once("<bdi>gamma</bdi>").unwrap().1;
    assert!(gamma.find("conflict").unwrap() < gamma.find("permission_denied").unwrap());
    let standing = part(&between, "standing", "</table>");
    assert!(standing.contains("unchanged") && !standing.contains("Ended"), "{standing}");
    assert!(standing.contains("<b class=\"delta\">−1</b>"), "one fewer has failed: {standing}");
    for link in ["from=2&#38;to=4", "from=6&#38;to=7", "revision=6&#38;events_from=6#timeline"] {
        assert!(between.contains(link), "{link} is missing");
    }
    let failed = visitor.get(&format!("{at}&from=4&to=6&status=failed")).await.expect(200).text;
    let items = part(&failed, "changes", "</table>");
    assert!(items.contains("gamma") && !items.contains("alpha"), "{items}");
    let first = visitor.get(&format!("{at}&from=0&limit=2")).await.expect(200).text;
    let next = first.split("href=\"").find(|link| link.contains("cursor=")).unwrap();
    let next = next.split('"').next().unwrap().replace("&#38;", "&");
    let next = next.split('#').next().unwrap();
    assert!(!first.contains("<bdi>gamma</bdi>"));
    let second = visitor.get(next).await;
    assert!(second.status == 200 && second.text.contains("<bdi>gamma</bdi>"), "{}", second.text);

    let same = visitor.get(&format!("{at}&from=3&to=3")).await.expect(200).text;
    assert!(same.contains("nothing lies between them") && same.contains("outcome changed between"));
    let own = visitor.get(&format!("/t/demo/runs/{run}")).await.expect(200).text;
    for link in [
        format!("/runs/{run}/difference\">Compare two moments"),
        format!("/runs/{run}/difference?from=5&to=6\">What this event changed"),
        format!("/runs/{run}/difference?from=6\">What has changed since"),
    ] {
        assert!(own.replace("&#38;", "&").contains(&link), "{link} is missing");
    }
    assert!(own.contains("<dt>Started by</dt>") && own.contains("<dt>Ended by</dt>"));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_wrong_with_a_moment_is_said_at_its_field(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = told(&app).await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let at = format!("/t/demo/runs/{run}/difference?after={position}");
    for (query, said) in [
        ("from=soon", "id=\"wrong-from\" role=\"alert\">Write an event’s number"),
        ("from=2&to=tomorrow", "id=\"wrong-to\" role=\"alert\">Write an event’s number"),
        ("from=5&to=4", "id=\"wrong-to\" role=\"alert\">This is before the first moment."),
        ("from=1&to=99", "its last is 7"),
        ("from=2001-01-01T00:00:00", "did not know the run"),
        ("from=1&status=nonsense", "is not one of failed, skipped, succeeded"),
    ] {
        let page = visitor.get(&format!("{at}&{query}")).await.expect(422).text;
        assert!(page.contains(said), "{query}: {said} is missing");
        let typed = query.split(['=', '&']).nth(1).unwrap();
        assert!(page.contains(&format!("value=\"{typed}\"")), "{query}: what was typed is gone");
    }
    visitor.get("/t/demo/runs/00000000-0000-7000-8000-000000000000/difference").await.expect(404);
    let other = Visitor::signed_in(&app, "other", Role::Owner).await;
    other.get(&format!("/t/other/runs/{run}/difference")).await.expect(404);
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn from_the_timeline_to_what_an_event_changed_and_on_live(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let producer = app.producer();
    let run = producer.new_run("pages.goes-on", json!({})).await;
    let events = json!([{"type": "Started"}, {"type": "ItemSucceeded", "item": "alpha"}]);
    let position = producer.append(&run, events).await.expect(200).number_at("/position");
    seen(&app, position).await;
    let browser = Browser::open().await;
    let tab = at_runs(&browser, app.url(), &app).await;
    tab.go(&format!("{}/t/demo/runs/{run}?after={position}", app.url())).await;
    tab.run("document.querySelector('#event-2 details').open = true").await;
    tab.follow("#event-2 .onward a").await;
    assert!(tab.address().await.ends_with("difference?from=1&to=2"), "{}", tab.address().await);
    assert_eq!(tab.run("document.querySelectorAll('.changes tbody tr').length").await, 1);
    // By the form, until now: then it goes on with the run.
    tab.run("document.getElementById('to').value = ''").await;
    tab.follow(".moments button").await;
    tab.until(LIVE).await;
    let more = json!([{"type": "ItemFailed", "item": "beta", "reason_code": "conflict", "message": "no"}]);
    producer.append(&run, more).await.expect(200);
    tab.until("document.querySelectorAll('.changes tbody tr').length === 2").await;
    tab.until("document.querySelector('.compare thead').textContent.includes('After event 3')").await;
    assert_eq!(tab.run("document.querySelectorAll('.compare .changed th')[0].textContent").await, "Progress");
    browser.close().await;
    app.stop().await;
}
