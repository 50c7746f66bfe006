//! `runledger seal` at the terminal.

use std::process::Output;

use serde_json::json;
use sqlx::PgPool;

use crate::support::{Dev, LOOK_AGAIN, PATIENCE, data_dir, runledger};

/// What a key file tells is only worth something of the ledger that is sealed with it.
#[tokio::test]
async fn a_key_file_of_another_ledger_is_refused() {
    let folder = data_dir();
    let dev = Dev::start(folder.path(), &[]).await;
    dev.post("/runs", &json!({"kind": "backup", "context": {}})).await;
    let url = std::fs::read_to_string(folder.path().join("database-url")).unwrap();
    let db = PgPool::connect(url.trim()).await.unwrap();
    let signed = async {
        let signed = "SELECT EXISTS (SELECT FROM seal.checkpoints JOIN seal.logs USING (log_id)
                      WHERE tenant IS NULL AND note IS NOT NULL)";
        while !sqlx::query_scalar::<_, bool>(signed).fetch_one(&db).await.unwrap() {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    tokio::time::timeout(PATIENCE, signed).await.expect("signed in time");
    db.close().await;

    let seal = async |args: &[&str], key: &str, database: bool| {
        let mut command = runledger();
        command.arg("seal").args(args).args(["--seal-key", key]);
        if database {
            command.arg("--data-dir").arg(folder.path());
        }
        let Output { status, stdout, stderr } = command.output().await.unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (status.success(), text(stdout), text(stderr))
    };
    let (ours, other) = (folder.path().join("seal.key"), folder.path().join("other.key"));
    let (ours, other) = (ours.to_str().unwrap(), other.to_str().unwrap());
    let (well, _, said) = seal(&["keygen", "--ledger-name", "other.example"], other, false).await;
    assert!(well, "{said}");
    for args in [&["policy", "--tenant", "demo"][..], &["status"]] {
        let (well, said, failed) = seal(args, ours, true).await;
        assert!(well && said.contains("/t/"), "{args:?}: {said}{failed}");
        let (well, said, failed) = seal(args, other, true).await;
        assert!(!well && said.is_empty(), "{args:?}: {said}");
        let says =
            format!("{other} is not the key file of the ledger in this database: it is for other.example");
        assert!(failed.contains(&says), "{args:?}: {failed}");
    }
    assert!(dev.interrupt().await);
}
