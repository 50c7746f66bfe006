//! Old rows come in: by the command line, from files and from a database, over a real ledger.

use std::path::PathBuf;

use crate::support::site::{Site, terminated};
use crate::support::{LOOK_AGAIN, PATIENCE};
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

const MAPPING: &str = r#"
    kind = "old.backup"
    title = "title"
    message = "error"
    query = "SELECT * FROM old_runs ORDER BY id"
    reference = { source = "old", key = "id" }
    initiator = { id = "who" }
    context = { job = "id" }
    times = { queued = "a", started = "b", ended = "c" }
    items = { column = "parts", namespace = "disks", otherwise = "succeeded" }
    status = { column = "state", values = { ok = "succeeded", bad = "failed", on = "running", waits = "queued" } }
"#;

/// Four rows: one of each end, and two that are not done.
const ROWS: [(&str, &str, &str, &str, &str); 4] = [
    ("r1", "ok", "2024-03-01T10:00:00Z", "2024-03-01T10:00:01Z", "2024-03-01T10:30:00Z"),
    ("r2", "bad", "2024-05-01T10:00:00Z", "2024-05-01T10:00:01Z", "2024-05-01T11:00:00Z"),
    ("r3", "on", "2024-06-01T10:00:00Z", "2024-06-01T10:00:01Z", ""),
    ("r4", "waits", "2024-07-01T10:00:00Z", "", ""),
];

struct Rows {
    site: Site,
    folder: TempDir,
    owner: String,
}

impl Rows {
    async fn new() -> Self {
        let site = Site::start().await;
        site.run(&["migrate"]).await;
        site.run(&["tenant", "create", "acme"]).await;
        let rows = Self { site, folder: tempfile::tempdir().unwrap(), owner: String::new() };
        std::fs::write(rows.path("map.toml"), MAPPING).unwrap();
        let owner = rows.token("owner", "owner").await;
        Self { owner, ..rows }
    }

    async fn token(&self, role: &str, principal: &str) -> String {
        let args =
            ["token", "create", "--json", "--tenant", "acme", "--role", role, "--principal", principal];
        let created: Value = serde_json::from_str(&self.site.run(&args).await).unwrap();
        created["token"].as_str().unwrap().to_owned()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn arg(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    fn ndjson(&self) -> String {
        let line = |(id, state, a, b, c): &(&str, &str, &str, &str, &str)| {
            let mut row = json!({"id": id, "title": format!("backup {id}"), "state": state, "who": "ann", "a": a, "b": b, "c": c});
            if *id == "r1" {
                row["parts"] = json!(["d-1"]);
            }
            row.to_string()
        };
        std::fs::write(self.path("rows.ndjson"), ROWS.iter().map(line).collect::<Vec<_>>().join("\n"))
            .unwrap();
        self.arg("rows.ndjson")
    }

    async fn import(&self, source: &str, more: &[&str]) -> (bool, Value) {
        let map = self.arg("map.toml");
        let args = ["import", "--json", "--tenant", "acme", "--source", source, "--map", &map];
        let output = self.site.output(&[&args[..], more].concat()).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
        (output.status.success(), report)
    }

    async fn get(&self, base: &str, token: &str, path: &str) -> Value {
        let url = format!("{base}/v1/tenants/acme{path}");
        self.site.http.get(url).bearer_auth(token).send().await.unwrap().json().await.unwrap()
    }

    async fn number(&self, sql: &'static str) -> i64 {
        let db = PgPool::connect(&self.site.postgres.url()).await.unwrap();
        let number = sqlx::query_scalar(sql).fetch_one(&db).await.unwrap();
        db.close().await;
        number
    }

    /// Waits until the tables show all that the log has.
    async fn projected(&self) {
        let behind = "SELECT h.position - c.position FROM log.head h, projection.checkpoints c WHERE c.name = 'monitoring'";
        let caught_up = async {
            while self.number(behind).await > 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, caught_up).await.expect("it is projected");
    }
}

const HEAD: &str = "SELECT position FROM log.head";

#[tokio::test]
async fn rows_come_in_once_with_their_own_times_and_nobody_is_told() {
    let rows = Rows::new().await;
    let source = rows.ndjson();
    let before = rows.number(HEAD).await;
    let (well, dry) = rows.import(&source, &["--dry-run"]).await;
    assert!(well);
    assert_eq!(rows.number(HEAD).await, before, "a dry run appends nothing");
    assert_eq!(
        (&dry["rows"], &dry["imported"], &dry["left_out"]["unfinished"]),
        (&json!(4), &json!(2), &json!(2))
    );
    let shown = json!({"old.backup": {"succeeded": 1, "failed": 1}});
    assert_eq!(dry["runs"], shown);

    let (well, report) = rows.import(&source, &[]).await;
    assert!(well);
    assert_eq!((&report["imported"], &report["runs"], &report["events"]), (&json!(2), &shown, &json!(7)));
    let after = rows.number(HEAD).await;
    for more in [&[][..], &["--resume"]] {
        let (well, again) = rows.import(&source, more).await;
        assert!(well);
        assert_eq!((&again["imported"], &again["known"]), (&json!(0), &json!(2)));
        assert_eq!(rows.number(HEAD).await, after, "a second import appends nothing");
    }

    // Events of long ago, in a ledger that takes none of its producers.
    let (api, base) = rows.site.serve(&["--max-age-seconds", "3600"]).await;
    rows.projected().await;
    let list =
        rows.get(&base, &rows.owner, "/runs?since=2024-01-01T00:00:00Z&until=2024-04-01T00:00:00Z").await;
    let list = match list["runs"].as_array() {
        Some(runs) => runs.clone(),
        None => panic!("{list}"),
    };
    assert_eq!(list.len(), 1, "{list:?}");
    assert_eq!(list[0]["title"], "backup r1");
    assert_eq!(list[0]["queued_at"], "2024-03-01T10:00:00Z");
    assert_eq!(list[0]["ended_at"], "2024-03-01T10:30:00Z");
    let run = list[0]["run_id"].as_str().unwrap();
    let found = rows.get(&base, &rows.owner, "/runs?ref=r1&ref_source=old").await;
    assert_eq!(found["runs"][0]["run_id"], run, "{found}");
    let hours =
        "SELECT count(*) FROM projection.run_hours WHERE hour = '2024-05-01T11:00:00Z' AND failed = 1";
    assert_eq!(rows.number(hours).await, 1);
    // Which row, by whom, and that it was imported.
    let auditor = rows.token("auditor", "auditor").await;
    let events = rows.get(&base, &auditor, &format!("/runs/{run}/events")).await;
    let events = events["events"].as_array().unwrap();
    assert_eq!(events.len(), 4);
    assert_eq!(events[0]["data"]["ref"], json!({"source": "old", "id": "r1"}));
    assert!(events[0]["data"].get("idempotency_key").is_none(), "{}", events[0]);
    for event in events {
        assert_eq!(
            (&event["metadata"]["origin"], &event["metadata"]["token_id"]),
            (&json!("import"), &Value::Null)
        );
        assert!(event["actor"].as_str().unwrap().contains('@'), "{event}");
    }
    let ann = rows.token("readonly", "ann").await;
    let told = rows.get(&base, &ann, "/notifications").await;
    assert_eq!(told["notifications"], json!([]), "{told}");
    // Its items have the names that the directory gets later.
    let named = json!({"entries": [{"namespace": "disks", "id": "d-1", "name": "Main disk", "as_of": "2024-01-01T00:00:00Z"}]});
    let producer = rows.token("producer", "namer").await;
    let (status, answer) = rows.site.post(&base, "/directory", &producer, &named).await;
    assert_eq!(status, 200, "{answer}");
    rows.projected().await;
    let items = rows.get(&base, &rows.owner, &format!("/runs/{run}/items")).await;
    let item = &items["items"][0];
    assert_eq!([&item["item"], &item["namespace"], &item["name"]], ["d-1", "disks", "Main disk"], "{items}");
    // The rows that were not done then are now: the rest of them comes in.
    let done = std::fs::read_to_string(rows.path("rows.ndjson")).unwrap().replace("\"on\"", "\"ok\"");
    std::fs::write(rows.path("rows.ndjson"), done.replace("\"c\":\"\"", "\"c\":\"2024-08-01T10:00:00Z\""))
        .unwrap();
    let (_, later) = rows.import(&source, &[]).await;
    assert_eq!((&later["imported"], &later["known"]), (&json!(1), &json!(2)));
    rows.projected().await;
    rows.site.run(&["projector", "verify"]).await;
    assert!(terminated(api).await);
    rows.site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_table_and_a_file_of_values_come_in_as_lines_of_json_do() {
    let rows = Rows::new().await;
    rows.site
        .sql(
            "CREATE TABLE public.old_runs (id text, title text, state text, who text, a timestamptz, b timestamptz,
                 c timestamptz, error text);
             INSERT INTO public.old_runs VALUES
                 ('p1', 'from a table', 'bad', 'ann', '2024-03-01T10:00:00Z', NULL, '2024-03-01T11:00:00Z', 'password=hunter2');",
        )
        .await;
    let (well, report) = rows.import(&rows.site.url(), &[]).await;
    assert!(well, "{report}");
    assert_eq!((&report["imported"], &report["noted"]["redacted"]["count"]), (&json!(1), &json!(1)));
    let csv = "id,title,state,who,a,b,c\n\
               c1,\"from, a file\",ok,ann,2024-03-01T10:00:00Z,,2024-03-01T11:00:00Z\n\
               c1,the same key,ok,ann,2024-03-01T10:00:00Z,,2024-03-01T11:00:00Z\n\
               c2,no such status,odd,ann,2024-03-01T10:00:00Z,,\n\
               p1,another time,ok,ann,2024-03-02T10:00:00Z,,2024-03-02T11:00:00Z\n";
    std::fs::write(rows.path("rows.csv"), csv).unwrap();
    let (well, report) = rows.import(&rows.arg("rows.csv"), &[]).await;
    assert!(!well, "rows that can't be imported are told by the exit code");
    assert_eq!(report["imported"], 1);
    let codes: Vec<_> = report["refused"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(code, it)| (code.as_str(), &it["count"]))
        .collect();
    assert_eq!(codes, [("colliding_reference", &json!(2)), ("unmapped_status", &json!(1))]);
    let told = rows
        .site
        .output(&[
            "import",
            "--tenant",
            "acme",
            "--source",
            &rows.arg("rows.csv"),
            "--map",
            &rows.arg("map.toml"),
        ])
        .await;
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("NOT imported: unmapped_status") && told.contains("row 3 (c2)"), "{told}");
    rows.site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn what_can_not_be_meant_is_refused_with_what_to_do() {
    let rows = Rows::new().await;
    let (source, map) = (rows.ndjson(), rows.arg("map.toml"));
    std::fs::write(rows.path("wrong.toml"), MAPPING.replace("kind =", "kynd =")).unwrap();
    std::fs::write(rows.path("silent.toml"), MAPPING.replace("query =", "about =")).unwrap();
    let (wrong, silent, url) = (rows.arg("wrong.toml"), rows.arg("silent.toml"), rows.site.url());
    for (tenant, source, map, says) in [
        ("nobody", source.as_str(), map.as_str(), "tenant create nobody"),
        ("acme", "/nowhere/rows.ndjson", &map, "/nowhere/rows.ndjson"),
        ("acme", &source, "laravel-batches", "laravel-job-batches"),
        ("acme", &source, &wrong, "kynd"),
        ("acme", &url, &silent, "--query"),
        ("acme", "postgres://:bad:hunter2@", &map, "--source can't be read"),
    ] {
        let said = rows.site.refused(&["import", "--tenant", tenant, "--source", source, "--map", map]).await;
        assert!(said.contains(says) && !said.contains("hunter2"), "{said}");
    }
    rows.site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn an_import_that_is_killed_goes_on_and_each_row_is_there_once() {
    const MANY: usize = 12_000;
    let rows = Rows::new().await;
    let line = |n: usize| {
        let time = format!("2024-03-01T10:{:02}:{:02}Z", n / 60 % 60, n % 60);
        json!({"id": format!("k{n}"), "state": "ok", "a": time, "c": "2024-03-01T12:00:00Z"}).to_string()
    };
    std::fs::write(rows.path("many.ndjson"), (0..MANY).map(line).collect::<Vec<_>>().join("\n")).unwrap();
    let (source, map) = (rows.arg("many.ndjson"), rows.arg("map.toml"));
    let mut first = rows
        .site
        .command(&["import", "--tenant", "acme", "--source", &source, "--map", &map])
        .spawn()
        .unwrap();
    let some = async {
        while rows.number(HEAD).await < 3_000 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, some).await.expect("it begins");
    first.kill().await.unwrap();
    let (api, _) = rows.site.serve(&[]).await;
    rows.projected().await;
    let there = rows.number("SELECT count(*) FROM projection.runs").await;
    assert!(there < i64::try_from(MANY).unwrap(), "it was killed too late: {there}");
    let (well, report) = rows.import(&source, &["--resume"]).await;
    assert!(well, "{report}");
    assert_eq!(
        report["imported"].as_u64().unwrap() + report["known"].as_u64().unwrap(),
        MANY as u64,
        "{report}"
    );
    assert!(report["known"].as_i64().unwrap() >= there, "{report}");
    rows.projected().await;
    let whole = "SELECT count(*) FROM projection.runs WHERE status = 'succeeded' AND revision = 2";
    assert_eq!(rows.number(whole).await, i64::try_from(MANY).unwrap());
    let streams = "SELECT count(*) FROM log.events WHERE stream >= 'run' AND stream < 'ruo'";
    assert_eq!(
        rows.number(streams).await,
        i64::try_from(MANY * 4).unwrap(),
        "a reference and three events each"
    );
    assert!(terminated(api).await);
    rows.site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn the_sweeper_leaves_what_is_kept_alone_and_its_work_is_not_started_twice() {
    let rows = Rows::new().await;
    let policy = [
        "policy",
        "set",
        "--tenant",
        "acme",
        "--kind",
        "*",
        "--queued-limit-seconds",
        "1",
        "--fail-stale",
        "true",
    ];
    rows.site.run(&policy).await;
    let (well, report) = rows.import(&rows.ndjson(), &["--unfinished", "keep"]).await;
    assert!(well, "{report}");
    assert_eq!(report["runs"]["old.backup"], json!({"failed": 1, "queued": 1, "running": 1, "succeeded": 1}));
    let (api, base) = rows.site.serve(&["--stale-grace-seconds", "1"]).await;
    let producer = rows.token("producer", "worker").await;
    let start = async |context: Value| {
        let body = json!({"kind": "old.backup", "context": context});
        rows.site.post(&base, "/runs", &producer, &body).await
    };
    // The same work as the row's that waits, and as that of one that is done.
    let (_, kept) = start(json!({"job": "r4"})).await;
    assert_eq!((&kept["reused"], &kept["status"]), (&json!(true), &json!("queued")), "{kept}");
    let (_, new) = start(json!({"job": "r1"})).await;
    assert_eq!(new["reused"], false, "{new}");
    let run = |answer: &Value| format!("/runs/{}", answer["run_id"].as_str().unwrap());
    let swept = async {
        while rows.get(&base, &rows.owner, &run(&new)).await["status"] != "failed" {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, swept).await.expect("a queued run of ours is swept");
    let left = "SELECT count(*) FROM projection.runs WHERE status IN ('queued', 'running') AND NOT presumed";
    assert_eq!(rows.number(left).await, 2);
    // Who works on it goes on, and its initiator is told of what happens here.
    let body = json!({"events": [{"type": "Started"}, {"type": "Completed"}]});
    let (status, answer) = rows.site.post(&base, &format!("{}/events", run(&kept)), &producer, &body).await;
    assert_eq!(status, 200, "{answer}");
    rows.projected().await;
    let ann = rows.token("readonly", "ann").await;
    let told = rows.get(&base, &ann, "/notifications").await;
    let told = told["notifications"].as_array().unwrap();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["transition"], "ended");
    // The row has ended otherwise meanwhile.
    let done = std::fs::read_to_string(rows.path("rows.ndjson"))
        .unwrap()
        .replace("\"waits\"", "\"bad\"")
        .replace("\"on\"", "\"ok\"");
    std::fs::write(rows.path("rows.ndjson"), done).unwrap();
    let (well, report) = rows.import(&rows.arg("rows.ndjson"), &["--unfinished", "keep"]).await;
    assert!(!well);
    assert_eq!(report["refused"]["went_on"]["count"], 1, "{report}");
    assert_eq!((&report["further"], &report["known"]), (&json!(1), &json!(2)), "what ran is done: {report}");
    assert!(terminated(api).await);
    rows.site.postgres.stop().await.unwrap();
}
