//! The list of runs as it is served: what it says without a script.

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

use super::site::{Visitor, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_list_tells_everything_without_a_script(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (run, position) = partial_run(&app, "Nightly backup").await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let page = visitor.get(&format!("/t/demo/runs?after={position}")).await.expect(200).text;
    for told in [
        "Nightly backup",
        "Partially succeeded",
        "pages.partial",
        "Olga Operator",
        "3 of 3, 1 failed",
        "permission_denied",
        "beta: may not touch beta",
        "env:prod",
        &format!("/t/demo/runs/{run}"),
        &format!("As of position <b>{position}</b>"),
        "Partially succeeded <b>1</b>",
        "The last 48 hours: 1 run queued; 0 ended failed, 1 partially succeeded",
        // Filters want ids, so these are shown, and names are links to them.
        "href=\"/t/demo/runs?initiator=operator\"",
        "<bdi>operator</bdi>",
    ] {
        assert!(page.contains(told), "{told} is missing");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn filters_are_in_the_address_and_are_kept(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    partial_run(&app, "Alpha run").await;
    let (_, position) = partial_run(&app, "Beta run").await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let shown = async |query: &str| {
        let page = visitor.get(&format!("/t/demo/runs?after={position}&{query}")).await.expect(200).text;
        (page.contains(">Alpha run<"), page.contains(">Beta run<"))
    };
    assert_eq!(shown("").await, (true, true));
    assert_eq!(shown("q=alpha").await, (true, false));
    assert_eq!(shown("status=failed").await, (false, false));
    assert_eq!(
        shown("status=partially_succeeded&kind=pages.partial&label=env:prod&initiator=operator").await,
        (true, true)
    );
    assert_eq!(shown("label=env:dev").await, (false, false));
    // A form sends its empty fields as well, and times without a zone.
    assert_eq!(shown("q=beta&kind=&initiator=&label=&since=2020-01-01T00:00&until=").await, (false, true));
    assert_eq!(shown("until=2020-01-01T00:00").await, (false, false));
    // From page to page the filters stay.
    let page = visitor.get("/t/demo/runs?limit=1&kind=pages.partial").await.expect(200).text;
    let older = page.split("href=\"").find(|link| link.contains("cursor=")).unwrap();
    let older = older.split('"').next().unwrap().replace("&#38;", "&");
    assert!(older.contains("limit=1&kind=pages.partial&cursor="), "{older}");
    let page = visitor.get(&older).await.expect(200).text;
    assert!(page.contains(">Alpha run<") && !page.contains(">Beta run<"));
    assert!(page.contains(">Newest</a>"));
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn filters_are_added_to_the_others(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (_, position) = partial_run(&app, "Alpha run").await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let path = format!("/t/demo/runs?after={position}&status=partially_succeeded&label=env:prod");
    let page = visitor.get(&path).await.expect(200).text.replace("&#38;", "&");
    for href in [
        // The label is in already, so its link takes it out.
        "class=\"label\" href=\"/t/demo/runs?status=partially_succeeded\" aria-current",
        "href=\"/t/demo/runs?status=partially_succeeded&label=env:prod&kind=pages.partial\"",
        "href=\"/t/demo/runs?status=partially_succeeded&label=env:prod&initiator=operator\"",
        "href=\"/t/demo/runs?status=partially_succeeded&label=env:prod&since=",
    ] {
        assert!(page.contains(href), "{href} is missing: {page}");
    }
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_wrong_filter_is_named_and_loses_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    for (query, told) in [
        // Beside its field, with what was typed.
        (
            "label=nocolon&q=typed",
            "value=\"nocolon\" placeholder=\"name:value\" aria-invalid=\"true\" aria-describedby=\"wrong-label\"",
        ),
        ("label=nocolon&q=typed", "id=\"wrong-label\" role=\"alert\""),
        ("since=yesterday&q=typed", "value=\"yesterday\" aria-invalid=\"true\""),
        ("since=yesterday&q=typed", "id=\"wrong-since\" role=\"alert\">Write a time (UTC)"),
        ("kind=No%20Kind&q=typed", "id=\"wrong-kind\""),
        // What has no field is left out by a link.
        ("status=done&q=typed", "There is no status “done”. Choose one above the list."),
        ("status=done&q=typed", "<a href=\"/t/demo/runs?q=typed\">Remove this filter</a>"),
        ("cursor=abc&q=typed", "This page of the list can’t be found."),
        ("newer=abc&q=typed", "This page of the list can’t be found."),
    ] {
        let page = visitor.get(&format!("/t/demo/runs?{query}")).await.expect(422).text;
        assert!(page.contains(told) && page.contains("value=\"typed\""), "{query}: {page}");
        assert!(!page.contains("type=\"hidden\" name=\"status\""), "what is wrong is not sent again");
    }
    // A time with an offset is shown in UTC.
    let page = visitor.get("/t/demo/runs?since=2026-11-24T10:00:00%2B02:00").await.expect(200).text;
    assert!(page.contains("type=\"datetime-local\" step=\"1\" value=\"2026-11-24T08:00:00\""), "{page}");
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn numbers_say_what_they_count(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let (_, position) = partial_run(&app, "Alpha run").await;
    let producer = app.producer();
    let late = producer.new_run("pages.late", json!({})).await;
    let started = json!([{"type": "Started", "heartbeat_seconds": 1}]);
    let position = producer.append(&late, started).await.expect(200).number_at("/position").max(position);
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let of = async |query: &str| {
        visitor.get(&format!("/t/demo/runs?after={position}{query}")).await.expect(200).text
    };
    of("").await;
    sqlx::query(
        "UPDATE projection.runs SET heartbeat_due_at = now() - interval '1 min' WHERE kind = 'pages.late'",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let page = of("").await;
    assert!(page.contains("All <b>2</b>") && page.contains("Stalled <b>1</b>"), "{page}");
    assert!(!page.contains("</svg>Held") && !page.contains("the list is filtered further"));
    let page = of("&kind=pages.partial").await;
    assert!(page.contains("All <b>1</b>") && page.contains("Stalled <b>0</b>"), "{page}");
    assert!(page.contains("The last 48 hours: 1 run queued; 0 ended failed, 1 partially"), "{page}");
    // Of a kind that nobody uses there are none, in the list and in the counts.
    let page = of("&kind=pages.unknown").await;
    assert!(page.contains("All <b>0</b>") && page.contains("No matching runs."), "{page}");
    assert!(page.contains("The last 48 hours: 0 runs queued; 0 ended failed"), "{page}");
    let page = of("&label=env:prod").await;
    assert!(
        page.contains("All <b>2</b>") && page.contains("are of <bdi>all runs</bdi>; the list is filtered")
    );
    sqlx::query("UPDATE projection.runs SET held_revision = 1, held_position = 1, held_error = 'x' WHERE kind = 'pages.late'")
        .execute(&app.pool)
        .await
        .unwrap();
    let page = of("").await;
    assert!(
        page.contains("</svg>Held <b>1</b>") && page.contains("href=\"/t/demo/runs?held=true\""),
        "{page}"
    );
    app.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_list_goes_on_and_back_and_never_ends_in_a_wall(pool: PgPoolOptions, database: PgConnectOptions) {
    let app = TestApp::start(pool, database).await;
    let mut position = 0;
    for n in 1..=5 {
        position = partial_run(&app, &format!("Run {n}")).await.1;
    }
    let visitor = Visitor::signed_in(&app, "demo", Role::Readonly).await;
    let link = |page: &str, name: &str| {
        let (before, _) = page.split_once(&format!(" rel=\"{name}\""))?;
        let (_, href) = before.rsplit_once("href=\"")?;
        Some(href.trim_end_matches('"').replace("&#38;", "&"))
    };
    let shown = |page: &str| (1..=5).filter(|n| page.contains(&format!(">Run {n}<"))).collect::<Vec<_>>();
    let first = visitor.get(&format!("/t/demo/runs?after={position}&limit=2")).await.expect(200).text;
    assert_eq!((shown(&first), link(&first, "prev")), (vec![4, 5], None));
    let second = visitor.get(&link(&first, "next").unwrap()).await.expect(200).text;
    let third_at = link(&second, "next").unwrap();
    let third = visitor.get(&third_at).await.expect(200).text;
    assert_eq!((shown(&second), shown(&third), link(&third, "next")), (vec![2, 3], vec![1], None));
    // Back the same way.
    let second = visitor.get(&link(&third, "prev").unwrap()).await.expect(200).text;
    assert_eq!(shown(&second), [2, 3]);
    let first = visitor.get(&link(&second, "prev").unwrap()).await.expect(200).text;
    assert_eq!((shown(&first), link(&first, "prev")), (vec![4, 5], None));
    assert_eq!(shown(&visitor.get(&link(&first, "next").unwrap()).await.text), [2, 3]);
    // What a later page showed may be gone: it says so, and leads on.
    sqlx::query("DELETE FROM projection.runs WHERE title = 'Run 1'").execute(&app.pool).await.unwrap();
    let empty = visitor.get(&third_at).await.expect(200).text;
    assert!(empty.contains("There are no more runs.") && empty.contains(">Newest</a>"), "{empty}");
    app.stop().await;
}
