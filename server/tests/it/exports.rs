//! `runledger export`, as an auditor's colleague with access to the database calls it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use crate::support::{Dev, LOOK_AGAIN, PATIENCE, data_dir, runledger};
use serde_json::{Value, json};
use sqlx::PgPool;
use zip::ZipArchive;

/// Asks until all that the log has is sealed.
async fn sealed(db: &PgPool) {
    let sealed = "SELECT (SELECT position FROM seal.progress) = (SELECT position FROM log.head) AND NOT EXISTS (
        SELECT FROM seal.logs AS l WHERE tenant IS NOT NULL AND NOT EXISTS (
            SELECT FROM seal.checkpoints AS c WHERE c.log_id = l.log_id AND c.size = l.size AND note IS NOT NULL))";
    let asking = async {
        while !sqlx::query_scalar::<_, bool>(sealed).fetch_one(db).await.unwrap() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("sealed in time");
}

fn name_of(file: &Path, name: &str) -> Option<String> {
    let mut archive = ZipArchive::new(File::open(file).unwrap()).unwrap();
    let mut text = String::new();
    archive.by_name(name).ok()?.read_to_string(&mut text).unwrap();
    Some(text)
}

#[tokio::test]
async fn history_is_exported_to_a_file() {
    let folder = data_dir();
    let dev = Dev::start(folder.path(), &[]).await;
    let url = std::fs::read_to_string(folder.path().join("database-url")).unwrap();
    let db = PgPool::connect(url.trim()).await.unwrap();
    let export = async |args: &[&str]| {
        let mut command = runledger();
        command.args(["export", "--tenant", "demo"]).args(args).arg("--data-dir").arg(folder.path());
        let Output { status, stdout, stderr } = command.output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.success(), text(stdout), text(stderr))
    };
    let file = folder.path().join("demo.zip");
    let to = file.to_str().unwrap();
    let nobody = "01900000-0000-7000-8000-000000000000";
    let (well, _, said) = export(&["--run", nobody, "--to", to]).await;
    assert!(!well && said.contains("no export was made"), "{said}");
    assert!(!file.exists());

    let mut runs = Vec::new();
    for number in 0..3 {
        let started = dev.post("/runs", &json!({"kind": "backup", "context": {"n": number}})).await;
        let run = started["run_id"].as_str().unwrap().to_owned();
        let events = json!({"events": [{"type": "Started"}, {"type": "ItemSucceeded", "item": "a"}, {"type": "Completed"}]});
        dev.post(&format!("/runs/{run}/events"), &events).await;
        runs.push(run);
    }
    sealed(&db).await;

    let (well, said, progress) = export(&["--kind", "backup", "--to", to]).await;
    assert!(well && said.contains("12 events, 3 runs told whole"), "{said}{progress}");
    assert!(progress.contains("exporting: 100 %, "), "{progress}");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!folder.path().join("demo.zip.part").exists());
    let proof = name_of(&file, "heads.tlog-proof").unwrap();
    assert!(name_of(&file, "WARNING.txt").is_none());

    // What was kept of one export shows with the next one that nothing was changed since.
    let kept = folder.path().join("kept.tlog-proof");
    std::fs::write(&kept, &proof).unwrap();
    dev.post("/runs", &json!({"kind": "backup", "context": {"n": 9}})).await;
    sealed(&db).await;
    let args = [
        "--run",
        &runs[0],
        "--administration",
        "--since-checkpoint",
        kept.to_str().unwrap(),
        "--json",
        "--to",
        to,
    ];
    let (well, said, progress) = export(&args).await;
    assert!(well, "{said}{progress}");
    let told: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&told["runs"], &told["differences"]), (&json!(1), &json!([])), "{told}");
    let manifest: Value = serde_json::from_str(&name_of(&file, "manifest.json").unwrap()).unwrap();
    assert_eq!(manifest["consistency"].as_array().unwrap().len(), 1, "{manifest}");

    let dev_json = folder.path().join("dev.json");
    for (args, says) in [
        (vec!["--run", nobody, "--to", to], "there is no run"),
        (vec!["--run", &runs[0], "--kind", "a", "--to", to], "cannot be used with"),
        (vec!["--since", "2026-01-01", "--to", to], "not a time"),
        (
            vec!["--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z", "--to", to],
            "--until must be later",
        ),
        (vec!["--kind", "A B", "--to", to], "--kind"),
        (vec!["--since-checkpoint", dev_json.to_str().unwrap(), "--to", to], "is no checkpoint"),
        (vec!["--to", "/nowhere/at/all.zip"], "/nowhere/at/all.zip"),
    ] {
        let (well, _, said) = export(&args).await;
        assert!(!well && said.contains(says), "{args:?}: {said}");
    }
    std::fs::write(&kept, proof.replace("/t/", "/t/0")).unwrap();
    let (well, _, said) = export(&["--since-checkpoint", kept.to_str().unwrap(), "--to", to]).await;
    assert!(!well && said.contains("is of the log"), "{said}");

    let behind = format!(
        "ALTER TABLE log.events DISABLE TRIGGER ALL;
         UPDATE log.events SET metadata = '{{}}' WHERE stream = 'run-demo-{}' AND revision = 1;
         ALTER TABLE log.events ENABLE TRIGGER ALL;",
        runs[1]
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(behind)).execute(&db).await.unwrap();
    let (well, _, said) = export(&["--to", to]).await;
    assert!(
        !well && said.contains("THE EVENT LOG IS NOT WHAT WAS SEALED") && said.contains(&runs[1]),
        "{said}"
    );
    assert!(name_of(&file, "WARNING.txt").unwrap().contains(&runs[1]));
    // Where whoever reads what is said has gone, as in `| head -1`, it ends as it would have.
    for args in [&["export", "--tenant", "demo", "--to", to][..], &["seal", "audit"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = runledger();
        command.args(args).arg("--data-dir").arg(folder.path());
        command.stdout(writer.try_clone().unwrap()).stderr(writer);
        assert_eq!(command.status().await.unwrap().code(), Some(1), "{args:?}");
    }
    db.close().await;
    assert!(dev.interrupt().await);
}
