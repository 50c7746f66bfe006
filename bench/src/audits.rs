//! What auditors ask, over HTTP, among many runs: events of all runs by each filter, runs by their ends, and the items of a run
//! at a moment.

use std::time::{Duration, Instant};

use access::Role;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::Failure;
use crate::child::{Caller, Server, caller, projected};
use crate::client::Connection;
use crate::http_appends::{events_path, start_run};
use crate::report::{Figure, Times};
use crate::rig::Rig;
use crate::run_list::TENANT;

/// Pages of 50 entries between the first page and the deep one, at most.
const DEEP_PAGES: usize = 200;
/// A turn or a walk to a deep page goes on no longer.
const LONGEST: Duration = Duration::from_secs(3);
/// Requests of each kind, where none is slow.
const REQUESTS: usize = 500;
/// Requests of a kind before the next kind's turn.
const TURN: usize = 50;
/// The items of the run that is looked at as it was.
const ITEMS: usize = 10_000;
/// Events in a request.
const BATCH: usize = 1_000;

/// Four events of each run that began within `$1` and `$2`: of one in 50 an item was denied, of one in 20,000 by a certain
/// token.
const MAKE: &str = "
    INSERT INTO projection.run_events (tenant, run_id, revision, position, event_id, event_type, schema_version,
        occurred_at, recorded_at, actor, token_id, data, reason_code)
    SELECT tenant, run_id, revision, (extract(epoch FROM queued_at)::bigint - 1750000000) * 4 + revision,
        md5(run_id::text || revision)::uuid, type, 1, at, at,
        CASE revision WHEN 0 THEN initiator_id ELSE worker END,
        CASE WHEN h % 20000 = 7 THEN '01890a5d-ac96-774b-bcce-b302099a8058'::uuid
            ELSE overlay(md5((h % 40)::text) PLACING '7' FROM 13 FOR 1)::uuid END,
        CASE type WHEN 'ItemFailed' THEN json_build_object('item', 'volume-7', 'reason_code', reason, 'message', 'no')
            ELSE '{}' END, reason
    FROM (
        SELECT tenant, run_id, initiator_id, worker, r.queued_at, e.revision, abs(hashtext(run_id::text)) AS h, queued_at + e.revision * interval '4 s' AS at, e.type,
            CASE WHEN e.type = 'ItemFailed' THEN
                CASE WHEN abs(hashtext(run_id::text)) % 50 = 0 THEN 'permission_denied' ELSE 'dependency_timeout' END
            END AS reason
        FROM projection.runs AS r CROSS JOIN (VALUES (0, 'Queued'), (1, 'Started'), (2, 'ItemFailed'), (3, 'Completed'))
            AS e (revision, type)
        WHERE tenant IN ('list', 'other-0', 'other-1', 'other-2') AND queued_at >= $1::timestamptz
            AND queued_at < $1::timestamptz + interval '10 days'
    ) AS event ON CONFLICT DO NOTHING";

/// A kind of list: its parameters, and the same in SQL.
struct Case {
    name: &'static str,
    list: List,
    query: &'static str,
    filter: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum List {
    Events,
    Ended,
}

const CASES: [Case; 9] = [
    Case { name: "events, no filter", list: List::Events, query: "", filter: "" },
    Case {
        name: "events, actor",
        list: List::Events,
        query: "actor=user-77",
        filter: "AND actor = 'user-77'",
    },
    Case {
        name: "events, type",
        list: List::Events,
        query: "type=Started",
        filter: "AND event_type = 'Started'",
    },
    Case {
        name: "events, reason",
        list: List::Events,
        query: "reason_code=permission_denied",
        filter: "AND reason_code = 'permission_denied'",
    },
    Case {
        name: "events, a rare token",
        list: List::Events,
        query: "token=01890a5d-ac96-774b-bcce-b302099a8058",
        filter: "AND token_id = '01890a5d-ac96-774b-bcce-b302099a8058'",
    },
    Case {
        name: "events, since and until",
        list: List::Events,
        query: "since=2025-07-10T00:00:00Z&until=2025-07-20T00:00:00Z",
        filter: "AND recorded_at >= '2025-07-10T00:00:00Z' AND recorded_at < '2025-07-20T00:00:00Z'",
    },
    Case {
        name: "events, actor and type",
        list: List::Events,
        query: "actor=user-77&type=Queued",
        filter: "AND actor = 'user-77' AND event_type = 'Queued'",
    },
    Case {
        name: "runs that ended within ten days",
        list: List::Ended,
        query: "ended_since=2025-07-10T00:00:00Z&ended_until=2025-07-20T00:00:00Z",
        filter: "AND ended_at >= '2025-07-10T00:00:00Z' AND ended_at < '2025-07-20T00:00:00Z'",
    },
    Case {
        name: "runs that ended within ten days, failed",
        list: List::Ended,
        query: "ended_since=2025-07-10T00:00:00Z&ended_until=2025-07-20T00:00:00Z&status=failed",
        filter: "AND ended_at >= '2025-07-10T00:00:00Z' AND ended_at < '2025-07-20T00:00:00Z' AND status = 'failed'",
    },
];

/// A page to read again and again, and the times it took.
struct Page {
    name: String,
    path: String,
    /// The same by itself; none of what is folded.
    sql: Option<String>,
    http: Times,
    alone: Times,
}

/// Puts the events of the runs that are there into the read tables.
pub async fn make(rig: &Rig) -> Result<(), Failure> {
    let pool = rig.pool(1).await?;
    let ends: (chrono::DateTime<chrono::Utc>, chrono::DateTime<chrono::Utc>) =
        sqlx::query_as("SELECT min(queued_at), max(queued_at) FROM projection.runs WHERE tenant = 'list'")
            .fetch_one(&pool)
            .await?;
    let mut at = ends.0;
    while at <= ends.1 {
        sqlx::query(MAKE).bind(at).execute(&pool).await?;
        println!("audits: made the events of ten days from {at} on");
        at += chrono::TimeDelta::days(10);
    }
    for table in ["VACUUM ANALYZE projection.run_events", "CHECKPOINT"] {
        sqlx::query(table).execute(&pool).await?;
    }
    pool.close().await;
    Ok(())
}

/// Lists among `runs` runs with their events, which are there already.
pub async fn measure(rig: &Rig, server: &Server, runs: usize) -> Result<Vec<Figure>, Failure> {
    let pool = rig.pool(2).await?;
    let auditor = caller(&pool, TENANT, Role::Auditor).await?;
    let producer = caller(&pool, TENANT, Role::Producer).await?;
    let mut writes = Connection::open(server.address, &producer.token).await?;
    let run = start_run(&mut writes, &producer, 0).await?;
    for batch in 0..ITEMS / BATCH {
        let item = |n: usize| json!({"type": "ItemSucceeded", "item": format!("volume-{n:06}")});
        let events: Vec<_> = (batch * BATCH..(batch + 1) * BATCH).map(item).collect();
        writes.post(&events_path(&producer, &run), &serde_json::to_vec(&json!({"events": events}))?).await?;
    }
    projected(&pool).await?;
    pool.close().await;

    let mut http = Connection::open(server.address, &auditor.token).await?;
    let mut pages = Vec::new();
    for case in &CASES {
        pages.extend(both_pages(&mut http, &auditor, case).await?);
    }
    let of_run = format!("/v1/tenants/{TENANT}/runs/{run}");
    for (name, path) in [
        ("items at a moment", format!("{of_run}/items?revision={}", ITEMS / 2)),
        ("difference of two moments", format!("{of_run}/difference?from={}&to={}", ITEMS / 4, ITEMS / 2)),
    ] {
        let name = format!("{name}, of a run with {ITEMS} items");
        pages.push(Page { name, path, sql: None, http: Times::default(), alone: Times::default() });
    }
    let mut sql = PgConnection::connect_with(&rig.options()).await?;
    for turn in 0..REQUESTS.div_ceil(TURN) {
        for page in &mut pages {
            ask(&mut http, &mut sql, page).await?;
        }
        println!("audits: {} of {REQUESTS} requests of each kind at most", (turn + 1) * TURN);
    }
    sql.close().await?;
    let mut figures = Vec::new();
    for page in &mut pages {
        for (percent, limit) in [(50, None), (99, page.sql.is_some().then_some(5.0))] {
            let name = format!("among {runs} runs, {}, p{percent}", page.name);
            let mut figure = Figure::plain(name, page.http.percentile(percent), "ms");
            if page.sql.is_some() {
                figure = figure.beside("the same SQL alone", page.alone.percentile(percent));
            }
            figures.push(limit.map_or_else(|| figure.clone(), |limit| figure.clone().under(limit)));
        }
    }
    Ok(figures)
}

/// The first page of a list, and the one behind many others.
async fn both_pages(http: &mut Connection, auditor: &Caller, case: &Case) -> Result<Vec<Page>, Failure> {
    let (what, entries, time, tie) = match case.list {
        List::Events => ("events", "events", "recorded_at", "position"),
        List::Ended => ("runs", "runs", "ended_at", "run_id"),
    };
    let list = format!("/v1/tenants/{}/{what}?{}&limit=50", auditor.tenant, case.query).replace("?&", "?");
    let (mut deep, mut behind, mut depth) = (None, String::new(), 0);
    let begin = Instant::now();
    for _ in 0..DEEP_PAGES {
        if deep.is_some() && begin.elapsed() > LONGEST {
            break;
        }
        let cursor = deep.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page: Value = serde_json::from_slice(http.get(&format!("{list}{cursor}")).await?)?;
        let (Some(next), Some(found)) = (page["next_cursor"].as_str(), page[entries].as_array()) else {
            break;
        };
        let Some(last) = found.last() else { break };
        let text = |name: &str| last[name].as_str().map_or_else(|| last[name].to_string(), str::to_owned);
        behind = format!("AND ({time}, {tie}) < ('{}', '{}')", text(time), text(tie));
        depth += found.len();
        deep = Some(next.to_owned());
    }
    let page = |name, cursor: String, behind: &str| {
        Page {
        name,
        path: format!("{list}{cursor}"),
        sql: Some(match case.list {
            List::Events => format!(
                "SELECT run_id, revision, position, event_id, event_type, schema_version, occurred_at, recorded_at, actor,
                     correlation_id, causation_id, token_id, request_id, origin, data
                 FROM projection.run_events WHERE tenant = '{TENANT}' {} {behind}
                 ORDER BY recorded_at DESC, position DESC LIMIT 51",
                case.filter
            ),
            List::Ended => format!(
                "SELECT * FROM projection.runs WHERE tenant = '{TENANT}' AND ended_at IS NOT NULL {} {behind}
                 ORDER BY ended_at DESC, run_id DESC LIMIT 51",
                case.filter
            ),
        }),
        http: Times::default(),
        alone: Times::default(),
    }
    };
    let mut pages = vec![page(format!("{}, first page", case.name), String::new(), "")];
    // What is rare has one page only.
    if let Some(cursor) = deep {
        pages.push(page(format!("{}, after {depth}", case.name), format!("&cursor={cursor}"), &behind));
    }
    Ok(pages)
}

/// A few requests over HTTP, and as often the SQL by itself.
async fn ask(http: &mut Connection, sql: &mut PgConnection, page: &mut Page) -> Result<(), Failure> {
    let turn = Instant::now();
    for _ in 0..TURN {
        if turn.elapsed() > LONGEST {
            break;
        }
        let begin = Instant::now();
        http.get(&page.path).await?;
        page.http.push(begin.elapsed());
        if let Some(alone) = &page.sql {
            let begin = Instant::now();
            sqlx::query(AssertSqlSafe(alone.as_str())).fetch_all(&mut *sql).await?;
            page.alone.push(begin.elapsed());
        }
    }
    Ok(())
}
