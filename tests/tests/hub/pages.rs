//! The pages as they are served: what they say without a script.

use api::access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::House;

use crate::site::{Visitor, partial_run};

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_list_tells_everything_without_a_script(pool: PgPoolOptions, database: PgConnectOptions) {
    let house = House::start(pool, database).await;
    let (run, position) = partial_run(&house, "Nightly backup").await;
    let visitor = Visitor::signed_in(&house, "demo", Role::Readonly).await;
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
        "The last 48 hours: 1 run, 0 failed, 1 partially succeeded",
    ] {
        assert!(page.contains(told), "{told} is missing");
    }
    house.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn filters_are_in_the_address_and_are_kept(pool: PgPoolOptions, database: PgConnectOptions) {
    let house = House::start(pool, database).await;
    partial_run(&house, "Alpha run").await;
    let (_, position) = partial_run(&house, "Beta run").await;
    let visitor = Visitor::signed_in(&house, "demo", Role::Readonly).await;
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
    house.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_wrong_filter_is_named_and_loses_nothing(pool: PgPoolOptions, database: PgConnectOptions) {
    let house = House::start(pool, database).await;
    let visitor = Visitor::signed_in(&house, "demo", Role::Readonly).await;
    for (query, told) in [
        ("status=done&q=typed", "?status"),
        ("label=nocolon&q=typed", "?label"),
        ("since=yesterday&q=typed", "?since"),
        ("cursor=abc&q=typed", "?cursor"),
        ("nothing=1&q=typed", "?nothing"),
    ] {
        let page = visitor.get(&format!("/t/demo/runs?{query}")).await.expect(422).text;
        assert!(page.contains(told) && page.contains("value=\"typed\""), "{query}");
    }
    house.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn the_page_of_a_run_tells_all_of_it(pool: PgPoolOptions, database: PgConnectOptions) {
    let house = House::start(pool, database).await;
    let (run, position) = partial_run(&house, "Nightly backup").await;
    let visitor = Visitor::signed_in(&house, "demo", Role::Readonly).await;
    let page = visitor.get(&format!("/t/demo/runs/{run}?after={position}")).await.expect(200).text;
    for told in [
        "Nightly backup",
        "Partially succeeded",
        "two of three",
        "3 of 3, 1 failed",
        "Olga Operator (operator)",
        "w-1",
        "permission_denied</code> <b>1</b>",
        "may not touch beta",
        "Item failed",
        "with a sign of life every 60 s",
        "env:prod",
        "Idempotency key",
        "As of event <output",
        &run,
    ] {
        assert!(page.contains(told), "{told} is missing");
    }
    let failed = page.find("may not touch beta").unwrap();
    assert!(failed < page.find(">alpha<").unwrap(), "failed items come first");

    let was = visitor.get(&format!("/t/demo/runs/{run}?revision=2")).await.expect(200).text;
    assert!(
        was.contains("the run as it was after event 2") && was.contains("Running") && was.contains("1 of 3")
    );
    assert!(!was.contains("permission_denied") && !was.contains("two of three"));

    let items = visitor.get(&format!("/t/demo/runs/{run}?status=succeeded&item=g")).await.expect(200).text;
    let items =
        items.split_once("id=\"item-list\"").unwrap().1.split_once("id=\"timeline\"").unwrap().0.to_owned();
    assert!(items.contains("gamma") && !items.contains("beta"));
    visitor.get(&format!("/t/demo/runs/{run}?revision=x")).await.expect(422);
    visitor.get("/t/demo/runs/00000000-0000-7000-8000-000000000000").await.expect(404);
    visitor.get("/t/demo/runs/no-id").await.expect(404);
    house.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn items_and_events_go_on_page_by_page(pool: PgPoolOptions, database: PgConnectOptions) {
    let house = House::start(pool, database).await;
    let producer = house.producer();
    let run = producer.new_run("pages.long", json!({})).await;
    let mut events = vec![json!({"type": "Started"})];
    events.extend((0..120).map(|n| json!({"type": "ItemSucceeded", "item": format!("item-{n:03}")})));
    let position = producer.append(&run, json!(events)).await.expect(200).number_at("/position");
    let visitor = Visitor::signed_in(&house, "demo", Role::Readonly).await;
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
    house.stop().await;
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_silent_run_does_not_look_healthy(pool: PgPoolOptions, database: PgConnectOptions) {
    let house = House::start(pool, database).await;
    let producer = house.producer();
    let run = producer.new_run("pages.silent", json!({})).await;
    let started = json!([{"type": "Started", "heartbeat_seconds": 1}]);
    let position = producer.append(&run, started).await.expect(200).number_at("/position");
    let visitor = Visitor::signed_in(&house, "demo", Role::Readonly).await;
    visitor.get(&format!("/t/demo/runs?after={position}")).await.expect(200);
    sqlx::query("UPDATE projection.runs SET heartbeat_due_at = now() - interval '14 min', last_event_at = now() - interval '15 min'")
        .execute(&house.pool)
        .await
        .unwrap();
    let page = visitor.get("/t/demo/runs?liveness=stalled").await.expect(200).text;
    assert!(page.contains("silent for 15 min, promised every 1 s") && page.contains("Running"));
    let page = visitor.get(&format!("/t/demo/runs/{run}")).await.expect(200).text;
    assert!(page.contains("Stalled: </svg>") || page.contains("Stalled: "), "{page}");
    assert!(page.contains("silent for 15 min, promised every 1 s"));
    house.stop().await;
}
