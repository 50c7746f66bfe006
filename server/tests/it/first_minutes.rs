//! What a new user meets first: which database it is, where it listens, what a wrong argument is told, and what
//! scripts get.

use std::net::TcpListener;
use std::process::Stdio;

use crate::support::site::{Site, terminated};
use crate::support::{Dev, PATIENCE, data_dir, runledger};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

/// Runs a command that must fail; gives what it said.
async fn refused(command: &mut Command) -> String {
    let output = command.output().await.unwrap();
    assert!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn dev_leaves_the_database_and_the_log_of_the_shell_alone() {
    let production = Site::start().await;
    production.run(&["migrate"]).await;
    production.run(&["tenant", "create", "acme"]).await;
    let folder = data_dir();
    let mut command = runledger();
    command.args(["dev", "--demo", "--listen", "127.0.0.1:0", "--data-dir"]).arg(folder.path());
    command
        .env("DATABASE_URL", production.url())
        .env("RUNLEDGER_EVENT_LOG", "kurrentdb://production.invalid:2113");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let worked = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("snapshot.bulk_delete") {
                return;
            }
        }
        panic!("the sample producers did nothing");
    };
    tokio::time::timeout(PATIENCE, worked).await.expect("in time");
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let mut told = Vec::new();
    while told.len() < 2 {
        let line = said.next_line().await.unwrap().expect("it says what is not used");
        told.extend(line.contains("`dev` does not use it").then_some(line));
    }
    assert!(told[0].contains("DATABASE_URL") && told[0].contains("RUNLEDGER_DEV_DATABASE_URL"), "{told:?}");
    assert!(told[1].contains("RUNLEDGER_EVENT_LOG"), "{told:?}");
    assert!(folder.path().join("postgres").exists());
    child.kill().await.unwrap();

    assert_eq!(production.run(&["tenant", "list"]).await.lines().count(), 1, "the tenant demo is not there");
    let db = PgPool::connect(&production.url()).await.unwrap();
    let head: i64 = sqlx::query_scalar("SELECT position FROM log.head").fetch_one(&db).await.unwrap();
    assert_eq!(head, 0);
    db.close().await;
    production.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn no_database_is_made_that_nobody_asked_for() {
    let folder = data_dir();
    let with = |args: &[&str]| {
        let mut command = runledger();
        command.args(args).arg("--data-dir").arg(folder.path());
        command
    };
    for args in [&["serve"][..], &["serve", "--migrate"]] {
        for url in ["", "  "] {
            let said = refused(with(args).env("DATABASE_URL", url)).await;
            assert!(said.contains("DATABASE_URL") && said.contains("--private-postgres"), "{args:?}: {said}");
        }
        let said = refused(&mut with(args)).await;
        assert!(said.contains("runledger dev"), "{args:?}: {said}");
    }
    for args in [&["projector", "run"][..], &["migrate"], &["tenant", "list"], &["projector", "verify"]] {
        let said = refused(&mut with(args)).await;
        assert!(said.contains("which database? Set DATABASE_URL"), "{args:?}: {said}");
    }
    let both =
        refused(with(&["serve", "--private-postgres"]).env("DATABASE_URL", "postgres://x@localhost/x")).await;
    assert!(both.contains("leave one of them out"), "{both}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    // Asked for, it is made, and other commands find it while it runs.
    let mut command = with(&["serve", "--private-postgres", "--listen", "127.0.0.1:0"]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    while !lines.next_line().await.unwrap().expect("it serves").contains("listening") {}
    tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
    assert!(with(&["tenant", "create", "acme"]).output().await.unwrap().status.success());
    assert!(with(&["migrate"]).output().await.unwrap().status.success());
    assert!(terminated(child).await);
}

#[tokio::test]
async fn a_taken_port_is_told_before_a_cluster_is_made() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let folder = data_dir();
    for args in [&["dev"][..], &["serve", "--private-postgres"]] {
        let mut command = runledger();
        command.args(args).args(["--listen", &address, "--data-dir"]).arg(folder.path());
        let said = refused(&mut command).await;
        assert!(said.contains(&address) && said.contains("--listen"), "{args:?}: {said}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{args:?}");
    }
}

#[tokio::test]
async fn a_host_name_can_be_listened_on() {
    let folder = data_dir();
    let dev = Dev::start_on(folder.path(), "localhost:0", &[]).await;
    let base = dev.info["base_url"].as_str().unwrap();
    let port = base.rsplit(':').next().unwrap();
    let answer = reqwest::get(format!("http://localhost:{port}/healthz")).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(dev.interrupt().await);
    for wrong in ["7311", "localhost", "::1:7311", ":7311"] {
        let said = refused(runledger().args(["serve", "--listen", wrong])).await;
        assert!(said.contains("HOST:PORT"), "{wrong}: {said}");
    }
    let said = refused(runledger().args(["dev", "--listen", "no-such-host.invalid:0"])).await;
    assert!(said.contains("no-such-host.invalid:0"), "{said}");
}

#[tokio::test]
async fn a_data_dir_that_is_a_file_is_told_so() {
    let folder = data_dir();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("deeper"), file.join("deeper/still")] {
        for args in [&["dev"][..], &["serve", "--private-postgres"], &["tenant", "list"]] {
            let said = refused(runledger().args(args).arg("--data-dir").arg(&path)).await;
            assert!(
                said.contains(&format!("{} is a file: name a folder", file.display())),
                "{args:?}: {said}"
            );
        }
    }
}

#[tokio::test]
async fn scripts_get_json() {
    let site = Site::start().await;
    site.run(&["migrate"]).await;
    let json = async |args: &[&str]| -> Value {
        let said = site.run(&[args, &["--json"]].concat()).await;
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{args:?}: {error}: {said}"))
    };
    let created = json(&["tenant", "create", "acme", "--name", "Acme"]).await;
    assert_eq!((&created["tenant"], &created["name"]), (&json!("acme"), &json!("Acme")));
    assert_eq!(json(&["tenant", "list"]).await[0]["created_at"], created["created_at"]);

    let args =
        ["token", "create", "--tenant", "acme", "--role", "producer", "--principal", "p", "--expires", "90d"];
    let token = json(&args).await;
    assert!(
        token["token"].as_str().unwrap().starts_with("rlg_") && token["expires_at"].is_string(),
        "{token}"
    );
    let endless = json(&args[..args.len() - 2]).await;
    assert_eq!(endless["expires_at"], Value::Null);
    let listed = json(&["token", "list", "--tenant", "acme"]).await;
    assert_eq!(listed.as_array().unwrap().len(), 2);
    assert_eq!((&listed[0]["token_id"], &listed[0]["role"]), (&token["token_id"], &json!("producer")));
    assert!(listed[0]["expires_at"].is_string() && listed[0]["token"].is_null(), "{listed}");
    let shown = site.run(&["token", "list", "--tenant", "acme"]).await;
    assert!(shown.lines().next().unwrap().contains("until 20") && shown.contains("active"), "{shown}");
    let revoked = json(&["token", "revoke", token["token_id"].as_str().unwrap()]).await;
    assert_eq!(revoked, json!({"token_id": token["token_id"], "revoked": true}));
    // A variable does as well as the flag.
    let by_variable = site
        .command(&["token", "list"])
        .env("RUNLEDGER_JSON", "true")
        .env("RUNLEDGER_TENANT", "acme")
        .output();
    let by_variable: Value = serde_json::from_slice(&by_variable.await.unwrap().stdout).unwrap();
    assert!(by_variable[0]["revoked_at"].is_string(), "{by_variable}");

    let policy =
        json(&["policy", "set", "--tenant", "acme", "--kind", "*", "--queued-limit-seconds", "5"]).await;
    assert_eq!((&policy["kind"], &policy["queued_limit_seconds"]), (&json!("*"), &json!(5)));
    assert_eq!(json(&["policy", "list"]).await, json!([policy]));
    assert_eq!(json(&["policy", "remove", "--tenant", "acme", "--kind", "*"]).await["removed"], true);
    assert_eq!(json(&["tenant", "revoke", "acme"]).await, json!({"tenant": "acme", "revoked_tokens": 1}));

    assert_eq!(json(&["projector", "retry"]).await, json!([]));
    let verified = json(&["projector", "verify"]).await;
    let nothing = json!({
        "rows": 0, "wrong_rows": 0, "differences": [], "unreadable_events": [], "log_is_wrong": false,
    });
    assert_eq!(verified, nothing);
    site.sql("INSERT INTO projection.run_counts VALUES ('acme', 'k', 'queued', 3, 1)").await;
    let output = site.output(&["projector", "verify", "--json"]).await;
    assert!(!output.status.success(), "the exit code is the same");
    let verified: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&verified["wrong_rows"], &verified["differences"][0]["wrong"]),
        (&json!(1), &json!("one_too_many"))
    );
    assert_eq!(verified["differences"][0]["table"], "run_counts");
    let rebuilt = json(&["projector", "rebuild"]).await;
    assert_eq!((&rebuilt["to"], &rebuilt["held_events"]), (&json!(0), &json!(0)));
    site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_copy_of_nothing_is_not_called_a_copy() {
    let site = Site::start().await;
    site.run(&["migrate"]).await;
    let said = site
        .refused(&["log", "copy", "--from", "postgres", "--to", "kurrentdb://nowhere.invalid:2113"])
        .await;
    assert!(said.contains("the event log postgres holds no events: there is nothing to copy"), "{said}");
    let said = site.refused(&["log", "copy", "--from", "postgres", "--to", "postgres"]).await;
    assert!(said.contains("both called postgres"), "{said}");
    site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn an_end_that_is_no_time_to_come_is_refused_with_the_forms() {
    let site = Site::start().await;
    site.run(&["migrate"]).await;
    site.run(&["tenant", "create", "acme"]).await;
    for (expires, words) in
        [("soon", "such as 90d"), ("2020-01-01", "is over already"), ("0d", "is over already")]
    {
        let args = [
            "token",
            "create",
            "--tenant",
            "acme",
            "--role",
            "owner",
            "--principal",
            "p",
            "--expires",
            expires,
        ];
        let said = site.refused(&args).await;
        assert!(said.contains(words), "{expires}: {said}");
    }
    assert_eq!(site.run(&["token", "list", "--tenant", "acme"]).await, "");
    site.postgres.stop().await.unwrap();
}

/// The README's requests, as they stand there, with the address and the folder of this test.
#[tokio::test]
async fn the_readme_takes_a_run_through_its_life() {
    let readme = include_str!("../../../README.md");
    let (_, requests) = readme.split_once("## A run in four requests").unwrap();
    let script = requests.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let folder = data_dir();
    let dev = Dev::start(folder.path(), &[]).await;
    let script = script
        .replace("http://127.0.0.1:7311", dev.info["base_url"].as_str().unwrap())
        .replace(".runledger/", &format!("{}/", folder.path().display()));
    // -u: a variable that nothing has set is an error.
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().await.unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{out}\n{err}");
    assert!(err.contains("\"run_id\"") && err.contains("\"position\""), "answers are shown: {err}");
    assert!(out.contains("partially_succeeded") && out.contains("\"status\":\"queued\""), "{out}");
    assert!(dev.interrupt().await);
}
