//! `runledger projector retry`, `rebuild` and `verify`, as an operator calls them.

use std::process::Output;

use crate::support::{Dev, LOOK_AGAIN, PATIENCE, data_dir, runledger};
use serde_json::{Value, json};
use sqlx::PgPool;
use tempfile::TempDir;

/// A running program, and the superuser's hands on its tables.
struct Scene {
    dev: Dev,
    db: PgPool,
    folder: TempDir,
}

impl Scene {
    async fn start() -> Self {
        let folder = data_dir();
        let dev = Dev::start(folder.path(), &[]).await;
        let url = std::fs::read_to_string(folder.path().join("database-url")).unwrap();
        Self { dev, db: PgPool::connect(url.trim()).await.unwrap(), folder }
    }

    async fn sql(&self, sql: &'static str) {
        sqlx::raw_sql(sql).execute(&self.db).await.unwrap();
    }

    /// A run with these items, ended; gives its id once it is projected.
    async fn run(&self, number: u32, items: &[&str]) -> String {
        let started = self.dev.post("/runs", &json!({"kind": "backup", "context": {"n": number}})).await;
        let run = started["run_id"].as_str().unwrap().to_owned();
        let mut events = vec![json!({"type": "Started"})];
        events.extend(items.iter().map(|item| json!({"type": "ItemSucceeded", "item": item})));
        events.push(json!({"type": "Completed"}));
        let ended = self.dev.post(&format!("/runs/{run}/events"), &json!({"events": events})).await;
        self.dev.get(&format!("/runs/{run}?after={}", ended["position"])).await;
        run
    }

    /// Calls `runledger projector`; gives whether it ended well, its output and what it said beside.
    async fn projector(&self, args: &[&str]) -> (bool, String, String) {
        let mut command = runledger();
        command.arg("projector").args(args).arg("--data-dir").arg(self.folder.path());
        let Output { status, stdout, stderr } = command.output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.success(), text(stdout), text(stderr))
    }

    async fn ready(&self) -> Value {
        let url = format!("{}/readyz", self.dev.info["base_url"].as_str().unwrap());
        reqwest::get(url).await.unwrap().json().await.unwrap()
    }

    /// Asks until so many events are held.
    async fn holds(&self, letters: u64) -> Value {
        let asking = async {
            loop {
                let ready = self.ready().await;
                if ready["dead_letters"] == letters {
                    return ready;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking).await.expect("held in time")
    }
}

#[tokio::test]
async fn what_was_tampered_with_is_named_and_mended() {
    let scene = Scene::start().await;
    let mut runs = Vec::new();
    for number in 0..4 {
        runs.push(scene.run(number, &["a", "b"]).await);
    }
    let (well, said, progress) = scene.projector(&["verify"]).await;
    assert!(well && said.contains("rows are as the log says"), "{said}");
    assert!(
        progress.contains("folding: 100 %, at position ") && progress.contains("comparing runs"),
        "{progress}"
    );

    let id = runs[0].clone();
    let tamper = format!(
        "UPDATE projection.runs SET status = 'failed' WHERE run_id = '{id}';
         DELETE FROM projection.run_items WHERE run_id = '{}' AND item = 'a';
         UPDATE projection.run_items SET item = 'c' WHERE run_id = '{}' AND item = 'b'",
        runs[1], runs[2]
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(tamper)).execute(&scene.db).await.unwrap();
    let (well, said, _) = scene.projector(&["verify"]).await;
    assert!(!well, "{said}");
    let line = |words: &[&str]| said.lines().any(|line| words.iter().all(|word| line.contains(word)));
    assert!(line(&["runs ", &id, r#"status is "failed", the log says "succeeded""#]), "{said}");
    assert!(line(&["run_items ", &runs[1], r#"item="a""#, "is missing"]), "{said}");
    assert!(line(&["run_items ", &runs[2], r#"item="c""#, "one too many"]), "{said}");
    assert!(line(&["wrong rows: 4,", "runledger projector rebuild"]), "{said}");

    // One run, then all of them.
    let (well, said, _) = scene.projector(&["verify", "--run", &id]).await;
    assert!(!well && said.contains("wrong rows: 1,"), "{said}");
    let (well, said, _) = scene.projector(&["rebuild", "--run", &id]).await;
    assert!(well && said.contains("folded anew"), "{said}");
    assert!(scene.projector(&["verify", "--run", &id]).await.0);
    assert!(!scene.projector(&["verify"]).await.0);
    let (well, said, progress) = scene.projector(&["rebuild"]).await;
    assert!(well && said.contains("the new tables serve"), "{said}{progress}");
    assert!(progress.contains("rebuilding: 100 %, at position "), "{progress}");
    assert!(scene.projector(&["verify"]).await.0);
    // The projector goes on with the new tables.
    scene.run(9, &["a"]).await;

    // Under another tenant's name it is no run of the log, and its rows stay.
    let (well, _, said) = scene.projector(&["rebuild", "--run", &id, "--tenant", "acme"]).await;
    assert!(!well && said.contains(&format!("no events of run-acme-{id}")), "{said}");
    assert_eq!(scene.dev.get(&format!("/runs/{id}")).await["status"], "succeeded");

    let nobody = "01900000-0000-7000-8000-000000000000";
    let (well, _, said) = scene.projector(&["rebuild", "--run", nobody]).await;
    assert!(!well && said.contains("name the tenant"), "{said}");
    let (well, _, said) = scene.projector(&["verify", "--run", "7f6e9a4c-0000-4000-8000-000000000000"]).await;
    assert!(!well && said.contains("--run"), "{said}");
    assert!(scene.dev.interrupt().await);
}

#[tokio::test]
async fn a_held_run_is_shown_and_drained() {
    let scene = Scene::start().await;
    scene.sql("ALTER TABLE projection.run_items ADD CONSTRAINT refused CHECK (item <> 'poison')").await;
    let run = scene.run(0, &["poison", "b"]).await;
    let other = scene.run(1, &["a"]).await;

    let shown = scene.dev.get(&format!("/runs/{run}")).await;
    assert_eq!((&shown["status"], &shown["held"]["revision"]), (&json!("running"), &json!(2)), "{shown}");
    assert!(shown["held"]["message"].as_str().unwrap().contains("refused"), "{shown}");
    assert_eq!(scene.dev.get(&format!("/runs/{other}")).await["held"], Value::Null);
    let list = scene.dev.get("/runs?held=true").await;
    assert_eq!(list["runs"].as_array().unwrap().len(), 1, "{list}");
    assert_eq!(list["runs"][0]["run_id"], run.as_str());
    assert_eq!(scene.holds(3).await["held_runs"], 1);

    let (well, said, _) = scene.projector(&["retry"]).await;
    assert!(!well && said.contains("3 of 3 events still held"), "{said}");
    scene.sql("ALTER TABLE projection.run_items DROP CONSTRAINT refused").await;
    let (well, said, _) = scene.projector(&["retry", "--run", &run]).await;
    assert!(well && said.contains("all 3 events folded"), "{said}");
    let shown = scene.dev.get(&format!("/runs/{run}")).await;
    assert_eq!((&shown["status"], &shown["held"]), (&json!("succeeded"), &Value::Null), "{shown}");
    let (well, said, _) = scene.projector(&["retry"]).await;
    assert!(well && said.contains("nothing is held"), "{said}");
    assert_eq!(scene.holds(0).await["held_runs"], 0);
    assert!(scene.projector(&["verify"]).await.0);
    assert!(scene.dev.interrupt().await);
}
