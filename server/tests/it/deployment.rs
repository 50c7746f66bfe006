//! A real deployment: a database of the operator's, two API processes, the projector by itself.

use std::time::Duration;

use crate::support::site::{Site, terminated};
use crate::support::{LOOK_AGAIN, PATIENCE};
use serde_json::{Value, json};

#[tokio::test]
async fn two_api_processes_and_a_projector_share_a_database() {
    let site = Site::start().await;

    let early = site.output(&["serve", "--listen", "127.0.0.1:0"]).await;
    assert!(!early.status.success());
    let said = String::from_utf8_lossy(&early.stderr).into_owned();
    assert!(said.contains("runledger migrate"), "says what to do: {said}");

    site.run(&["migrate"]).await;
    site.run(&["migrate"]).await;
    site.run(&["tenant", "create", "acme"]).await;
    let token = |role: &'static str| {
        let site = &site;
        async move {
            let args = ["token", "create", "--tenant", "acme", "--role", role, "--principal", role];
            site.run(&args).await.trim().to_owned()
        }
    };
    let (producer, operator) = (token("producer").await, token("operator").await);
    let ((one, first), (two, second)) = (site.api(&[]).await, site.api(&[]).await);
    let projector = site.command(&["projector", "run"]).spawn().unwrap();

    // The same operation at both of them, again and again at once: one run.
    let start = json!({"kind": "backup", "context": {"set": 1}});
    let starts = (0..20).map(|n| {
        let base = if n % 2 == 0 { &first } else { &second };
        site.post(base, "/runs", &producer, &start)
    });
    let answers = futures::future::join_all(starts).await;
    let run = answers[0].1["run_id"].as_str().unwrap().to_owned();
    assert!(answers.iter().all(|(_, body)| body["run_id"] == run.as_str()));
    assert_eq!(answers.iter().filter(|(status, _)| *status == 201).count(), 1);

    // Two writers on one run, a process each.
    let path = format!("/runs/{run}/events");
    let (status, _) = site.post(&first, &path, &producer, &json!({"events": [{"type": "Started"}]})).await;
    assert_eq!(status, 200);
    let writers = [("a", &first), ("b", &second)].map(|(writer, base)| {
        let (site, path, producer) = (&site, &path, &producer);
        async move {
            for n in 0..50 {
                let item = json!({"events": [{"type": "ItemSucceeded", "item": format!("{writer}{n}")}]});
                let (status, body) = site.post(base, path, producer, &item).await;
                assert_eq!(status, 200, "{body}");
            }
        }
    });
    futures::future::join_all(writers).await;
    let (status, ended) =
        site.post(&second, &path, &producer, &json!({"events": [{"type": "Completed"}]})).await;
    assert_eq!((status, ended["revision"].as_u64()), (200, Some(102)));

    let url = format!("{first}/v1/tenants/acme/runs/{run}?after={}", ended["position"]);
    let row: Value = site.http.get(url).bearer_auth(&operator).send().await.unwrap().json().await.unwrap();
    assert_eq!((&row["status"], &row["items"]["succeeded"]), (&json!("succeeded"), &json!(100)));

    assert!(site.run(&["tenant", "revoke", "acme"]).await.starts_with("2 tokens"));
    let refused = async {
        while site.post(&second, "/runs", &producer, &start).await.0 != 401 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), refused).await.expect("revoked everywhere");

    assert!(terminated(projector).await && terminated(one).await && terminated(two).await);
    site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn a_stuck_run_is_presumed_failed_once_a_policy_says_so() {
    let site = Site::start().await;
    site.run(&["migrate"]).await;
    let unknown = site.output(&["policy", "set", "--tenant", "acme", "--kind", "backup"]).await;
    assert!(!unknown.status.success() && String::from_utf8_lossy(&unknown.stderr).contains("no tenant acme"));
    site.run(&["tenant", "create", "acme"]).await;
    let args = ["token", "create", "--tenant", "acme", "--role", "producer", "--principal", "p"];
    let producer = site.run(&args).await.trim().to_owned();

    let policy = ["policy", "set", "--tenant", "acme", "--kind", "backup"];
    let shown = site.run(&[&policy[..], &["--queued-limit-seconds", "1"]].concat()).await;
    assert!(shown.contains("queued for 1 s at most") && shown.contains("only shown"), "{shown}");
    let shown = site.run(&[&policy[..], &["--fail-stale", "true"]].concat()).await;
    assert!(shown.contains("queued for 1 s at most") && shown.contains("presumed failed"), "{shown}");
    site.run(&["policy", "set", "--tenant", "acme", "--kind", "*"]).await;
    assert_eq!(site.run(&["policy", "list", "--tenant", "acme"]).await.lines().count(), 2);
    site.run(&["policy", "remove", "--tenant", "acme", "--kind", "*"]).await;
    assert_eq!(site.run(&["policy", "list"]).await, shown);

    // Two sweepers, and a process without one.
    let (one, base) = site.api(&["--stale-grace-seconds", "0"]).await;
    let (two, _) = site.api(&["--stale-grace-seconds", "0"]).await;
    let (three, _) = site.api(&["--no-sweeper"]).await;
    let projector = site.command(&["projector", "run"]).spawn().unwrap();
    let (status, run) = site.post(&base, "/runs", &producer, &json!({"kind": "backup", "context": {}})).await;
    assert_eq!(status, 201);
    let next = run["position"].as_u64().unwrap() + 1;
    let url = format!("{base}/v1/tenants/acme/runs/{}?after={next}", run["run_id"].as_str().unwrap());
    let presumed = async {
        loop {
            // The next event is waited for once the log has it; before that it is ahead of the log.
            let answer = site.http.get(&url).bearer_auth(&producer).send().await.unwrap();
            if answer.status() == 200 {
                return answer.json::<Value>().await.unwrap();
            }
            assert_eq!(answer.json::<Value>().await.unwrap()["code"], "position_ahead");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    };
    let row = tokio::time::timeout(PATIENCE, presumed).await.expect("a sweeper finds it");
    assert_eq!((&row["status"], &row["presumed"]), (&json!("failed"), &json!(true)), "{row}");
    assert_eq!((&row["reason_code"], &row["revision"]), (&json!("stale"), &json!(1)), "{row}");
    let stopped = [terminated(projector), terminated(one)];
    let stopped = futures::future::join_all(stopped).await;
    assert!(stopped.into_iter().all(|well| well) && terminated(two).await && terminated(three).await);
    site.postgres.stop().await.unwrap();
}

#[tokio::test]
async fn the_secret_for_keys_can_come_from_a_file_and_never_changes() {
    let site = Site::start().await;
    site.run(&["migrate"]).await;
    site.run(&["tenant", "create", "acme"]).await;
    let args = ["token", "create", "--tenant", "acme", "--role", "producer", "--principal"];
    for alike in ["system", "System", "ann\u{200b}"] {
        let refused = site.output(&[&args[..], &[alike]].concat()).await;
        assert!(!refused.status.success() && refused.stdout.is_empty(), "{alike}");
        assert!(
            String::from_utf8_lossy(&refused.stderr).contains("can be made for the principal"),
            "{alike}"
        );
    }
    let producer = site.run(&[&args[..], &["p"]].concat()).await.trim().to_owned();

    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (own, other) = (file("own", &format!("{}\n", "0a".repeat(32))), file("other", &"0b".repeat(32)));
    let with = |path: &str| ["--idempotency-secret-file".to_owned(), path.to_owned()];
    let serve = async |path: &str| {
        let more = with(path);
        site.api(&[&more[0], &more[1]]).await
    };
    let (api, base) = serve(&own).await;
    let start = json!({"kind": "backup", "context": {"set": 1}});
    let (status, started) = site.post(&base, "/runs", &producer, &start).await;
    assert_eq!(status, 201, "{started}");
    assert!(terminated(api).await);
    let (api, base) = serve(&own).await;
    let (status, again) = site.post(&base, "/runs", &producer, &start).await;
    assert_eq!((status, &again["run_id"]), (200, &started["run_id"]));
    assert!(terminated(api).await);

    for (path, says) in [
        (other, "not the one by which this ledger"),
        (file("short", "0a0b"), "64 hex digits"),
        (folder.path().join("absent").to_str().unwrap().to_owned(), "absent"),
    ] {
        let args = ["serve", "--listen", "127.0.0.1:0", "--idempotency-secret-file", &path];
        let refused = tokio::time::timeout(PATIENCE, site.output(&args)).await.unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(says), "{said}");
    }
    // Without a file the database's own counts, which is the same one now.
    let (api, base) = site.api(&[]).await;
    assert_eq!(site.post(&base, "/runs", &producer, &start).await.0, 200);
    assert!(terminated(api).await);
    site.postgres.stop().await.unwrap();
}
