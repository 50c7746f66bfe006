//! The events of all runs, as auditors search them.

use access::Role;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::fixture::Story;
use super::served::{Answer, Served};

const TOKEN: &str = "01890a5d-ac96-774b-bcce-b302099a8058";

/// Two runs of `demo`, interleaved by the second, and one of another tenant.
async fn told(pool: &PgPool) -> [Story; 2] {
    let failed = |item| json!({"item": item, "reason_code": "permission_denied", "message": "=no, may not"});
    let first =
        Story::queued(0, json!({})).then("Started", json!({"worker": "w"})).then("ItemFailed", failed("a"));
    let first =
        first.then("ItemSucceeded", json!({"item": "a"})).then("Completed", json!({})).told(pool).await;
    let aborted = json!({"reason_code": "cancelled", "message": "enough"});
    let second = Story::queued(2, json!({})).then("Aborted", aborted).told(pool).await;
    Story::of("other", 0, json!({}))
        .then("Started", json!({}))
        .then("ItemFailed", failed("o"))
        .told(pool)
        .await;
    // The fixture has one actor and no tokens.
    for sql in [
        "UPDATE projection.run_events SET actor = 'ann' WHERE event_type = 'Aborted'",
        "UPDATE projection.run_events SET token_id = $1 WHERE event_type = 'ItemFailed'",
    ] {
        let query = sqlx::query(sql);
        let query = if sql.contains("$1") { query.bind(TOKEN.parse::<uuid::Uuid>().unwrap()) } else { query };
        query.execute(pool).await.unwrap();
    }
    [first, second]
}

fn types(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["events"].as_array().unwrap().iter().map(|event| event["type"].as_str().unwrap()).collect()
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn each_filter_finds_its_events_of_the_own_tenant(pool: PgPool) {
    let [first, second] = told(&pool).await;
    let served = Served::start(pool).await;
    let run = format!("?run={}", first.id);
    let oldest = format!("{run}&sort=recorded_at");
    for (query, expected) in [
        // Both runs say something in the third and fourth second: then positions decide.
        ("", "Completed ItemSucceeded|Aborted ItemFailed|Queued Started Queued"),
        ("?sort=recorded_at", "Queued Started ItemFailed|Queued ItemSucceeded|Aborted Completed"),
        ("?actor=ann", "Aborted"),
        ("?actor=nobody", ""),
        ("?type=Queued", "Queued Queued"),
        ("?reason_code=permission_denied", "ItemFailed"),
        ("?reason_code=cancelled", "Aborted"),
        (&format!("?token={TOKEN}"), "ItemFailed"),
        (&run, "Completed ItemSucceeded ItemFailed Started Queued"),
        (&oldest, "Queued Started ItemFailed ItemSucceeded Completed"),
        // A moment of the ledger's clock; the producer's is half a second earlier.
        ("?since=2025-06-15T15:06:44Z", "Completed"),
        ("?until=2025-06-15T15:06:41Z", "Queued"),
        ("?since=2025-06-15T15:06:41Z&until=2025-06-15T15:06:42Z", "Started"),
        ("?since=2025-06-15T15:06:42Z&reason_code=permission_denied", "ItemFailed"),
        ("?since=2025-06-15T15:06:43Z&reason_code=permission_denied", ""),
    ] {
        let found = served.get_as(Role::Auditor, &format!("/events{query}")).await;
        let mut found: Vec<_> = types(&found);
        let mut expected: Vec<_> = expected.split([' ', '|']).filter(|name| !name.is_empty()).collect();
        if query.is_empty() || query == "?sort=recorded_at" {
            found.sort_unstable();
            expected.sort_unstable();
        }
        assert_eq!(found, expected, "{query}");
    }
    let found = served.get_as(Role::Auditor, "/events?actor=ann").await;
    let event = &found.body["events"][0];
    assert_eq!((&event["run_id"], &event["metadata"]["run_id"]), (&json!(second.id), &json!(second.id)));
    assert_eq!(found.header("runledger-position"), found.body["position"].to_string());
    let whole = served.get_as(Role::Auditor, "/events?sort=recorded_at").await;
    let key = |event: &Value| (event["recorded_at"].as_str().unwrap().to_owned(), event["position"].as_u64());
    assert!(whole.body["events"].as_array().unwrap().is_sorted_by_key(key), "{}", whole.body);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn pages_go_on_where_they_ended(pool: PgPool) {
    let [first, _] = told(&pool).await;
    let served = Served::start(pool).await;
    for query in ["", "&sort=recorded_at", "&reason_code=permission_denied", &format!("&run={}", first.id)] {
        let whole = served.get_as(Role::Auditor, &format!("/events?limit=200{query}")).await;
        for limit in [1, 2, 3] {
            let mut found = Vec::new();
            let mut next = Some(format!("/v1/tenants/demo/events?limit={limit}{query}"));
            while let Some(path) = next {
                let page = served.ask("demo", Role::Auditor, &path, &[]).await;
                found.extend(page.body["events"].as_array().unwrap().clone());
                next = page.next_link().map(str::to_owned);
            }
            assert_eq!(json!(found), whole.body["events"], "{limit}{query}");
        }
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn auditors_and_owners_search_and_only_auditors_by_tokens(pool: PgPool) {
    told(&pool).await;
    let served = Served::start(pool).await;
    for role in Role::ALL {
        let answer = served.get_as(role, "/events?limit=1").await;
        let by_token = served.get_as(role, &format!("/events?token={TOKEN}")).await;
        match role {
            Role::Auditor => {
                assert!(answer.body["events"][0]["metadata"].is_object() && by_token.status == 200)
            }
            Role::Owner => {
                assert!(answer.status == 200 && answer.body["events"][0].get("metadata").is_none());
                assert_eq!((by_token.status, &by_token.body["needed_role"]), (403, &json!("auditor")));
            }
            _ => {
                assert_eq!((answer.status, &answer.body["code"]), (403, &json!("forbidden")), "{role}");
                assert_eq!(answer.body["needed_role"], "auditor");
                // The role before all else.
                assert_eq!(served.get_as(role, "/events?sort=x").await.status, 403);
            }
        }
    }
    let other = served.ask("other", Role::Auditor, "/v1/tenants/demo/events", &[]).await;
    assert_eq!((other.status, &other.body["code"]), (404, &json!("not_found")));
    let own = served.ask("other", Role::Auditor, "/v1/tenants/other/events", &[]).await;
    assert_eq!(types(&own).len(), 3);
    assert_eq!(served.ask_nobody("/v1/tenants/demo/events").await, 401);
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn what_is_wrong_is_named(pool: PgPool) {
    let served = Served::start(pool).await;
    for (query, pointer) in [
        ("actor=", "?actor"),
        ("type=Ended", "?type"),
        ("run=7", "?run"),
        ("since=2025-06-15T15:06:44", "?since"),
        ("limit=201", "?limit"),
        ("format=csv&limit=10001", "?limit"),
        ("kind=a", "?kind"),
    ] {
        assert_eq!(served.get_as(Role::Auditor, &format!("/events?{query}")).await.pointer(), pointer);
    }
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_table_is_the_same_list_and_holds_no_formulas(pool: PgPool) {
    let [first, _] = told(&pool).await;
    let served = Served::start(pool).await;
    let by_parameter = served.get_as(Role::Auditor, "/events?format=csv&reason_code=permission_denied").await;
    let path = "/v1/tenants/demo/events?reason_code=permission_denied";
    let by_header = served.ask("demo", Role::Auditor, path, &[("accept", "text/csv")]).await;
    assert_eq!(by_parameter.body, by_header.body);
    assert_eq!(by_header.header("content-type"), "text/csv; charset=utf-8; header=present");
    assert_eq!(by_header.header("content-disposition"), "attachment; filename=\"events.csv\"");
    assert!(
        by_header.headers.get_all("vary").iter().any(|vary| vary.as_bytes().eq_ignore_ascii_case(b"accept"))
    );
    assert!(by_header.headers.contains_key("runledger-epoch") && by_header.headers.contains_key("etag"));
    let table = by_header.body.as_str().unwrap();
    let lines: Vec<_> = table.split_terminator("\r\n").collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(
        lines[0].starts_with("recorded_at,occurred_at,run_id,revision,position,type,actor,reason_code,item,")
    );
    let row = format!(
        "2025-06-15T15:06:42Z,2025-06-15T15:06:41.500Z,{},2,3,ItemFailed,producer,permission_denied,a,,\"'=no, may not\",",
        first.id
    );
    assert!(lines[1].starts_with(&row), "{table}");
    assert!(lines[1].contains(TOKEN), "{table}");
    let owner = served.get_as(Role::Owner, "/events?format=csv&reason_code=permission_denied").await;
    assert!(!owner.body.as_str().unwrap().contains(TOKEN));
    let page = served.get_as(Role::Auditor, "/events?format=csv&limit=1").await;
    assert!(page.next_link().unwrap().contains("format=csv&limit=1&cursor="));
    assert_eq!(
        served.ask("demo", Role::Auditor, path, &[("accept", "*/*")]).await.header("content-type"),
        "application/json"
    );
}
