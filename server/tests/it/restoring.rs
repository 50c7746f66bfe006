//! Ledgers that were restored to an earlier moment, as a whole or in parts, as an operator and a producer see them.

use std::os::unix::fs::PermissionsExt;
use std::process::{ExitStatus, Stdio};

use crate::support::{LOOK_AGAIN, PATIENCE, runledger};
use kurrent_server::Cluster;
use private_postgres::{PrivatePostgres, PrivatePostgresConfig};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// A database server of an operator's, with a ledger in the database `ledger`.
struct Site {
    postgres: PrivatePostgres,
    _folder: TempDir,
    http: reqwest::Client,
    token: String,
    event_log: String,
}

/// A running `runledger serve`.
struct Api {
    child: Child,
    url: String,
}

/// What a producer knows of its run from an answer.
#[derive(Clone)]
struct Acknowledged {
    run: String,
    position: u64,
    epoch: u64,
}

impl Site {
    async fn start(event_log: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let config = PrivatePostgresConfig { data_dir: folder.path().to_owned(), ..Default::default() };
        let postgres = PrivatePostgres::start(config).await.unwrap();
        let mut site = Self {
            postgres,
            _folder: folder,
            http: reqwest::Client::new(),
            token: String::new(),
            event_log: event_log.to_owned(),
        };
        site.admin("CREATE DATABASE ledger").await;
        site.run(&["migrate"]).await;
        site.run(&["tenant", "create", "acme"]).await;
        let token = ["token", "create", "--tenant", "acme", "--role", "producer", "--principal", "p"];
        site.token = site.run(&token).await.trim().to_owned();
        site
    }

    /// The address of a database of this server.
    fn url(&self, database: &str) -> String {
        let url = self.postgres.url();
        let (base, query) = url.split_once('?').map_or((url.as_str(), ""), |(base, query)| (base, query));
        let (server, _) = base.rsplit_once('/').unwrap();
        if query.is_empty() { format!("{server}/{database}") } else { format!("{server}/{database}?{query}") }
    }

    async fn sql(&self, database: &str, sql: &str) {
        let pool = PgPool::connect(&self.url(database)).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&pool).await.unwrap();
        pool.close().await;
    }

    async fn admin(&self, sql: &str) {
        self.sql("postgres", sql).await;
    }

    /// Puts a copy of one database in the place of another, as a restored backup.
    async fn copy(&self, from: &str, to: &str) {
        self.admin(&format!("DROP DATABASE IF EXISTS {to} WITH (FORCE)")).await;
        self.admin(&format!("CREATE DATABASE {to} TEMPLATE {from}")).await;
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = runledger();
        command
            .env("DATABASE_URL", self.url("ledger"))
            .env("RUNLEDGER_EVENT_LOG", &self.event_log)
            .args(args);
        command
    }

    /// Runs a short command; gives how it ended, and all that it said.
    async fn said(&self, args: &[&str]) -> (ExitStatus, String) {
        let output =
            tokio::time::timeout(PATIENCE, self.command(args).output()).await.expect("it ends").unwrap();
        let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        (output.status, said.concat())
    }

    /// Runs a short command that must succeed; gives what it printed.
    async fn run(&self, args: &[&str]) -> String {
        let output = self.command(args).output().await.unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// A command that must be refused, for this reason.
    async fn refused(&self, args: &[&str], why: &str) -> String {
        let (status, said) = self.said(args).await;
        assert!(!status.success() && said.contains(why), "{args:?}: {said}");
        said
    }

    async fn serve(&self) -> Api {
        let args = ["--log-format", "json", "serve", "--listen", "127.0.0.1:0"];
        let mut child = self.command(&args).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let address = async {
            loop {
                let line = lines.next_line().await.unwrap().expect("it says where it listens");
                let line: Value = serde_json::from_str(&line).unwrap_or_default();
                if line["message"] == "listening" {
                    return line["address"].as_str().unwrap().to_owned();
                }
            }
        };
        let address = tokio::time::timeout(PATIENCE, address).await.unwrap();
        // Somebody must read on, or the program stops at a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Api { child, url: format!("http://{address}") }
    }

    async fn ask(
        &self,
        api: &Api,
        path: &str,
        headers: &[(&str, u64)],
        body: Option<&Value>,
    ) -> (u16, Value) {
        let url = format!("{}/v1/tenants/acme{path}", api.url);
        let mut request = match body {
            Some(body) => self.http.post(url).json(body),
            None => self.http.get(url),
        };
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.bearer_auth(&self.token).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Starts a run that ends at once, and waits until it is projected.
    async fn given(&self, api: &Api, number: u32) -> Acknowledged {
        self.told().await;
        let start = json!({"kind": "backup", "context": {"n": number}});
        let (status, started) = self.ask(api, "/runs", &[], Some(&start)).await;
        assert_eq!(status, 201, "{started}");
        let run = started["run_id"].as_str().unwrap().to_owned();
        let events = json!({"events": [{"type": "Started"}, {"type": "Completed"}]});
        let (status, ended) = self.ask(api, &format!("/runs/{run}/events"), &[], Some(&events)).await;
        assert_eq!(status, 200, "{ended}");
        let held = Acknowledged {
            run,
            position: ended["position"].as_u64().unwrap(),
            epoch: ended["epoch"].as_u64().unwrap(),
        };
        let (status, _) =
            self.ask(api, &format!("/runs/{}?after={}", held.run, held.position), &[], None).await;
        assert_eq!(status, 200);
        held
    }

    /// Waits until what was administered is in the log, so that positions are the same each time.
    async fn told(&self) {
        let pool = PgPool::connect(&self.url("ledger")).await.unwrap();
        let told = async {
            let waits = "SELECT EXISTS (SELECT FROM administration.changes)";
            while sqlx::query_scalar(waits).fetch_one(&pool).await.unwrap() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.expect("told");
        pool.close().await;
    }

    async fn ready(&self, api: &Api) -> (u16, Value) {
        let answer = self.http.get(format!("{}/readyz", api.url)).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap())
    }

    /// Waits until a process says that its log is behind.
    async fn notices(&self, api: &Api) {
        let noticed = async {
            loop {
                let (status, ready) = self.ready(api).await;
                if ready["positions"] == "log_behind" {
                    return (status, ready);
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        let (status, ready) = tokio::time::timeout(PATIENCE, noticed).await.expect("noticed");
        assert_eq!((status, &ready["code"]), (503, &json!("not_ready")), "{ready}");
    }

    /// Takes the log's last events away, as nobody but its owner can.
    async fn lose(&self, events: u32, and_head: bool) {
        let head = if and_head {
            format!("UPDATE log.head SET position = position - {events};")
        } else {
            String::new()
        };
        self.sql(
            "ledger",
            &format!(
                "ALTER TABLE log.events DISABLE TRIGGER ALL; ALTER TABLE log.head DISABLE TRIGGER ALL;
                 DELETE FROM log.events WHERE position > (SELECT max(position) FROM log.events) - {events};
                 {head}
                 ALTER TABLE log.events ENABLE TRIGGER ALL; ALTER TABLE log.head ENABLE TRIGGER ALL"
            ),
        )
        .await;
    }

    /// Makes sure that a producer who held that before the ledger was restored hears so, whatever it does next, and
    /// that nothing else has come of it.
    async fn tells(&self, api: &Api, held: &Acknowledged) {
        let events = json!({"events": [{"type": "ItemSucceeded", "item": "late"}]});
        let path = format!("/runs/{}/events", held.run);
        let start = json!({"kind": "backup", "context": {"told": true}});
        let code =
            |(status, body): (u16, Value)| (status, body["code"].as_str().unwrap_or_default().to_owned());
        let epoch = [("runledger-epoch", held.epoch)];
        let changed = (412, "epoch_changed".to_owned());
        assert_eq!(code(self.ask(api, &path, &epoch, Some(&events)).await), changed);
        assert_eq!(code(self.ask(api, "/runs", &epoch, Some(&start)).await), changed);
        assert_eq!(code(self.ask(api, "/runs", &epoch, None).await), changed);
        let with_position = format!("/runs?after={}&epoch={}", held.position, held.epoch);
        assert_eq!(code(self.ask(api, &with_position, &[], None).await), changed);
        // Who has kept the position alone hears it while the log is not there again.
        let ahead = (412, "position_ahead".to_owned());
        let after = [("runledger-after", held.position)];
        assert_eq!(code(self.ask(api, &path, &after, Some(&events)).await), ahead);
        assert_eq!(code(self.ask(api, "/runs", &after, Some(&start)).await), ahead);
        assert_eq!(code(self.ask(api, &format!("/runs?after={}", held.position), &[], None).await), ahead);
    }
}

impl Api {
    async fn stop(mut self) {
        let pid = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        assert!(self.ended().await.success());
    }

    async fn ended(&mut self) -> ExitStatus {
        tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("stops in time").unwrap()
    }
}

#[tokio::test]
async fn a_log_that_has_lost_its_last_events_is_not_served_until_everybody_is_told() {
    let site = Site::start("postgres").await;
    let api = site.serve().await;
    site.given(&api, 1).await;
    let held = site.given(&api, 2).await;
    api.stop().await;

    site.lose(3, true).await;
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["projector", "run"]] {
        let said = site.refused(command, "the event log is behind the read tables").await;
        assert!(said.contains("`runledger restored`"), "says what to do: {said}");
    }
    // No work on the tables is what helps.
    let said = site.refused(&["projector", "verify"], "the event log itself is wrong").await;
    assert!(said.contains("restore the log") && !said.contains("projector rebuild"), "{said}");
    site.refused(&["projector", "rebuild"], "the event log is behind the read tables").await;

    let told: Value = serde_json::from_str(&site.run(&["restored", "--json"]).await).unwrap();
    assert_eq!((&told["rebuilt"], &told["previous_epoch"]), (&json!(true), &json!(held.epoch)), "{told}");
    assert_eq!(told["head"], held.position - 3);
    assert!(
        told["epoch"].as_u64().unwrap() > held.epoch && told["next"].as_array().unwrap().len() > 2,
        "{told}"
    );
    assert!(site.run(&["projector", "verify"]).await.contains("rows are as the log says"));
    let api = site.serve().await;
    site.tells(&api, &held).await;
    // What was lost is done again, in the new epoch.
    let again = site.given(&api, 2).await;
    assert_eq!(Some(again.epoch), told["epoch"].as_u64());
    assert!(site.run(&["projector", "verify"]).await.contains("rows are as the log says"));
    api.stop().await;

    // Where the head was left where it was, whatever comes next would leave a gap: that is not served either.
    site.lose(1, false).await;
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["restored"], &["projector", "rebuild"]] {
        site.refused(command, "its last event is at position").await;
    }
    site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_database_that_was_restored_to_an_earlier_moment_tells_who_held_a_position() {
    let site = Site::start("postgres").await;
    let api = site.serve().await;
    site.given(&api, 1).await;
    let kept = site.given(&api, 2).await;
    api.stop().await;
    site.copy("ledger", "backup").await;
    let api = site.serve().await;
    let held = site.given(&api, 3).await;
    api.stop().await;
    let mut epochs = vec![held.epoch];
    // Again and again from the same backup: no epoch comes twice.
    for _ in 0..2 {
        site.copy("backup", "ledger").await;
        let said = site.run(&["restored"]).await;
        assert!(said.contains("epoch") && said.contains("412") && said.contains("no-sweeper"), "{said}");
        let api = site.serve().await;
        site.tells(&api, &held).await;
        // Who gives no epoch and asks for what is there is answered.
        let (status, run) =
            site.ask(&api, &format!("/runs/{}?after={}", kept.run, kept.position), &[], None).await;
        assert_eq!((status, &run["status"]), (200, &json!("succeeded")));
        let again = site.given(&api, 3).await;
        assert!(!epochs.contains(&again.epoch), "{epochs:?}");
        epochs.push(again.epoch);
        // Positions are given anew by now; the epoch still tells.
        // A new epoch is told to the tenant, one event each time.
        assert_eq!(again.position, held.position + 1);
        let path = format!("/runs?after={}&epoch={}", held.position, held.epoch);
        assert_eq!(site.ask(&api, &path, &[], None).await.1["code"], "epoch_changed");
        api.stop().await;
    }
    site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_log_that_loses_events_under_a_running_process_is_noticed() {
    let site = Site::start("postgres").await;
    let mut api = site.serve().await;
    site.given(&api, 1).await;
    site.given(&api, 2).await;
    assert_eq!(site.ready(&api).await.1["positions"], "ok");
    site.lose(3, true).await;
    site.notices(&api).await;
    // It remembers runs of before, so it ends when the new epoch begins, and is started anew.
    site.run(&["restored"]).await;
    assert!(!api.ended().await.success());
    let api = site.serve().await;
    site.given(&api, 2).await;
    let (status, ready) = site.ready(&api).await;
    assert_eq!((status, &ready["positions"]), (200, &json!("ok")), "{ready}");
    api.stop().await;
    site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_cluster_that_was_restored_to_an_earlier_moment_is_not_served_until_everybody_is_told() {
    let cluster = Cluster::start(1).await;
    let site = Site::start(&cluster.url()).await;
    let mut api = site.serve().await;
    let kept = site.given(&api, 1).await;
    let held = site.given(&api, 2).await;
    // Under a running process, which notices.
    cluster.lose(3);
    site.notices(&api).await;
    site.run(&["restored"]).await;
    assert!(!api.ended().await.success());

    // And between two.
    let api = site.serve().await;
    site.tells(&api, &held).await;
    let again = site.given(&api, 2).await;
    api.stop().await;
    cluster.lose(2);
    let said =
        site.refused(&["serve", "--listen", "127.0.0.1:0"], "the event log is behind the read tables").await;
    assert!(said.contains("`runledger restored`"), "{said}");
    let told: Value = serde_json::from_str(&site.run(&["restored", "--json"]).await).unwrap();
    assert_eq!((&told["rebuilt"], &told["previous_epoch"]), (&json!(true), &json!(again.epoch)), "{told}");
    assert!(told["head"].as_u64() < Some(again.position), "{told}");
    let api = site.serve().await;
    site.tells(&api, &again).await;
    let (status, run) = site.ask(&api, &format!("/runs/{}", kept.run), &[], None).await;
    assert_eq!((status, &run["status"]), (200, &json!("succeeded")));
    api.stop().await;
    assert!(site.run(&["projector", "verify"]).await.contains("rows are as the log says"));
    site.postgres.stop().await.unwrap();
}
