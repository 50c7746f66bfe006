//! Time stamps in receipts and exports: tied to what they cover, and checked by the command that the report prints.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use access::Role;
use serde_json::json;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use tests::TestApp;

use super::authority::Authority;
use super::support::{Sealing, download, sealed};

/// What stands indented in a report, to be run: the last lines that are.
fn printed(report: &str) -> String {
    let lines: Vec<&str> = report
        .lines()
        .filter_map(|line| line.strip_prefix("    ").filter(|line| !line.starts_with(' ')))
        .collect();
    lines.join("\n")
}

fn runs(folder: &Path, script: &str) -> bool {
    let done = Command::new("sh").args(["-ec", script]).current_dir(folder).output().unwrap();
    done.status.success()
}

/// What `verify.py` ends with, and says.
fn by_python(folder: &Path, file: &str) -> (Option<i32>, String) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../verify/verify.py");
    let mut python = Command::new("python3");
    let done = python.args(["-I", script, file, "--policy", "policy"]).current_dir(folder).output().unwrap();
    (done.status.code(), String::from_utf8(done.stdout).unwrap())
}

#[sqlx::test(migrator = "migrations::MIGRATOR")]
async fn a_time_stamp_covers_what_it_should_and_openssl_agrees(
    pool: PgPoolOptions,
    database: PgConnectOptions,
) {
    let app = TestApp::start(pool, database).await;
    let authority = Authority::start().await;
    let sealing = Sealing::stamped(&app, &authority.url).await;
    let (producer, other) = (app.producer(), app.client_of("other", Role::Producer));
    let mut position = 0;
    let mut runs_of = Vec::new();
    for n in 0..5 {
        let started = producer.post("/runs", &json!({"kind": "a", "context": {"n": n}})).await.expect(201);
        runs_of.push(started.text_at("/run_id"));
        other.new_run("b", json!({"n": n})).await;
        position = started.number_at("/position");
        sealed(&producer, position).await;
    }
    // Until what is sealed by now is stamped, too.
    let stamped = "SELECT count(*) FROM seal.time_stamps AS t WHERE t.size > (
        SELECT min(c.leaf) FROM seal.checkpoints AS c JOIN seal.logs USING (log_id) WHERE tenant = 'demo' AND c.position >= $1)";
    let waiting = async {
        let asked =
            || sqlx::query_scalar::<_, i64>(stamped).bind(position.cast_signed()).fetch_one(&app.pool);
        while asked().await.unwrap() == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(120), waiting).await.expect("stamped in time");
    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(authority.certificate(), folder.path().join("AUTHORITY.pem")).unwrap();

    for run in &runs_of {
        let answer = producer.get(&format!("/runs/{run}/events/0/receipt")).await.expect(200);
        let proof: seal::tlog_proof::TlogProof = answer.text_at("/proof").parse().unwrap();
        let origin = proof.checkpoint.text.lines().next().unwrap();
        let report = verify::receipt(answer.text.as_bytes(), &sealing.policy(origin)).unwrap();
        let stamp = report.time_stamp.clone().unwrap();
        // By the very checkpoint that sealed it.
        assert_eq!((stamp.entries, stamp.ledger.as_str()), (report.size, "ledger.test"));
        std::fs::write(folder.path().join("RECEIPT"), &answer.text).unwrap();
        std::fs::write(folder.path().join("policy"), sealing.policy_text(origin)).unwrap();
        let script = printed(&report.to_string());
        assert!(script.contains("openssl ts -verify -digest") && runs(folder.path(), &script), "{script}");
        let forged = script.replace("-digest ", "-digest 00").replace(" -in", "00 -in");
        assert!(!runs(folder.path(), &forged));
        // Of everything in between a consistency proof is there, and here none is needed.
        assert_eq!(answer.body["time_stamp"]["consistency"], json!([]));
    }

    let mut claimed = Vec::new();
    for (client, name) in
        [(app.client(Role::Auditor), "demo"), (app.client_of("other", Role::Auditor), "other")]
    {
        let export = download(&client, "/export").await;
        let report = export.verified(&sealing, None).unwrap();
        let stamp = report.time_stamp.clone().unwrap();
        assert!(stamp.entries <= report.size && stamp.entries > 0, "{name}: {report:?}");
        for file in ["timestamp.checkpoint", "timestamp.tsr"] {
            std::fs::write(folder.path().join(file), &export.files[file]).unwrap();
        }
        let script = printed(&report.to_string());
        assert!(script.contains("openssl ts -verify -data") && runs(folder.path(), &script), "{script}");
        std::fs::write(folder.path().join("export.zip"), &export.bytes).unwrap();
        std::fs::write(folder.path().join("policy"), sealing.policy_text(&report.origin)).unwrap();
        // Which checks all but the time stamp, and says so.
        let (code, said) = by_python(folder.path(), "export.zip");
        assert!(code == Some(3) && said.contains("'timestamp.tsr'"), "{said}");
        claimed.push(stamp.ledger);
    }
    assert_eq!(claimed, ["ledger.test", "ledger.test"], "one covers all tenants");
    sealing.stop().await;
    app.stop().await;
}
