//! The list of runs over HTTP, among many runs: each filter, the first page and one far behind.

use std::time::{Duration, Instant};

use access::Role;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use crate::Failure;
use crate::child::{Caller, Server, caller};
use crate::client::Connection;
use crate::report::{Figure, Times};
use crate::rig::Rig;

/// Whose list is read; nine of ten runs are its.
pub const TENANT: &str = "list";
/// Rows made at once.
const CHUNK: usize = 50_000;
/// Pages of 50 runs between the first page and the deep one, at most.
const DEEP_PAGES: usize = 400;
/// A turn or a walk to a deep page goes on no longer: a slow list must not hold up the rest.
const LONGEST: Duration = Duration::from_secs(3);
/// Requests of each kind, where none is slow.
const REQUESTS: usize = 1_000;
/// Requests of a kind before the next kind's turn.
const TURN: usize = 50;

/// Rows from `$1` to `$2` of `$3`: a run every 20 seconds, the last one of 1,000,000 in early 2026. Of the last
/// 5,000 a quarter is at work or waits, as it is where runs end; one in 5,000 of all is held back.
const MAKE: &str = "
    INSERT INTO projection.runs (tenant, run_id, kind, title, status, ended_as, items_total, items_succeeded,
        items_failed, items_skipped, initiator_id, initiator_name, labels, context, idempotency_key, worker,
        message, queued_at, started_at, ended_at, last_event_at, heartbeat_seconds, heartbeat_due_at,
        held_revision, held_position, held_error, revision, position, title_key)
    SELECT CASE WHEN n % 10 < 9 THEN 'list' ELSE 'other-' || n % 3 END,
        overlay(overlay(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || md5(n::text)
            PLACING '7' FROM 13) PLACING '8' FROM 17 FOR 1)::varchar(32)::uuid,
        'kind.k' || h % 20, CASE h % 4 WHEN 0 THEN 'Nightly set ' ELSE 'Drift of volume ' END || h % 10000,
        status, CASE WHEN status NOT IN ('queued', 'running') THEN 'completed' END, 22, 20, 2, 0,
        'user-' || h % 500, 'User ' || h % 500,
        jsonb_build_object('env', CASE h % 10 WHEN 0 THEN 'test' ELSE 'prod' END, 'region', 'r' || h % 50),
        json_build_object('set', n), md5(n::text) || md5((n + 1)::text), 'worker-' || h % 16,
        CASE WHEN status NOT IN ('queued', 'running') THEN 'went through all volumes' END,
        at, at + interval '2 s', CASE WHEN status NOT IN ('queued', 'running') THEN at + interval '60 s' END,
        at + interval '60 s', 60, CASE status WHEN 'running' THEN at + interval '120 s' END,
        held, held, CASE WHEN held > 0 THEN 'it has revision 25 where 24 comes next' END, 24, 0,
        CASE h % 4 WHEN 0 THEN 'nightly set ' ELSE 'drift of volume ' END || h % 10000
    FROM (
        SELECT n, h, timestamptz '2025-07-01T00:00:00Z' + n * interval '20 s' AS at,
            CASE WHEN n % 5000 = 7 THEN 25 END AS held,
            (ARRAY['succeeded', 'succeeded', 'succeeded', 'partially_succeeded', 'partially_succeeded',
                'failed', 'running', 'queued'])[1 + h % CASE WHEN n > $3::bigint - 5000 THEN 8 ELSE 6 END]
                AS status
        FROM (SELECT n, abs(hashint8(n)::bigint) AS h FROM generate_series($1::bigint, $2::bigint) AS n) AS n
    ) AS run";

/// A kind of list: its parameters, and the same in SQL.
struct Case {
    name: &'static str,
    query: &'static str,
    from: &'static str,
    filter: &'static str,
}

const RUNS: &str = "projection.runs AS r";
const LABELLED: &str = "projection.run_labels AS l JOIN projection.runs AS r USING (run_id)";

const CASES: [Case; 12] = [
    Case { name: "no filter", query: "", from: RUNS, filter: "" },
    Case { name: "status", query: "status=failed", from: RUNS, filter: "AND r.status = 'failed'" },
    Case { name: "kind", query: "kind=kind.k7", from: RUNS, filter: "AND r.kind = 'kind.k7'" },
    Case {
        name: "initiator",
        query: "initiator=user-77",
        from: RUNS,
        filter: "AND r.initiator_id = 'user-77'",
    },
    Case {
        name: "label",
        query: "label=region:r7",
        from: LABELLED,
        filter: "AND l.tenant = 'list' AND l.label = 'region:r7'",
    },
    Case {
        name: "beginning of a title",
        query: "q=drift%20of%20volume%2042",
        from: RUNS,
        filter: "AND r.title_key >= 'drift of volume 42' AND r.title_key < 'drift of volume 42' || chr(1114111)",
    },
    // So begin the ids of about three days.
    Case {
        name: "beginning of an id",
        query: "q=0197d",
        from: RUNS,
        filter: "AND r.run_id >= '0197d000-0000-0000-0000-000000000000' \
                 AND r.run_id <= '0197dfff-ffff-ffff-ffff-ffffffffffff'",
    },
    Case {
        name: "since and until",
        query: "since=2025-07-10T00:00:00Z&until=2025-07-20T00:00:00Z",
        from: RUNS,
        filter: "AND r.queued_at >= '2025-07-10T00:00:00Z' AND r.queued_at < '2025-07-20T00:00:00Z'",
    },
    Case {
        name: "status and kind",
        query: "status=failed&kind=kind.k5",
        from: RUNS,
        filter: "AND r.status = 'failed' AND r.kind = 'kind.k5'",
    },
    Case {
        name: "label and initiator",
        query: "label=env:test&initiator=user-70",
        from: LABELLED,
        filter: "AND l.tenant = 'list' AND l.label = 'env:test' AND r.initiator_id = 'user-70'",
    },
    Case {
        name: "stalled",
        query: "liveness=stalled",
        from: RUNS,
        filter: "AND r.status = 'running' AND r.heartbeat_due_at < now()",
    },
    Case { name: "held back", query: "held=true", from: RUNS, filter: "AND r.held_revision IS NOT NULL" },
];

/// A page to read again and again, and the times it took.
struct Page {
    name: String,
    path: String,
    sql: String,
    http: Times,
    alone: Times,
}

/// Lists among `runs` runs, which are there already.
pub async fn measure(rig: &Rig, server: &Server, runs: usize) -> Result<Vec<Figure>, Failure> {
    let pool = rig.pool(2).await?;
    let viewer = caller(&pool, TENANT, Role::Readonly).await?;
    pool.close().await;
    let mut http = Connection::open(server.address, &viewer.token).await?;
    let mut pages = Vec::with_capacity(CASES.len() * 2);
    for case in &CASES {
        pages.extend(both_pages(&mut http, &viewer, case).await?);
    }
    let mut sql = PgConnection::connect_with(&rig.options()).await?;
    for turn in 0..REQUESTS.div_ceil(TURN) {
        for page in &mut pages {
            ask(&mut http, &mut sql, page).await?;
        }
        println!("run list: {} of {REQUESTS} requests of each kind at most", (turn + 1) * TURN);
    }
    sql.close().await?;
    let mut figures = Vec::new();
    for page in &mut pages {
        for (percent, limit) in [(50, None), (99, Some(5.0))] {
            let name = format!("run list of {runs}, {}, p{percent}", page.name);
            let figure = Figure::plain(name, page.http.percentile(percent), "ms")
                .beside("the same SQL alone", page.alone.percentile(percent));
            figures.push(limit.map_or_else(|| figure.clone(), |limit| figure.clone().under(limit)));
        }
    }
    Ok(figures)
}

/// Puts that many runs into the read tables.
pub async fn make(rig: &Rig, runs: usize) -> Result<(), Failure> {
    let pool = rig.pool(1).await?;
    let mut made = 0;
    while made < runs {
        let last = (made + CHUNK).min(runs);
        let [first, to, all] = [made + 1, last, runs].map(i64::try_from);
        sqlx::query(MAKE).bind(first?).bind(to?).bind(all?).execute(&pool).await?;
        made = last;
        println!("run list: made {made} of {runs} runs");
    }
    for table in ["VACUUM ANALYZE projection.runs", "VACUUM ANALYZE projection.run_labels", "CHECKPOINT"] {
        sqlx::query(table).execute(&pool).await?;
    }
    pool.close().await;
    Ok(())
}

/// The first page of a list, and the one behind many others.
async fn both_pages(http: &mut Connection, viewer: &Caller, case: &Case) -> Result<Vec<Page>, Failure> {
    let and = if case.query.is_empty() { "" } else { "&" };
    let list = format!("/v1/tenants/{}/runs?{}{and}", viewer.tenant, case.query);
    let (mut deep, mut behind, mut depth) = (None, String::new(), 0);
    let begin = Instant::now();
    for _ in 0..DEEP_PAGES {
        if deep.is_some() && begin.elapsed() > LONGEST {
            break;
        }
        let cursor = deep.as_ref().map(|cursor| format!("&cursor={cursor}")).unwrap_or_default();
        let page: Value = serde_json::from_slice(http.get(&format!("{list}limit=50{cursor}")).await?)?;
        let (Some(next), Some(runs)) = (page["next_cursor"].as_str(), page["runs"].as_array()) else { break };
        let Some(last) = runs.last() else { break };
        let text = |name: &str| last[name].as_str().unwrap_or_default();
        behind = format!("AND (r.queued_at, r.run_id) < ('{}', '{}')", text("queued_at"), text("run_id"));
        depth += runs.len();
        deep = Some(next.to_owned());
    }
    let page = |name, cursor: String, behind: &str| Page {
        name,
        path: format!("{list}limit=50{cursor}"),
        sql: format!(
            "SELECT r.run_id, r.kind, r.title, r.status, r.ended_as, r.items_total, r.items_succeeded, \
                 r.items_failed, r.items_skipped, r.initiator_id, r.initiator_name, r.labels, \
                 r.idempotency_key, r.worker, r.progress_message, r.reason_code, r.message, r.queued_at, \
                 r.started_at, r.ended_at, r.last_event_at, r.heartbeat_seconds, r.heartbeat_due_at, \
                 r.revision, r.position \
             FROM {} WHERE r.tenant = '{TENANT}' {} {behind} ORDER BY {} LIMIT 51",
            case.from,
            case.filter,
            if case.from == LABELLED {
                "l.queued_at DESC, l.run_id DESC"
            } else {
                "r.queued_at DESC, r.run_id DESC"
            },
        ),
        http: Times::default(),
        alone: Times::default(),
    };
    let behind = if case.from == LABELLED { behind.replace("r.", "l.") } else { behind };
    let mut pages = vec![page(format!("{}, first page", case.name), String::new(), "")];
    // Among few runs a list may have one page only.
    if let Some(cursor) = deep {
        pages.push(page(format!("{}, after {depth} runs", case.name), format!("&cursor={cursor}"), &behind));
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
        let begin = Instant::now();
        sqlx::query(sqlx::AssertSqlSafe(page.sql.as_str())).fetch_all(&mut *sql).await?;
        page.alone.push(begin.elapsed());
    }
    Ok(())
}
